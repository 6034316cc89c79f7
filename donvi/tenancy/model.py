"""The frozen description of one unit's tenancy; everything downstream reads these values.

All texts are NFC. Addresses are strings in canonical form (made by netaddr), so that a description is plain data and
serialises to the same bytes everywhere. Tuples are sorted by their first field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from donvi.tenancy.app_model import App, Namespace


class UnitFacts(Struct, frozen=True, kw_only=True):
    """Who the unit is, and the numbers that the ledger gave it for good."""

    code: str  # official code, five digits
    name: str  # Phường Vũng Tàu
    slug: str  # vung-tau; from the ledger, never changes
    kind: str  # phường | xã | đặc khu
    locality: str  # former locality
    wave: int
    population_class: str
    synthetic: tuple[str, ...]  # names of the fields above whose value has no source
    stack: str  # <code>-<slug>
    domain: str  # <slug>.<city domain>
    identification: str  # mã định danh, H29.…
    ipv4: str  # /20
    ipv6: str  # /56
    service_vlan: int
    uid_first: int
    uid_last: int


class Grant(Struct, frozen=True, kw_only=True):
    """One role on one system, and why the account has it."""

    system: str
    role: str
    reason: str  # "chức vụ: văn thư" for a person, "thăm dò" for a probe


class Account(Struct, frozen=True, kw_only=True):
    """A person's account, or a probe that only the verifier uses."""

    id: str  # employee id, or probe-<code>-<system>-<role>; the LDAP uid
    kind: str  # person | probe
    dn: str
    common_name: str
    given_name: str
    surname: str
    post: str  # id of the post; "" for a probe
    post_title: str  # "" for a probe
    mail: str  # "" when no role of the account brings a mailbox
    uid_number: int
    credential: str  # KV path where the provider leaves what opens the account
    grants: tuple[Grant, ...]


class Group(Struct, frozen=True, kw_only=True):
    """The unit's group of one role on one system: cn=<system>-<role>."""

    id: str  # <system>-<role>
    dn: str
    title: str
    members: tuple[str, ...]  # DNs, sorted


class OrganizationalUnit(Struct, frozen=True, kw_only=True):
    """A container of the unit's subtree; parents come before children."""

    id: str  # unit | people | groups | mail | probes
    dn: str
    description: str


class Mailbox(Struct, frozen=True, kw_only=True):
    """A mailbox; a functional one is read by people, never logged into."""

    address: str
    kind: str  # personal | functional | probe
    dn: str
    display_name: str
    owner_dn: str  # the account that logs in; "" for a functional mailbox
    readers: tuple[str, ...]  # addresses of the people who read a functional mailbox, sorted
    quota_mb: int


class MailAlias(Struct, frozen=True, kw_only=True):
    """An address that delivers to a mailbox; former units' addresses are such."""

    address: str
    dn: str
    target: str
    reason: str


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate whose key is made on ``machine`` and never leaves it; an app's is made by the provider."""

    id: str  # gateway | lgsp | documents-seal | web-portal
    purpose: str  # gateway | workstation | service | seal | app
    machine: str  # name of the machine: gw-<code>; for an app secret/<namespace>/<name>
    mount: str  # Vault PKI mount, pki-<purpose's issuer>
    role: str  # PKI role, unit-<code>-<id>
    common_name: str
    dns_names: tuple[str, ...]
    uris: tuple[str, ...]  # urn:donvi:unit:<code>
    usages: tuple[str, ...]  # extended key usages: client, server; empty for a seal
    ttl_hours: int


class Segment(Struct, frozen=True, kw_only=True):
    """A network segment of a site."""

    id: str  # <site>/<kind>
    site: str
    kind: str  # office | counter | voice-video | party | management | guest | transit
    interface: str  # of the unit's gateway, office0
    zones: tuple[str, ...]  # trust zones that its machines may ever reach
    vlan: int  # customer VLAN inside the unit's service VLAN
    ipv4: str
    ipv6: str
    gateway4: str
    gateway6: str


class Hosts(Struct, frozen=True, kw_only=True):
    """The addresses that machines of one kind have in a segment, first and last."""

    id: str  # <site>/<segment kind>/<endpoint role>
    site: str
    segment: str  # segment kind
    role: str
    first4: str
    last4: str
    first6: str
    last6: str


class ZoneNetwork(Struct, frozen=True, kw_only=True):
    """The network of a trust zone."""

    id: str
    interface: str  # of the core router, gov0
    ipv4: str
    ipv6: str


class ZoneLink(Struct, frozen=True, kw_only=True):
    """What a zone's machines may ask of one of the city's servers in another zone."""

    id: str  # <zone>/<host>/<protocol>-<port>
    zone: str
    host: str
    protocol: str  # tcp | udp
    port: int
    ipv4: str
    ipv6: str
    reason: str


class Flow(Struct, frozen=True, kw_only=True):
    """Who may reach what: from a segment and endpoint role to a system's port in a zone."""

    id: str  # <system>/<segment kind>/<endpoint>/<protocol>-<port>
    system: str
    segment: str  # segment kind
    endpoint: str  # endpoint role: workstation, counter-pc, codec, gateway …
    zone: str  # where the host stands
    host: str
    ipv4: str  # the host's addresses
    ipv6: str
    protocol: str  # tcp | udp
    port: int


class SiteHours(Struct, frozen=True, kw_only=True):
    """Days of the week that follow each other and have the same hours; empty hours: closed."""

    days: tuple[str, ...]  # monday … sunday
    morning: tuple[str, ...]  # opens and closes, 07:30 and 11:30; empty when closed
    afternoon: tuple[str, ...]


