"""One ``Stack`` object per stack, from the city's data: a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from donvi.deployment import parse
from donvi.fleet.operator.files import Bundle
from donvi.fleet.operator.model import Drift, object_name, spread
from donvi.fleet.operator.shared import LABELS, PLACES, shared
from donvi.fleet.select import PLATFORM
from donvi.fleet.stacks import SAFE_LISTING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.fleet.operator.model import Choices, Places
    from donvi.fleet.select import Target
    from donvi.registry import City

PROJECT = "donvi"
MOUNT = "/etc/donvi/places"
KEPT_RUNS = "168h"
PILOTS = 1
"""The wave whose units every other wave waits for."""


def bundle(city: City, targets: Iterable[Target], places: Places, choices: Choices) -> Bundle:
    """Return the manifests of these stacks, in their order, and of what they share.

    The same data gives the same bytes. ``platform`` and the pilots that a selected unit waits for must be applied too,
    now or before.
    """
    pilots = _pilots(city) if choices.pilots_first else {}
    base = _Base(_variables(places, choices), _workspace(choices), choices)
    stacks = {}
    for target in targets:
        if target.stack == PLATFORM:
            stacks[PLATFORM] = base.stack(PLATFORM, PLATFORM, [], choices.period)
            continue
        waits = pilots.get(target.locality, []) if target.wave > PILOTS else []
        name, period = object_name(city.allotments[target.code]), spread(target.code, choices.period)
        value = base.stack(name, target.stack, [PLATFORM, *waits], period)
        value["metadata"]["labels"] |= {"donvi/unit": target.code, "donvi/wave": str(target.wave)}
        stacks[target.stack] = value
    return Bundle(shared=shared(places, choices), stacks=stacks)


def _pilots(city: City) -> dict[str, list[str]]:
    """Return the Stack objects of the pilots, by former locality."""
    found: dict[str, list[str]] = {}
    for code, unit in city.units.items():
        if unit.wave == PILOTS:
            found.setdefault(unit.locality, []).append(object_name(city.allotments[code]))
    return found


@dataclass(frozen=True)
class _Base:
    """What all Stack objects have alike."""

    variables: dict[str, Any]
    workspace: dict[str, Any]
    choices: Choices

    def stack(self, name: str, stack: str, waits: list[str], period: int) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.choices.namespace, "labels": dict(LABELS)}
        spec = self._run() | _schedule(self.choices.drift, period)
        spec |= {"stack": f"organization/{PROJECT}/{stack}", "secretsProvider": f"hashivault://{stack}"}
        if waits:
            spec["prerequisites"] = [{"name": other} for other in waits]
        return {
            "apiVersion": "pulumi.com/v1",
            "kind": "Stack",
            "metadata": metadata,
            "spec": dict(sorted(spec.items())),
        }

    def _run(self) -> dict[str, Any]:
        return {
            "serviceAccountName": self.choices.account,
            "envRefs": self.variables,
            # one pod per stack would stay otherwise; and a new pod reads the Secret's present token
            "workspaceReclaimPolicy": "Delete",
            # whoever takes a Stack object out of the cluster doesn't close a unit
            "destroyOnFinalize": False,
            # somebody works on the stack by hand: try again later
            "retryOnUpdateConflict": True,
            "workspaceTemplate": {"spec": self.workspace},
            "updateTemplate": {"spec": {"ttlAfterCompleted": KEPT_RUNS}},
        }


def _schedule(drift: Drift, period: int) -> dict[str, Any]:
    if drift is Drift.OFF:
        return {}
    again = {"continueResyncOnCommitMatch": True, "resyncFrequencySeconds": period, "refresh": True}
    return again | ({"preview": True} if drift is Drift.REPORT else {})


def _variables(places: Places, choices: Choices) -> dict[str, Any]:
    """Return the engine's environment: secrets by reference, everything else in clear."""
    deployment = parse(places.deployment)
    clear = {
        "DONVI_DEPLOYMENT": f"{MOUNT}/deployment.json",
        "DONVI_KNOWN_HOSTS": f"{MOUNT}/known_hosts",
        **SAFE_LISTING,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_OPTION_POLICY_PACK": f"{choices.folder}/policies/pulumi-analyzer-donvi",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "VAULT_ADDR": deployment.vault.address,
        "VAULT_CACERT": f"{MOUNT}/root.crt",
    }
    if deployment.cluster:
        clear["KUBECONFIG"] = f"{MOUNT}/kubeconfig.json"
    found: dict[str, Any] = {key: {"type": "Literal", "literal": {"value": value}} for key, value in clear.items()}
    for key in ("PULUMI_BACKEND_URL", "VAULT_TOKEN"):
        found[key] = {"type": "Secret", "secret": {"name": choices.secret, "key": key}}
    return dict(sorted(found.items()))


def _workspace(choices: Choices) -> dict[str, Any]:
    wanted = {"cpu": choices.cpu, "memory": choices.memory, "ephemeral-storage": choices.scratch}
    bounds = {"memory": choices.memory, "ephemeral-storage": choices.scratch}
    mounts = [{"name": "places", "mountPath": MOUNT, "readOnly": True}]
    return {
        "image": choices.image,
        "imagePullPolicy": "IfNotPresent",
        "local": {"dir": choices.folder},
        "securityProfile": "restricted",
        "resources": {"requests": wanted, "limits": bounds},
        "podTemplate": {
            "spec": {
                "containers": [{"name": "pulumi", "volumeMounts": mounts}],
                "volumes": [{"name": "places", "configMap": {"name": PLACES}}],
            }
        },
    }
