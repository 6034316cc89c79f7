"""The city's data as frozen types: what stands in the files of ``city/``, field by field.

The types of YAML files are also the source of the JSON schemas in ``city/schema``
(``python -m donvi.registry.schema city/schema`` writes them), so an editor checks what the parser checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.registry.images import Image
    from donvi.registry.portal_model import Contacts, Portal

Identifier = Annotated[str, Meta(pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
Local = Annotated[str, Meta(pattern="^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=48)]
Label = Annotated[str, Meta(pattern="^(@|_?[a-z0-9][a-z0-9-]*(\\._[a-z]+)?)$", max_length=60)]
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Port = Annotated[int, Meta(ge=1, le=65535)]
UserPort = Annotated[int, Meta(ge=1024, le=65535)]
Protocol = Literal["tcp", "udp"]
MountPath = Annotated[str, Meta(pattern="^(/[a-z0-9-]+)+$", max_length=60)]
Millicores = Annotated[int, Meta(ge=1, le=16000)]
Mebibytes = Annotated[int, Meta(ge=4, le=65536)]


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is read from a YAML file: unknown fields are errors."""


# city.yaml


class Pools(_File, frozen=True, kw_only=True):
    """Where the ledger takes numbers from; reserved ranges are the city's own."""

    identification_prefix: Annotated[str, Meta(pattern="^[A-Z][0-9]{2}$")]
    identification_first: Annotated[int, Meta(ge=1)]
    ipv4: str
    ipv4_reserved: str
    ipv4_unit_bits: Annotated[int, Meta(ge=8, le=24)]
    ipv6: str
    ipv6_reserved: str
    ipv6_unit_bits: Annotated[int, Meta(ge=16, le=60)]
    service_vlan_first: Annotated[int, Meta(ge=2, le=4094)]
    service_vlan_last: Annotated[int, Meta(ge=2, le=4094)]
    uid_first: Annotated[int, Meta(ge=100000)]
    uid_per_unit: Annotated[int, Meta(ge=1000)]


class ZoneMachine(_File, frozen=True, kw_only=True):
    """The server that stands in a zone: host number in the zone's networks, and the names it answers to."""

    name: Identifier
    host: Annotated[int, Meta(ge=2, le=254)]
    names: tuple[Identifier, ...] = ()


class ClusterMachine(ZoneMachine, frozen=True, kw_only=True):
    """The Kubernetes node that stands in a zone.

    pods, services: IPv4 networks of the city's reserved range that exist inside the node only.
    """

    pods: str
    services: str


class Zone(_File, frozen=True, kw_only=True):
    """A trust zone of the city's data centre.

    services: the machine that answers for the zone's systems; without one, ``machine`` does. cluster: the Kubernetes
    node whose gateway answers for the systems that are apps.
    """

    id: Identifier
    title: Title
    ipv4: str
    ipv6: str
    machine: ZoneMachine | None = None
    services: ZoneMachine | None = None
    cluster: ClusterMachine | None = None

    @property
    def named(self) -> tuple[ZoneMachine, ...]:
        """The machines that answer to names of their own, not to those of the zone's systems."""
        return tuple(machine for machine in (self.machine, self.cluster) if machine)


class Link(_File, frozen=True, kw_only=True):
    """A connection that the machines of a zone may open to one of the city's servers in another zone."""

    zone: Identifier
    host: Identifier
    protocol: Protocol
    port: Port
    title: Title


class SegmentKind(_File, frozen=True, kw_only=True):
    """A segment that every site has: which /24 of the unit's /20 and /64 of its /56, and the customer VLAN.

    zones: the trust zones that the segment's machines may ever reach; a flow to another zone is refused.
    """

    kind: Annotated[str, Meta(pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=13)]  # names an interface
    number: Annotated[int, Meta(ge=0, le=15)]
    vlan: Annotated[int, Meta(ge=2, le=4094)]
    title: Title
    zones: tuple[Identifier, ...] = ()


HostNumbers = tuple[Annotated[int, Meta(ge=2, le=254)], Annotated[int, Meta(ge=2, le=254)]]


class HostRange(_File, frozen=True, kw_only=True):
    """Which host numbers of a segment a kind of machine has, first and last.

    main: at the main site, whose segments are /24. further: at a further site, whose segments are /27.
    """

    segment: Identifier
    role: Identifier
    main: HostNumbers
    further: HostNumbers | None = None


