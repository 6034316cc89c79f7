"""Turns a kubeconfig's user into a TLS context and a header, and renews what a credential plugin gave before it ends.

A client key that came from a credential plugin never touches a disk: OpenSSL reads it from a memory-backed file that
has no name and is closed at once.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from donvi.errors import PermissionDeniedError, UsageError
from donvi.redaction import conceal, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.kubernetes_plugin.kubeconfig import Cluster, Command, User

EARLY = timedelta(seconds=30)
"""A credential that ends sooner than this is renewed before a request."""
COMMAND_SECONDS = 60
HINT = "Log in again (`donvi lab env`), then run this again"


@dataclass(frozen=True)
class Session:
    """What one connection pool uses.

    :param number: counts renewals, so that a refused request knows whether somebody renewed meanwhile.
    """

    number: int
    context: ssl.SSLContext
    headers: Mapping[str, str]
    ends: datetime | None = None


@dataclass
class Credentials:
    """Gives sessions; several threads may ask at once, one of them runs the credential plugin."""

    cluster: Cluster
    environ: Mapping[str, str]
    _session: Session | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def session(self, refused: Session | None = None) -> Session:
        """Return a session that is valid for a while.

        :param refused: the one the API server answered 401 to: it is renewed unless somebody has done it.
        :raises PermissionDeniedError: the credential plugin gave nothing.
        """
        with self._lock:
            current = self._session
            stale = current is None or (refused is not None and current.number == refused.number) or _ended(current)
            if current is None or stale:
                current = self._session = self._made(1 if current is None else current.number + 1)
            return current

    def _made(self, number: int) -> Session:
        user, ends = self.cluster.user, None
        if user.command is not None:
            user, ends = ask(user.command, self.environ)
        conceal(user.token, user.key)
        headers = {"Authorization": f"Bearer {user.token}"} if user.token else {}
        return Session(number, _context(self.cluster, user), headers, ends)


def ask(command: Command, environ: Mapping[str, str]) -> tuple[User, datetime | None]:
    """Run a credential plugin and read its ``ExecCredential``.

    :raises PermissionDeniedError: it failed, or printed no credential.
    """
    info = json.dumps({"apiVersion": command.api_version, "kind": "ExecCredential", "spec": {"interactive": False}})
    given = {**environ, **command.environ, "KUBERNETES_EXEC_INFO": info}
    line = [command.program, *command.arguments]
    try:
        done = subprocess.run(
            line,
            env=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise UsageError(f"the credential plugin {command.program} can't be run: {error.strerror}", hint=HINT) from None
    except subprocess.TimeoutExpired:
        raise PermissionDeniedError(f"the credential plugin {command.program} didn't answer", hint=HINT) from None
    if done.returncode != 0:
        words = redact(" ".join(done.stderr.split())[-300:])
        raise PermissionDeniedError(f"the credential plugin {command.program} failed: {words}", hint=HINT)
    return _credential(done.stdout, command.program)


def _credential(text: str, program: str) -> tuple[User, datetime | None]:
    from lab.kubernetes_plugin.kubeconfig import User

    try:
        status: dict[str, Any] = json.loads(text)["status"]
        user = User(
            certificate=status.get("clientCertificateData", ""),
            key=status.get("clientKeyData", ""),
            token=status.get("token", ""),
        )
        ends = status.get("expirationTimestamp")
        end = datetime.fromisoformat(ends).astimezone(UTC) if ends else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PermissionDeniedError(f"the credential plugin {program} printed no credential", hint=HINT) from None
    return user, end


def _ended(session: Session) -> bool:
    return session.ends is not None and session.ends - EARLY <= datetime.now(UTC)


def _context(cluster: Cluster, user: User) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=cluster.authority or None)
    if user.certificate:
        _load_pair(context, user.certificate, user.key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate with its key through a nameless file in memory."""
    descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, f"{certificate.strip()}\n{key.strip()}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError:
        raise UsageError("the client certificate and its key don't fit together", hint=HINT) from None
    finally:
        os.close(descriptor)
