"""What the operator is told follows from the city, fits its published definition and holds no secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from donvi.cli.operator import seconds
from donvi.errors import UsageError
from donvi.fleet.operator import Choices, Drift, Places, bundle, render, write
from donvi.fleet.operator.files import MARK
from donvi.fleet.operator.model import LONGEST_NAME, object_name
from donvi.fleet.select import Selection, choose
from tests.support.operator_crd import definition, faults, schema

if TYPE_CHECKING:
    from donvi.fleet.operator import Bundle
    from donvi.registry import City

DEPLOYMENT = {
    "city_domain": "tphcm.test",
    "vault": {"address": "https://10.0.1.10:8200"},
    "directory": {"url": "ldaps://10.0.1.10:636"},
    "mail": {"smtp": "10.0.1.10:25", "submission": "", "imap": "", "doveadm": ""},
    "dns": {"server": "10.0.1.10"},
    "cluster": {"server": "https://10.0.4.30:6443", "ca": "ROOT", "gateway": "10.0.4.30:443"},
}
PLACES = Places(deployment=json.dumps(DEPLOYMENT), ca="ROOT\n", known_hosts="@cert-authority * KEY\n")
IMAGE = "registry.test/donvi:2026.11"


@pytest.fixture(scope="module")
def strict() -> dict[str, Any]:
    return schema(definition())


def made(city: City, *units: str, **choices: Any) -> Bundle:
    selection = Selection(everything=not units, units=units)
    return bundle(city, choose(city, selection), PLACES, Choices(image=IMAGE, **choices))


def test_every_manifest_fits_the_operators_definition(city: City, strict: dict[str, Any]) -> None:
    for drift in Drift:
        for stack, manifest in made(city, drift=drift, pilots_first=True).stacks.items():
            assert not faults(manifest, strict), stack


def test_the_definition_refuses_what_it_does_not_know(city: City, strict: dict[str, Any]) -> None:
    manifest = made(city, "26506").stacks["26506-vung-tau"]
    manifest["spec"] = manifest["spec"] | {"resyncFrequencyMinutes": 1, "refresh": "yes"}
    assert len(faults(manifest, strict)) == 2


def test_there_is_one_stack_per_unit_and_the_platform_and_every_unit_waits_for_it(city: City) -> None:
    stacks = made(city).stacks
    assert len(stacks) == len(city.units) + 1
    waiting = {name: one["spec"].get("prerequisites", []) for name, one in stacks.items()}
    assert waiting.pop("platform") == []
    assert all({"name": "platform"} in others for others in waiting.values())


def test_later_waves_can_wait_for_the_pilots_of_their_locality(city: City) -> None:
    stacks = made(city, pilots_first=True).stacks
    later = next(unit for unit in city.units.values() if unit.wave > 1)
    pilots = {
        object_name(city.allotments[u.code])
        for u in city.units.values()
        if u.wave == 1 and u.locality == later.locality
    }
    numbers = city.allotments[later.code]
    waits = {other["name"] for other in stacks[f"{numbers.code}-{numbers.slug}"]["spec"]["prerequisites"]}
    assert pilots
    assert waits == {"platform", *pilots}
    objects = {one["metadata"]["name"] for one in stacks.values()}
    assert waits <= objects


def test_names_suit_the_operator_however_long_the_slug_is(city: City) -> None:
    numbers = city.allotments["26506"]
    assert object_name(numbers) == "u26506-vung-tau"
    long = msgspec.structs.replace(numbers, slug="thi-tran-" + "rat-dai-" * 5 + "het")
    cut = object_name(long)
    assert len(cut) <= LONGEST_NAME
    assert cut.startswith("u26506-thi-tran-rat-dai")
    assert not cut.endswith("-")


def test_the_operator_can_name_a_service_after_every_stack_in_clusters_that_want_a_letter_first(city: City) -> None:
    names = [one["metadata"]["name"] + "-workspace" for one in made(city).stacks.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)] == []


def test_secrets_are_only_named(city: City) -> None:
    variables = made(city, "26506").stacks["26506-vung-tau"]["spec"]["envRefs"]
    named = {key for key, value in variables.items() if value["type"] == "Secret"}
    assert named == {"PULUMI_BACKEND_URL", "VAULT_TOKEN"}
    assert all(variables[key]["secret"] == {"name": "donvi-engine", "key": key} for key in named)
    kinds = {value["kind"] for value in made(city).shared}
    assert "Secret" not in kinds


def test_a_pod_does_not_outlive_its_run_and_says_what_room_it_needs(city: City) -> None:
    spec = made(city, "26506").stacks["26506-vung-tau"]["spec"]
    assert spec["workspaceReclaimPolicy"] == "Delete"
    assert "ephemeral-storage" in spec["workspaceTemplate"]["spec"]["resources"]["requests"]


def test_taking_a_manifest_away_never_closes_a_unit(city: City) -> None:
    assert all(one["spec"]["destroyOnFinalize"] is False for one in made(city).stacks.values())


def test_drift_is_repaired_reported_or_left(city: City) -> None:
    def spec(drift: Drift) -> dict[str, Any]:
        return made(city, "26506", drift=drift, period=3600).stacks["26506-vung-tau"]["spec"]

    assert spec(Drift.REPAIR)["refresh"]
    assert "preview" not in spec(Drift.REPAIR)
    assert spec(Drift.REPORT)["preview"]
    assert "resyncFrequencySeconds" not in spec(Drift.OFF)


def test_units_applied_together_do_not_stay_together(city: City) -> None:
    stacks = made(city, period=3600).stacks.values()
    periods = [one["spec"]["resyncFrequencySeconds"] for one in stacks]
    assert all(3600 <= period <= 3960 for period in periods)
    assert len(set(periods)) > len(periods) / 2


def test_the_same_data_gives_the_same_bytes(city: City) -> None:
    assert render(made(city)) == render(made(city))
    documents = list(yaml.safe_load_all(render(made(city, "platform", "26506"))))
    assert [one["kind"] for one in documents][-2:] == ["Stack", "Stack"]
    assert documents[0]["kind"] == "Namespace"


def test_a_folder_holds_exactly_what_is_wanted(city: City, tmp_path: Path) -> None:
    first, _ = write(made(city, "platform", "26506", "26740"), tmp_path)
    assert "stacks/26506-vung-tau.yaml" in first
    assert write(made(city, "platform", "26506", "26740"), tmp_path) == ([], [])
    changed, gone = write(made(city, "platform", "26506"), tmp_path)
    assert changed == ["kustomization.yaml"]
    assert gone == ["stacks/26740-sai-gon.yaml"]
    index = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())
    assert all((tmp_path / name).is_file() for name in index["resources"])


def test_a_file_of_somebody_else_is_left_alone(city: City, tmp_path: Path) -> None:
    write(made(city, "platform", "26506"), tmp_path)
    (tmp_path / "mine.yaml").write_text("kind: Mine\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        write(made(city, "platform"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == before


@pytest.mark.parametrize("image", ["registry.test:5000/donvi", "donvi"])
def test_an_image_without_a_version_is_refused(image: str) -> None:
    with pytest.raises(UsageError, match="neither tag nor digest"):
        Choices(image=image)


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400)])
def test_a_period_is_a_number_and_a_unit(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "h", "6", "1.5h", "-6h", "٣h", "6 h"])
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(UsageError, match="no period"):
        seconds(text)


def test_the_command_writes_a_folder_and_says_how_to_apply_it(tmp_path: Path) -> None:
    for name, text in (("deployment.json", PLACES.deployment), ("ca", PLACES.ca), ("hosts", PLACES.known_hosts)):
        (tmp_path / name).write_text(text)
    environ = {
        "PATH": "/usr/bin",
        "DONVI_DEPLOYMENT": str(tmp_path / "deployment.json"),
        "VAULT_CACERT": str(tmp_path / "ca"),
        "DONVI_KNOWN_HOSTS": str(tmp_path / "hosts"),
    }
    command = [sys.executable, "-m", "donvi.cli.main", "operator", "--wave", "1", "--image", IMAGE]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out"), "--json"],
        env=environ,
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stacks"] == 15
    assert (tmp_path / "out/stacks/26506-vung-tau.yaml").read_text().startswith(MARK)
    missing = subprocess.run(
        [*command, "--output", "-"],
        env=environ | {"VAULT_CACERT": ""},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 2
    assert "VAULT_CACERT" in missing.stderr
