"""Dovecot's administration API over HTTPS (Dovecot 2.3, ``/doveadm/v1``)."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from donvi.errors import BackendError, PermissionDeniedError, UnreachableError

if TYPE_CHECKING:
    import urllib3

REMEDY = (
    "see whether it runs: `uv run donvi lab status`, then `systemctl status dovecot` on its machine; then run again"
)
UNKNOWN_USER = 67  # sysexits.h: EX_NOUSER
NO_SUCH_FOLDER = 68  # doveadm's own meaning of EX_NOHOST
REFUSED = frozenset({401, 403})
OK = 200
KILOBYTES_PER_MEGABYTE = 1024


class Doveadm:
    """Commands to Dovecot; safe to use from several threads.

    :param url: ``https://host:port`` of the service; its certificate must name ``host``.
    :param api_key: kept in memory only.
    :param ca_file: the root certificate that the server must chain to.
    :param timeout: seconds for connecting, and for a command.
    """

    def __init__(
        self, url: str, api_key: str, ca_file: str, *, timeout: urllib3.Timeout | None = None, size: int = 8
    ) -> None:
        import urllib3  # here and below: a run that changes nothing asks nobody, and shouldn't wait for a library

        self.url = url.rstrip("/")
        self._key = b64encode(api_key.encode()).decode()
        self._http = urllib3.PoolManager(
            ca_certs=str(ca_file),
            cert_reqs="CERT_REQUIRED",
            maxsize=size,
            block=True,
            timeout=timeout or urllib3.Timeout(connect=3.0, read=15.0),
            # every command may be repeated: once more, for a connection that the server had closed meanwhile
            retries=urllib3.Retry(connect=0, read=1, status=0, other=0, redirect=0, allowed_methods=None),
        )

    def __repr__(self) -> str:
        return f"<Doveadm {self.url}>"

    def close(self) -> None:
        """Close the idle connections."""
        self._http.clear()

    def acl_get(self, address: str, mailbox: str = "INBOX") -> dict[str, frozenset[str]]:
        """Return who may do what with a mailbox, rights by identifier, e.g. ``user=a@b``: ``{lookup, read}``.

        :raises UnreachableError: nobody answers; :raises BackendError: Dovecot doesn't know the mailbox.
        """
        found = self._command("aclGet", address, mailbox=mailbox)
        return {str(one["id"]): frozenset(str(one["rights"]).split()) for one in found}

    def acl_set(self, address: str, identifier: str, rights: frozenset[str], mailbox: str = "INBOX") -> None:
        """Give an identifier exactly these rights on a mailbox."""
        self._command("aclSet", address, mailbox=mailbox, id=identifier, right=sorted(rights))

    def acl_delete(self, address: str, identifier: str, mailbox: str = "INBOX") -> None:
        """Take all of an identifier's own rights on a mailbox; none is success."""
        self._command("aclDelete", address, mailbox=mailbox, id=identifier)

    def quota_mb(self, address: str) -> int:
        """Return how much a mailbox may hold, in megabytes, as Dovecot enforces it."""
        for one in self._command("quotaGet", address):
            if one["type"] == "STORAGE":
                return int(one["limit"]) // KILOBYTES_PER_MEGABYTE
        raise BackendError(f"Dovecot at {self.url} sets no quota for {address}", hint=REMEDY)

    def folders(self, address: str) -> list[str] | None:
        """Return the names of a mailbox's folders; ``None`` if Dovecot doesn't know the mailbox."""
        found = self._ask("mailboxList", address)
        if isinstance(found, list):
            return [str(one["mailbox"]) for one in found]
        if found.get("exitCode") == UNKNOWN_USER:
            return None
        raise self._failed("mailboxList", address, found)

    def delete_folder(self, address: str, folder: str) -> None:
        """Delete a folder with its mail; one that is gone is success. INBOX can't be deleted."""
        found = self._ask("mailboxDelete", address, mailbox=[folder])
        if not isinstance(found, list) and found.get("exitCode") != NO_SUCH_FOLDER:
            raise self._failed("mailboxDelete", address, found)

    def empty_inbox(self, address: str) -> None:
        """Delete all mail of INBOX, and the headers that Dovecot keeps beside it."""
        self._command("expunge", address, query=["mailbox", "INBOX", "ALL"])
        self._command("mailboxCachePurge", address, mailbox=["INBOX"])

    def messages(self, address: str) -> int:
        """Return how many messages all folders hold together."""
        found = self._command("mailboxStatus", address, field=["messages"], mailboxMask=["*"])
        return sum(int(one["messages"]) for one in found)

    def _command(self, name: str, address: str, **parameters: str | list[str]) -> list[dict[str, Any]]:
        found = self._ask(name, address, **parameters)
        if isinstance(found, list):
            return found
        raise self._failed(name, address, found)

    def _ask(self, name: str, address: str, **parameters: str | list[str]) -> list[dict[str, Any]] | dict[str, Any]:
        """Return what a command answers, or, as a mapping, how it failed."""
        answer = self._post(name, [[name, {"user": address, **parameters}, "donvi"]])
        kind, content = answer[0][0], answer[0][1]
        return list(content) if kind == "doveadmResponse" else dict(content)

    def _failed(self, name: str, address: str, content: dict[str, Any]) -> BackendError:
        code = content.get("exitCode")
        if code == UNKNOWN_USER:
            return BackendError(
                f"Dovecot at {self.url} doesn't know {address}",
                hint="its entry must be in the directory with donviMailState=active: run `pulumi up --refresh`",
            )
        return BackendError(
            f"Dovecot at {self.url} failed to run {name} for {address}: {content.get('type')} {code}",
            hint="its log says why: `journalctl -u dovecot` on its machine",
        )

    def _post(self, name: str, commands: list[Any]) -> list[Any]:
        import urllib3

        headers = {"Authorization": f"X-Dovecot-API {self._key}", "Content-Type": "application/json"}
        try:
            response = self._http.request(
                "POST", f"{self.url}/doveadm/v1", body=json.dumps(commands).encode(), headers=headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"Dovecot at {self.url} can't be asked {name}: {_reason(error)}", hint=REMEDY
            ) from None
        if response.status in REFUSED:
            raise PermissionDeniedError(
                f"Dovecot at {self.url} refuses the API key",
                hint="Vault's kv/backends/mail/doveadm isn't the server's: `make up` sets both anew",
            )
        if response.status != OK:
            raise BackendError(f"Dovecot at {self.url} answered {name} with HTTP {response.status}", hint=REMEDY)
        try:
            return list(response.json())
        except ValueError:
            raise BackendError(f"Dovecot at {self.url} answered {name} with something else than JSON") from None


def _reason(error: Exception) -> str:
    """Return the innermost reason of urllib3's nested errors."""
    reason = getattr(error, "reason", None)
    return _reason(reason) if isinstance(reason, Exception) else str(error)
