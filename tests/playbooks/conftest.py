"""The city's servers as the playbooks left them, asked directly: HTTP, LDAP, SMTP and SSH, no adapter of donvi.

Needs the lab with its servers configured (``make test`` sees to it). What a test writes carries a unit of its own that
no real unit has, and is removed at the end.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bonsai
import pytest
import requests

from donvi.deployment import Deployment, parse
from donvi.errors import DonviError
from lab.access import ssh_command
from lab.environment import login, search_path
from lab.settings import LabSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEADLINE = re.compile(r"^(PLAY|TASK|RUNNING HANDLER) \[(?:\S+ : )?(.+?)\] \*+")
CHANGED = re.compile(r"^changed: \[(\S+?)[ \]]")
RECAP = re.compile(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
REMEDY = "open the lab first: `make up`, or `donvi lab open`"


@dataclass
class Run:
    """What a run of the playbook reported."""

    text: str
    changed: dict[str, int] = field(default_factory=dict)  # per machine
    tasks: set[str] = field(default_factory=set)  # names of tasks that changed something, handlers left out

    @classmethod
    def read(cls, text: str) -> Run:
        run, kind, name = cls(text), "", ""
        for line in text.splitlines():
            if headline := HEADLINE.match(line):
                kind, name = headline[1], headline[2]
            elif CHANGED.match(line) and kind == "TASK":
                run.tasks.add(name)
        run.changed = {machine: int(changed) for machine, changed, _, _ in RECAP.findall(text)}
        return run


@pytest.fixture(scope="session")
def lab() -> LabSettings:
    settings = LabSettings.from_environment()
    if not (settings.home / "inventory.yml").exists():
        pytest.fail(f"there is no lab on this host; {REMEDY}", pytrace=False)
    return settings


@pytest.fixture(scope="session")
def deployment(lab: LabSettings) -> Deployment:
    return parse((lab.home / "deployment.json").read_text())


@pytest.fixture(scope="session")
def root(lab: LabSettings) -> str:
    """The city's root, as a file."""
    return str(lab.home / "pki/root.crt")


@pytest.fixture(scope="session")
def play(lab: LabSettings) -> Callable[..., Run]:
    """Run a playbook with more options; fails the test when a machine fails, or when none does though it should."""

    def run(*options: str, playbook: str = "datacentre", fails: bool = False) -> Run:
        inventory = str(lab.home / "inventory.yml")
        command = ["ansible-playbook", "-i", inventory, f"playbooks/{playbook}.yml", *options]
        environ = {**os.environ, "PATH": search_path(lab, os.environ["PATH"]), "ANSIBLE_FORCE_COLOR": "0"}
        environ["ANSIBLE_CONFIG"] = str(lab.repository / "ansible.cfg")
        done = subprocess.run(
            command, cwd=lab.repository, env=environ, capture_output=True, text=True, check=False, timeout=300
        )
        assert (done.returncode != 0) == fails, done.stdout[-3000:] + done.stderr[-1000:]
        return Run.read(done.stdout)

    return run


