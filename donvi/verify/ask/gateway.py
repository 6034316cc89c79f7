"""Asks the shared systems from a unit's own gateway, where the unit's private keys are; one batch per gateway.

The batch is ``on_machine.py``, run there by the machine's Python; the questions, passwords among them, are its
standard input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.backends.pki.machine import FOLDER
from donvi.errors import BackendError
from donvi.verify.ask import NO_PASSWORD, InconclusiveError, names
from donvi.verify.ask.directory import WRONG_PASSWORD
from donvi.verify.ask.machines import connect

if TYPE_CHECKING:
    from testinfra.host import Host

    from donvi.tenancy.model import Account, Certificate, DnsRecord, SystemAccess, Tenancy
    from donvi.verify.ask.context import Context
    from donvi.verify.ask.names import NameAnswer

PROGRAM = Path(__file__).with_name("on_machine.py")
ROOT = "/etc/donvi/tls/root.crt"
VAULT_PORT = 8200
WRAP_SECONDS = 120
INTERFACE = "api"  # in place of a role
FOREIGN_CODE = "00000"
"""A code that no unit has: its path is refused like any other unit's, whether or not something is there."""


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a system's service did with one request."""

    stage: str  # see on_machine.py; unequipped: the asker lacks its certificate or password
    status: int = 0  # HTTP status when answered
    detail: str = ""

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.stage == "answered" else f"{self.stage}: {self.detail}"


class KeyFile(msgspec.Struct, frozen=True):
    """A private key's file on the gateway; the key itself is never read."""

    exists: bool
    mode: int
    owner: str
    public_key: str  # PEM, "" when the file holds no key
    certificate: str  # PEM chain beside it, "" when there is none


class VaultAnswer(msgspec.Struct, frozen=True):
    """What Vault answered the unit's own machine identity, as HTTP statuses; 0: not asked."""

    unwrap: int = 0
    login: int = 0
    own: int = 0
    foreign: int = 0
    detail: str = ""
    unreachable: bool = False


class GatewayAnswers(msgspec.Struct, frozen=True):
    """All that was asked from one unit's gateway."""

    services: dict[str, ServiceAnswer]  # by question, see the functions below
    names: dict[str, NameAnswer | str]  # by record id; a text says why the unit's resolver didn't answer
    keys: dict[str, KeyFile]  # by certificate id
    revocations: dict[str, str]  # by issuing mount: the list, base64; "" when it can't be fetched
    vault: VaultAnswer


def key_path(code: str, certificate: str) -> str:
    """Return where a unit's private key is on its gateway."""
    return f"{FOLDER}/{code}/{certificate}.key"


def certificate_path(code: str, certificate: str) -> str:
    """Return where a unit's certificate chain is on its gateway."""
    return f"{FOLDER}/{code}/{certificate}.crt"


def services(tenancy: Tenancy) -> tuple[SystemAccess, ...]:
    """Return the systems whose service authorises by certificate, account and role."""
    return tuple(s for s in tenancy.systems if s.port and probes_of(tenancy, s.id) and s.id != "mail")


def interfaces(tenancy: Tenancy) -> tuple[SystemAccess, ...]:
    """Return the systems that also serve the unit's machine, by certificate alone."""
    return tuple(system for system in services(tenancy) if system.unit_bound)


def probes_of(tenancy: Tenancy, system: str) -> tuple[Account, ...]:
    """Return the probe accounts that hold a role on a system."""
    return tuple(a for a in tenancy.accounts if a.kind == "probe" and any(grant.system == system for grant in a.grants))


def without_role(tenancy: Tenancy, system: str, role: str) -> tuple[Account, ...]:
    """Return probe accounts that don't hold a role: those with another role of the system, and one without any."""
    probes = [a for a in tenancy.accounts if a.kind == "probe"]
    others = [a for a in probes if (system, role) not in {(grant.system, grant.role) for grant in a.grants}]
    near = [a for a in others if any(grant.system == system for grant in a.grants)]
    return (*near, *[a for a in others if a not in near][:1])


def presented(tenancy: Tenancy, system: str) -> str:
    """Return the id of the certificate that is shown to a system: its own if there is one, else the gateway's."""
    own = [c for c in tenancy.certificates if "client" in c.usages]
    return next((c.id for c in own if c.id == system), next((c.id for c in own if c.purpose == "gateway"), ""))


