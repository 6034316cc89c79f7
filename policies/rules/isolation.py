"""Isolation: a unit touches its own and nothing of another unit's; its namespaces are closed before anything opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policies.model import PLATFORM, Example, Finding, Rule, StackRule, Title, Undecided
from policies.samples import NAMESPACE, NETWORK_POLICY, SPACE, metadata, namespace, network_policy
from policies.values import UNKNOWN, absent_or, expect, is_text, leaves, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

RECORD = "donvi:dns:RecordSet"
TLS_ROUTE = "kubernetes:gateway.networking.k8s.io/v1alpha2:TLSRoute"
ROUTES = ("kubernetes:gateway.networking.k8s.io/*Route", "kubernetes:networking.k8s.io/*:Ingress")
FREE_TEXT = ("depends", "digest", "data", "binaryData", "files", "description", "displayName", "settings")
"""First steps of paths that hold prose, other rules' business (``files``), or digests: names there mean nothing."""


def _own_only(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    if resource.owner in {"", PLATFORM}:
        return
    for path, value in leaves(resource.inputs):
        if path.replace("[", ".").split(".")[0] in FREE_TEXT:
            continue
        if value is UNKNOWN:
            yield Undecided(path)
        elif isinstance(value, str) and any(code != resource.owner for code in city.owners_in(value)):
            yield Finding(path, f"names, paths and domains of unit {resource.owner} only")


OWN_ONLY = Rule(
    id="own-unit-only",
    subject="isolation",
    title=Title(
        "Tài nguyên của đơn vị không nhắc tới đơn vị khác", "A unit's resource refers to nothing of another unit"
    ),
    reason="A name, path or group of another unit's in the wrong place hands over what is theirs.",
    remedy="Use the unit's own DN, path, namespace, group or domain; what two units share belongs to the platform.",
    standard="donvi; TCVN 11930:2017, access control",
    looks_at=("donvi:*", "kubernetes:*"),
    check=_own_only,
    kept=(
        Example("donvi:directory:Group", {"unit": "26506", "dn": "cn=mail-user,ou=groups,ou=26506,ou=units,dc=tphcm"}),
        Example("donvi:vault:TransitKey", {"unit": "platform", "name": "26506-vung-tau"}, unit="platform"),
        Example(
            "donvi:dns:RecordSet", {"unit": "26506", "name": "vung-tau.tphcm.test", "values": ["10 mail.tphcm.test."]}
        ),
    ),
    broken=(
        Example(
            "donvi:directory:Group",
            {"dn": "cn=mail-user,ou=groups,ou=26506,ou=units", "members": ["uid=a,ou=people,ou=25747,ou=units"]},
            at=("members[0]",),
        ),
        Example(
            "donvi:vault:Policy",
            {"rules": [{"path": "kv/data/units/25747/*", "capabilities": ["read"]}]},
            at=("rules[0].path",),
        ),
        Example("donvi:mail:Alias", {"target": "ubnd@thu-dau-mot.tphcm.test"}, at=("target",)),
        Example(
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            {"metadata": metadata("editor"), "subjects": [{"kind": "Group", "name": "unit:25747:web-portal-admin"}]},
            at=("subjects[0].name",),
        ),
        Example(
            "kubernetes:core/v1:ConfigMap",
            {"metadata": {**metadata("page"), "namespace": "unit-25747-public"}},
            at=("metadata.namespace",),
        ),
    ),
)


def _record(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    owner = resource.owner

    def own(name: Any) -> bool:
        if not is_text(name) or "*" in name:
            return False
        return not city.owner_of_name(name) if owner == PLATFORM else city.below(name, owner)

    shape = "a name of the city's, outside every unit's domain" if owner == PLATFORM else "a name in the unit's domain"
    yield from expect(resource.inputs, "name", own, f"{shape}, without wildcard")
    credential = f"backends/dns/tsig/{owner}"
    yield from expect(resource.inputs, "credential", lambda path: path == credential, "the owner's own TSIG key")


RECORDS = Rule(
    id="dns-inside-own-domain",
    subject="isolation",
    title=Title("Bản ghi DNS nằm trong tên miền của chính đơn vị", "DNS records lie inside the owner's own domain"),
    reason="Who writes a name receives what is sent to it.",
    remedy="Use <name>.<slug>.<city domain> and the unit's own key; names of the city belong to the platform stack.",
    standard="donvi; RFC 8945 (one key per writer)",
    looks_at=(RECORD,),
    check=_record,
    kept=(
        Example(RECORD, {"name": "www.vung-tau.tphcm.test", "credential": "backends/dns/tsig/26506"}),
        Example(
            RECORD,
            {"name": "mail.tphcm.test", "credential": "backends/dns/tsig/platform"},
            unit="platform",
            stack_unit="platform",
        ),
    ),
    broken=(
        Example(RECORD, {"name": "mail.tphcm.test", "credential": "backends/dns/tsig/26506"}, at=("name",)),
        Example(RECORD, {"name": "*.vung-tau.tphcm.test", "credential": "backends/dns/tsig/26506"}, at=("name",)),
        Example(
            RECORD, {"name": "www.vung-tau.tphcm.test", "credential": "backends/dns/tsig/platform"}, at=("credential",)
        ),
        Example(
            RECORD,
            {"name": "www.vung-tau.tphcm.test", "credential": "backends/dns/tsig/platform"},
            at=("name",),
            unit="platform",
            stack_unit="platform",
        ),
    ),
)


def _route(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    def own(name: Any) -> bool:
        return is_text(name) and "*" not in name and city.below(name, resource.owner)

    expected = "a host name in the unit's domain, without wildcard"
    if resource.kind == "Ingress":
        yield from expect(resource.inputs, "spec.rules[*].host", own, expected)
        return
    if next(walk(resource.inputs, "spec.hostnames")).value in (None, []):
        yield Finding("spec.hostnames", "at least one host name in the unit's domain")
    yield from expect(resource.inputs, "spec.hostnames[*]", own, expected)
    here = absent_or(lambda name: name == next(walk(resource.inputs, "metadata.namespace")).value)
    yield from expect(resource.inputs, "spec.rules[*].backendRefs[*].namespace", here, "the route's own namespace")


ROUTE = Rule(
    id="route-inside-own-domain",
    subject="isolation",
    title=Title("Tuyến vào cụm chỉ nhận tên máy của chính đơn vị", "A route takes host names of its own unit only"),
    reason="Of two routes with one host name the gateway picks either; a foreign name takes a neighbour's visitors.",
    remedy="Name the hosts under <slug>.<city domain>, and a Service of the route's own namespace.",
    standard="donvi; Gateway API, route attachment",
    looks_at=ROUTES,
    check=_route,
    kept=(
        Example(
            TLS_ROUTE,
            {
                "metadata": metadata("web-portal"),
                "spec": {
                    "hostnames": ["www.vung-tau.tphcm.test"],
                    "parentRefs": [{"name": "city", "namespace": "city-gateway"}],
                    "rules": [{"backendRefs": [{"name": "web-portal", "port": 443}]}],
                },
            },
        ),
    ),
    broken=(
        Example(TLS_ROUTE, {"spec": {"hostnames": ["www.thu-dau-mot.tphcm.test"]}}, at=("spec.hostnames[0]",)),
        Example(TLS_ROUTE, {"spec": {"hostnames": ["*.vung-tau.tphcm.test"]}}, at=("spec.hostnames[0]",)),
        Example(TLS_ROUTE, {"spec": {"rules": []}}, at=("spec.hostnames",)),
        Example(
            TLS_ROUTE,
            {
                "metadata": metadata("web-portal"),
                "spec": {
                    "hostnames": ["vung-tau.tphcm.test"],
                    "rules": [{"backendRefs": [{"name": "portal", "namespace": "shared"}]}],
                },
            },
            at=("spec.rules[0].backendRefs[0].namespace",),
        ),
    ),
)

SERVICE = "kubernetes:core/v1:Service"


def _service(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    inside = absent_or(lambda value: value == "ClusterIP")
    yield from expect(resource.inputs, "spec.type", inside, "ClusterIP, or left out")
    yield from expect(resource.inputs, "spec.externalIPs[*]", lambda _value: False, "none")


SERVICES = Rule(
    id="service-behind-gateway",
    subject="isolation",
    title=Title(
        "Dịch vụ trong cụm chỉ vào được qua cổng của thành phố", "A Service is reached through the city's gateway only"
    ),
    reason="A node port or an external address passes by the gateway, its log and the zones' firewall.",
    remedy="Use a Service of type ClusterIP and a route.",
    standard="donvi; CVE-2020-8554 (external addresses)",
    looks_at=(SERVICE,),
    check=_service,
    kept=(
        Example(SERVICE, {"metadata": metadata("site"), "spec": {"type": "ClusterIP"}}),
        Example(SERVICE, {"spec": {}}),
    ),
    broken=(
        Example(SERVICE, {"spec": {"type": "NodePort"}}, at=("spec.type",)),
        Example(SERVICE, {"spec": {"externalIPs": ["10.0.4.30"]}}, at=("spec.externalIPs[0]",)),
    ),
)


def _closed(resources: Sequence[Resource], _: CityFacts) -> Iterator[Outcome]:
    policies = [one for one in resources if one.kind == "NetworkPolicy"]
    for space in _spaces(resources):
        name = _name(space)
        if name is UNKNOWN or any(_denies_all(one, name) is UNKNOWN for one in policies):
            yield Undecided("metadata.name", space.urn)
        elif not any(_denies_all(one, name) for one in policies):
            yield Finding("", "a NetworkPolicy in it with podSelector {}, both policyTypes and no rule", space.urn)


def _denies_all(policy: Resource, space: Any) -> Any:
    """Whether the policy denies everything in a namespace; unknown when that can't be said yet."""
    there = next(walk(policy.inputs, "metadata.namespace")).value
    spec = next(walk(policy.inputs, "spec")).value
    if there is UNKNOWN or (there == space and spec is UNKNOWN):
        return UNKNOWN
    if there != space or not isinstance(spec, dict):
        return False
    parts = [spec.get(part) for part in ("podSelector", "ingress", "egress", "policyTypes")]
    if UNKNOWN in parts:
        return UNKNOWN
    *rules, types = parts
    return not any(rules) and {"Ingress", "Egress"} <= {*(types or [])}


def _spaces(resources: Sequence[Resource]) -> list[Resource]:
    return [one for one in resources if one.type == NAMESPACE]


def _name(resource: Resource) -> Any:
    return next(walk(resource.inputs, "metadata.name")).value


def _namespaced(token: str, name: str) -> Example:
    return Example(token, {"metadata": metadata(name), "spec": {}}, name=name)


_SPACE = Example(NAMESPACE, namespace(), name=SPACE)
_DENY = Example(NETWORK_POLICY, network_policy(), name="default-deny")

CLOSED = StackRule(
    id="namespace-denies-by-default",
    subject="isolation",
    title=Title(
        "Mỗi không gian tên chặn mọi luồng vào và ra cho đến khi được mở",
        "Every namespace denies all traffic, both ways, until a flow is opened",
    ),
    reason="A pod that no policy selects may talk to every other pod in the cluster.",
    remedy="Declare beside it a NetworkPolicy with podSelector {}, policyTypes Ingress and Egress, and no rules.",
    standard="CIS Kubernetes Benchmark, 5.3.2; NSA/CISA Kubernetes Hardening Guide 1.2",
    looks_at=(NAMESPACE, NETWORK_POLICY),
    check=_closed,
    kept=((_SPACE, _DENY),),
    broken=(
        ((_SPACE,), SPACE),
        ((_SPACE, Example(NETWORK_POLICY, network_policy(podSelector={}, policyTypes=["Ingress"]), name="in")), SPACE),
        (
            (
                _SPACE,
                Example(
                    NETWORK_POLICY,
                    network_policy(podSelector={}, policyTypes=["Ingress", "Egress"], egress=[{}]),
                    name="open",
                ),
            ),
            SPACE,
        ),
    ),
)


def _bounded(resources: Sequence[Resource], _: CityFacts) -> Iterator[Outcome]:
    for space in _spaces(resources):
        name = _name(space)
        for kind in ("ResourceQuota", "LimitRange"):
            places = [next(walk(one.inputs, "metadata.namespace")).value for one in resources if one.kind == kind]
            if name is UNKNOWN or any(place is UNKNOWN for place in places):
                yield Undecided("metadata.name", space.urn)
            elif name not in places:
                yield Finding("", f"a {kind} in it", space.urn)


QUOTA, RANGE = "kubernetes:core/v1:ResourceQuota", "kubernetes:core/v1:LimitRange"
BOUNDED = StackRule(
    id="namespace-is-bounded",
    subject="isolation",
    title=Title("Mỗi không gian tên có hạn mức tài nguyên", "Every namespace has a quota, and limits for single pods"),
    reason="168 units share the nodes: what one may take at most is written down before it takes it.",
    remedy="Declare a ResourceQuota and a LimitRange beside the namespace.",
    standard="NSA/CISA Kubernetes Hardening Guide 1.2, resource policies",
    looks_at=(NAMESPACE, QUOTA, RANGE),
    check=_bounded,
    kept=((_SPACE, _namespaced(QUOTA, "unit"), _namespaced(RANGE, "unit")),),
    broken=(((_SPACE, _namespaced(QUOTA, "unit")), SPACE), ((_SPACE, _namespaced(RANGE, "unit")), SPACE)),
)

RULES = (OWN_ONLY, RECORDS, ROUTE, SERVICES, CLOSED, BOUNDED)
