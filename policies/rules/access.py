"""Identity, rights: what a unit's machine may do in Vault, and what its people may do in the cluster."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from policies.city import inside
from policies.model import PLATFORM, Example, Finding, Rule, Title, Undecided
from policies.samples import metadata
from policies.values import UNKNOWN, absent_or, expect, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

POLICY: Final = "donvi:vault:Policy"
APP_ROLE: Final = "donvi:vault:AppRole"
CAPABILITIES: Final = frozenset({"create", "delete", "deny", "list", "patch", "read", "update"})
LONGEST_TOKEN_SECONDS: Final = 3600
_WILDCARD = re.compile(r"[*+]")


def _policy(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    yield from expect(
        resource.inputs,
        "rules[*].capabilities[*]",
        lambda one: one in CAPABILITIES,
        "a capability other than sudo and root",
    )
    owner = resource.owner

    def narrow(path: Any) -> bool:
        return not _broad(path) and (owner == PLATFORM or _owned(path, owner))

    shape = "engine" if owner == PLATFORM else f"engine and units/{owner}/ or unit-{owner}"
    yield from expect(resource.inputs, "rules[*].path", narrow, f"a path with its {shape} before any wildcard")


def _broad(path: Any) -> bool:
    """Whether a path has a wildcard in its first two steps, or reaches Vault's own settings."""
    if not isinstance(path, str):
        return True
    first = path.split("/")[:2]
    return any("*" in step or "+" in step for step in first) or first[0] in {"", "sys", "auth", "identity"}


def _owned(path: str, unit: str) -> bool:
    fixed = _WILDCARD.split(path, maxsplit=1)[0]
    return f"/units/{unit}/" in fixed or f"/unit-{unit}" in fixed


def _rules(*rules: tuple[str, list[str]], at: tuple[str, ...] = (), unit: str = "26506") -> Example:
    inputs = {"rules": [{"path": path, "capabilities": rights} for path, rights in rules]}
    return Example(POLICY, inputs, at, unit=unit, stack_unit=unit)


VAULT_POLICY = Rule(
    id="vault-policy-narrow",
    subject="identity",
    title=Title(
        "Chính sách Vault chỉ mở đường dẫn của chính đơn vị, không có sudo",
        "A Vault policy opens the unit's own paths only, and never sudo",
    ),
    reason="A wildcard too early opens every unit's secrets; sudo opens Vault itself.",
    remedy="Write the paths out: kv/data/units/<code>/*, <mount>/sign/unit-<code>-<certificate>.",
    standard="donvi; NIST SP 800-53, AC-6 (least privilege)",
    looks_at=(POLICY,),
    check=_policy,
    kept=(
        _rules(("kv/data/units/26506/*", ["read", "update"]), ("pki-gateway/sign/unit-26506-gateway", ["update"])),
        _rules(("transit/encrypt/platform", ["update"]), unit="platform"),
    ),
    broken=(
        _rules(("kv/data/units/26506/*", ["read", "sudo"]), at=("rules[0].capabilities[1]",)),
        _rules(("kv/data/units/*", ["read"]), at=("rules[0].path",)),
        _rules(("*", ["read"]), at=("rules[0].path",)),
        _rules(("pki-gateway/sign/any", ["update"]), at=("rules[0].path",)),
        _rules(("sys/policies/acl/unit-26506", ["update"]), at=("rules[0].path",)),
        _rules(("+/data/x", ["read"]), at=("rules[0].path",), unit="platform"),
    ),
)


