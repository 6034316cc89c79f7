"""Names that the lab's tests share."""

UNIT = "26506"
GATEWAY = f"gw-{UNIT}"
