"""The part of a unit's description that lives in the cluster: namespaces, who may reach and read them, applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from donvi.tenancy.model import Certificate, SitePage


class Share(Struct, frozen=True, kw_only=True):
    """What is promised and what is given at most; processors in thousandths, memory in MiB."""

    cpu_request: int
    cpu_limit: int
    memory_request: int
    memory_limit: int


class Quota(Struct, frozen=True, kw_only=True):
    """How much all pods of a namespace may have together, and how many objects it may hold."""

    pods: int
    share: Share
    services: int
    config_maps: int
    secrets: int


class NetworkPeer(Struct, frozen=True, kw_only=True):
    """Who is at the other end: pods of a namespace, or an address of the city."""

    namespace: str  # "" for an address
    pods: tuple[tuple[str, str], ...]  # labels
    cidr: str  # "" for pods


class NetworkPort(Struct, frozen=True, kw_only=True):
    """A port of whoever is connected to; for pods their own, not their Service's."""

    protocol: str  # tcp | udp
    port: int


class NetworkRule(Struct, frozen=True, kw_only=True):
    """What one NetworkPolicy of a namespace allows; without peers it allows nothing."""

    id: str
    app: str  # app whose pods it is about; "" for all pods of the namespace
    directions: tuple[str, ...]  # ingress | egress
    peers: tuple[NetworkPeer, ...]
    ports: tuple[NetworkPort, ...]
    flows: tuple[str, ...]  # ids of the flows that are the reason


class AccessBinding(Struct, frozen=True, kw_only=True):
    """A group of the directory and what it may do in a namespace."""

    id: str  # <system>-<role>
    system: str
    group: str  # as the cluster knows it: unit:<code>:<system>-<role>
    cluster_role: str


class Namespace(Struct, frozen=True, kw_only=True):
    """The unit's own corner of the cluster in one trust zone."""

    id: str  # unit-<code>-<zone>
    unit: str
    zone: str
    domain: str  # host names of its routes lie below
    quota: Quota
    container: Share  # request and limit that a container gets which names none; no container gets more
    rules: tuple[NetworkRule, ...]
    bindings: tuple[AccessBinding, ...]


class Probe(Struct, frozen=True, kw_only=True):
    """Where the cluster asks a container by plain HTTP whether it is alive and ready."""

    port: int
    ready: str
    live: str


class Container(Struct, frozen=True, kw_only=True):
    """What runs in a pod."""

    image: str  # reference by digest
    port: int  # where it ends TLS
    probe: Probe
    share: Share
    certificate_path: str  # folder of tls.crt and tls.key
    page_path: str  # folder of the unit's web page; "" without


class Route(Struct, frozen=True, kw_only=True):
    """How the gateway leads to an app: by the host name that the client asks for, TLS untouched."""

    host: str
    gateway: str  # name of the Gateway
    gateway_namespace: str
    listener: str
    port: int  # of the app's Service


class App(Struct, frozen=True, kw_only=True):
    """An application instance of the unit's own."""

    id: str
    system: str
    namespace: str
    zone: str
    host: str
    replicas: int
    container: Container
    secret: str  # name of the Secret that holds certificate and key
    certificate: Certificate  # its key is made by the provider; ``machine`` names the Secret
    route: Route
    page: SitePage | None  # what the unit's web site says