def _app_role(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    inputs = resource.inputs
    for name in ("tokenTtlSeconds", "secretIdTtlSeconds"):
        yield from expect(
            inputs,
            name,
            lambda seconds: isinstance(seconds, int) and 0 < seconds <= LONGEST_TOKEN_SECONDS,
            f"seconds, 1 to {LONGEST_TOKEN_SECONDS}",
        )
    if next(walk(inputs, "boundCidrs")).value in (None, []):
        yield Finding("boundCidrs", "the unit's own prefixes")
    yield from expect(
        inputs, "boundCidrs[*]", lambda text: _own(text, resource.owner, city), "a range of the unit's own"
    )


def _own(text: Any, owner: str, city: CityFacts) -> bool:
    try:
        network = ipaddress.ip_network(str(text))
    except ValueError:
        return False
    return any(inside(network, own) for own in city.own_networks(owner))


def _identity(at: tuple[str, ...] = (), **parts: Any) -> Example:
    whole = {
        "tokenTtlSeconds": 1200,
        "secretIdTtlSeconds": 600,
        "boundCidrs": ["10.3.64.0/20", "fd9b:7a3c:2900:3400::/56"],
    }
    return Example(APP_ROLE, {**whole, **parts}, at)


BOUND = Rule(
    id="machine-identity-bound",
    subject="identity",
    title=Title(
        "Danh tính máy chỉ dùng được từ mạng của đơn vị và hết hạn sau tối đa một giờ",
        "A machine's identity works from the unit's networks only, an hour at most",
    ),
    reason="A stolen SecretID is then worth nothing elsewhere, and soon nothing at all.",
    remedy="Set boundCidrs to the unit's prefixes and both lifetimes to at most 3600 seconds.",
    standard="donvi; HashiCorp Vault, recommended pattern for AppRole",
    looks_at=(APP_ROLE,),
    check=_app_role,
    kept=(_identity(),),
    broken=(
        _identity(boundCidrs=[], at=("boundCidrs",)),
        _identity(boundCidrs=["0.0.0.0/0"], at=("boundCidrs[0]",)),
        _identity(boundCidrs=["10.1.0.0/20"], at=("boundCidrs[0]",)),
        _identity(tokenTtlSeconds=0, at=("tokenTtlSeconds",)),
        _identity(secretIdTtlSeconds=86400, at=("secretIdTtlSeconds",)),
    ),
)

RBAC: Final = "kubernetes:rbac.authorization.k8s.io/v1"
ROLE, BINDING = f"{RBAC}:Role", f"{RBAC}:RoleBinding"
_TOO_STRONG = frozenset({"*", "bind", "escalate", "impersonate"})
_BUILT_IN = frozenset({"admin", "cluster-admin", "edit"})


def _rbac(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if resource.kind.startswith("Cluster") and resource.owner != PLATFORM:
        yield Finding("", "a Role or RoleBinding in the unit's namespace: a unit's rights end there")
    inputs = resource.inputs
    yield from expect(inputs, "rules[*].verbs[*]", lambda one: one not in _TOO_STRONG, "a verb, not *, bind, escalate")
    yield from expect(inputs, "rules[*].apiGroups[*]", lambda one: one != "*", "an API group, not *")
    yield from expect(
        inputs,
        "rules[*].resources[*]",
        lambda one: one not in {"*", "secrets"} and not str(one).endswith("/*"),
        "a resource, not * and not secrets",
    )
    yield from expect(
        inputs,
        "roleRef.name",
        absent_or(lambda one: one not in _BUILT_IN and not str(one).startswith("system:")),
        "a role made for this purpose",
    )
    for path, subject in walk(inputs, "subjects[*]"):
        yield from _subject(path, subject, resource)


def _subject(path: str, subject: Any, resource: Resource) -> Iterator[Outcome]:
    if subject is UNKNOWN:
        yield Undecided(path)
        return
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        here = next(walk(resource.inputs, "metadata.namespace")).value
        yield from expect(subject, "namespace", lambda place: place == here, "the namespace of the binding", path=path)
    elif UNKNOWN in (kind, name):
        yield Undecided(path)
    elif kind != "Group":
        yield Finding(f"{path}.kind", "Group, or ServiceAccount of the same namespace")
    elif resource.owner != PLATFORM and not str(name).startswith(f"unit:{resource.owner}:"):
        yield Finding(f"{path}.name", f"a group of the unit: unit:{resource.owner}:<system>-<role>")


def _bind(kind: str, name: str, role: str = "donvi-unit-reader", at: tuple[str, ...] = ()) -> Example:
    subject = {"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    inputs = {"metadata": metadata("reader"), "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [subject]}
    return Example(BINDING, inputs, at)


def _role(at: tuple[str, ...] = (), **parts: list[str]) -> Example:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **parts}
    return Example(ROLE, {"metadata": metadata("reader"), "rules": [rule]}, at)


CLUSTER_RIGHTS = Rule(
    id="cluster-rights-narrow",
    subject="identity",
    title=Title(
        "Quyền trong cụm được liệt kê từng việc, cho nhóm của chính đơn vị",
        "Rights in the cluster are spelled out, and go to the unit's own groups",
    ),
    reason="A wildcard covers what is added tomorrow; cluster-admin covers every unit; secrets hold keys.",
    remedy="Bind a role made for the purpose, in the unit's namespace, to unit:<code>:<system>-<role>.",
    standard="CIS Kubernetes Benchmark, 5.1.1-5.1.3, 5.1.8",
    looks_at=("kubernetes:rbac.authorization.k8s.io/*",),
    check=_rbac,
    kept=(_bind("Group", "unit:26506:web-portal-admin"), _role()),
    broken=(
        _bind("Group", "unit:26506:web-portal-admin", "cluster-admin", at=("roleRef.name",)),
        _bind("Group", "system:authenticated", at=("subjects[0].name",)),
        _bind("User", "an.nguyen-van", at=("subjects[0].kind",)),
        _role(verbs=["*"], at=("rules[0].verbs[0]",)),
        _role(verbs=["get", "escalate"], at=("rules[0].verbs[1]",)),
        _role(resources=["secrets"], at=("rules[0].resources[0]",)),
        _role(resources=["*"], at=("rules[0].resources[0]",)),
        Example(f"{RBAC}:ClusterRoleBinding", {"roleRef": {"name": "reader"}}, at=("",)),
    ),
)

RULES = (VAULT_POLICY, BOUND, CLUSTER_RIGHTS)
