"""Identity: what a certificate may say and for how long, with which key; what a machine and a person may do."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from policies.model import PLATFORM, Example, Finding, Rule, Title, Undecided
from policies.values import UNKNOWN, absent_or, expect, is_, is_text, leaves, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from policies.city import CityFacts
    from policies.model import Outcome, Resource

CERTIFICATE: Final = "donvi:pki:Certificate"
CLUSTER_CERTIFICATE: Final = "donvi:kubernetes:CertificateSecret"
PKI_ROLE: Final = "donvi:vault:PkiRole"
CERTIFICATES: Final = (CERTIFICATE, CLUSTER_CERTIFICATE)

TLS_HOURS: Final = 200 * 24
SEAL_HOURS: Final = 366 * 24
PERSON_HOURS: Final = 1
RSA_BITS: Final = 3072
CURVE_BITS: Final = 256
_PEM = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----.*?-----END (?P=what)-----", re.DOTALL)
_PUBLIC = ("CERTIFICATE", "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "PUBLIC KEY")


def pem_texts(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a PEM block is and the block, also of a text that is itself base64, as Kubernetes writes bytes."""
    if "-----BEGIN " not in text and text.startswith("LS0tLS1CRUdJTi"):
        try:
            text = base64.b64decode(text, validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            return
    for match in _PEM.finditer(text):
        yield match["what"], match.group()


def _strong(what: str, block: str) -> bool:
    """Whether the public key in a PEM block is strong; one that can't be read isn't."""
    from cryptography import x509  # only where a key is written into the inputs
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = block.encode()
    try:
        if what == "CERTIFICATE":
            public = x509.load_pem_x509_certificate(data).public_key()
        elif what == "PUBLIC KEY":
            public = load_pem_public_key(data)  # type: ignore[assignment]
        else:
            public = x509.load_pem_x509_csr(data).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(public, rsa.RSAPublicKey):
        return public.key_size >= RSA_BITS
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.curve.key_size >= CURVE_BITS
    return isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def _key(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    expected = f"an elliptic curve of {CURVE_BITS} bits or more, or RSA of {RSA_BITS} bits or more"
    for path, value in leaves(resource.inputs):
        if value is UNKNOWN:
            yield Undecided(path)
        elif isinstance(value, str) and any(
            what in _PUBLIC and not _strong(what, block) for what, block in pem_texts(value)
        ):
            yield Finding(path, expected)
    for kind, size in (("keyType", "keyBits"), ("spec.privateKey.algorithm", "spec.privateKey.size")):
        path, wanted = next(walk(resource.inputs, kind))
        bits_at, bits = next(walk(resource.inputs, size))
        if UNKNOWN in (wanted, bits):
            yield Undecided(path)
        elif wanted is not None and not _allowed(str(wanted).lower(), bits):
            yield Finding(path if bits is None else bits_at, expected)


def _allowed(kind: str, bits: Any) -> bool:
    size = bits if isinstance(bits, int) else 0
    if kind == "rsa":
        return size >= RSA_BITS  # what is left out is 2048 in Vault and in cert-manager alike
    if kind in {"ec", "ecdsa"}:
        return bits is None or size >= CURVE_BITS
    return kind == "ed25519"


WEAK: Final = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC1Sr6oVTKHxmrVTCtMBPSHW9Yl\n"
    "-----END PUBLIC KEY-----\n"
)
"""Cut short on purpose: a key that nobody can read is refused as well. The RSA-1024 one is in ``examples/``."""

KEYS = Rule(
    id="key-type-strong",
    subject="identity",
    title=Title(
        "Khóa công khai đủ mạnh: đường cong elliptic từ 256 bit hoặc RSA từ 3072 bit",
        "Public keys are strong: elliptic curves from 256 bits, RSA from 3072",
    ),
    reason="RSA-1024 can be factored and RSA-2048 is being phased out; a certificate outlives the decision.",
    remedy="Make a new key: EC P-256, as donvi does for every unit, or RSA with at least 3072 bits.",
    standard="NIST SP 800-57 Part 1, 5.6 (128-bit strength); BSI TR-02102-1",
    looks_at=(
        *CERTIFICATES,
        PKI_ROLE,
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:certificates.k8s.io/*",
        "kubernetes:cert-manager.io/*",
    ),
    check=_key,
    kept=(
        Example(PKI_ROLE, {"keyType": "ec", "keyBits": 256}),
        Example(PKI_ROLE, {"keyType": "rsa", "keyBits": 4096}),
        Example("kubernetes:cert-manager.io/v1:Certificate", {"spec": {"privateKey": {"algorithm": "ECDSA"}}}),
    ),
    broken=(
        Example(PKI_ROLE, {"keyType": "rsa", "keyBits": 1024}, at=("keyBits",)),
        Example(PKI_ROLE, {"keyType": "rsa"}, at=("keyType",)),
        Example(
            "kubernetes:cert-manager.io/v1:Certificate",
            {"spec": {"privateKey": {"algorithm": "RSA", "size": 2048}}},
            at=("spec.privateKey.size",),
        ),
        Example("kubernetes:core/v1:ConfigMap", {"data": {"ca.crt": WEAK}}, at=('data["ca.crt"]',)),
        Example(
            "kubernetes:certificates.k8s.io/v1:CertificateSigningRequest",
            {"spec": {"request": base64.b64encode(WEAK.encode()).decode()}},
            at=("spec.request",),
        ),
    ),
)


def _life(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    inputs = resource.inputs
    if resource.type == PKI_ROLE:
        seal = inputs.get("server") is False and inputs.get("client") is False
        name = "maxTtlHours"
    else:
        seal = resource.type == CERTIFICATE and inputs.get("usages") == []
        name = "ttlHours"
    most = SEAL_HOURS if seal else TLS_HOURS
    yield from expect(
        inputs, name, lambda hours: isinstance(hours, int) and 0 < hours <= most, f"hours, at most {most}"
    )


LIFE = Rule(
    id="certificate-lifetime",
    subject="identity",
    title=Title(
        "Chứng thư TLS có hiệu lực tối đa 200 ngày, chứng thư ký số tối đa 1 năm",
        "TLS certificates live 200 days at most, signing seals a year",
    ),
    reason="A key that leaked unseen is worth something only while its certificate lives; renewal is automatic.",
    remedy="Give ttlHours of at most 4800 (a seal without TLS usages: 8784); `up` renews at two thirds.",
    standard="CA/Browser Forum Baseline Requirements, 6.3.2 (since March 2026), taken over by the city's authority",
    looks_at=(*CERTIFICATES, PKI_ROLE),
    check=_life,
    kept=(
        Example(CERTIFICATE, {"ttlHours": 2160, "usages": ["server"]}),
        Example(CERTIFICATE, {"ttlHours": 8760, "usages": []}),
        Example(PKI_ROLE, {"maxTtlHours": 8760, "server": False, "client": False}),
    ),
    broken=(
        Example(CERTIFICATE, {"ttlHours": 8760, "usages": ["server"]}, at=("ttlHours",)),
        Example(PKI_ROLE, {"maxTtlHours": 17520, "server": False, "client": False}, at=("maxTtlHours",)),
        Example(PKI_ROLE, {"maxTtlHours": 8760, "server": True, "client": False}, at=("maxTtlHours",)),
    ),
)


def _exact_name(resource: Resource, city: CityFacts) -> Callable[[Any], bool]:
    def test(name: Any) -> bool:
        if not is_text(name) or "*" in name or name == "localhost" or _is_address(name):
            return False
        return resource.owner == PLATFORM or city.below(name, resource.owner)

    return test


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _of_a_login(resource: Resource) -> bool:
    """Whether it is a role by which people sign in their own name; ``person-certificate-bound`` looks at those."""
    return resource.type == PKI_ROLE and is_text(resource.inputs.get("login"))


def _names(resource: Resource, city: CityFacts) -> Iterator[Outcome]:
    if _of_a_login(resource):
        return
    test = _exact_name(resource, city)
    expected = "an exact host name in the unit's domain: no wildcard, no address"
    yield from expect(resource.inputs, "dnsNames[*]", test, expected)
    yield from expect(resource.inputs, "allowedDomains[*]", test, expected)
    yield from expect(resource.inputs, "commonName", absent_or(test), expected)
    if resource.type == PKI_ROLE and next(walk(resource.inputs, "allowedDomains")).value in (None, []):
        yield Finding("allowedDomains", "at least one exact name: a role without names signs any")
    for flag in ("allowAnyName", "allowSubdomains", "allowGlobDomains", "allowWildcardCertificates", "allowIpSans"):
        yield from expect(resource.inputs, flag, lambda value: value in (None, False), "false, or left out")


NAMES = Rule(
    id="certificate-names-exact",
    subject="identity",
    title=Title(
        "Chứng thư và vai trò PKI chỉ ghi tên máy chính xác của đơn vị: không ký tự đại diện, không địa chỉ IP",
        "Certificates and PKI roles state exact host names of the unit: no wildcards, no addresses",
    ),
    reason="A wildcard or an any-name role is a certificate for services that don't exist yet, and for neighbours.",
    remedy="List every host name under <slug>.<city domain>; leave the allow-any flags out.",
    standard="RFC 9525, 6.3 and 7.1; RFC 5280, 4.2.1.6",
    looks_at=(*CERTIFICATES, PKI_ROLE),
    check=_names,
    kept=(
        Example(CERTIFICATE, {"commonName": "www.vung-tau.tphcm.test", "dnsNames": ["www.vung-tau.tphcm.test"]}),
        Example(PKI_ROLE, {"allowedDomains": ["gw.vung-tau.tphcm.test"]}),
        Example(PKI_ROLE, {"allowedDomains": [], "login": "ldap"}),
    ),
    broken=(
        Example(CERTIFICATE, {"dnsNames": ["*.vung-tau.tphcm.test"]}, at=("dnsNames[0]",)),
        Example(CERTIFICATE, {"dnsNames": ["10.3.64.1"]}, at=("dnsNames[0]",)),
        Example(CERTIFICATE, {"commonName": "vault.tphcm.test"}, at=("commonName",)),
        Example(PKI_ROLE, {"allowedDomains": []}, at=("allowedDomains",)),
        Example(PKI_ROLE, {"allowedDomains": ["gw.vung-tau.tphcm.test"], "allowAnyName": True}, at=("allowAnyName",)),
    ),
)


def _says_unit(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    if _of_a_login(resource):
        return
    name = "allowedUris" if resource.type == PKI_ROLE else "uris"
    path, uris = next(walk(resource.inputs, name))
    own = f"urn:donvi:unit:{resource.owner}"
    if uris is UNKNOWN or (isinstance(uris, list) and UNKNOWN in uris):
        yield Undecided(path)
    elif uris != [own]:
        yield Finding(path, f"[{own}] and nothing else")


SAYS_UNIT = Rule(
    id="certificate-says-its-unit",
    subject="identity",
    title=Title(
        "Chứng thư mang mã của chính đơn vị trong URI", "A certificate carries its own unit's code as its only URI"
    ),
    reason="Services read from it whose request it is: a foreign code is a foreign identity.",
    remedy="Give uris (a role: allowedUris) exactly urn:donvi:unit:<code of the unit>.",
    standard="donvi; RFC 5280, 4.2.1.6",
    looks_at=(*CERTIFICATES, PKI_ROLE),
    check=_says_unit,
    kept=(
        Example(CERTIFICATE, {"uris": ["urn:donvi:unit:26506"]}),
        Example(PKI_ROLE, {"allowedUris": ["urn:donvi:unit:26506"]}),
    ),
    broken=(
        Example(CERTIFICATE, {"uris": []}, at=("uris",)),
        Example(CERTIFICATE, {"uris": ["urn:donvi:unit:25747"]}, at=("uris",)),
        Example(PKI_ROLE, {"allowedUris": ["urn:donvi:unit:26506", "urn:donvi:unit:25747"]}, at=("allowedUris",)),
    ),
)


def _person(resource: Resource, _: CityFacts) -> Iterator[Outcome]:
    inputs = resource.inputs
    if not _of_a_login(resource):
        return
    yield from expect(inputs, "maxTtlHours", lambda hours: hours == PERSON_HOURS, f"{PERSON_HOURS} hour")
    yield from expect(inputs, "server", is_(False), "false: people serve nothing")
    yield from expect(inputs, "allowedDomains[*]", lambda _value: False, "none: the name is that of who logged in")
    group = f"unit:{resource.owner}:"
    yield from expect(
        inputs, "organization", lambda name: is_text(name) and name.startswith(group), f"{group}<system>-<role>"
    )


def _login_role(at: tuple[str, ...] = (), **parts: Any) -> Example:
    whole = {"login": "ldap", "maxTtlHours": 1, "server": False, "organization": "unit:26506:web-portal-admin"}
    return Example(PKI_ROLE, {**whole, **parts}, at)


PERSON = Rule(
    id="person-certificate-bound",
    subject="identity",
    title=Title(
        "Chứng thư của người dùng có hiệu lực tối đa một giờ, chỉ mang tên họ và nhóm của đơn vị",
        "A person's certificate lives an hour, in the person's own name and the unit's group",
    ),
    reason="The cluster knows no revocation: what it lets in, it lets in until the certificate ends.",
    remedy="Give maxTtlHours 1, server false and organization unit:<code>:<system>-<role>.",
    standard="donvi; CIS Kubernetes Benchmark, 3.1.1 (client certificates of people)",
    looks_at=(PKI_ROLE,),
    check=_person,
    kept=(_login_role(), Example(PKI_ROLE, {"maxTtlHours": 2160, "server": True})),
    broken=(
        _login_role(maxTtlHours=24, at=("maxTtlHours",)),
        _login_role(server=True, at=("server",)),
        _login_role(organization="system:masters", at=("organization",)),
        _login_role(allowedDomains=["gw.vung-tau.tphcm.test"], at=("allowedDomains[0]",)),
    ),
)

RULES = (KEYS, LIFE, NAMES, SAYS_UNIT, PERSON)