class Settings(_File, frozen=True, kw_only=True):
    """The city itself (``city.yaml``)."""

    id: Identifier
    name: Title
    domain: Annotated[str, Meta(pattern="^[a-z0-9-]+(\\.[a-z0-9-]+)+$")]
    directory_base: Annotated[str, Meta(pattern="^dc=[a-z0-9-]+(,dc=[a-z0-9-]+)*$")]
    pools: Pools
    zones: tuple[Zone, ...]
    segments: tuple[SegmentKind, ...]
    endpoint_roles: tuple[Identifier, ...]
    hosts: tuple[HostRange, ...]
    links: tuple[Link, ...] = ()


# units.csv, sites.csv, ledger.csv, and <table>.sources.yaml


class ColumnSource(_File, frozen=True, kw_only=True):
    """Where the values of a table's column come from; synthetic: made up, and shown so."""

    name: Title
    source: Title
    synthetic: bool = False


class Sources(_File, frozen=True, kw_only=True):
    """``<table>.sources.yaml``: every column of a table once."""

    columns: tuple[ColumnSource, ...]


class Unit(Struct, frozen=True, kw_only=True):
    """A commune-level unit as the official list names it."""

    code: str
    name: str
    kind: str  # phường | xã | đặc khu
    locality: str
    wave: int
    population_class: str
    predecessors: tuple[str, ...]


class Site(Struct, frozen=True, kw_only=True):
    """A place where the unit's people work; ``number`` is 0 for the main one and never changes."""

    unit: str
    id: str
    number: int
    title: str


class Allotment(Struct, frozen=True, kw_only=True):
    """The numbers of a unit, given once and for good (one ``allot`` line of ``ledger.csv``)."""

    code: str
    slug: str
    identification: str
    ipv4: str
    ipv6: str
    service_vlan: int
    uid_first: int


# posts.yaml


class Post(_File, frozen=True, kw_only=True):
    """A post (chức vụ, vị trí việc làm) in a unit."""

    id: Identifier
    title: Title


class Posts(_File, frozen=True, kw_only=True):
    """``posts.yaml``."""

    posts: tuple[Post, ...]


# systems/<id>.yaml


class Service(_File, frozen=True, kw_only=True):
    """The system's own service in its zone, at ``<id>.<city domain>``.

    server: ``stand-in`` (a TLS service that authorises by the unit's groups) or ``mail`` (the mail server).
    unit_bound: it also refuses another unit's certificate.
    """

    port: Port
    server: Literal["stand-in", "mail"] = "stand-in"
    unit_bound: bool = False


class Role(_File, frozen=True, kw_only=True):
    """A role of the system and the posts that have it.

    probe: number 0..99 of the role's probe account, unique in the catalogue and never changed, because the account's
    uid number follows from it; needed when the system has a service. mailbox_quota_mb: its members get a mailbox.
    cluster: what its members may do in the namespace of the system's app; ``reader`` sees everything but secrets.
    """

    id: Identifier
    title: Title
    posts: tuple[Identifier, ...]
    probe: Annotated[int, Meta(ge=0, le=99)] | None = None
    mailbox_quota_mb: Annotated[int, Meta(ge=1)] | None = None
    cluster: Literal["reader"] | None = None


class FlowRule(_File, frozen=True, kw_only=True):
    """A connection the unit may open: from a segment and kind of machine to the system (or a named city host)."""

    segment: Identifier
    endpoint: Identifier
    protocol: Protocol
    port: Port
    host: Identifier | None = None


class CertificateRule(_File, frozen=True, kw_only=True):
    """A certificate of the unit; its name is ``<host or id>.<unit domain>``, usages are extended key usages.

    ``machine`` is the endpoint that makes and keeps the key; the unit's gateway where it isn't said.
    """

    id: Identifier
    title: Title
    purpose: Literal["gateway", "workstation", "service", "seal"]
    ttl_hours: Annotated[int, Meta(ge=1, le=17520)]
    host: Identifier | None = None
    machine: Identifier | None = None
    usages: tuple[Literal["client", "server"], ...] = ()


