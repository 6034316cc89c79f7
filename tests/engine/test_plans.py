"""What a fresh city would get, as a small file per stack: counts per type, and the values a unit would miss.

The preview is real (engine, program, provider's checks) and asks no server but a cluster of the test's own, which
judges every object by a dry-run: the state is empty but for ``platform``'s outputs. ``DONVI_REWRITE=1 pytest
tests/engine/test_plans.py`` writes the files anew; a person reviews the difference.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.engine.project import ROOT, tool_path
from tests.support.control_plane import MASTERS, control_plane

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane

__all__ = ["control_plane"]

PLANS = Path(__file__).parent / "plans"
STACKS = ["platform", "25747-thu-dau-mot", "26506-vung-tau", "26740-sai-gon", "26536-rach-dua"]
"""The last one has no machines: this city's deployment has those of the first three only."""
ENDS = [f"{kind}-{code}" for code in ("25747", "26506", "26740") for kind in ("gw", "ws")]
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
    "machines": {name: {"address": "192.0.2.1"} for name in ("core", *ENDS)},
}
PLUGIN = ROOT / "lab/kubernetes_plugin/path"
CREDENTIAL = """#!/bin/sh
# stands in for `donvi cluster credential`
exec cat {0}/credential.json
"""


class Empty:
    """A backend of its own in which nothing exists but what ``platform`` exports.

    :param plane: the cluster, in which nothing exists either.
    """

    def __init__(self, folder: Path, plane: ControlPlane) -> None:
        (folder / "state").mkdir()
        self.deployment = {
            **DEPLOYMENT,
            "cluster": {"server": plane.server, "ca": plane.signer.pem, "gateway": "192.0.2.1:443"},
        }
        self._log_in(folder, plane)
        project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
        project["stackConfigDir"] = "config"  # never the repository's: the lab's stacks keep their keys there
        project["plugins"]["providers"][0]["path"] = str(ROOT / project["plugins"]["providers"][0]["path"])
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        (folder / "stacks").symlink_to(ROOT / "stacks")
        (folder / "deployment.json").write_text(json.dumps(self.deployment), encoding="utf-8")
        self.folder = folder
        self.environ = {
            "PATH": f"{folder}/bin:{PLUGIN}:{tool_path()}",
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / ".pulumi"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "plans",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "DONVI_DEPLOYMENT": str(folder / "deployment.json"),
        }

    def _log_in(self, folder: Path, plane: ControlPlane) -> None:
        certificate, key = plane.signer.pair("donvi-preview", MASTERS)
        end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"clientCertificateData": certificate, "clientKeyData": key, "expirationTimestamp": end}
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (folder / "credential.json").write_text(json.dumps(answer), encoding="utf-8")
        (folder / "bin").mkdir()
        (folder / "bin/donvi").write_text(CREDENTIAL.format(folder), encoding="utf-8")
        (folder / "bin/donvi").chmod(0o755)

    def pulumi(self, *arguments: str, given: str | None = None, fails: bool = False, **variables: str) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env={**self.environ, **variables},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    def make(self, stack: str) -> None:
        self.pulumi("stack", "init", stack, "--no-select", "--secrets-provider", "passphrase")

    def pretend_platform(self) -> None:
        """Give ``platform`` a state that holds its outputs only."""
        self.make("platform")
        self.give_outputs()

    def give_outputs(self) -> None:
        state = json.loads(self.pulumi("stack", "export", "--stack", "platform"))
        state["deployment"]["resources"] = [
            {
                "urn": "urn:pulumi:platform::donvi::pulumi:pulumi:Stack::donvi-platform",
                "custom": False,
                "type": "pulumi:pulumi:Stack",
                "outputs": {"deployment": json.dumps(self.deployment)},
            }
        ]
        self.pulumi("stack", "import", "--stack", "platform", "--force", given=json.dumps(state))

    def plan(self, stack: str, **variables: str) -> list[dict[str, Any]]:
        told = self.pulumi("preview", "--stack", stack, "--json", **variables)
        steps = json.loads(told[told.index("{") : told.rindex("}") + 1])["steps"]
        return [step["newState"] for step in steps if step["op"] == "create"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, control_plane: ControlPlane) -> Empty:
    made = Empty(tmp_path_factory.mktemp("plans"), control_plane)
    made.pretend_platform()
    for stack in STACKS[1:]:
        made.make(stack)
    return made


def kind(resource: dict[str, Any]) -> str:
    return str(resource["type"]).removeprefix("donvi:")