def role_path(code: str, role: str) -> str:
    """Return the path at which a stand-in service lets a unit's holders of a role in (``playbooks/roles/systems``)."""
    return f"/{code}/{role}"


def ask_gateway(context: Context) -> GatewayAnswers:
    """Ask everything that the unit's gateway is the right place to ask from.

    :raises InconclusiveError: the gateway can't be reached, or a credential can't be had.
    """
    tenancy = context.tenancy
    host = connect(context, gateway_machine(tenancy))
    asked = {
        **_service_questions(context),
        **{f"dns/{record.id}": {"kind": "dns", "message": names.wire(record)} for record in tenancy.dns},
        **{f"pair/{c.id}": _pair_question(tenancy, c) for c in tenancy.certificates},
        **{f"fetch/{mount}": {"kind": "fetch", "url": url} for mount, url in _lists(context).items()},
        "vault": _vault_question(context),
    }
    answers = run_batch(host, asked)
    return GatewayAnswers(
        services=_services(answers),
        names={r.id: _name(r, answers[f"dns/{r.id}"]) for r in tenancy.dns},
        keys={c.id: _key(host, tenancy, c, answers[f"pair/{c.id}"]) for c in tenancy.certificates},
        revocations={mount: answers[f"fetch/{mount}"].get("body", "") for mount in _lists(context)},
        vault=_vault(answers["vault"]),
    )


def ask_neighbour(context: Context) -> dict[str, ServiceAnswer] | None:
    """Ask this unit's services from another unit's gateway, with that unit's certificate.

    Only the neighbour's own machine is used and only its own key; the account is this unit's probe, so that nothing but
    the certificate is wrong.

    :return: the answers by system; ``None`` when no other unit of the deployment holds a certificate now.
    """
    tenancy = context.tenancy
    for machine in sorted(context.deployment.machines):
        code = machine.removeprefix("gw-")
        if code in {machine, tenancy.unit.code}:
            continue
        asked = {
            f"tls/{system.id}": _request(context, system, probes_of(tenancy, system.id)[0], code=code)
            for system in services(tenancy)
        }
        asked |= {f"tls/{s.id}/interface": _interface_request(context, s, code=code) for s in interfaces(tenancy)}
        try:
            host = connect(context, machine)
            if not host.file(certificate_path(code, "gateway")).exists:
                continue
            return {key.removeprefix("tls/"): answer for key, answer in _by_question(run_batch(host, asked)).items()}
        except InconclusiveError:
            continue
    return None


def gateway_machine(tenancy: Tenancy) -> str:
    """Return the name of the machine that holds the unit's keys."""
    return next((c.machine for c in tenancy.certificates), f"gw-{tenancy.unit.code}")


