"""Vault's PKI engines: roles, issuer URLs, signing of requests, revocation and the published CRL.

Certificates aren't stored by Vault (``no_store``): it signs five times as many a second then, and the project keeps
its own archive. Revocation therefore presents the certificate itself.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from msgspec import Struct
from msgspec.structs import replace

from donvi.backends.vault.logins import Logins
from donvi.backends.vault.transport import MissingError, escape

HOUR = 3600


class PkiRoleSpec(Struct, frozen=True, kw_only=True):
    """What certificates of a role may say: these exact names and URIs, never a wildcard or an address.

    :ivar organization: what every subject says; "" for nothing.
    :ivar login: login method, e.g. ``ldap``: instead of ``allowed_domains``, the one name is the caller's own there.
    """

    allowed_domains: tuple[str, ...]
    allowed_uris: tuple[str, ...]
    client: bool
    server: bool
    max_ttl_hours: int
    organization: str = ""
    login: str = ""


class Signed(Struct, frozen=True):
    """A certificate as signed: PEM of the leaf and of the issuers above it, the root left out."""

    pem: str
    chain: tuple[str, ...]


class UrlsSpec(Struct, frozen=True):
    """Where a mount's certificates say that the issuer and the CRL are found."""

    issuing: tuple[str, ...]
    crl: tuple[str, ...]


def serial_hex(number: int) -> str:
    """Return a serial in the one form used in paths and ids: lower-case hex of whole bytes, no colons."""
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


class Pki(Logins):
    """One method per call; ``mount`` is the engine's mount, e.g. ``pki-gateway``."""

    def pki_role_read(self, mount: str, name: str) -> PkiRoleSpec | None:
        """Return a role as it is, or ``None``; a loosened safety setting shows as a domain in brackets."""
        data = self.find(f"{escape(mount)}/roles/{escape(name)}")
        if data is None:
            return None
        allowed = tuple(sorted(data.get("allowed_domains") or ()))
        uris = tuple(sorted(data.get("allowed_uri_sans") or ()))
        login = self._login_of(allowed) if data.get("allowed_domains_template") else ""
        spec = PkiRoleSpec(
            allowed_domains=() if login else allowed,
            allowed_uris=uris,
            client=bool(data.get("client_flag")),
            server=bool(data.get("server_flag")),
            max_ttl_hours=_seconds(data.get("max_ttl")) // HOUR,
            organization=",".join(data.get("organization") or ()),
            login=login,
        )
        wanted = _role_settings(spec, allowed)
        odd = [f"({key}={data[key]})" for key in sorted(wanted) if key in data and not _same(data[key], wanted[key])]
        return replace(spec, allowed_domains=(*spec.allowed_domains, *odd))

    def pki_role_write(self, mount: str, name: str, spec: PkiRoleSpec) -> None:
        """Make a role, or change it to the specification.

        :raises MissingError: it is for a login method that Vault hasn't got.
        """
        domains = (_own_name(self.auth_accessor(spec.login)),) if spec.login else spec.allowed_domains
        self.post(f"{escape(mount)}/roles/{escape(name)}", _role_settings(spec, domains))

    def _login_of(self, domains: tuple[str, ...]) -> str:
        """Return the login method whose callers' own names these are; "" when they are anything else."""
        return next(
            (login for login, accessor in self.auth_accessors().items() if domains == (_own_name(accessor),)), ""
        )

    def pki_role_delete(self, mount: str, name: str) -> None:
        """Delete a role; what it signed stays valid."""
        self.delete(f"{escape(mount)}/roles/{escape(name)}")

    def pki_urls_read(self, mount: str) -> UrlsSpec | None:
        """Return a mount's URLs, or ``None`` when none are configured."""
        data = self.find(f"{escape(mount)}/config/urls") or {}
        issuing = tuple(sorted(data.get("issuing_certificates") or ()))
        crl = tuple(sorted(data.get("crl_distribution_points") or ()))
        return UrlsSpec(issuing=issuing, crl=crl) if issuing or crl else None

    def pki_urls_write(self, mount: str, spec: UrlsSpec) -> None:
        """Set a mount's URLs; two empty lists take them away."""
        urls = {"issuing_certificates": list(spec.issuing), "crl_distribution_points": list(spec.crl)}
        self.post(f"{escape(mount)}/config/urls", urls)

    def pki_sign(
        self,
        mount: str,
        role: str,
        csr: str,
        *,
        common_name: str,
        dns_names: tuple[str, ...] = (),
        uris: tuple[str, ...] = (),
        ttl_hours: int,
    ) -> Signed:
        """Sign a request. The names are the arguments': of the request (PEM), only the public key counts.

        :raises BackendError: the role doesn't allow a name or the lifetime.
        """
        payload = {
            "csr": csr,
            "common_name": common_name,
            "alt_names": ",".join(dns_names),
            "uri_sans": ",".join(uris),
            "exclude_cn_from_sans": True,
            "ttl": f"{ttl_hours}h",
            "format": "pem",
        }
        data = self.post(f"{escape(mount)}/sign/{escape(role)}", payload)["data"]
        above = [pem.strip() + "\n" for pem in data.get("ca_chain") or [data["issuing_ca"]]]
        return Signed(pem=data["certificate"].strip() + "\n", chain=tuple(pem for pem in above if not _is_root(pem)))

    def pki_revoke(self, mount: str, pem: str) -> None:
        """Revoke a certificate by presenting it; repeating is success."""
        self.post(f"{escape(mount)}/revoke", {"certificate": pem})

    def pki_rotate_crl(self, mount: str) -> None:
        """Publish a new CRL now; without it a revocation may stay unseen until the next rebuild."""
        self.get(f"{escape(mount)}/crl/rotate")

    def pki_revoked(self, mount: str) -> frozenset[str]:
        """Return the serials (see :func:`serial_hex`) on the CRL that the mount publishes."""
        try:
            der = self.raw(f"{escape(mount)}/crl")
        except MissingError:
            return frozenset()
        return frozenset(serial_hex(entry.serial_number) for entry in x509.load_der_x509_crl(der))


