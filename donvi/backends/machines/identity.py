"""The operator's short-lived SSH identity: an ephemeral key on tmpfs with a certificate from Vault.

The folder is held by a lock as long as its process lives. A killed process can't tidy up, so whoever comes next removes
the folders that nobody holds; their certificates die within half an hour anyway.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from donvi.errors import BackendError

if TYPE_CHECKING:
    from donvi.backends.vault import VaultClient

MOUNT = "ssh-client"
ROLE = "operator"
LIFETIME = 30 * 60
"""Seconds a certificate is good for; Vault's role allows no more."""
RENEW_BEFORE = 5 * 60
PREFIX = "donvi-ssh-"


def memory_folder() -> Path:
    """Return a folder that is never written to a disk.

    :raises BackendError: this machine has none.
    """
    for candidate in (Path("/dev/shm"), Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"))):  # noqa: S108
        if candidate.is_dir() and os.access(candidate, os.W_OK):
            return candidate
    raise BackendError("there is no tmpfs to keep an SSH key in", hint="mount one at /dev/shm")


def sweep(parent: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # held, being made, somebody else's, or just gone
            continue


class Identity:
    """Makes the key when first asked for, has it signed, and has it signed again before it expires."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._held: IO[str] | None = None
        self._good_until = 0.0
        self._public = ""

    @property
    def folder(self) -> Path | None:
        """The folder with the key and the control sockets, while there is one."""
        return self._folder

    def ready(self, principal: str) -> Path:
        """Return the path of a private key whose certificate is good for minutes at least.

        :raises PermissionDeniedError: Vault doesn't sign SSH keys for this token.
        """
        with self._lock:
            folder = self._folder or self._make()
            if time.monotonic() > self._good_until - RENEW_BEFORE:
                signed = self._vault.ssh_sign(MOUNT, ROLE, self._public, principals=principal, ttl_seconds=LIFETIME)
                fresh = folder / "key-cert.pub.new"
                fresh.write_text(signed)
                fresh.replace(folder / "key-cert.pub")
                self._good_until = time.monotonic() + LIFETIME
            return folder / "key"

    def destroy(self) -> None:
        """Remove the key and everything beside it."""
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            if self._held is not None:
                self._held.close()
            self._folder, self._held, self._good_until = None, None, 0.0

    def _make(self) -> Path:
        parent = memory_folder()
        sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._held = (folder / "lock").open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        key = Ed25519PrivateKey.generate()
        descriptor = os.open(folder / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
                )
            )
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self._public = public.decode()
        self._folder = folder
        return folder
