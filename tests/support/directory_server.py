"""An OpenLDAP of the test's own on loopback, with the configuration that the role ``directory`` writes.

So the rights of its service accounts are the real ones. Two units have an account of every kind that a login may meet.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from jinja2 import Environment, StrictUndefined

from tests.support.ssh_server import wait_for
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ca import Authority

ROLES = Path(__file__).parents[2] / "playbooks/roles"
ROLE = ROLES / "directory"
BASE = "dc=tphcm,dc=test"
UNITS = ("26506", "25747")
PASSWORD = "mật khẩu của người thử"
GROUP = "web-portal-admin"


@dataclass(frozen=True)
class DirectoryServer:
    """A running server; ``vault_password`` is that of the account by which Vault looks people up."""

    url: str
    base: str
    vault_password: str


@contextmanager
def running(folder: Path, authority: Authority) -> Iterator[DirectoryServer]:
    """Load the entries, start slapd in the foreground and stop it at the end."""
    slapd = shutil.which("slapd") or "/usr/sbin/slapd"
    assert Path(slapd).exists(), "apt-get install slapd"
    certificate, key = authority.server(folder, "directory")
    (folder / "root.crt").write_text(authority.pem)
    (folder / "database").mkdir()
    configuration = folder / "slapd.conf"
    configuration.write_text(_configuration(folder, certificate, key))
    (folder / "entries.ldif").write_text(_entries("chỉ để tra cứu"))
    load = ["slapadd", "-q", "-f", str(configuration), "-l", str(folder / "entries.ldif")]
    program = shutil.which("slapadd") or "/usr/sbin/slapadd"
    done = subprocess.run(load, executable=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    port = free_port()
    log = (folder / "slapd.log").open("w")
    command = [slapd, "-d", "0", "-f", str(configuration), "-h", f"ldaps://127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(port)
        yield DirectoryServer(f"ldaps://127.0.0.1:{port}", BASE, "chỉ để tra cứu")
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def login_settings(server: DirectoryServer, authority: Authority) -> dict[str, object]:
    """Return what the role ``vault_ldap`` writes to Vault's ``auth/ldap/config``."""

    class Loader(yaml.SafeLoader):
        """Knows Ansible's mark for text that isn't a template."""

    raw = "{% raw %}"
    Loader.add_constructor(
        "!unsafe", lambda loader, node: raw + loader.construct_scalar(node) + raw.replace("raw", "endraw")
    )
    variables = yaml.load((ROLES / "vault_ldap/vars/main.yml").read_text(), Loader)  # noqa: S506 - a safe loader
    given = {
        "vault_ldap_url": server.url,
        "vault_ldap_root_certificate": authority.pem,
        "vault_ldap_base": server.base,
        "vault_ldap_group": GROUP,
        "vault_ldap_token_ttl": "10m",
    }
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - not HTML
    filters = {name: variables[name] for name in ("vault_ldap_user_filter", "vault_ldap_group_filter")}
    given |= {name: environment.from_string(text).render() for name, text in filters.items()}
    settings = {
        name: environment.from_string(value).render(given) if isinstance(value, str) else value
        for name, value in variables["vault_ldap_config"].items()
    }
    return settings | {"bindpass": server.vault_password}


def _configuration(folder: Path, certificate: Path, key: Path) -> str:
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701 - not HTML
    environment.filters["basename"] = lambda path: Path(path).name
    text = environment.from_string((ROLE / "templates/slapd.conf.j2").read_text()).render(
        ansible_managed="a test",
        directory_root_certificate=folder / "root.crt",
        directory_certificate=certificate,
        directory_key=key,
        directory_base=BASE,
        directory_database=folder / "database",
        directory_maximum_bytes=1 << 26,
        **{f"directory_{name}": f"ou={name},{BASE}" for name in ("units", "retained", "services", "policies")},
    )
    places = {
        "/etc/ldap/schema/donvi.schema": str(ROLE / "files/donvi.schema"),
        f"/etc/ldap/{certificate.name}": str(certificate),
        f"/etc/ldap/{key.name}": str(key),
        "/run/slapd/": f"{folder}/",
    }
    for place, here in places.items():
        text = text.replace(place, here)
    return text


def _entries(vault_password: str) -> str:
    services = f"cn=vault,ou=services,{BASE}"
    entries = [
        _entry(BASE, "organization", "dcObject", o="Thành phố thử"),
        *(_entry(f"ou={name},{BASE}", "organizationalUnit") for name in ("units", "retained", "services", "policies")),
        _entry(services, "applicationProcess", "simpleSecurityObject", userPassword=vault_password),
        _entry(
            f"cn=people,ou=policies,{BASE}",
            "organizationalRole",
            "pwdPolicy",
            pwdAttribute="userPassword",
            pwdLockout="TRUE",
            pwdMaxFailure="10",
            pwdMustChange="TRUE",
        ),
    ]
    for code in UNITS:
        entries += _unit(code)
    return "\n".join(entries)


def _unit(code: str) -> list[str]:
    unit = f"ou={code},ou=units,{BASE}"
    people = {name: f"uid={name}-{code},ou=people,{unit}" for name in ("admin", "clerk", "new", "locked")}
    number = int(code) * 10
    accounts = [_account(dn, code, number + index, name) for index, (name, dn) in enumerate(people.items())]
    members = [people["admin"], people["new"], people["locked"]]
    return [
        _entry(unit, "organizationalUnit"),
        *(_entry(f"ou={name},{unit}", "organizationalUnit") for name in ("people", "groups")),
        *accounts,
        _group(unit, code, GROUP, members),
        _group(unit, code, "documents-clerk", [people["clerk"], people["admin"]]),
    ]


def _account(dn: str, code: str, number: int, name: str) -> str:
    more = {"new": {"pwdReset": "TRUE"}, "locked": {"pwdAccountLockedTime": "000001010000Z"}}.get(name, {})
    return _entry(
        dn,
        "inetOrgPerson",
        "posixAccount",
        "donviObject",
        cn="Nguyễn Thử",
        sn="Nguyễn",
        mail=f"{name}@{code}.tphcm.test",
        uidNumber=str(number),
        gidNumber=str(number),
        homeDirectory="/nonexistent",
        userPassword=PASSWORD,
        donviUnit=code,
        donviKey=f"account/{name}",
        **more,
    )


def _group(unit: str, code: str, name: str, members: list[str]) -> str:
    dn = f"cn={name},ou=groups,{unit}"
    entry = _entry(dn, "donviGroup", "donviObject", donviUnit=code, donviKey=f"group/{name}")
    return entry + "".join(f"member: {member}\n" for member in members)


def _entry(dn: str, *classes: str, **attributes: str) -> str:
    name, _, value = dn.partition(",")[0].partition("=")
    lines = [f"dn: {dn}", *(f"objectClass: {kind}" for kind in classes), f"{name}: {value}"]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in attributes.items())]) + "\n"
