"""Certificates whose keys live in a Secret of the cluster.

The resource's id is ``<unit>/<certificate>`` and stays through renewals. A ``serial`` of "" in the state says that the
Secret doesn't hold what it should: a refresh found it missing or changed. The next ``up`` then makes a new key.

A preview's token may not read Secrets; its ``read`` looks at the archive in Vault only. Nothing of a private key is an
input, an output, a note or part of an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.backends.kubernetes.objects import MANAGED_BY_LABEL, MANAGER, UNIT_LABEL, Owner
from donvi.backends.kubernetes.secrets import SecretAuthority, SecretSpec
from donvi.backends.pki import identifier
from donvi.errors import UsageError
from donvi.provider.handler import Failure, Found, Result, handler
from donvi.provider.handlers.issued import IssuedHandler, IssuedInputs, outputs, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.backends.kubernetes.secrets import SecretStanding
    from donvi.provider.services import Services

PREFIX = "certificate-secret/"
LONGEST_NAMESPACE, LONGEST_NAME, LONGEST_LABEL = 63, 253, 63

_NAME = re.compile(r"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_LABEL_NAME = re.compile(r"\A([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_LABEL = re.compile(r"\A([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?\Z")


class CertificateSecretInputs(IssuedInputs, frozen=True, kw_only=True):
    """A certificate with its key in the Secret ``name`` of ``namespace``; ``key`` is ``certificate-secret/<id>``.

    ``labels`` are the Secret's; the provider adds the unit's and its own.
    """

    namespace: str
    name: str
    labels: dict[str, str]


@handler(
    "donvi:kubernetes:CertificateSecret",
    inputs=CertificateSecretInputs,
    replace_on={"unit", "key", "namespace", "name"},
)
class CertificateSecretHandler(IssuedHandler[CertificateSecretInputs]):
    """Issues, renews and revokes; see :class:`donvi.backends.kubernetes.SecretAuthority`."""

    prefix = PREFIX
    misplaced = "the Secret does not hold the certificate with its key: a new key is made and its certificate issued"

    def check(self, new: CertificateSecretInputs) -> Iterable[Failure]:
        """Refuse also what can't be the name of a Secret, or one of its labels."""
        yield from super().check(new)
        for name, value, longest in (
            ("namespace", new.namespace, LONGEST_NAMESPACE),
            ("name", new.name, LONGEST_NAME),
        ):
            if not _NAME.match(value) or len(value) > longest:
                yield Failure(name, f"{value!r}: use 1 to {longest} lower-case letters, digits and hyphens")
        for label, value in new.labels.items():
            if not _LABEL_NAME.match(label) or not _LABEL.match(value) or len(value) > LONGEST_LABEL:
                yield Failure(f"labels.{label}", f"{value!r} can't be a label: use up to 63 letters, digits, '-_.'")

    def create(self, services: Services, new: CertificateSecretInputs) -> Result:
        """Make key, certificate and Secret, or finish what an earlier run began."""
        entry, notes = _authority(services).ensure(self._secret(new))
        return Result(identifier(new.unit, self.id_of(new)), outputs(entry), notes)

    def read(self, services: Services, id: str, known: CertificateSecretInputs | None) -> Found | None:
        """Return the newest good certificate; what is wrong with its Secret is a line to show.

        :raises UsageError: on import, which would have to show the key to know it.
        """
        if known is None:
            raise UsageError(
                f"{id!r}: a certificate's Secret can't be imported",
                hint="declare it and run `pulumi up`: a Secret with this owner mark is taken over, any other refused",
            )
        standing = _authority(services).standing(self._secret(known))
        return self._found(standing, known) if standing else None

    def update(self, services: Services, id: str, old: CertificateSecretInputs, new: CertificateSecretInputs) -> Result:
        """Issue a certificate of the new description with a new key; a renewal is an update without change."""
        entry, notes = _authority(services).ensure(self._secret(new))
        return Result(id, outputs(entry), notes)

    def delete(self, services: Services, id: str, old: CertificateSecretInputs) -> None:
        """Revoke, see it on the published CRL, delete the Secret if it is ours. The archive stays."""
        _authority(services).withdraw(self._secret(old))

    def _secret(self, inputs: CertificateSecretInputs) -> SecretSpec:
        return SecretSpec(
            certificate=self.spec(inputs, f"secret/{inputs.namespace}/{inputs.name}"),
            namespace=inputs.namespace,
            name=inputs.name,
            labels={**inputs.labels, UNIT_LABEL: inputs.unit, MANAGED_BY_LABEL: MANAGER},
            owner=Owner(inputs.unit, inputs.key),
        )

    def _found(self, standing: SecretStanding, known: CertificateSecretInputs) -> Found:
        spec = standing.entry.spec
        inputs = CertificateSecretInputs(
            unit=spec.unit,
            key=known.key,
            namespace=known.namespace,
            name=known.name,
            labels=known.labels,
            mount=spec.mount,
            role=spec.role,
            common_name=spec.common_name,
            dns_names=spelled(known.dns_names, spec.dns_names),
            uris=spelled(known.uris, spec.uris),
            usages=spelled(known.usages, spec.usages),
            ttl_hours=spec.ttl_hours,
            renew_after=spec.renew_after_hours,
        )
        computed = outputs(standing.entry)
        if standing.problem:
            computed["serial"] = ""
        return Found(
            identifier(spec.unit, spec.id), inputs, computed, notes=(standing.problem,) if standing.problem else ()
        )


def _authority(services: Services) -> SecretAuthority:
    return SecretAuthority(services.vault, lambda: services.kubernetes, services.clock)
