"""Secrets: none in inputs, because inputs are kept in state, shown in previews and copied into back-ups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from policies.model import Example, Finding, Rule, Title, Undecided
from policies.pods import WORKLOADS, containers
from policies.rules.identity import pem_texts
from policies.samples import DEPLOYMENT, container, deployment, metadata, pod
from policies.values import UNKNOWN, is_text, key, leaves, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

VERIFICATION: Final = "donvi:verify:Verification"
"""It depends on moments that the provider writes, new with every change; those aren't worth a line each."""
CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
SECRET: Final = "kubernetes:core/v1:Secret"  # noqa: S105 - a type token
_SHAPES = re.compile(
    r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.|\bAKIA[0-9A-Z]{16}\b|://[^/\s:@]+:[^/\s@]+@"
)
"""Vault tokens, signed web tokens, access keys, credentials in an address."""
_NAMED = re.compile(
    r"(?i)(?:^|[_.-]|(?<=[a-z])(?=[A-Z]))(?:password|passwd|secret|token|api[_-]?key|credentials?)(?:$|[_.-]?(?:b64|value)$)"
)
_PRIVATE = "PRIVATE KEY"


def _plain(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    for path, value in leaves(resource.inputs):
        if value is UNKNOWN and not (resource.type == VERIFICATION and path.startswith("depends")):
            yield Undecided(path)
        elif isinstance(value, str) and _looks_secret(value):
            yield Finding(path, "no key, token or password: a path in Vault's KV instead")
    if resource.type == CONFIG_MAP:
        yield from _entries(resource, "data")
    elif f"kubernetes:*:{resource.kind}" in WORKLOADS:
        yield from _environment(resource)


def _looks_secret(text: str) -> bool:
    return _SHAPES.search(text) is not None or any(what.endswith(_PRIVATE) for what, _ in pem_texts(text))


def _entries(resource: Resource, where: str) -> Iterator[Outcome]:
    path, data = next(walk(resource.inputs, where))
    if data is UNKNOWN:
        yield Undecided(path)
        return
    for name in data or {}:
        if _NAMED.search(name):
            yield Finding(
                key(path, name), "no entry of such a name in a ConfigMap: everybody in the namespace reads it"
            )


def _environment(resource: Resource) -> Iterator[Outcome]:
    for path, box in containers(resource):
        for place, variable in walk(box, "env[*]", path):
            if variable is UNKNOWN:
                yield Undecided(place)
                continue
            name, value = variable.get("name"), variable.get("value")
            if is_text(name) and _NAMED.search(name) and value is not None:
                yield Finding(f"{place}.value", "left out: mount a Secret as a file instead")


def _env(name: str, value: str, at: tuple[str, ...] = ()) -> Example:
    return Example(DEPLOYMENT, deployment(pod(container(env=[{"name": name, "value": value}]))), at)


def _map(name: str, value: str, at: tuple[str, ...] = ()) -> Example:
    return Example(CONFIG_MAP, {"metadata": metadata("page"), "data": {name: value}}, at)


_BLOCK = f"-----BEGIN EC {_PRIVATE}-----\nMHcCAQEE\n-----END EC {_PRIVATE}-----\n"

PLAIN = Rule(
    id="no-plain-secrets",
    subject="secrets",
    title=Title(
        "Không có khóa, mật khẩu hay mã truy cập trong đầu vào của tài nguyên",
        "No key, password or token stands in a resource's inputs",
    ),
    reason="Inputs are written to state and shown in previews; marked secret or not, they stay in every back-up.",
    remedy="Keep it in Vault's KV and give its path; a key is made where it is used.",
    standard="CIS Kubernetes Benchmark, 5.4.1, 5.4.2; donvi (nothing secret in state)",
    looks_at=("*",),
    check=_plain,
    kept=(
        _map("index.html", "<p>Phường Vũng Tàu</p>"),
        _env("SITE_TLS", "/tls"),
        Example("donvi:directory:Account", {"credential": "first-passwords/cb-265001"}),
    ),
    broken=(
        _map("tls.key", _BLOCK, at=('data["tls.key"]',)),
        _map("db-password", "x", at=("data.db-password",)),
        _env("DB_PASSWORD", "correct horse", at=("spec.template.spec.containers[0].env[0].value",)),
        _env("DATABASE", "postgres://site:horse@db/site", at=("spec.template.spec.containers[0].env[0].value",)),
        Example("donvi:machine:Configuration", {"settings": {"note": "hvs." + "a" * 24}}, at=("settings.note",)),
    ),
)


def _not_marked(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    for path, value in leaves(resource.inputs):
        name = path.rpartition(".")[2]
        if not _NAMED.search(name) or name == "credential" or path in resource.marked:
            continue
        if value is UNKNOWN:
            yield Undecided(path)
        elif is_text(value):
            yield Finding(path, "marked secret (pulumi.Output.secret), or better a path in Vault's KV")


UNMARKED = Rule(
    id="secret-inputs-marked",
    subject="secrets",
    title=Title(
        "Đầu vào mang tên bí mật phải được đánh dấu là bí mật",
        "An input that is named like a secret is marked secret",
    ),
    reason="What isn't marked stands in clear in state, previews and logs.",
    remedy="Wrap it in pulumi.Output.secret(…), or give a path in Vault's KV.",
    standard="donvi; NIST SP 800-53, SC-28 (information at rest)",
    looks_at=("donvi:*", "pulumi:providers:*"),
    check=_not_marked,
    kept=(
        Example("pulumi:providers:kubernetes", {"token": "given elsewhere"}, marked=frozenset({"token"})),
        Example("donvi:dns:RecordSet", {"credential": "backends/dns/tsig/26506"}),
    ),
    broken=(
        Example("pulumi:providers:kubernetes", {"token": "abc"}, at=("token",)),
        Example("donvi:machine:Configuration", {"settings": {"adminPassword": "abc"}}, at=("settings.adminPassword",)),
    ),
)


def _through_state(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if resource.type != SECRET:
        yield Finding("", "nothing that makes a secret value: state would keep it")
        return
    for name in ("data", "stringData"):
        path, value = next(walk(resource.inputs, name))
        if value is UNKNOWN or value:
            yield Finding(path, "left out: a Secret's content doesn't pass through state")


THROUGH_STATE = Rule(
    id="no-secret-through-state",
    subject="secrets",
    title=Title(
        "Nội dung của Secret không đi qua trạng thái của Pulumi",
        "A Secret's content doesn't pass through Pulumi's state",
    ),
    reason="State is encrypted with one key per stack and kept for ever; a site's key belongs on its cluster only.",
    remedy="Use donvi:kubernetes:CertificateSecret: the provider makes the key in memory and writes it by the API.",
    standard="donvi (private keys never in state); CIS Kubernetes Benchmark, 5.4.2",
    looks_at=(SECRET, "tls:index/privateKey:PrivateKey", "random:index/randomPassword:RandomPassword"),
    check=_through_state,
    kept=(Example(SECRET, {"metadata": metadata("empty"), "type": "Opaque"}),),
    broken=(
        Example(SECRET, {"stringData": {"note": "x"}}, at=("stringData",)),
        Example(SECRET, {"data": {"tls.key": "eA=="}}, at=("data",)),
        Example("tls:index/privateKey:PrivateKey", {"algorithm": "ECDSA"}, at=("",)),
    ),
)


RULES = (PLAIN, UNMARKED, THROUGH_STATE)
