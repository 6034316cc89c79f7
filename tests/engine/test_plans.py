"""What a fresh city would get, as a small file per stack: counts per type, and the values a unit would miss.

The preview is real (engine, program, provider's checks) and asks no server: the state is empty but for ``platform``'s
outputs. ``DONVI_REWRITE=1 pytest tests/engine/test_plans.py`` writes the files anew; a person reviews the difference.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.project import ROOT, tool_path

PLANS = Path(__file__).parent / "plans"
STACKS = ["platform", "25747-thu-dau-mot", "26506-vung-tau", "26740-sai-gon"]
DEPLOYMENT = {
    "city_domain": "tphcm.test",
    "vault": {"address": "https://192.0.2.1:8200"},
    "directory": {"url": "ldaps://192.0.2.1:636"},
    "mail": {
        "smtp": "192.0.2.1:25",
        "submission": "192.0.2.1:465",
        "imap": "192.0.2.1:993",
        "doveadm": "https://192.0.2.1",
    },
    "dns": {"server": "192.0.2.1", "port": 53},
}


class Empty:
    """A backend of its own in which nothing exists but what ``platform`` exports."""

    def __init__(self, folder: Path) -> None:
        (folder / "state").mkdir()
        project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
        project["stackConfigDir"] = "config"  # never the repository's: the lab's stacks keep their keys there
        project["plugins"]["providers"][0]["path"] = str(ROOT / project["plugins"]["providers"][0]["path"])
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        (folder / "stacks").symlink_to(ROOT / "stacks")
        (folder / "deployment.json").write_text(json.dumps(DEPLOYMENT), encoding="utf-8")
        self.folder = folder
        self.environ = {
            "PATH": tool_path(),
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / ".pulumi"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "plans",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "DONVI_DEPLOYMENT": str(folder / "deployment.json"),
        }

    def pulumi(self, *arguments: str, given: str | None = None, **variables: str) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env={**self.environ, **variables},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def make(self, stack: str) -> None:
        self.pulumi("stack", "init", stack, "--no-select", "--secrets-provider", "passphrase")

    def pretend_platform(self) -> None:
        """Give ``platform`` a state that holds its outputs only."""
        self.make("platform")
        state = json.loads(self.pulumi("stack", "export", "--stack", "platform"))
        state["deployment"]["resources"] = [
            {
                "urn": "urn:pulumi:platform::donvi::pulumi:pulumi:Stack::donvi-platform",
                "custom": False,
                "type": "pulumi:pulumi:Stack",
                "outputs": {"deployment": json.dumps(DEPLOYMENT)},
            }
        ]
        self.pulumi("stack", "import", "--stack", "platform", "--force", given=json.dumps(state))

    def plan(self, stack: str, **variables: str) -> list[dict[str, Any]]:
        told = self.pulumi("preview", "--stack", stack, "--json", **variables)
        steps = json.loads(told[told.index("{") : told.rindex("}") + 1])["steps"]
        return [step["newState"] for step in steps if step["op"] == "create"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Empty:
    made = Empty(tmp_path_factory.mktemp("plans"))
    made.pretend_platform()
    for stack in STACKS[1:]:
        made.make(stack)
    return made


def kind(resource: dict[str, Any]) -> str:
    return str(resource["type"]).removeprefix("donvi:")


def summary(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts per type, and per kind of resource what a person would look for first."""
    counts = Counter(kind(resource) for resource in resources if not resource["type"].startswith("pulumi:"))

    def each(suffix: str, value: str, *, named: str = "") -> dict[str, Any]:
        found = [resource for resource in resources if resource["type"] == f"donvi:{suffix}"]
        return {
            resource["inputs"][named] if named else resource["urn"].rpartition("::")[2]: resource["inputs"][value]
            for resource in found
        }

    chosen = {
        "accounts": each("directory:Account", "commonName"),
        "group members": {
            name: [dn.split(",")[0].removeprefix("uid=") for dn in members]
            for name, members in each("directory:Group", "members").items()
        },
        "quota in MiB": each("mail:Mailbox", "quotaMb"),
        "aliases": each("mail:Alias", "target"),
        "certificate names": each("pki:Certificate", "commonName"),
        "names": each("dns:RecordSet", "values"),
        "networks of the unit's machines": each("vault:AppRole", "boundCidrs"),
    }
    return {
        "counts": dict(sorted(counts.items())),
        **{name: dict(sorted(found.items())) for name, found in chosen.items()},
    }


@pytest.mark.parametrize("stack", STACKS)
def test_a_fresh_stack_gets_what_its_plan_says(empty: Empty, stack: str) -> None:
    found = summary(empty.plan(stack))
    path = PLANS / f"{stack}.yaml"
    if os.environ.get("DONVI_REWRITE"):
        head = "# what a fresh stack gets; DONVI_REWRITE=1 pytest tests/engine/test_plans.py writes it anew\n"
        path.write_text(head + yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=110), encoding="utf-8")
    assert found == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_resource_lies_in_a_component_and_carries_its_owner(empty: Empty) -> None:
    for resource in empty.plan("26506-vung-tau"):
        if resource["type"].startswith("donvi:") and ":component:" not in resource["type"]:
            assert ":component:" in resource["parent"], resource["urn"]
            assert resource["inputs"]["unit"] == "26506"
            assert resource["provider"].split("::")[-2] == "city", "the explicit provider, not a default one"


def test_one_more_line_in_a_roster_shows_the_account_its_groups_and_its_mailbox(empty: Empty, tmp_path: Path) -> None:
    city = tmp_path / "city"
    shutil.copytree(ROOT / "city", city)
    roster = city / "people/26506.csv"
    lines = roster.read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    first = dict(zip(head, lines[1].split(","), strict=True))
    new = {**first, "employee_id": "cb-265099", "name": "Lý Thường Ẩn", "login": "an.ly-thuong", "number": "99"}
    roster.write_text("\n".join([*lines, ",".join(new[name] for name in head)]) + "\n", encoding="utf-8")

    before = {resource["urn"]: resource for resource in empty.plan("26506-vung-tau")}
    after = {resource["urn"]: resource for resource in empty.plan("26506-vung-tau", DONVI_CITY=str(city))}

    added = {f"{kind(after[urn])}/{urn.rpartition('::')[2]}" for urn in after.keys() - before.keys()}
    assert "directory:Account/cb-265099" in added
    assert any(name.startswith("mail:Mailbox/an.ly-thuong") for name in added)
    groups = [urn for urn in after if "Group" in kind(after[urn]) and after[urn]["inputs"] != before[urn]["inputs"]]
    assert groups, "the person joins the groups of the post"
