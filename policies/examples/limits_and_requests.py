"""A container without a limit of memory: it takes what other units' pods need."""

from parts import RESOURCES, site


def program(*, repaired: bool) -> None:
    """Declare the site."""
    unlimited = {**RESOURCES, "limits": {"cpu": "100m"}}
    site(resources=RESOURCES if repaired else unlimited)
