"""Certificates whose keys live in a Secret of the cluster (kubernetes.io/tls), where the unit's pods read them.

The key is made in this process's memory, goes to the API server once and nowhere else: not to Vault, not into the
archive, not into a result. Every certificate gets a key of its own; a run that dies between signature and Secret loses
the key with its memory, and the next run revokes that certificate and begins anew.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from donvi.backends.kubernetes.objects import KEY_ANNOTATION, SECRET, Owner, managers_of, owner_of
from donvi.backends.pki import CertificateSpec, Issuer, alike, facts_of, identifier, request_digest, spki_digest
from donvi.errors import BackendError, ConflictError, DonviError, PartialError, PermissionDeniedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from donvi.backends.kubernetes.client import KubernetesClient
    from donvi.backends.pki import Entry
    from donvi.backends.vault import VaultClient

CERTIFICATE_FILE, KEY_FILE = "tls.crt", "tls.key"
TYPE = "kubernetes.io/tls"


class SecretSpec(Struct, frozen=True, kw_only=True):
    """A certificate and the Secret that holds it with its key.

    ``certificate.machine`` names the Secret: ``secret/<namespace>/<name>``. ``labels`` hold the unit's mark.
    """

    certificate: CertificateSpec
    namespace: str
    name: str
    labels: dict[str, str]
    owner: Owner

    @property
    def shown(self) -> str:
        """The Secret as people name it."""
        return f"Secret {self.namespace}/{self.name}"


class SecretStanding(Struct, frozen=True):
    """A certificate as it is.

    ``problem`` says why the Secret doesn't hold just that certificate with its key; "" when it does, ``None`` when
    this token may not look at Secrets (the role ``preview``).
    """

    entry: Entry
    problem: str | None


class _Held(Struct, frozen=True):
    """What the live Secret holds; digest of the key's public half and serial of the certificate, "" when unusable."""

    uid: str
    writable: bool  # of the right type, and not made immutable
    owner: Owner | None
    labels: dict[str, str]
    managers: tuple[str, ...]
    public_key: str
    serial: str
    bundle: str


class SecretAuthority:
    """Issues certificates into Secrets, looks at them, withdraws them.

    :param cluster: called when a Secret is needed.
    :param clock: the current time, injected to show renewals.
    """

    def __init__(
        self, vault: VaultClient, cluster: Callable[[], KubernetesClient], clock: Callable[[], datetime]
    ) -> None:
        self._issuer = Issuer(vault, clock)
        self._cluster = cluster

    def ensure(self, spec: SecretSpec) -> tuple[Entry, tuple[str, ...]]:
        """Bring the Secret to hold a good certificate of just this description with its key.

        Returns the certificate, and lines to show a person. What is right already is left alone. After a plain renewal
        the old certificate is left to expire, because pods serve it until they have read the new one; any other that
        this one supersedes is revoked.

        :raises ConflictError: the Secret exists and isn't ours.
        :raises PartialError: a certificate was signed, but the rest failed; repeating goes on from there.
        """
        held = self._look(spec)
        self._refuse_foreign(spec, held)
        wanted = spec.certificate
        entries = self._issuer.good(wanted.unit, wanted.id)
        fitting = self._issuer.fitting(entries, wanted, held.public_key) if held and held.public_key else None
        if fitting and held and not _problem(held, fitting, spec):
            self._issuer.revoke(_obsolete(entries, fitting, held))
            return fitting, ()
        return self._issue(spec, entries, held)

    def standing(self, spec: SecretSpec) -> SecretStanding | None:
        """Return the newest good certificate made for a Secret, or ``None`` when there is none."""
        wanted = spec.certificate
        entries = self._issuer.good(wanted.unit, wanted.id)
        entry = next((entry for entry in entries if entry.spec.machine == wanted.machine), None)
        if entry is None:
            return None
        try:
            held = self._look(spec)
        except PermissionDeniedError:
            return SecretStanding(entry, None)
        return SecretStanding(entry, _problem(held, entry, spec))

    def withdraw(self, spec: SecretSpec) -> None:
        """Revoke what was issued for a Secret, see it on the published CRL, and delete the Secret if it is ours.

        :raises BackendError: a revoked serial isn't on the CRL after its rotation.
        """
        wanted = spec.certificate
        issued = self._issuer.every(wanted.unit, wanted.id)
        self._issuer.revoke([entry for entry in issued if entry.spec.machine == wanted.machine])
        held = self._look(spec)
        if held is not None and held.owner == spec.owner:
            self._cluster().delete(SECRET, spec.namespace, spec.name, uid=held.uid)

    def _issue(self, spec: SecretSpec, entries: list[Entry], held: _Held | None) -> tuple[Entry, tuple[str, ...]]:
        key = ec.generate_private_key(ec.SECP256R1())
        csr = _request(key, f"{spec.certificate.unit} {spec.certificate.id}")
        entry = self._issuer.issue(spec.certificate, csr, request_digest(csr))
        try:
            if held is not None and not held.writable:
                self._cluster().delete(SECRET, spec.namespace, spec.name, uid=held.uid)
            self._write(spec, entry, key, force=held is not None)
            self._issuer.revoke(_obsolete(entries, entry, held))
        except DonviError as error:
            raise PartialError(
                f"certificate {spec.certificate.id} of unit {spec.certificate.unit}: stopped after certificate "
                f"{entry.facts.serial} was signed: {error.message}",
                identifier=identifier(spec.certificate.unit, spec.certificate.id),
                outputs={},
                hint=error.hint,
            ) from error
        others = ", ".join(held.managers) if held else ""
        return entry, (f"{spec.shown} was written anew over {others}",) if others else ()

    def _write(self, spec: SecretSpec, entry: Entry, key: ec.EllipticCurvePrivateKey, *, force: bool) -> None:
        """Write the Secret whole.

        Over one of our own it is forced: whoever changed a field of it became that field's owner, and a key that isn't
        ours must not stay. A Secret of somebody else was refused before.
        """
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        wanted = {
            "metadata": {
                "namespace": spec.namespace,
                "name": spec.name,
                "labels": spec.labels,
                "annotations": {KEY_ANNOTATION: spec.owner.key},
            },
            "type": TYPE,
            "data": {
                CERTIFICATE_FILE: base64.b64encode(entry.bundle.encode()).decode(),
                KEY_FILE: base64.b64encode(pem).decode(),
            },
        }
        self._cluster().apply(SECRET, wanted, force=force)

    def _look(self, spec: SecretSpec) -> _Held | None:
        found = self._cluster().get(SECRET, spec.namespace, spec.name)
        return _held(found) if found is not None else None

    @staticmethod
    def _refuse_foreign(spec: SecretSpec, held: _Held | None) -> None:
        if held is None or held.owner == spec.owner:
            return
        whose = f"belongs to unit {held.owner.unit}, key {held.owner.key}" if held.owner else "carries no owner mark"
        raise ConflictError(
            f"{spec.shown} exists already and {whose}",
            hint="a certificate's Secret is never taken over: delete it, if nobody needs it, and run the command again",
        )


