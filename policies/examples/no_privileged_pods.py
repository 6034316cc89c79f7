"""A privileged container: root on the node, and so in every unit's pods."""

from parts import SECURITY, site


def program(*, repaired: bool) -> None:
    """Declare the site."""
    # the API itself refuses "privileged without escalation", so both are what somebody would write
    privileged = {**SECURITY, "allow_privilege_escalation": True, "privileged": True}
    site(security_context=SECURITY if repaired else privileged)
