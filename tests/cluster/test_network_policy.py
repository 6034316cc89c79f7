"""NetworkPolicies hold between real pods of two units, by connections; also for one that was open before.

A path counts as closed only if its target answers the node at the same moment, and answered this very pod before the
policies: a dead target proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lab.shell import wait_until
from tests.cluster.units import ANSWERED, SILENT, policy

if TYPE_CHECKING:
    from tests.cluster.units import Units

A, B = "proof-a", "proof-b"
DENY = policy(A, "default-deny", policyTypes=["Ingress", "Egress"])
SAME = policy(
    A,
    "same-unit",
    policyTypes=["Ingress", "Egress"],
    ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": "ask"}]}],
    egress=[{"to": [{"podSelector": {}}]}],
)
FROM_B = policy(
    A,
    "from-b",
    ingress=[
        {
            "from": [
                {"namespaceSelector": {"matchLabels": {"proof": B}}, "podSelector": {"matchLabels": {"app": "client"}}}
            ],
            "ports": [{"port": 9000, "endPort": 9000}],
        }
    ],
)


class Path(NamedTuple):
    """From a pod to a pod's port, directly or through the Service in front of it."""

    source: str
    target: str
    port: int = 9000
    service: bool = False

    def address(self, units: Units) -> str:
        return f"{units.service}:80" if self.service else f"{units.addresses[self.target]}:{self.port}"


INSIDE = Path(f"{A}/client", f"{A}/web")
INSIDE_OTHER_PORT = Path(f"{A}/client", f"{A}/web", 9001)
INTO = Path(f"{B}/client", f"{A}/web")
INTO_BY_SERVICE = Path(f"{B}/client", f"{A}/web", service=True)
INTO_FROM_ANOTHER_POD = Path(f"{B}/web", f"{A}/web")
OUT_OF = Path(f"{A}/client", f"{B}/web")
BESIDE = Path(f"{B}/client", f"{B}/web")
ALL = (INSIDE, INSIDE_OTHER_PORT, INTO, INTO_BY_SERVICE, INTO_FROM_ANOTHER_POD, OUT_OF, BESIDE)

STATES: dict[str, tuple[list[dict[str, Any]], set[Path]]] = {
    "no policy": ([], set(ALL)),
    "default deny": ([DENY], {BESIDE}),
    "the unit's own pods": ([DENY, SAME], {INSIDE, BESIDE}),
    "one pod of the other unit as well": ([DENY, SAME, FROM_B], {INSIDE, INTO, INTO_BY_SERVICE, BESIDE}),
    "no policy any more": ([], set(ALL)),
}


@pytest.mark.parametrize("state", list(STATES))
def test_what_policies_allow_passes_and_nothing_else(units: Units, state: str) -> None:
    policies, opens = STATES[state]
    units.policies(*policies)
    for path in ALL:
        target = path.address(units)
        found = units.asks(path.source, target)
        if path in opens:
            assert found == ANSWERED, f"{path} is closed"
        else:
            assert units.alive(f"{units.addresses[path.target]}:{path.port}"), f"inconclusive: {path.target} is dead"
            assert found == SILENT, f"{path} is open"


def test_a_connection_from_before_ends_when_the_policy_comes_and_an_allowed_one_goes_on(units: Units) -> None:
    units.policies()
    ending = units.holds(INTO.source, INTO.address(units))
    through_service = units.holds(INTO_BY_SERVICE.source, INTO_BY_SERVICE.address(units))
    staying = units.holds(INSIDE.source, INSIDE.address(units))
    try:
        units.policies(DENY, SAME)
        for connection in (ending, through_service):
            assert wait_until(lambda connection=connection: connection.poll() is not None, 15), "it goes on"
            assert connection.returncode == SILENT
        assert units.alive(INTO.address(units)), "inconclusive: the target is dead"
        assert staying.poll() is None, "an allowed connection was cut too"
        assert units.asks(INSIDE.source, INSIDE.address(units)) == ANSWERED
    finally:
        for connection in (ending, through_service, staying):
            connection.kill()
            connection.communicate()


def test_a_pod_reaches_the_node_only_if_its_egress_says_so(units: Units) -> None:
    node = units.lab.deployment["machines"]["kube"]["data4"]
    units.policies()
    assert units.asks(f"{A}/client", f"{node}:22") in {ANSWERED, SILENT + 1}, "sshd doesn't answer: inconclusive"
    units.policies(DENY, SAME)
    assert units.alive(f"{node}:22")
    assert units.asks(f"{A}/client", f"{node}:22") == SILENT
