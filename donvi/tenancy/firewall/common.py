"""Rules that gateways and the core router share."""

from __future__ import annotations

from donvi.tenancy.names import MANAGEMENT_INTERFACE

SSH = 22

HOOK_INGRESS = "prerouting priority raw"
HOOK_FORWARD = "forward priority filter"
HOOK_INPUT = "input priority filter"
HOOK_OUTPUT = "output priority filter"

FORGED = ("forged", "the source address doesn't belong to the interface")
INVALID = ("invalid", "belongs to no connection and can't open one")
INPUT_DENIED = ("input_denied", "meant for this machine, and no service of it")

LINK_LOCAL = "ip6 saddr { ::, fe80::/10 } meta l4proto ipv6-icmp accept"
"""Neighbour discovery, multicast listeners (RFC 4861, RFC 3810); no router forwards such a source (RFC 4291, 2.5.6)."""

NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept"

ERRORS = "ct state related accept"
"""The errors that path MTU discovery needs (RFC 4890, 4.3.1); each quotes a packet of a connection."""

ANSWERS = "ct direction reply accept"
"""Answers to what the machine itself opened, and errors about it."""

REFUSE_INVALID = "ct state invalid counter name invalid drop"

OPERATOR = f'iifname "{MANAGEMENT_INTERFACE}" tcp dport {SSH} accept'


def ingress(sets: tuple[str, ...]) -> list[str]:
    """Return the rules that bind a source address to the interface it may come from.

    :param sets: names of the sets of sources without the family's number.
    """
    bound = [
        f"iifname . {family} saddr @{identifier}{number} accept"
        for identifier in sets
        for family, number in (("ip", 4), ("ip6", 6))
    ]
    return [f'iifname {{ "lo", "{MANAGEMENT_INTERFACE}" }} accept', *bound, LINK_LOCAL, "counter name forged"]
