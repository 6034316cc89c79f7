"""A unit's component web site as files.

Goes in: turning what the site says (:class:`donvi.tenancy.model.SitePage`) into text, the same bytes each time.
Stays out: deciding what it says (``donvi.tenancy.site``), serving it (``tools/site``), Pulumi, any server.
"""

from donvi.site.render import render

__all__ = ["render"]
