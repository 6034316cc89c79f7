"""A TLS handshake with a time limit, before the LDAP library is let near a server."""

from __future__ import annotations

import socket
import ssl
import time
from functools import lru_cache
from urllib.parse import urlsplit

from donvi.backends.directory.failures import REMEDY
from donvi.errors import UnreachableError, UsageError

LDAPS_PORT = 636
RESTART_SECONDS = 2.0
"""How long a refused connection is tried again: a directory that is being restarted is back by then."""
BETWEEN_TRIES = 0.1


@lru_cache(maxsize=8)
def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{ca_file} holds no root certificate that could be read: {error}",
            hint='let VAULT_CACERT name the city\'s root certificate: `eval "$(uv run donvi lab env)"`',
        ) from None


def require_tls(url: str, ca_file: str, timeout: float) -> None:
    """Make sure that somebody answers at ``url`` with a certificate of the city's root that names the host.

    :param timeout: seconds for connecting and for the handshake, each.
    :raises UnreachableError: nobody answers in time, or the certificate isn't right.
    :raises UsageError: the URL isn't ``ldaps``, or the root certificate can't be read.
    """
    parts = urlsplit(url)
    if parts.scheme != "ldaps" or not parts.hostname:
        raise UsageError(f"{url} isn't an ldaps address", hint="the directory is reached over TLS: ldaps://host:636")
    context = _context(ca_file)
    try:
        with (
            _connected(parts.hostname, parts.port or LDAPS_PORT, timeout) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(
            f"the certificate of the directory at {url} isn't valid: {error.verify_message}",
            hint="renew it with `make up`, or let VAULT_CACERT name the root that signed it",
        ) from None
    except OSError as error:  # ssl.SSLError and TimeoutError are such
        reason = "no answer in time" if isinstance(error, TimeoutError) else error
        raise UnreachableError(f"the directory at {url} can't be reached: {reason}", hint=REMEDY) from None


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    deadline = time.monotonic() + RESTART_SECONDS
    while True:
        try:
            return socket.create_connection((host, port), timeout=timeout)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(BETWEEN_TRIES)
