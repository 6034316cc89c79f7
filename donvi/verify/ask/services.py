"""Questions to the systems' services, as users and as the unit's machine, and what was answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.verify.ask import NO_PASSWORD, InconclusiveError
from donvi.verify.ask.batch import run_batch
from donvi.verify.ask.directory import WRONG_PASSWORD
from donvi.verify.ask.machines import connect
from donvi.verify.ask.places import (
    certificate_path,
    identity,
    interfaces,
    key_path,
    machines,
    neighbours,
    place_of,
    probes_of,
    role_of,
    services,
    without_role,
)

if TYPE_CHECKING:
    from donvi.tenancy.model import Account, Endpoint, SystemAccess
    from donvi.verify.ask.context import Context

INTERFACE = "api"  # in place of a role
TRIED = 2  # neighbours, since one may be down
Question = dict[str, Any]


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a system's service did with one request."""

    stage: str  # see on_machine.py; unequipped: the asker lacks its certificate or password
    status: int = 0  # HTTP status when answered
    detail: str = ""

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.stage == "answered" else f"{self.stage}: {self.detail}"


class Shown(msgspec.Struct, frozen=True):
    """Whose certificate is shown."""

    code: str
    certificate: str


def role_path(code: str, role: str) -> str:
    """Return the path at which a stand-in service lets a unit's holders of a role in (``playbooks/roles/systems``)."""
    return f"/{code}/{role}"


def service_questions(context: Context, endpoint: Endpoint) -> dict[str, Question]:
    """Return what is asked from one of the unit's machines; the keys start with the system."""
    tenancy = context.tenancy
    asked: dict[str, Question] = {}
    for system in services(tenancy):
        place = place_of(tenancy, system)
        if place is None or place.endpoint != endpoint:
            continue
        own = Shown(tenancy.unit.code, place.certificate)
        for probe in probes_of(tenancy, system.id):
            asked |= _as_role(context, system, probe, own)
        if system.unit_bound:
            asked[f"{system.id}/interface"] = _interface(context, system, own)
    return asked


def read_services(answers: dict[str, dict[str, Any]]) -> dict[str, ServiceAnswer]:
    """Read the answers."""
    return {question: msgspec.convert(answer, ServiceAnswer) for question, answer in answers.items()}


def ask_neighbour(context: Context) -> dict[str, ServiceAnswer]:
    """Ask this unit's services from other units' machines, each with that machine's own certificate.

    Only the neighbour's own key is used, where it is; the account is this unit's probe, so that nothing but the
    certificate is wrong. From a neighbour that isn't up, or whose rules don't let it there yet, nothing is learnt.

    :return: the answers by question; one is absent when no machine of another unit gets there now.
    """
    askers = [
        (endpoint, code, name)
        for endpoint in machines(context.tenancy)
        for code, name in list(neighbours(context.tenancy, endpoint, context.deployment.machines).items())[:TRIED]
    ]
    with ThreadPoolExecutor(len(askers) or 1) as pool:
        answers = list(pool.map(lambda asker: _from_neighbour(context, *asker), askers))
    found: dict[str, ServiceAnswer] = {}
    for question, answer in (pair for one in answers for pair in one.items()):
        if answer.stage not in {"unreachable", "unequipped"}:
            found.setdefault(question, answer)
    return found


def _from_neighbour(context: Context, endpoint: Endpoint, code: str, machine: str) -> dict[str, ServiceAnswer]:
    tenancy = context.tenancy
    own = Shown(code, identity(tenancy, endpoint))
    here = [s for s in services(tenancy) if (place := place_of(tenancy, s)) and place.endpoint == endpoint]
    asked = {s.id: _request(context, s, probes_of(tenancy, s.id)[0], own) for s in here}
    asked |= {f"{s.id}/interface": _interface(context, s, own) for s in interfaces(tenancy) if s in here}
    try:
        return read_services(run_batch(connect(context, machine), asked))
    except InconclusiveError:
        return {}


def _as_role(context: Context, system: SystemAccess, probe: Account, own: Shown) -> dict[str, Question]:
    role = role_of(probe, system.id)
    right, start = _request(context, system, probe, own), f"{system.id}/{role}"
    asked = {
        f"{start}/right": right,
        f"{start}/wrong-password": _changed(right, password=WRONG_PASSWORD.reveal()),
        f"{start}/no-certificate": _changed(right, certificate=None, key=None),
    }
    for other in without_role(context.tenancy, system.id, role):
        asked[f"{start}/as/{other.id}"] = _request(context, system, other, own, role=role)
    return asked


def _changed(request: Question, **fields: Any) -> Question:
    return request | fields if request["kind"] == "tls" else request


def _request(context: Context, system: SystemAccess, account: Account, shown: Shown, *, role: str = "") -> Question:
    """Build one request at the unit's path."""
    password = context.password(account)
    if password is None:
        return {"kind": "nothing", "stage": "unequipped", "detail": f"{account.id}: {NO_PASSWORD}"}
    path = role_path(context.tenancy.unit.code, role or role_of(account, system.id))
    return _connection(system, path, shown) | {"user": account.id, "password": password.reveal()}


def _interface(context: Context, system: SystemAccess, shown: Shown) -> Question:
    return _connection(system, role_path(context.tenancy.unit.code, INTERFACE), shown)


def _connection(system: SystemAccess, path: str, shown: Shown) -> Question:
    return {
        "kind": "tls",
        "host": system.host,
        "port": system.port,
        "path": path,
        "certificate": certificate_path(shown.code, shown.certificate),
        "key": key_path(shown.code, shown.certificate),
    }
