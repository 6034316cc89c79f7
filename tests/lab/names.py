"""Names that the lab's tests share."""

UNIT = "26506"
GATEWAY = f"gw-{UNIT}"
WORKSTATION = f"ws-{UNIT}"
ZONES = ("gov", "party", "national", "public")
MACHINES = ("core", "dc", *(f"zone-{zone}" for zone in ZONES), "kube", GATEWAY, WORKSTATION)