def run_batch(host: Host, asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run one batch of questions on a machine.

    :raises InconclusiveError: the machine's Python didn't answer.
    """
    questions = json.dumps({"root": ROOT, "asked": asked})
    done = host.run("python3 -I -c %s", PROGRAM.read_text(encoding="utf-8"), stdin=questions)
    if done.rc != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InconclusiveError(f"{host.backend.hostname}: the questions could not be put there: {last}")
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


# questions


def _service_questions(context: Context) -> dict[str, dict[str, Any]]:
    tenancy = context.tenancy
    asked: dict[str, dict[str, Any]] = {}
    for system in services(tenancy):
        for probe in probes_of(tenancy, system.id):
            role = role_of(probe, system.id)
            asked[f"tls/{system.id}/{role}/right"] = _request(context, system, probe)
            asked[f"tls/{system.id}/{role}/wrong-password"] = _changed(
                _request(context, system, probe), password=WRONG_PASSWORD.reveal()
            )
            for other in without_role(tenancy, system.id, role):
                asked[f"tls/{system.id}/{role}/as/{other.id}"] = _request(context, system, other, role=role)
            asked[f"tls/{system.id}/{role}/no-certificate"] = _changed(
                _request(context, system, probe), certificate=None, key=None
            )
    return asked | {f"tls/{s.id}/interface": _interface_request(context, s) for s in interfaces(tenancy)}


def _changed(request: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return request | fields if request["kind"] == "tls" else request


def role_of(probe: Account, system: str) -> str:
    """Return the role that a probe holds on a system."""
    return next(grant.role for grant in probe.grants if grant.system == system)


def _request(
    context: Context, system: SystemAccess, account: Account, *, role: str = "", code: str = ""
) -> dict[str, Any]:
    """Build one request at the unit's path; ``code`` names the unit whose certificate is shown, by default its own."""
    password = context.password(account)
    if password is None:
        return {"kind": "nothing", "stage": "unequipped", "detail": f"{account.id}: {NO_PASSWORD}"}
    path = role_path(context.tenancy.unit.code, role or role_of(account, system.id))
    return _connection(context, system, path, code) | {"user": account.id, "password": password.reveal()}


def _interface_request(context: Context, system: SystemAccess, *, code: str = "") -> dict[str, Any]:
    return _connection(context, system, role_path(context.tenancy.unit.code, INTERFACE), code)


def _connection(context: Context, system: SystemAccess, path: str, code: str) -> dict[str, Any]:
    unit = context.tenancy.unit.code
    shown = "gateway" if code else presented(context.tenancy, system.id)
    return {
        "kind": "tls",
        "host": system.host,
        "port": system.port,
        "path": path,
        "certificate": certificate_path(code or unit, shown),
        "key": key_path(code or unit, shown),
    }


def _pair_question(tenancy: Tenancy, certificate: Certificate) -> dict[str, Any]:
    code = tenancy.unit.code
    return {
        "kind": "pair",
        "certificate": certificate_path(code, certificate.id),
        "key": key_path(code, certificate.id),
    }


def _lists(context: Context) -> dict[str, str]:
    """Return where each issuing mount publishes its revocation list, as units reach it."""
    vault = f"https://vault.{context.deployment.city_domain}:{VAULT_PORT}"
    return {mount: f"{vault}/v1/{mount}/crl" for mount in sorted({c.mount for c in context.tenancy.certificates})}


def _vault_question(context: Context) -> dict[str, Any]:
    from donvi.backends.vault import MissingError  # loads hvac

    name = context.tenancy.app_roles[0].name
    code = context.tenancy.unit.code
    try:
        role_id = context.verifier.approle_id(name)
        token = context.verifier.approle_secret_id(name, wrap_ttl=WRAP_SECONDS)
    except MissingError:
        return {"kind": "nothing", "stage": "unequipped", "detail": f"Vault knows no AppRole {name}"}
    except BackendError as error:
        raise InconclusiveError(f"Vault issues no SecretID of {name}: {error}") from None
    return {
        "kind": "vault",
        "address": f"https://vault.{context.deployment.city_domain}:{VAULT_PORT}",
        "wrapping_token": token,
        "role_id": role_id,
        "own": f"kv/data/units/{code}/verify",
        "foreign": f"kv/data/units/{FOREIGN_CODE}/verify",
    }


# answers


def _by_question(answers: dict[str, dict[str, Any]]) -> dict[str, ServiceAnswer]:
    return {
        identifier: ServiceAnswer(
            stage=answer["stage"], status=answer.get("status", 0), detail=answer.get("detail", "")
        )
        for identifier, answer in answers.items()
        if identifier.startswith("tls/")
    }


def _services(answers: dict[str, dict[str, Any]]) -> dict[str, ServiceAnswer]:
    return {identifier.removeprefix("tls/"): answer for identifier, answer in _by_question(answers).items()}


def _name(record: DnsRecord, answer: dict[str, Any]) -> NameAnswer | str:
    if "message" not in answer:
        return str(answer["detail"])
    return names.from_wire(record, answer["message"])


def _key(host: Host, tenancy: Tenancy, certificate: Certificate, answer: dict[str, Any]) -> KeyFile:
    file = host.file(key_path(tenancy.unit.code, certificate.id))
    exists = file.exists
    return KeyFile(
        exists=exists,
        mode=file.mode if exists else 0,
        owner=file.user if exists else "",
        public_key=answer.get("public_key", ""),
        certificate=answer.get("certificate", ""),
    )


def _vault(answer: dict[str, Any]) -> VaultAnswer:
    known = {name: answer[name] for name in ("unwrap", "login", "own", "foreign") if name in answer}
    return VaultAnswer(**known, detail=answer.get("detail", ""), unreachable=answer.get("stage") == "unreachable")
