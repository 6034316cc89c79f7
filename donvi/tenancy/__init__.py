"""The pure function from the city's data to one frozen description of a unit.

Goes in: what a unit has on every shared system, as data. Stays out: input and output, Pulumi, servers.
"""

from donvi.tenancy.describe import describe
from donvi.tenancy.model import Platform, Tenancy
from donvi.tenancy.platform import platform_description

__all__ = ["Platform", "Tenancy", "describe", "platform_description"]
