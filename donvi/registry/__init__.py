"""The city's data as frozen values.

Goes in: parsing ``city/`` (units, ledger, systems, sites, people), normalising names and slugs, allocating numbers.
Stays out: anything that derives a tenancy (``donvi.tenancy``), any server, Pulumi.
"""

from donvi.registry.city import city_folder, load_city
from donvi.registry.images import Image
from donvi.registry.lookup import find_unit
from donvi.registry.model import Allotment, City, Person, Post, Role, Settings, Site, System, Unit, Zone

__all__ = [
    "Allotment",
    "City",
    "Image",
    "Person",
    "Post",
    "Role",
    "Settings",
    "Site",
    "System",
    "Unit",
    "Zone",
    "city_folder",
    "find_unit",
    "load_city",
]