def summary(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts per type, and per kind of resource what a person would look for first."""
    counts = Counter(kind(resource) for resource in resources if not resource["type"].startswith("pulumi:"))

    def each(suffix: str, value: str) -> dict[str, Any]:
        found = [resource for resource in resources if resource["type"] == f"donvi:{suffix}"]
        return {resource["urn"].rpartition("::")[2]: resource["inputs"][value] for resource in found}

    chosen = {
        "accounts": each("directory:Account", "commonName"),
        "group members": {
            name: [dn.split(",")[0].removeprefix("uid=") for dn in members]
            for name, members in each("directory:Group", "members").items()
        },
        "quota in MiB": each("mail:Mailbox", "quotaMb"),
        "aliases": each("mail:Alias", "target"),
        "certificate names": each("pki:Certificate", "commonName"),
        "web sites": each("kubernetes:CertificateSecret", "commonName"),
        "names": each("dns:RecordSet", "values"),
        "networks of the unit's machines": each("vault:AppRole", "boundCidrs"),
    }
    return {
        "counts": dict(sorted(counts.items())),
        **{name: dict(sorted(found.items())) for name, found in chosen.items()},
    }


def in_cluster(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that goes into the cluster, whole; what changes with a page or an image is left out."""
    text = json.dumps(
        {
            f"{kind(resource)} {resource['urn'].rpartition('::')[2]}": resource["inputs"]
            for resource in resources
            if kind(resource).startswith("kubernetes:")
        },
        ensure_ascii=False,
    )
    text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:…", text)
    found = json.loads(re.sub(r"-page-[0-9a-f]{10}", "-page-…", text))
    for inputs in found.values():
        if "data" in inputs:
            inputs["data"] = sorted(inputs["data"])
    return dict(sorted(found.items()))


def compare(found: dict[str, Any], path: Path) -> None:
    if os.environ.get("DONVI_REWRITE"):
        head = "# what a fresh stack gets; DONVI_REWRITE=1 pytest tests/engine/test_plans.py writes it anew\n"
        path.write_text(head + yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=110), encoding="utf-8")
    assert found == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("stack", STACKS)
def test_a_fresh_stack_gets_what_its_plan_says(empty: Empty, stack: str) -> None:
    compare(summary(empty.plan(stack)), PLANS / f"{stack}.yaml")


def test_what_goes_into_the_cluster_is_what_was_reviewed_word_for_word(empty: Empty) -> None:
    compare(in_cluster(empty.plan("26506-vung-tau")), PLANS / "26506-vung-tau.cluster.yaml")


def test_every_object_in_the_cluster_carries_the_unit_and_goes_by_the_explicit_provider(empty: Empty) -> None:
    found = [resource for resource in empty.plan("26506-vung-tau") if resource["type"].startswith("kubernetes:")]
    assert len(found) > 10
    for resource in found:
        assert resource["inputs"]["metadata"]["labels"]["donvi/unit"] == "26506", resource["urn"]
        assert resource["inputs"]["metadata"]["labels"]["donvi/zone"] == "public", resource["urn"]
        assert resource["provider"].split("::")[-2] == "cluster", "the explicit provider, not a default one"


def test_a_page_that_says_something_else_is_another_config_map_and_rolls_the_pods(empty: Empty, tmp_path: Path) -> None:
    city = tmp_path / "city"
    shutil.copytree(ROOT / "city", city)
    file = city / "portal.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("Tổng đài 1022", "Tổng đài 1022 mới", 1), encoding="utf-8")
    pages = []
    for variables in ({}, {"DONVI_CITY": str(city)}):
        found = {kind(resource): resource.get("inputs") for resource in empty.plan("26506-vung-tau", **variables)}
        page = found["kubernetes:core/v1:ConfigMap"]["metadata"]["name"]
        volumes = found["kubernetes:apps/v1:Deployment"]["spec"]["template"]["spec"]["volumes"]
        assert [volume["configMap"]["name"] for volume in volumes if "configMap" in volume] == [page]
        pages.append(page)
    assert len(set(pages)) == 2


def test_a_deployment_without_a_cluster_is_named_with_the_remedy(empty: Empty, tmp_path: Path) -> None:
    made = tmp_path / "none"
    shutil.copytree(empty.folder, made, symlinks=True)
    without = copy(empty)
    without.folder = made
    without.environ = {**empty.environ, "PULUMI_BACKEND_URL": f"file://{made}/state"}
    without.deployment = dict(DEPLOYMENT)
    without.give_outputs()
    told = without.pulumi("preview", "--stack", "26506-vung-tau", fails=True)
    assert "the unit has an app in the cluster, but the deployment has no cluster. add `cluster`" in told
    assert "Traceback" not in told


def test_machines_that_come_later_bring_what_was_missing_and_nothing_else(empty: Empty, tmp_path: Path) -> None:
    before = {resource["urn"]: resource for resource in empty.plan("26536-rach-dua")}
    made = tmp_path / "larger"
    shutil.copytree(empty.folder, made, symlinks=True)
    larger = copy(empty)
    larger.folder = made
    larger.environ = {**empty.environ, "PULUMI_BACKEND_URL": f"file://{made}/state"}
    ends = {name: {"address": "192.0.2.1"} for name in ("gw-26536", "ws-26536")}
    larger.deployment = {**empty.deployment, "machines": {**DEPLOYMENT["machines"], **ends}}
    larger.give_outputs()
    after = {resource["urn"]: resource for resource in larger.plan("26536-rach-dua")}
    assert before.keys() < after.keys()
    added = sorted(f"{kind(after[urn])} {urn.rpartition('::')[2]}" for urn in after.keys() - before.keys())
    assert added == [
        "machine:Configuration gw-26536",
        "machine:Configuration ws-26536",
        "pki:Certificate documents-seal",
        "pki:Certificate gateway",
        "pki:Certificate lgsp",
        "pki:Certificate workstation",
    ]
    same = [urn for urn in before if kind(before[urn]) != "verify:Verification"]
    changed = [urn for urn in same if before[urn].get("inputs") != after[urn].get("inputs")]
    assert [urn.rpartition("::")[2] for urn in changed if ":providers:" not in urn] == []


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
