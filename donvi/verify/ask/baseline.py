"""Looks at what every machine of a unit was promised to be: shut to passwords, on time, trusting the city only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from donvi.verify.ask.batch import ROOT

if TYPE_CHECKING:
    from donvi.tenancy.model import Endpoint

SECRETS = ("/etc/donvi/**/*.key", "/etc/ssh/ssh_host_*_key")
REDIRECTS = "net.ipv4.conf.all.accept_redirects"
COMMANDS = {
    "sshd": ["sshd", "-T"],
    "trust": ["openssl", "verify", ROOT],
    "time": ["systemctl", "is-active", "chrony.service"],
    "kernel": ["sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", REDIRECTS],
    "kernel-writable": ["test", "-w", f"/proc/sys/{REDIRECTS.replace('.', '/')}"],
}
GATEWAY_COMMANDS = {
    "rules": ["nft", "list", "table", "inet", "donvi"],
    "resolver": ["systemctl", "is-active", "unbound.service"],
}


class Looked(msgspec.Struct, frozen=True):
    """What a program on the machine said."""

    status: int = -1  # exit status; -1 when it couldn't run
    output: str = ""
    detail: str = ""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen on one machine."""

    looked: dict[str, Looked]  # by name in COMMANDS
    sshd: dict[str, str]  # effective settings by lower-case keyword; the last of several values
    kernel: dict[str, str]
    secrets: dict[str, str]  # "owner mode" by path


def baseline_questions(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return what is looked at on a machine."""
    commands = COMMANDS | (GATEWAY_COMMANDS if endpoint.role == "gateway" else {})
    asked: dict[str, dict[str, Any]] = {
        name: {"kind": "command", "arguments": arguments} for name, arguments in commands.items()
    }
    return asked | {"secrets": {"kind": "modes", "patterns": list(SECRETS)}}


def read_baseline(answers: dict[str, dict[str, Any]]) -> Baseline:
    """Read the answers."""
    looked = {name: msgspec.convert(answer, Looked) for name, answer in answers.items() if name != "secrets"}
    return Baseline(
        looked=looked,
        sshd=dict(line.split(" ", 1) for line in looked["sshd"].output.splitlines() if " " in line),
        kernel=dict(line.split(" = ", 1) for line in looked["kernel"].output.splitlines() if " = " in line),
        secrets=answers["secrets"].get("modes", {}),
    )
