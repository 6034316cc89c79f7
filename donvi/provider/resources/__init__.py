"""The typed resources that components declare: one class per token of the provider, and the provider's own.

Goes in: names and types of inputs and outputs, nothing that runs. What a resource does is in
``donvi.provider.handlers``.
Every resource has ``unit`` and ``key`` (together its owner mark) and the output ``changed_at``.
"""

from donvi.provider.resources.base import CityProvider, DonviResource
from donvi.provider.resources.directory import Account, Group, OrganizationalUnit
from donvi.provider.resources.kubernetes import CertificateSecret
from donvi.provider.resources.machine import Configuration
from donvi.provider.resources.mail import Alias, Mailbox
from donvi.provider.resources.names import RecordSet
from donvi.provider.resources.vault import AppRole, Certificate, LoginGroup, PkiRole, PkiUrls, Policy, Rule, TransitKey
from donvi.provider.resources.verify import Verification

__all__ = [
    "Account",
    "Alias",
    "AppRole",
    "Certificate",
    "CertificateSecret",
    "CityProvider",
    "Configuration",
    "DonviResource",
    "Group",
    "LoginGroup",
    "Mailbox",
    "OrganizationalUnit",
    "PkiRole",
    "PkiUrls",
    "Policy",
    "RecordSet",
    "Rule",
    "TransitKey",
    "Verification",
]
