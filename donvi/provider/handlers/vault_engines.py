"""What Vault's engines do: PKI roles, issuer URLs and transit keys; all carry their owner mark in KV."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from donvi.backends.vault import PkiRoleSpec, UrlsSpec
from donvi.errors import UsageError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler
from donvi.provider.handlers.marks import Marked, name_failures, same_set, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.backends.vault import VaultClient
    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

PKI_ROLE = "donvi:vault:PkiRole"
PKI_URLS = "donvi:vault:PkiUrls"
TRANSIT_KEY = "donvi:vault:TransitKey"

_DOMAIN = re.compile(r"\A(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\Z")

_ORGANIZATION = re.compile(r"\A(?:[A-Za-z0-9][A-Za-z0-9:-]{0,62})?\Z")


class PkiRoleInputs(Inputs, frozen=True, kw_only=True):
    """What certificates of a role may say: exact names, or the name of whoever logged in by a method of Vault.

    ``organization``: what every subject says.
    """

    mount: str
    name: str
    allowed_domains: tuple[str, ...] = ()
    allowed_uris: tuple[str, ...] = ()
    client: bool
    server: bool
    max_ttl_hours: int
    organization: str = ""
    login: str = ""


@handler(PKI_ROLE, inputs=PkiRoleInputs, replace_on={"mount", "name"})
class PkiRoleHandler(Handler[PkiRoleInputs]):
    """A PKI role of exact names. Its id is ``<mount>/<name>``."""

    def check(self, new: PkiRoleInputs) -> Iterable[Failure]:
        """Refuse wildcards, addresses and a role that names nothing."""
        yield from name_failures(new.name)
        yield from name_failures(new.mount, "mount")
        if new.login:
            yield from name_failures(new.login, "login")
        if bool(new.login) == bool(new.allowed_domains):
            yield Failure("allowedDomains", "say either the common name or the login whose name it is, not both")
        if not _ORGANIZATION.match(new.organization):
            yield Failure("organization", f"{new.organization!r} is no group: use letters, digits, '-' and ':'")
        for number, domain in enumerate(new.allowed_domains):
            if not _DOMAIN.match(domain):
                yield Failure(
                    f"allowedDomains[{number}]", f"{domain!r} is not an exact host name: no wildcard, no address"
                )
        for number, uri in enumerate(new.allowed_uris):
            if ":" not in uri or "*" in uri:
                yield Failure(f"allowedUris[{number}]", f"{uri!r} is not an exact URI: write it out, without wildcard")
        if new.max_ttl_hours <= 0:
            yield Failure("maxTtlHours", f"{new.max_ttl_hours} h is no lifetime: give whole hours above 0")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare lists without regard to order."""
        return old == new or same_set(old, new)

    def create(self, services: Services, new: PkiRoleInputs) -> Result:
        """Mark the name, then make the role."""
        vault = services.vault
        mark = self._mark(vault, f"{new.mount}/{new.name}")
        mark.claim(new, lambda: vault.pki_role_read(new.mount, new.name) is not None)
        return self._write(vault, new)

    def read(self, services: Services, id: str, known: PkiRoleInputs | None) -> Found | None:
        """Return the role as it is; a loosened safety setting shows among the domains."""
        mount, _, name = id.rpartition("/")
        if not mount:
            raise UsageError(f"{id!r} is not the id of a PKI role", hint="write it as <mount>/<name>")
        spec = services.vault.pki_role_read(mount, name)
        if spec is None:
            return None
        owner = self._mark(services.vault, id).found(known)
        inputs = PkiRoleInputs(
            unit=owner.unit,
            key=owner.key,
            mount=mount,
            name=name,
            allowed_domains=spelled(known.allowed_domains if known else None, spec.allowed_domains),
            allowed_uris=spelled(known.allowed_uris if known else None, spec.allowed_uris),
            client=spec.client,
            server=spec.server,
            max_ttl_hours=spec.max_ttl_hours,
            organization=spec.organization,
            login=spec.login,
        )
        return Found(id, inputs)

    def update(self, services: Services, id: str, old: PkiRoleInputs, new: PkiRoleInputs) -> Result:
        """Change the role."""
        self._mark(services.vault, id).keep(old, new)
        return self._write(services.vault, new)

    def delete(self, services: Services, id: str, old: PkiRoleInputs) -> None:
        """Delete the role, then its mark; certificates it signed stay valid."""
        mark = self._mark(services.vault, id)
        if mark.ours(old):
            services.vault.pki_role_delete(old.mount, old.name)
            mark.release()

    @staticmethod
    def _mark(vault: VaultClient, name: str) -> Marked:
        return Marked(vault, "pki-role", name, PKI_ROLE)

    @staticmethod
    def _write(vault: VaultClient, new: PkiRoleInputs) -> Result:
        spec = PkiRoleSpec(
            allowed_domains=new.allowed_domains,
            allowed_uris=new.allowed_uris,
            client=new.client,
            server=new.server,
            max_ttl_hours=new.max_ttl_hours,
            organization=new.organization,
            login=new.login,
        )
        vault.pki_role_write(new.mount, new.name, spec)
        return Result(f"{new.mount}/{new.name}")