class SitePlace(Struct, frozen=True, kw_only=True):
    """Somebody of the unit who is written to: the office, the one-stop counter."""

    title: str
    text: str
    mail: str


class SiteLink(Struct, frozen=True, kw_only=True):
    """A site that the page leads to; ``number`` is a telephone in short, "" for none."""

    title: str
    text: str
    url: str  # https
    number: str


class SitePage(Struct, frozen=True, kw_only=True):
    """What the unit's component web site says; ``donvi.site`` makes files of it."""

    code: str
    name: str  # Phường Vũng Tàu
    kind: str  # phường | xã | đặc khu
    city: str  # Thành phố Hồ Chí Minh
    locality: str  # former locality
    identification: str
    host: str  # where the site is: www.vung-tau.tphcm.test
    office: SitePlace
    counter: SitePlace
    address: str
    phone: str  # international, groups as they are read: +84 254 002 6506
    hours: tuple[SiteHours, ...]  # of the counter; all seven days, Monday first
    hotline: SiteLink
    links: tuple[SiteLink, ...]  # the first is where dossiers are handed in
    synthetic: tuple[str, ...]  # names of the fields above whose value has no source


class Endpoint(Struct, frozen=True, kw_only=True):
    """A machine that Ansible configures."""

    id: str  # gw-<code>, ws-<code>
    role: str  # gateway | workstation
    site: str
    segment: str
    ipv4: str
    ipv6: str


class DnsRecord(Struct, frozen=True, kw_only=True):
    """A record set; names are absolute without the final dot."""

    id: str  # <name>/<type>
    name: str
    type: str
    ttl: int  # seconds
    values: tuple[str, ...]  # presentation form, sorted


class VaultPath(Struct, frozen=True, kw_only=True):
    """One rule of a Vault policy."""

    path: str
    capabilities: tuple[str, ...]
    denied: tuple[str, ...] = ()  # parameters that a request must not have


class VaultPolicy(Struct, frozen=True, kw_only=True):
    """A Vault policy as data."""

    name: str
    rules: tuple[VaultPath, ...]


class AppRole(Struct, frozen=True, kw_only=True):
    """A machine identity of the unit in Vault."""

    name: str
    policies: tuple[str, ...]
    token_ttl_seconds: int
    secret_id_ttl_seconds: int
    bound_cidrs: tuple[str, ...]


class PkiRole(Struct, frozen=True, kw_only=True):
    """What a unit's certificate of one purpose may say; no wildcards, no IP names."""

    mount: str
    name: str
    allowed_domains: tuple[str, ...]  # exact names; none where ``login`` is said
    allowed_uris: tuple[str, ...]
    client: bool
    server: bool
    max_ttl_hours: int
    organization: str = ""  # what every subject says
    login: str = ""  # login method of Vault: the common name is whoever logged in by it


class LoginGroup(Struct, frozen=True, kw_only=True):
    """What members of a group of the directory may do once they log in to Vault."""

    name: str  # as Vault knows the group: the unit's code
    policies: tuple[str, ...]


class SystemAccess(Struct, frozen=True, kw_only=True):
    """A shared system as the unit's tenant sees it."""

    id: str
    name: str
    kind: str  # shared | app | infra | external
    zone: str
    host: str  # "" when it has no service of its own
    port: int  # 0 when it has no service of its own
    unit_bound: bool  # the service also refuses other units' certificates on this unit's path
    roles: tuple[str, ...]


class Check(Struct, frozen=True, kw_only=True):
    """One thing the acceptance run must find true; the suite asks the real system."""

    id: str  # <system>/<subject>
    system: str
    subject: str  # login | wrong-role | delivery | certificate | dns | service …


class Tenancy(Struct, frozen=True, kw_only=True):
    """Everything one unit has."""

    unit: UnitFacts
    systems: tuple[SystemAccess, ...]
    organizational_units: tuple[OrganizationalUnit, ...]
    accounts: tuple[Account, ...]
    groups: tuple[Group, ...]
    mailboxes: tuple[Mailbox, ...]
    aliases: tuple[MailAlias, ...]
    certificates: tuple[Certificate, ...]
    pki_roles: tuple[PkiRole, ...]
    policies: tuple[VaultPolicy, ...]
    app_roles: tuple[AppRole, ...]
    login_groups: tuple[LoginGroup, ...]
    dns: tuple[DnsRecord, ...]
    segments: tuple[Segment, ...]
    hosts: tuple[Hosts, ...]
    zones: tuple[ZoneNetwork, ...]
    flows: tuple[Flow, ...]
    namespaces: tuple[Namespace, ...]
    apps: tuple[App, ...]
    endpoints: tuple[Endpoint, ...]
    checks: tuple[Check, ...]


class PkiUrls(Struct, frozen=True, kw_only=True):
    """Where an intermediate's certificate and revocation list are published."""

    mount: str
    issuing: tuple[str, ...]
    crl: tuple[str, ...]


class TransitKey(Struct, frozen=True, kw_only=True):
    """The key that wraps the secrets of one stack's state; it has the stack's name."""

    name: str
    unit: str  # code of the unit whose stack it is


class Platform(Struct, frozen=True, kw_only=True):
    """What the ``platform`` stack owns: shared by the units and belonging to none."""

    domain: str
    directory_base: str
    zones: tuple[ZoneNetwork, ...]
    links: tuple[ZoneLink, ...]
    dns: tuple[DnsRecord, ...]
    pki_urls: tuple[PkiUrls, ...]
    policies: tuple[VaultPolicy, ...]
    transit_keys: tuple[TransitKey, ...]
