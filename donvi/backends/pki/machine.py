"""A certificate's files on its machine: ``/etc/donvi/units/<unit>/<certificate>.{key,csr,crt}``.

The key is made there and never leaves; what travels is the request, the certificate and digests. ``.crt`` holds the
leaf and its issuers in one file, so that one rename replaces all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from donvi.backends.pki.facts import facts_of

if TYPE_CHECKING:
    from donvi.backends.machines import SshRunner

FOLDER = "/etc/donvi/units"

_START = f"""
set -eu
umask 077
folder={FOLDER}/$1
base=$folder/$2
"""

_PREPARE = (
    _START
    + f"""
( umask 022; mkdir -p {FOLDER} )
mkdir -p "$folder"
chmod 0700 "$folder"
if [ ! -s "$base.key" ]; then
    rm -f "$base.key"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$base.key.$$" 2>/dev/null
    # a hard link never replaces: of two runs at once, the first one's key stays
    ln "$base.key.$$" "$base.key" 2>/dev/null || true
    rm -f "$base.key.$$"
fi
chmod 0600 "$base.key"
openssl req -new -key "$base.key" -subj "/CN=$1 $2" -out "$base.csr.$$"
mv -fT "$base.csr.$$" "$base.csr"
cat "$base.csr"
"""
)

LOOK = (  # arguments: unit and certificate
    _START
    + """
if [ -s "$base.key" ]; then
    openssl pkey -in "$base.key" -pubout -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1
else
    echo -
fi
if [ -s "$base.crt" ]; then cat "$base.crt"; fi
"""
)

_INSTALL = (
    _START
    + """
cat > "$base.crt.$$"
if [ "$(openssl x509 -in "$base.crt.$$" -noout -pubkey)" != "$(openssl pkey -in "$base.key" -pubout)" ]; then
    rm -f "$base.crt.$$"
    echo "the certificate is not for the key $base.key" >&2
    exit 65
fi
chmod 0644 "$base.crt.$$"
mv -fT "$base.crt.$$" "$base.crt"
"""
)

_REMOVE = (
    _START
    + """
rm -f "$base.key" "$base.csr" "$base.crt"
rmdir "$folder" 2>/dev/null || true
"""
)


class Installed(Struct, frozen=True):
    """What lies on the machine: digest of the key's public half and serial of the certificate, "" when missing."""

    public_key: str
    serial: str


class MachineFiles:
    """The files of one certificate on one machine."""

    def __init__(self, ssh: SshRunner, machine: str, unit: str, certificate: str) -> None:
        self._ssh = ssh
        self._machine = machine
        self._place = (unit, certificate)

    def prepare(self) -> str:
        """Make the key, if there is none, and return a request for it (PEM)."""
        return self._run(_PREPARE)

    def look(self) -> Installed:
        """Return what is there now."""
        key, _, pem = self._run(LOOK).partition("\n")
        serial = facts_of(pem).serial if "BEGIN CERTIFICATE" in pem else ""
        return Installed(public_key="" if key == "-" else key, serial=serial)

    def install(self, bundle: str) -> None:
        """Put the certificate in place, after the machine has seen that it fits the key."""
        self._run(_INSTALL, bundle)

    def remove(self) -> None:
        """Remove the key, the request and the certificate."""
        self._run(_REMOVE)

    def _run(self, script: str, stdin: str = "") -> str:
        return self._ssh.run(self._machine, script, *self._place, stdin=stdin).stdout