class PkiUrlsInputs(Inputs, frozen=True, kw_only=True):
    """Where certificates of a mount say that issuer and CRL are found."""

    mount: str
    issuing: tuple[str, ...]
    crl: tuple[str, ...]


@handler(PKI_URLS, inputs=PkiUrlsInputs, replace_on={"mount"})
class PkiUrlsHandler(Handler[PkiUrlsInputs]):
    """The URLs of one PKI mount. Its id is the mount."""

    def check(self, new: PkiUrlsInputs) -> Iterable[Failure]:
        """Refuse what isn't a URL."""
        yield from name_failures(new.mount, "mount")
        for name, urls in (("issuing", new.issuing), ("crl", new.crl)):
            for number, url in enumerate(urls):
                if not url.startswith(("https://", "http://")):
                    yield Failure(f"{name}[{number}]", f"{url!r} is not a URL: begin with https:// or http://")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare lists without regard to order."""
        return old == new or same_set(old, new)

    def create(self, services: Services, new: PkiUrlsInputs) -> Result:
        """Mark the mount's URLs, then set them."""
        vault = services.vault
        self._mark(vault, new.mount).claim(new, lambda: vault.pki_urls_read(new.mount) is not None)
        return self._write(vault, new)

    def read(self, services: Services, id: str, known: PkiUrlsInputs | None) -> Found | None:
        """Return the URLs as they are."""
        spec = services.vault.pki_urls_read(id)
        if spec is None:
            return None
        owner = self._mark(services.vault, id).found(known)
        inputs = PkiUrlsInputs(
            unit=owner.unit,
            key=owner.key,
            mount=id,
            issuing=spelled(known.issuing if known else None, spec.issuing),
            crl=spelled(known.crl if known else None, spec.crl),
        )
        return Found(id, inputs)

    def update(self, services: Services, id: str, old: PkiUrlsInputs, new: PkiUrlsInputs) -> Result:
        """Set the new URLs; certificates signed from now on carry them."""
        self._mark(services.vault, id).keep(old, new)
        return self._write(services.vault, new)

    def delete(self, services: Services, id: str, old: PkiUrlsInputs) -> None:
        """Take the URLs away."""
        mark = self._mark(services.vault, id)
        if mark.ours(old):
            services.vault.pki_urls_write(id, UrlsSpec(issuing=(), crl=()))
            mark.release()

    @staticmethod
    def _mark(vault: VaultClient, name: str) -> Marked:
        return Marked(vault, "pki-urls", name, PKI_URLS)

    @staticmethod
    def _write(vault: VaultClient, new: PkiUrlsInputs) -> Result:
        vault.pki_urls_write(new.mount, UrlsSpec(issuing=new.issuing, crl=new.crl))
        return Result(new.mount)


class TransitKeyInputs(Inputs, frozen=True, kw_only=True):
    """The key that a stack's secrets and state are wrapped with."""

    name: str


@handler(TRANSIT_KEY, inputs=TransitKeyInputs, replace_on={"name"})
class TransitKeyHandler(Handler[TransitKeyInputs]):
    """A transit key. It is never deleted: without it a stack's state, backups included, can be read no more."""

    def check(self, new: TransitKeyInputs) -> Iterable[Failure]:
        """Refuse a name that Vault would bend."""
        yield from name_failures(new.name)

    def create(self, services: Services, new: TransitKeyInputs) -> Result:
        """Mark the name, then make the key; one that was kept after a destroy is found again by its mark."""
        vault = services.vault
        self._mark(vault, new.name).claim(new, lambda: vault.transit_read(new.name) is not None)
        return Result(new.name, {"latestVersion": vault.transit_create(new.name)})

    def read(self, services: Services, id: str, known: TransitKeyInputs | None) -> Found | None:
        """Return the key's latest version."""
        version = services.vault.transit_read(id)
        if version is None:
            return None
        owner = self._mark(services.vault, id).found(known)
        return Found(id, TransitKeyInputs(unit=owner.unit, key=owner.key, name=id), {"latestVersion": version})

    def update(self, services: Services, id: str, old: TransitKeyInputs, new: TransitKeyInputs) -> Result:
        """Move the mark."""
        self._mark(services.vault, id).keep(old, new)
        return Result(id, {"latestVersion": services.vault.transit_create(id)})

    def delete(self, services: Services, id: str, old: TransitKeyInputs) -> None:
        """Keep key and mark (retention)."""

    @staticmethod
    def _mark(vault: VaultClient, name: str) -> Marked:
        return Marked(vault, "transit-key", name, TRANSIT_KEY)