class MailboxRule(_File, frozen=True, kw_only=True):
    """A functional mailbox of the unit, read by the people in some posts."""

    local: Local
    title: Title
    readers: tuple[Identifier, ...]
    quota_mb: Annotated[int, Meta(ge=1)] = 4096


class AliasRule(_File, frozen=True, kw_only=True):
    """An address of the unit that delivers to one of its functional mailboxes (any system's)."""

    local: Local
    target: Local
    reason: Title


class AppPorts(_File, frozen=True, kw_only=True):
    """Where the app's container listens: TLS for people, plain HTTP for the cluster's probes alone."""

    tls: UserPort = 8443
    probe: UserPort = 8080


class AppCertificate(_File, frozen=True, kw_only=True):
    """The app's certificate; ``path`` is the folder in the container that holds ``tls.crt`` and ``tls.key``."""

    path: MountPath = "/tls"
    ttl_hours: Annotated[int, Meta(ge=1, le=17520)]


class AppRule(_File, frozen=True, kw_only=True):
    """An application instance of the unit's own in the cluster, at ``<host>.<unit domain>``.

    image: id in ``images.yaml``. page: the folder in the container where the unit's web page lies; none without.
    pods: how many it may have at once, while a new version replaces the old one; the unit's quota follows from it.
    cpu and memory: what a pod is promised and what it gets at most, in thousandths of a processor and MiB.
    """

    id: Identifier
    host: Identifier
    image: Identifier
    replicas: Annotated[int, Meta(ge=1, le=20)]
    pods: Annotated[int, Meta(ge=2, le=40)]
    cpu: tuple[Millicores, Millicores]
    memory: tuple[Mebibytes, Mebibytes]
    certificate: AppCertificate
    ports: AppPorts = AppPorts()
    ready: MountPath = "/-/ready"
    live: MountPath = "/-/live"
    page: MountPath | None = None


class EndpointRule(_File, frozen=True, kw_only=True):
    """A machine of every unit: ``<id>-<code>``, at a host number of a segment of the main site."""

    id: Identifier
    role: Identifier
    segment: Identifier
    host: Annotated[int, Meta(ge=2, le=254)]


class DnsRule(_File, frozen=True, kw_only=True):
    """A record set below the unit's domain (``@`` is the domain itself).

    Values may use ``{unit_domain}``, ``{city_domain}``, ``{gateway4}`` and ``{gateway6}``.
    """

    name: Label
    type: Literal["A", "AAAA", "CNAME", "MX", "SRV", "TXT"]
    values: tuple[Title, ...]
    ttl: Annotated[int, Meta(ge=30, le=86400)] = 300


class System(_File, frozen=True, kw_only=True):
    """One entry of the catalogue: everything a unit gets from a shared system."""

    id: Identifier
    name: Title
    kind: Literal["shared", "app", "infra", "external"]
    zone: Identifier
    service: Service | None = None
    roles: tuple[Role, ...] = ()
    flows: tuple[FlowRule, ...] = ()
    certificates: tuple[CertificateRule, ...] = ()
    mailboxes: tuple[MailboxRule, ...] = ()
    aliases: tuple[AliasRule, ...] = ()
    apps: tuple[AppRule, ...] = ()
    endpoints: tuple[EndpointRule, ...] = ()
    dns: tuple[DnsRule, ...] = ()


# people/<code>.csv


class Person(Struct, frozen=True, kw_only=True):
    """A person of a unit's roster; identified by the employee id."""

    employee_id: str
    name: str
    post: str
    login: str
    number: int  # 1..899, with the unit's uid_first it makes the uid number
    active: bool


class City(Struct, frozen=True, kw_only=True):
    """The whole city, parsed and checked. Mappings are read-only and ordered by key."""

    path: str
    settings: Settings
    synthetic: tuple[str, ...]  # columns of units.csv that have no source
    units: Mapping[str, Unit]
    allotments: Mapping[str, Allotment]  # of units that are not retired
    sites: Mapping[str, tuple[Site, ...]]
    posts: Mapping[str, Post]
    systems: Mapping[str, System]
    images: Mapping[str, Image]
    people: Mapping[str, tuple[Person, ...]]  # only of units that have a roster: these have a stack
    portal: Portal
    contacts: Contacts
