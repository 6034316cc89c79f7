"""Every program in ``policies/examples`` is refused by its rule alone, and passes once it is repaired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from policies.register import by_id
from tests.policies.commands import EXAMPLES

if TYPE_CHECKING:
    from tests.policies.commands import Engine
    from tests.support.control_plane import ControlPlane

PROGRAMS = sorted(
    path.stem.replace("_", "-") for path in EXAMPLES.glob("*.py") if path.stem not in {"__main__", "parts"}
)


@pytest.mark.parametrize("rule", PROGRAMS)
def test_its_rule_refuses_the_preview_with_the_remedy_and_nothing_changes(
    examples: Engine, cluster: ControlPlane, rule: str
) -> None:
    examples.must("stack", "init", rule, "--no-select")
    before = examples.must("stack", "export", "--stack", rule)

    refused = examples.run("preview", "--stack", rule)

    assert refused.returncode != 0
    assert f"[mandatory]  {rule}  (" in refused.stdout, refused.stdout
    assert f"remedy: {by_id()[rule].remedy}" in refused.stdout
    others = [name for name in by_id() if name != rule and f"[mandatory]  {name}  (" in refused.stdout]
    # a privileged container breaks two: what privileged means, and that nobody may gain rights
    assert others == (["pods-restricted"] if rule == "no-privileged-pods" else []), refused.stdout
    assert json.loads(examples.must("stack", "export", "--stack", rule)) == json.loads(before)
    for kind in ("deployments", "networkpolicies", "services", "configmaps"):
        assert not ours(cluster, kind)

    repaired = examples.run("preview", "--stack", rule, "--config", "repaired=true")
    assert repaired.returncode == 0, repaired.stdout
    assert "✅ donvi@v" in repaired.stdout


def ours(cluster: ControlPlane, kind: str) -> list[str]:
    """Names of the objects of a kind that donvi's labels mark."""
    group = {"deployments": "/apis/apps/v1", "networkpolicies": "/apis/networking.k8s.io/v1"}.get(kind, "/api/v1")
    found = cluster.client().get(f"{group}/{kind}?labelSelector=app.kubernetes.io/managed-by=donvi")
    return [item["metadata"]["name"] for item in found["items"]]


def test_up_refuses_it_as_well_and_makes_nothing(examples: Engine, cluster: ControlPlane) -> None:
    examples.run("stack", "init", "limits-and-requests", "--no-select")  # where another test didn't make it

    broken = ["--config", "repaired=false"]  # the engine keeps what a preview was given
    refused = examples.run("up", "--yes", "--skip-preview", "--stack", "limits-and-requests", *broken)

    assert refused.returncode != 0
    assert "[mandatory]  limits-and-requests  (" in refused.stdout, refused.stdout
    assert not ours(cluster, "deployments")