def _problem(held: _Held | None, entry: Entry, spec: SecretSpec) -> str:
    """Say why a Secret isn't as it should be, "" when it is."""
    if held is None:
        return f"{spec.shown} is missing"
    if held.owner != spec.owner:
        return f"{spec.shown} carries somebody else's owner mark"
    if held.serial != entry.facts.serial or held.bundle != entry.bundle:
        return f"{spec.shown} holds another certificate than the one issued for it"
    if held.public_key != entry.facts.public_key:
        return f"the key in {spec.shown} doesn't fit its certificate"
    if any(held.labels.get(name) != value for name, value in spec.labels.items()):
        return f"labels of {spec.shown} were changed"
    return ""


def _obsolete(entries: list[Entry], new: Entry, held: _Held | None) -> list[Entry]:
    """Return what a new certificate of the same Secret makes void.

    One that is alike and was in the Secret with its own key is replaced in good order: it expires.
    """
    here = [old for old in entries if old.spec.machine == new.spec.machine and old.facts.serial != new.facts.serial]
    return [old for old in here if not (alike(old.spec, new.spec) and held and _holds(held, old))]


def _holds(held: _Held, entry: Entry) -> bool:
    return (held.serial, held.public_key) == (entry.facts.serial, entry.facts.public_key)


def _held(found: dict[str, Any]) -> _Held:
    metadata, data = found["metadata"], found.get("data") or {}
    bundle = _decoded(data.get(CERTIFICATE_FILE)).decode(errors="replace")
    return _Held(
        uid=str(metadata["uid"]),
        writable=found.get("type") == TYPE and not found.get("immutable"),
        owner=owner_of(found),
        labels=dict(metadata.get("labels") or {}),
        managers=managers_of(found),
        public_key=_public_digest(_decoded(data.get(KEY_FILE))),
        serial=_serial(bundle),
        bundle=bundle,
    )


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except binascii.Error:
        return b""


def _serial(pem: str) -> str:
    try:
        return facts_of(pem).serial
    except BackendError:
        return ""


def _public_digest(pem: bytes) -> str:
    """Return the digest of the public half of a P-256 key, "" for anything else."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        return ""
    usable = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    return spki_digest(key.public_key()) if usable else ""


def _request(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """Return a request (PEM) that proves the key; Vault takes no name from it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()
