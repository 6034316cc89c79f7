#!/usr/bin/python
"""Hold an authority of the machine's own and the certificates it signs; no key ever leaves the machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_certificates
short_description: Hold certificates that the machine signs for itself
description:
  - Each is a pair C(<name>.crt), C(<name>.key) in the folder, EC P-256. A new key comes with every new certificate.
  - One is made anew when it fits no more, or when a third of its life is left.
options:
  folder: {description: Where the pairs are, type: path, required: true}
  certificates:
    description: In the order of making; an authority before what it signs.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: The file's name, type: str, required: true}
      authority: {description: Name of the authority that signs it; none makes it an authority, type: str}
      common_name: {description: Of the subject, type: str, required: true}
      organizations: {description: Of the subject, type: list, elements: str}
      names: {description: DNS names, type: list, elements: str}
      addresses: {description: IP addresses, type: list, elements: str}
      usages: {description: C(client) and C(server), type: list, elements: str}
      owner: {description: Who reads the key, type: str, default: root}
"""

EXAMPLES = r"""
- name: Hold an authority and a client of it
  cluster_certificates:
    folder: /etc/example
    certificates:
      - {name: ca, common_name: example}
      - {name: reader, authority: ca, common_name: reader, usages: [client]}
"""

RETURN = r"""
certificates: {description: Names of those that changed or would, type: list, returned: always}
"""

import datetime as dt
import ipaddress
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS, DAYS = 3650, 365
LEFT = 1 / 3
SKEW = dt.timedelta(minutes=5)
USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
Spec = dict[str, Any]


def subject(spec: Spec) -> x509.Name:
    """Return whom a certificate is for."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in spec["organizations"] or []]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, spec["common_name"])])


def alternatives(spec: Spec) -> list[x509.GeneralName]:
    """Return the names and addresses a certificate is for."""
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in spec["addresses"] or []]
    return [*(x509.DNSName(text) for text in spec["names"] or []), *addresses]


def usages(spec: Spec) -> list[x509.ObjectIdentifier]:
    """Return what a certificate may be used for."""
    return [USAGES[text] for text in spec["usages"] or []]


class Pair:
    """A certificate and its key in the folder."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.spec = spec
        self.certificate_file, self.key_file = folder / f"{spec['name']}.crt", folder / f"{spec['name']}.key"

    def load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Read both."""
        key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes()), key

    def fits(self, authority: Pair | None) -> bool:
        """Say whether both are there, belong together, are as wanted and live on."""
        try:
            found, key = self.load()
            issuer, _ = (authority or self).load()
            issuer.public_key().verify(found.signature, found.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        except Exception:  # noqa: BLE001 - whatever is wrong with the old pair, the remedy is a new one
            return False
        life = found.not_valid_after - found.not_valid_before
        left = found.not_valid_after - dt.datetime.utcnow()  # noqa: DTZ003 - what this release of the library compares
        return (
            found.public_key().public_numbers() == key.public_key().public_numbers()
            and found.subject == subject(self.spec)
            and _extension(found, x509.SubjectAlternativeName) == alternatives(self.spec)
            and _extension(found, x509.ExtendedKeyUsage) == usages(self.spec)
            and left > life * LEFT
        )

    def make(self, authority: Pair | None) -> None:
        """Write both anew; the key first goes to nobody else."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(self.spec, key, authority.load() if authority else None)
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        _place(self.key_file, text, 0o600)
        _place(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def owned(self) -> bool:
        """Say whether the key is its owner's and nobody else's."""
        try:
            state = self.key_file.stat()
            return (pwd.getpwuid(state.st_uid).pw_name, state.st_mode & 0o777) == (self.spec["owner"], 0o600)
        except (OSError, KeyError):
            return False

    def give(self) -> None:
        """Give the key to its owner."""
        os.chown(self.key_file, pwd.getpwnam(self.spec["owner"]).pw_uid, 0)
        self.key_file.chmod(0o600)


def _extension(certificate: x509.Certificate, kind: type[Any]) -> list[Any]:
    try:
        return list(certificate.extensions.get_extension_for_class(kind).value)
    except x509.ExtensionNotFound:
        return []


def _place(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
    draft.replace(path)


def _sign(
    spec: Spec, key: ec.EllipticCurvePrivateKey, by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> x509.Certificate:
    now, is_authority = dt.datetime.now(dt.UTC), by is None
    issuer, signer = (by[0].subject, by[1]) if by else (subject(spec), key)
    end = now + dt.timedelta(days=AUTHORITY_DAYS if is_authority else DAYS)
    builder = x509.CertificateBuilder(issuer, subject(spec), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - SKEW).not_valid_after(end)
    length = 0 if is_authority else None
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=length), critical=True)
    builder = builder.add_extension(_key_usage(is_authority=is_authority), critical=True)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(own, critical=False)
    if by:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by[0].public_key())
        builder = builder.add_extension(identifier, critical=False)
    if usages(spec):
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages(spec)), critical=False)
    if alternatives(spec):
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives(spec)), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def hold(folder: Path, specs: list[Spec], *, check: bool) -> list[str]:
    """Make what doesn't fit; return the names."""
    changed: list[str] = []
    pairs = {spec["name"]: Pair(folder, spec) for spec in specs}
    for name, pair in pairs.items():
        authority = pairs[pair.spec["authority"]] if pair.spec["authority"] else None
        stale = (authority and authority.spec["name"] in changed) or not pair.fits(authority)
        if stale and not check:
            pair.make(authority)
        owned = pair.owned()
        if not owned and not check:
            pair.give()
        if stale or not owned:
            changed.append(name)
    return changed


def main() -> None:
    """Run the module."""
    lists = {name: {"type": "list", "elements": "str"} for name in ("organizations", "names", "addresses", "usages")}
    required = {name: {"type": "str", "required": True} for name in ("name", "common_name")}
    one = {**required, **lists, "authority": {"type": "str"}, "owner": {"type": "str", "default": "root"}}
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": one},
        },
        supports_check_mode=True,
    )
    specs: list[Spec] = module.params["certificates"]
    known: set[str] = set()
    for spec in specs:
        if spec["authority"] and spec["authority"] not in known:
            module.fail_json(msg=f"{spec['name']}: its authority {spec['authority']} must come before it")
        known.add(spec["name"])
    changed = hold(Path(module.params["folder"]), specs, check=module.check_mode)
    module.exit_json(changed=bool(changed), certificates=changed)


if __name__ == "__main__":
    main()
