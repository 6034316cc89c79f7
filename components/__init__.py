"""One Pulumi component per concern; ``UnitTenancy`` composes them for a unit, ``CityPlatform`` is what units share.

Goes in: which resources a description becomes, their parents, names and order. Stays out: deriving anything from the
city's data (``donvi.tenancy``), talking to a server (``donvi.backends``). A component ``X`` takes its description
whole, as ``XConfig``. ``components.apps`` is imported by whoever has apps: it brings Kubernetes' types along.
"""

from components.accounts import Accounts, AccountsConfig
from components.certificates import Certificates, CertificatesConfig
from components.city import CityPlatform, CityPlatformConfig
from components.machines import Endpoints, MachinesConfig, Network
from components.mailboxes import Mailboxes, MailboxesConfig
from components.names import Names, NamesConfig
from components.unit import UnitTenancy, UnitTenancyConfig

__all__ = [
    "Accounts",
    "AccountsConfig",
    "Certificates",
    "CertificatesConfig",
    "CityPlatform",
    "CityPlatformConfig",
    "Endpoints",
    "MachinesConfig",
    "Mailboxes",
    "MailboxesConfig",
    "Names",
    "NamesConfig",
    "Network",
    "UnitTenancy",
    "UnitTenancyConfig",
]
