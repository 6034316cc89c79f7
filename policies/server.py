"""The pack as the engine sees it: the ``Analyzer`` service, on top of :class:`policies.judge.Judge`.

It speaks the protocol itself instead of using ``pulumi_policy``, whose analyzer takes the marks of secrets away, turns
an unknown value into an advisory line without a resource, gives all findings of a rule one level (so nothing can be
shown as waived) and decodes every resource once per rule.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import empty_pb2  # type: ignore[import-untyped]

from donvi.plugin import hosting, process, wire
from donvi.plugin.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2
from policies import messages
from policies.city import CityFacts, read_city
from policies.judge import OWN, Judge, State
from policies.model import PLATFORM, Level, Resource, StackRule
from policies.register import ALL, by_id, matters_to_stack_rules
from policies.rules.ownership import owner_of
from policies.values import UNKNOWN, key
from policies.waivers import read_waivers, register_file, today

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from policies.judge import Verdict

NAME: Final = "donvi"
VERSION: Final = "0.1.0"
STRICT: Final = "DONVI_POLICY_UNDECIDED"
"""Set to ``refuse``, a mandatory rule that a preview can't decide refuses it; CI may want that."""
_LEVELS: Final = {Level.MANDATORY: analyzer_pb2.MANDATORY, Level.ADVISORY: analyzer_pb2.ADVISORY}


class Given:
    """What a process reads once, however many engines it serves: the register, and the city when a rule asks for it.

    :raises DataError: the register of waivers is wrong.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.waivers = read_waivers(register_file(environ), by_id())
        self._lock = threading.Lock()
        self._facts: CityFacts | None = None

    def city(self) -> CityFacts:
        """Return the city's facts."""
        with self._lock:
            if self._facts is None:
                self._facts = read_city()
            return self._facts


class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers one engine, about one run of one stack."""

    def __init__(self, given: Given) -> None:
        self._given = given
        environ = given.environ
        self._today = today(environ)
        self._strict = environ.get(STRICT) == "refuse"
        self._lock = threading.Lock()
        self._known: dict[str, Resource] = {}
        self._dry_run = True
        self._judge = self._new_judge("")

    def close(self) -> None:
        """Nothing is open."""

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's names
        """Return the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetAnalyzerInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Return the rules."""
        info = analyzer_pb2.AnalyzerInfo(name=NAME, displayName="donvi", version=VERSION)
        for about in (*ALL, *OWN):
            whole = isinstance(about, StackRule) or about in OWN
            info.policies.append(
                analyzer_pb2.PolicyInfo(
                    name=about.id,
                    displayName=about.title.en,
                    description=messages.headline(about),
                    enforcementLevel=_LEVELS[about.level],
                    policy_type=analyzer_pb2.POLICY_TYPE_STACK if whole else analyzer_pb2.POLICY_TYPE_RESOURCE,
                    remediation_steps=about.remedy,
                    tags=[about.subject],
                )
            )
        return info

    def Configure(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Levels aren't configured from outside: who needs an exception asks for a waiver."""
        return empty_pb2.Empty()

    def ConfigureStack(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Begin a run of a stack."""
        with self._lock:
            self._dry_run = request.dry_run
            self._known.clear()
            self._judge = self._new_judge(request.stack)
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Analyze(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Judge one resource before anything is done with it."""
        with self._lock:
            resource = self._resource(request)
            if matters_to_stack_rules(resource.type):
                self._known[resource.urn] = resource
            return self._response(self._judge.resource(resource))

    def AnalyzeStack(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Judge the stack as a whole, by the inputs that were shown before; outputs look different per provider."""
        with self._lock:
            asked = [one for one in request.resources if matters_to_stack_rules(one.type)]
            resources = [self._known.get(one.urn) or self._resource(one) for one in asked]
            return self._response(self._judge.stack(resources))

    def Remediate(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Change nothing: who wrote the program repairs it."""
        return analyzer_pb2.RemediateResponse()

    def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Nothing takes long enough to be cancelled."""
        return empty_pb2.Empty()

    def _new_judge(self, stack: str) -> Judge:
        code = stack.partition("-")[0]
        owner = PLATFORM if stack == PLATFORM else code if len(code) == 5 and code.isdigit() else ""  # noqa: PLR2004
        return Judge(self._given.city, self._given.waivers, self._today, owner)

    def _resource(self, request: Any) -> Resource:
        inputs, marked = plain(wire.decode(request.properties, secrets=True))
        return Resource(
            type=request.type,
            name=request.name,
            inputs=inputs,
            unit=owner_of(request.type, inputs),
            stack_unit=self._judge.stack_unit,
            protect=request.options.protect,
            custom=request.HasField("provider"),
            marked=frozenset(marked),
            urn=request.urn,
        )

    def _response(self, verdicts: list[Verdict]) -> Any:
        return analyzer_pb2.AnalyzeResponse(diagnostics=[self._diagnostic(verdict) for verdict in verdicts])

    def _diagnostic(self, verdict: Verdict) -> Any:
        return analyzer_pb2.AnalyzeDiagnostic(
            policyName=verdict.about.id,
            policyPackName=NAME,
            policyPackVersion=VERSION,
            description=messages.headline(verdict.about),
            message=messages.text(verdict),
            enforcementLevel=_LEVELS[self._level(verdict)],
            urn=verdict.urn,
        )

    def _level(self, verdict: Verdict) -> Level:
        """Waived is shown; undecided is shown in a preview, and never passes where everything must be known."""
        if verdict.state is State.WAIVED:
            return Level.ADVISORY
        if verdict.state is State.UNDECIDED and self._dry_run and not self._strict:
            return Level.ADVISORY
        return verdict.about.level


def plain(value: Any) -> tuple[Any, list[str]]:
    """Return decoded inputs as plain values, and the paths of what is marked secret, all below a mark included."""
    marked: list[str] = []

    def turn(one: Any, path: str, *, secret: bool) -> Any:
        if isinstance(one, wire.Secret):
            return turn(one.value, path, secret=True)
        if isinstance(one, dict):
            return {name: turn(item, key(path, name), secret=secret) for name, item in one.items()}
        if isinstance(one, list):
            return [turn(item, f"{path}[{number}]", secret=secret) for number, item in enumerate(one)]
        if secret:
            marked.append(path)
        return UNKNOWN if isinstance(one, wire.Unknown) else one

    return turn(value, "", secret=False), marked


def serve(environ: MutableMapping[str, str] = os.environ) -> None:
    """Serve one engine, or started as a host (``donvi.plugin.hosting``) many, until the end is asked for.

    :raises DataError: the register of waivers is wrong.
    """
    many = hosting.wanted(environ)
    process.restrict(environ, process.BASE, ("DONVI_",))
    given, add = Given(environ), analyzer_pb2_grpc.add_AnalyzerServicer_to_server
    if many:
        hosting.run(lambda _cancelled: Pack(given), add=add)
    else:
        process.run(Pack(given), threading.Event(), add=add)