@pytest.fixture(scope="session")
def configure(play: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run a machine's playbook with the variables that the provider gives it."""
    folder = tmp_path_factory.mktemp("variables")

    def run(playbook: str, machine: str, *options: str, fails: bool = False, **variables: Any) -> Run:
        file = folder / f"{secrets.token_hex(4)}.json"
        given = {"files": {}, "settings": {}, "state": "present", **variables}
        file.write_text(json.dumps({f"donvi_{name}": value for name, value in given.items()}))
        return play("-e", f"@{file}", "--limit", machine, *options, playbook=playbook, fails=fails)

    return run


@pytest.fixture(scope="session")
def on(lab: LabSettings) -> Callable[..., str]:
    """Run a shell command on a machine and return what it printed."""

    def run(machine: str, command: str, stdin: str = "") -> str:
        argv = ssh_command(lab, machine, [command])
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    return run


class Vault:
    """Vault's HTTP API with the token of one operator role."""

    def __init__(self, address: str, root: str, token: str) -> None:
        self._address = address
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = root
        self.session.headers["X-Vault-Token"] = token

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return self.session.request(method, f"{self._address}/v1/{path}", json=body, timeout=20)

    def data(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.ask(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"] if answer.content else {}

    def secret(self, path: str) -> dict[str, str]:
        return self.data("GET", f"kv/data/{path}")["data"]


@pytest.fixture(scope="session")
def vault(lab: LabSettings, deployment: Deployment, root: str) -> Iterator[Callable[[str], Vault]]:
    """Vault as an operator role sees it."""
    made: dict[str, Vault] = {}

    def of(role: str) -> Vault:
        if role not in made:
            try:
                made[role] = Vault(deployment.vault.address, root, login(lab, deployment.vault.address, role))
            except DonviError as error:
                pytest.fail(f"{error}; {REMEDY}", pytrace=False)
        return made[role]

    yield of
    for one in made.values():
        one.ask("POST", "auth/token/revoke-self")
        one.session.close()


@dataclass(frozen=True)
class Scratch:
    """A unit of the tests' own: one account holds documents-clerk, two hold nothing, and one mailbox is functional."""

    code: str
    domain: str
    dn: str
    clerk: str  # uid, likewise other and newcomer
    other: str
    newcomer: str
    password: str

    def account(self, uid: str) -> str:
        return f"uid={uid},ou=people,{self.dn}"

    def address(self, uid: str) -> str:
        return f"{uid}@{self.domain}"


@pytest.fixture(scope="session")
def bind(deployment: Deployment, root: str) -> Callable[[str, str], bonsai.LDAPConnection]:
    """Log in to the directory."""

    def connect(dn: str, password: str) -> bonsai.LDAPConnection:
        client = bonsai.LDAPClient(deployment.directory.url)
        client.set_ca_cert(root)
        client.set_credentials("SIMPLE", user=dn, password=password)
        return client.connect(timeout=20)

    return connect


@pytest.fixture(scope="session")
def base(deployment: Deployment) -> str:
    return ",".join(f"dc={label}" for label in deployment.city_domain.split("."))


@pytest.fixture(scope="session")
def writer(vault: Callable[[str], Vault], bind: Callable[..., bonsai.LDAPConnection]) -> bonsai.LDAPConnection:
    """The directory as the provider writes it."""
    secret = vault("apply").secret("backends/directory/write")
    return bind(secret["bind_dn"], secret["password"])


@pytest.fixture(scope="session")
def scratch(writer: bonsai.LDAPConnection, base: str, deployment: Deployment) -> Iterator[Scratch]:
    code = f"8{secrets.randbelow(10_000):04}"
    unit = Scratch(
        code=code,
        domain=f"thu-{code}.{deployment.city_domain}",
        dn=f"ou={code},ou=units,{base}",
        clerk=f"vt-{code}",
        other=f"kh-{code}",
        newcomer=f"moi-{code}",
        password=f"Mật khẩu thử {secrets.token_urlsafe(12)}",
    )
    add(writer, unit.dn, ["organizationalUnit"], code)
    for name in ("people", "groups", "mail"):
        add(writer, f"ou={name},{unit.dn}", ["organizationalUnit"], code)
    for number, uid in enumerate((unit.clerk, unit.other, unit.newcomer)):
        _person(writer, unit, uid, 1_800_000_000 + int(code) * 10 + number)
    group = f"cn=documents-clerk,ou=groups,{unit.dn}"
    add(writer, group, ["donviGroup"], code, member=[unit.account(unit.clerk)])
    shared = unit.address("ubnd")
    more = {"donviMailReader": [unit.address(unit.clerk)], "donviMailState": ["active"], "donviMailQuota": [1]}
    add(writer, f"mail={shared},ou=mail,{unit.dn}", ["donviMailbox"], code, **more)
    yield unit
    for entry in sorted(writer.search(unit.dn, 2, attrlist=["1.1"]), key=lambda entry: -len(str(entry.dn))):
        writer.delete(entry.dn)


def _person(writer: bonsai.LDAPConnection, unit: Scratch, uid: str, number: int) -> None:
    add(
        writer,
        unit.account(uid),
        ["inetOrgPerson", "posixAccount"],
        unit.code,
        cn=["Nguyễn Thử"],
        sn=["Nguyễn"],
        uidNumber=[number],
        gidNumber=[number],
        homeDirectory=["/nonexistent"],
        mail=[unit.address(uid)],
        userPassword=[unit.password],
    )
    entry = {"donviMailState": ["active"], "donviMailQuota": [1], "donviMailOwner": [unit.account(uid)]}
    add(writer, f"mail={unit.address(uid)},ou=mail,{unit.dn}", ["donviMailbox"], unit.code, **entry)


def add(
    connection: bonsai.LDAPConnection, dn: str, classes: list[str], code: str, **attributes: list[str | int]
) -> None:
    """Add an entry that carries the scratch unit's mark."""
    entry = bonsai.LDAPEntry(dn)
    entry["objectClass"] = [*classes, "donviObject"]
    entry["donviUnit"], entry["donviKey"] = [code], [f"thu/{secrets.token_hex(4)}"]
    for name, values in attributes.items():
        entry[name] = values
    connection.add(entry)


def write_bytes(path: Path, data: bytes) -> str:
    """Write a file that only its owner reads; return its name."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    return str(path)
