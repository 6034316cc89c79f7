"""Names that follow from a city and a unit: DNs, host names, paths. The one home of their form.

Nothing here needs escaping: codes, ids, slugs and mail addresses were checked by the registry and hold letters, digits,
dots, dashes and ``@`` only. What people wrote (names, titles) never becomes part of a DN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from donvi.registry import Allotment, City


def stack(numbers: Allotment) -> str:
    """Return the unit's Pulumi stack: ``26506-vung-tau``."""
    return f"{numbers.code}-{numbers.slug}"


def unit_domain(city: City, numbers: Allotment) -> str:
    """Return the unit's DNS and mail domain: ``vung-tau.tphcm.test``."""
    return f"{numbers.slug}.{city.settings.domain}"


def city_host(city: City, name: str) -> str:
    """Return a server or system of the city: ``documents.tphcm.test``."""
    return f"{name}.{city.settings.domain}"


def unit_dn(city: City, code: str) -> str:
    """Return the unit's subtree of the directory."""
    return f"ou={code},ou=units,{city.settings.directory_base}"


def account_dn(city: City, code: str, kind: str, identifier: str) -> str:
    """Return an account; kind is ``person`` or ``probe``."""
    return f"uid={identifier},ou={'people' if kind == 'person' else 'probes'},{unit_dn(city, code)}"


def group_dn(city: City, code: str, system: str, role: str) -> str:
    """Return the unit's group of a role on a system."""
    return f"cn={system}-{role},ou=groups,{unit_dn(city, code)}"


def mail_dn(city: City, code: str, address: str) -> str:
    """Return a mailbox or alias."""
    return f"mail={address},ou=mail,{unit_dn(city, code)}"


def unit_uri(code: str) -> str:
    """Return the subject alternative name by which services recognise the unit."""
    return f"urn:donvi:unit:{code}"


def probe_id(code: str, system: str, role: str) -> str:
    """Return the account that the verifier uses for a role."""
    return f"probe-{code}-{system}-{role}"


def person_credential(identifier: str) -> str:
    """KV path of the wrapping token of a person's first password."""
    return f"first-passwords/{identifier}"


def probe_credential(code: str, identifier: str) -> str:
    """KV path of a probe's password."""
    return f"probes/{code}/{identifier}"


TRANSFER = "transfer"
"""Owner of the TSIG key that may fetch the zone and change nothing."""


def tsig_key(owner: str) -> str:
    """Return the name of the TSIG key of a unit (or ``platform``, or :data:`TRANSFER`), absolute."""
    return f"donvi-{owner}."


def tsig_credential(owner: str) -> str:
    """KV path of the TSIG key of a unit (or ``platform``, or :data:`TRANSFER`)."""
    return f"backends/dns/tsig/{owner}"


def namespace(code: str, zone: str) -> str:
    """Return the unit's namespace in the cluster for its apps of a trust zone: ``unit-26506-public``."""
    return f"unit-{code}-{zone}"


def secret_place(namespace: str, secret: str) -> str:
    """Return where an app's key lies, as certificates name it in place of a machine."""
    return f"secret/{namespace}/{secret}"


def cluster_role(kind: str) -> str:
    """Return the cluster's role for a kind of rights in a unit's namespace; the cluster's playbook makes it."""
    return f"donvi-unit-{kind}"


def cluster_group(code: str, system: str, role: str) -> str:
    """Return the unit's group of a role as the cluster knows it: the organisation in a person's certificate."""
    return f"unit:{code}:{system}-{role}"


MANAGEMENT_INTERFACE = "mgmt0"
"""The interface by which the operator reaches a machine; nothing is forwarded to or from it."""


def segment_interface(kind: str, site: int) -> str:
    """Return the gateway's interface to a segment of a site: ``office0``, at the first further site ``office1``."""
    return f"{kind}{site}"


def router_interface(code: str) -> str:
    """Return the core router's interface to a unit."""
    return f"u{code}"


def zone_interface(zone: str) -> str:
    """Return the core router's interface to a trust zone."""
    return f"{zone}0"
