"""What makes a machine this machine: name, host keys, who may log in, the trusted root, its services' certificates.

Written on the machine's own disk from outside, before it boots and again at every ``lab up``; the files named here
belong to the lab, everything else on a machine belongs to its playbook.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from lab.files import place
from lab.pki import ROLES, Authority, Subject, ensure_leaf

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings
    from lab.topology import Machine, Topology


class Place(NamedTuple):
    """The lab a machine belongs to."""

    settings: LabSettings
    topology: Topology
    lab_id: str


def ensure_ssh_key(path: Path, comment: str) -> str:
    """Make sure that a private ed25519 key exists (0600) with its ``.pub`` beside it; return the public line."""
    if not path.exists():
        key = ed25519.Ed25519PrivateKey.generate()
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
        place(path, key.private_bytes(encoding, form, serialization.NoEncryption()), 0o600)
    private = serialization.load_ssh_private_key(path.read_bytes(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    line = f"{public.decode()} {comment}"
    place(path.with_name(path.name + ".pub"), line + "\n")
    return line


def furnish(where: Place, machine: Machine, root: Authority, disk: Path) -> str:
    """Write a machine's identity on its mounted disk; return the public line of its host key.

    :param disk: where the disk is mounted.
    """
    settings, topology, lab_id = where
    operator = (settings.home / "ssh/operator.pub").read_text()
    host_key = ensure_ssh_key(disk / "etc/ssh/ssh_host_ed25519_key", machine.name)
    (disk / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    place(disk / "root/.ssh/authorized_keys", operator, 0o600)
    place(disk / "etc/hostname", machine.name + "\n")
    place(disk / "etc/hosts", _hosts(machine))
    place(disk / "etc/resolv.conf", _resolver(topology.domain, machine))
    place(disk / "etc/machine-id", hashlib.sha256(f"{lab_id} {machine.name}".encode()).hexdigest()[:32] + "\n")
    tls = disk / "etc/donvi/tls"
    place(tls / "root.crt", root.pem)
    place(disk / "usr/local/share/ca-certificates/donvi-lab-root.crt", root.pem)
    for file in [*tls.glob("*.key"), *tls.glob("*.crt")]:
        if file.stem not in {"root", *machine.services}:
            file.unlink()  # of a service that answers elsewhere by now
    for service in machine.services:
        ensure_leaf(root, tls, service, service_subject(settings, topology, machine, service))
    return host_key


def service_subject(settings: LabSettings, topology: Topology, machine: Machine, service: str) -> Subject:
    """Return whom a service's certificate is for: its name, and the machine's addresses, by which operators connect."""
    name = f"{service}.{topology.domain}"
    return Subject(name, (name,), (settings.network[machine.number], machine.data4, machine.data6, *machine.inside))


def ensure_operators(settings: LabSettings, authority: Authority) -> None:
    """Make the operator's ssh key, and a client certificate per role: ``operators/<role>.key`` (0600) and ``.crt``."""
    ensure_ssh_key(settings.home / "ssh/operator", "donvi lab operator")
    for role in ROLES:
        ensure_leaf(authority, settings.home / "operators", role, Subject(f"donvi-{role}", client=True))


def known_hosts(settings: LabSettings, topology: Topology, keys: dict[str, str]) -> str:
    """Return the pinned host keys, by management address and by name.

    :param keys: public line of each machine's host key.
    """
    lines = []
    for machine in topology.machines:
        kind, key = keys[machine.name].split(" ")[:2]
        lines.append(f"{settings.network[machine.number]},{machine.name},{machine.fqdn} {kind} {key}")
    return "\n".join(lines) + "\n"


def _hosts(machine: Machine) -> str:
    names = f"{machine.fqdn} {machine.name}"
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{machine.data4} {names}\n{machine.data6} {names}\n"


def _resolver(domain: str, machine: Machine) -> str:
    servers = "".join(f"nameserver {server}\n" for server in machine.resolvers)
    return f"search {domain}\n{servers}options timeout:2 attempts:2\n"
