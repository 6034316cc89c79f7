"""An image named by its tag: whoever can push to the registry decides tomorrow what it is."""

from parts import IMAGE, site


def program(*, repaired: bool) -> None:
    """Declare the site."""
    site(image=IMAGE if repaired else "registry.tphcm.test/site:latest")
