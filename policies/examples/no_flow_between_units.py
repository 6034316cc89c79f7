"""Two ways to let a neighbour in: a line of the unit's fragment on the core router, and a NetworkPolicy."""

import json

import pulumi
import pulumi_kubernetes as k8s
from parts import metadata

from donvi.provider import resources as donvi

DOCUMENTS = "\t10.3.64.10-10.3.64.199 . 10.0.1.20 . tcp . 8441,"  # from Vũng Tàu's office to a system of the city
NEIGHBOUR = "\t10.3.64.10-10.3.64.199 . 10.1.0.10 . tcp . 445,"  # to another unit's office
PLACE = "192.0.2.1"  # nobody: what is only rendered contacts no machine
DEPLOYMENT = {
    "city_domain": "tphcm.test",
    "vault": {"address": f"https://{PLACE}:8200"},
    "directory": {"url": f"ldaps://{PLACE}"},
    "mail": {"smtp": PLACE, "submission": PLACE, "imap": PLACE, "doveadm": f"https://{PLACE}"},
    "dns": {"server": PLACE, "port": 53},
}


def program(*, repaired: bool) -> None:
    """Declare the fragment and the NetworkPolicy."""
    lines = [DOCUMENTS] if repaired else [DOCUMENTS, NEIGHBOUR]
    donvi.Configuration(
        "router",
        unit="26506",
        key="machine/router",
        machine="core",
        playbook="router",
        files={"nftables": "\n".join(["add element inet donvi unit_26506_4 {", *lines, "}"])},
        settings={"rollback_seconds": 20},
        preview="rendered",
        opts=pulumi.ResourceOptions(provider=donvi.CityProvider("city", deployment=json.dumps(DEPLOYMENT))),
    )
    gateway = {"kubernetes.io/metadata.name": "city-gateway"}
    k8s.networking.v1.NetworkPolicy(
        "web-portal",
        metadata=metadata("web-portal"),
        spec={
            "pod_selector": {},
            "policy_types": ["Ingress"],
            "ingress": [
                {
                    "from_": [
                        {"namespace_selector": {"match_labels": gateway if repaired else {"donvi/unit": "25747"}}}
                    ],
                    "ports": [{"protocol": "TCP", "port": 8443}],
                }
            ],
        },
    )
