"""Asks everything that has to be asked from a unit's own machines, where its keys are: one batch per machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from donvi.errors import BackendError
from donvi.tenancy.model import DnsRecord
from donvi.verify.ask import InconclusiveError, names
from donvi.verify.ask.baseline import Baseline, baseline_questions, read_baseline
from donvi.verify.ask.batch import part, run_batch
from donvi.verify.ask.machines import connect
from donvi.verify.ask.network import connections, link_questions, mail_questions
from donvi.verify.ask.pages import page_questions, read_pages
from donvi.verify.ask.places import certificate_path, flows_of, held, key_path
from donvi.verify.ask.services import ServiceAnswer, read_services, service_questions

if TYPE_CHECKING:
    from donvi.tenancy.model import Certificate, Endpoint, Tenancy
    from donvi.verify.ask.context import Context
    from donvi.verify.ask.names import NameAnswer
    from donvi.verify.ask.pages import PageAnswer

VAULT_PORT = 8200
WRAP_SECONDS = 120
OWN_RESOLVER = "127.0.0.1"  # the gateway serves the unit, and asks for itself elsewhere
FOREIGN_CODE = "00000"
"""A code that no unit has: its path is refused like any other unit's, whether or not something is there."""


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A private key's file on its machine; the key itself is never read."""

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


class MachineAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """All that was asked from one machine of the unit."""

    services: dict[str, ServiceAnswer]  # by question, see service_questions
    names: dict[str, NameAnswer | str]  # by record id; a text says why the resolver didn't answer
    keys: dict[str, KeyFile]  # by certificate id, of those whose key is here
    revocations: dict[str, str]  # gateway only, by issuing mount: the list, base64; "" when it can't be fetched
    vault: VaultAnswer  # gateway only
    links: dict[str, str]  # TCP connections by "<flow or target>/<family>": open, refused, or what kept it
    mail: dict[str, ServiceAnswer]  # workstation only: greetings over TLS, by port
    pages: dict[str, PageAnswer]  # by question, see page_questions
    baseline: Baseline


def ask_machine(context: Context, endpoint: Endpoint) -> MachineAnswers:
    """Ask everything that this machine of the unit is the right place to ask from.

    :raises InconclusiveError: the machine can't be reached, or a credential can't be had.
    """
    tenancy = context.tenancy
    records = (*tenancy.dns, *city_names(tenancy, endpoint))
    asks = OWN_RESOLVER if endpoint.role == "gateway" else ""
    asked = {
        **_named("tls", service_questions(context, endpoint)),
        **_named("dns", {r.id: {"kind": "dns", "message": names.wire(r), "server": asks} for r in records}),
        **_named("pair", {c.id: _pair_question(tenancy, c) for c in held(tenancy, endpoint)}),
        **_named("link", link_questions(context, endpoint)),
        **_named("mail", mail_questions(tenancy, endpoint)),
        **_named("page", page_questions(tenancy, endpoint)),
        **_named("baseline", baseline_questions(endpoint)),
    }
    if endpoint.role == "gateway":
        asked |= _named("fetch", {mount: {"kind": "fetch", "url": url} for mount, url in _lists(context).items()})
        asked["vault"] = _vault_question(context)
    answers = run_batch(connect(context, endpoint.id), asked)
    return MachineAnswers(
        services=read_services(part(answers, "tls")),
        names={r.id: _name(r, answers[f"dns/{r.id}"]) for r in records},
        keys={identifier: _key(answer) for identifier, answer in part(answers, "pair").items()},
        revocations={mount: answer.get("body", "") for mount, answer in part(answers, "fetch").items()},
        vault=_vault(answers.get("vault", {})),
        links=connections(part(answers, "link")),
        mail=read_services(part(answers, "mail")),
        pages=read_pages(part(answers, "page")),
        baseline=read_baseline(part(answers, "baseline")),
    )


def city_names(tenancy: Tenancy, endpoint: Endpoint) -> tuple[DnsRecord, ...]:
    """Return the names of the city below its own domain that the machine's flows lead to; sorted by id."""
    domain = tenancy.unit.domain.partition(".")[2]
    found = {}
    for flow in flows_of(tenancy, endpoint):
        if flow.host.partition(".")[2] == domain:
            for kind, value in (("A", flow.ipv4), ("AAAA", flow.ipv6)):
                record = DnsRecord(id=f"{flow.host}/{kind}", name=flow.host, type=kind, ttl=0, values=(value,))
                found[record.id] = record
    return tuple(found[identifier] for identifier in sorted(found))


def _named(kind: str, questions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{kind}/{name}": question for name, question in questions.items()}


# questions


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


def _name(record: DnsRecord, answer: dict[str, Any]) -> NameAnswer | str:
    if "message" not in answer:
        return str(answer["detail"])
    return names.from_wire(record, answer["message"])


def _key(answer: dict[str, Any]) -> KeyFile:
    return KeyFile(
        exists=answer.get("exists", False),
        mode=answer.get("mode", 0),
        owner=answer.get("owner", ""),
        public_key=answer.get("public_key", ""),
        certificate=answer.get("certificate", ""),
    )


def _vault(answer: dict[str, Any]) -> VaultAnswer:
    known = {name: answer[name] for name in ("unwrap", "login", "own", "foreign") if name in answer}
    return VaultAnswer(**known, detail=answer.get("detail", ""), unreachable=answer.get("stage") == "unreachable")