def _own_name(accessor: str) -> str:
    """Return what Vault replaces by the caller's name at the login method of that accessor."""
    return f"{{{{identity.entity.aliases.{accessor}.name}}}}"


def _role_settings(spec: PkiRoleSpec, domains: tuple[str, ...]) -> dict[str, Any]:
    """Return every setting that matters for safety, so that a hand-loosened role is seen and repaired."""
    return {
        "allowed_domains": sorted(domains),
        "allowed_domains_template": bool(spec.login),
        "organization": [spec.organization] if spec.organization else [],
        "allow_bare_domains": True,
        "allow_subdomains": False,
        "allow_glob_domains": False,
        "allow_wildcard_certificates": False,
        "allow_localhost": False,
        "allow_any_name": False,
        "enforce_hostnames": True,
        "allow_ip_sans": False,
        "allowed_uri_sans": sorted(spec.allowed_uris),
        "allowed_other_sans": [],
        "require_cn": True,
        "use_csr_common_name": False,
        "use_csr_sans": False,
        "client_flag": spec.client,
        "server_flag": spec.server,
        "code_signing_flag": False,
        "email_protection_flag": False,
        "ext_key_usage": [],
        # a seal signs documents: its signature can't be disowned (RFC 5280, 4.2.1.3)
        "key_usage": ["DigitalSignature"] if spec.client or spec.server else ["DigitalSignature", "ContentCommitment"],
        "key_type": "ec",
        "key_bits": 256,
        "no_store": True,
        "generate_lease": False,
        # without it whoever signs may ask for any end; HashiCorp's Vault doesn't know the word (see `denied` of rules)
        "not_after_bound": "ttl-limited",
        "ttl": spec.max_ttl_hours * HOUR,
        "max_ttl": spec.max_ttl_hours * HOUR,
    }


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return sorted(found or ()) == sorted(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return _seconds(found) == wanted
    return bool(found == wanted)


def _seconds(value: Any) -> int:
    """Read a duration as the engines answer it: a number, or text such as ``72h`` or ``259200s``."""
    text = str(value or 0)
    units = {"s": 1, "m": 60, "h": HOUR}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def _is_root(pem: str) -> bool:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.subject == certificate.issuer
