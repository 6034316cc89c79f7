"""Fetches a unit's pages by the host name, over TLS: as its people do, from its workstation, and at the gateway."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.tenancy.machines import ROUTER
from donvi.verify.ask.batch import run_batch
from donvi.verify.ask.machines import connect
from donvi.verify.ask.places import flows_of

if TYPE_CHECKING:
    from donvi.tenancy import Tenancy
    from donvi.tenancy.app_model import App
    from donvi.tenancy.model import Endpoint
    from donvi.verify.ask.context import Context

HTTPS = 443
NOBODY = "khong-co"
"""A label that no unit's host has."""


class PageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for one request."""

    stage: str  # see on_machine.py
    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""  # base64
    certificate: str = ""  # PEM of the leaf; it was verified with the city's root and the host name
    version: str = ""  # of TLS
    detail: str = ""

    @property
    def text(self) -> str:
        """The page, decoded as UTF-8.

        :raises UnicodeDecodeError: it isn't.
        """
        return base64.b64decode(self.body).decode("utf-8")

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.stage == "answered" else f"{self.stage}: {self.detail}"


def asks_for(tenancy: Tenancy, endpoint: Endpoint) -> tuple[App, ...]:
    """Return the unit's apps that a machine may open."""
    systems = {flow.system for flow in flows_of(tenancy, endpoint) if flow.port == HTTPS}
    return tuple(app for app in tenancy.apps if app.system in systems)


def page_questions(tenancy: Tenancy, endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return the pages to fetch from a machine: the app's own, and what comes for a host that isn't there."""
    asked: dict[str, dict[str, Any]] = {}
    for app in asks_for(tenancy, endpoint):
        page = {"kind": "page", "host": app.host, "path": "/"}
        asked |= {f"{app.id}/own": page, f"{app.id}/nobody": page | {"asked_name": f"{NOBODY}.{app.host}"}}
    return asked


def read_pages(answers: dict[str, dict[str, Any]]) -> dict[str, PageAnswer]:
    """Read the answers."""
    return {question: msgspec.convert(answer, PageAnswer) for question, answer in answers.items()}


def ask_gateway(context: Context) -> dict[str, PageAnswer]:
    """Ask the cluster's gateway for every app's page from the core router, which needs no machine of the unit.

    :return: ``<app>/own`` over TLS by the host name, ``<app>/plain`` without TLS, which no unit has a flow for.
    :raises InconclusiveError: the router can't be reached.
    """
    addresses = {record.name: record.values[0] for record in context.tenancy.dns if record.type == "A"}
    asked: dict[str, dict[str, Any]] = {}
    for app in context.tenancy.apps:
        if app.host in addresses:
            page = {"kind": "page", "host": app.host, "path": "/", "address": addresses[app.host]}
            asked |= {f"{app.id}/own": page, f"{app.id}/plain": page | {"plain": True}}
    return read_pages(run_batch(connect(context, ROUTER), asked))
