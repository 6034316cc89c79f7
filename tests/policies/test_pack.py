"""The pack as the engine runs it: unknown values, waivers, secrets, its own register, and as a folder."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from donvi.errors import PolicyError
from donvi.fleet.model import Operation
from donvi.fleet.plain import PlainRunner
from donvi.plugin.wire import SENTINEL, Secret, encode
from policies.register import ALL, by_id
from policies.samples import deployment
from tests.engine.project import ROOT
from tests.policies.commands import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = str(ROOT / ".venv/bin/python")
TOY = """
import sys
sys.path.append("{root}")
import pulumi
from donvi.provider import resources as donvi

place = {{"city_domain": "tphcm.test", "vault": {{"address": "https://192.0.2.1"}}, "directory": {{"url": "ldaps://192.0.2.1"}},
    "mail": {{"smtp": "", "submission": "", "imap": "", "doveadm": ""}}, "dns": {{"server": "192.0.2.1", "port": 53}}}}
opts = pulumi.ResourceOptions(provider=donvi.CityProvider("city", deployment=pulumi.Output.json_dumps(place)))

def group(name, **inputs):
    whole = {{"dn": f"cn={{name}},ou=groups,ou=26506,ou=units,dc=tphcm,dc=test", "description": "", "members": []}}
    return donvi.Group(name, unit="26506", key=f"group/{{name}}", **{{**whole, **inputs}}, opts=opts)
"""
OTHERS = 'group("theirs", members=["uid=a,ou=people,ou=25747,ou=units,dc=tphcm,dc=test"])\n'
UNKNOWN = 'group("later", members=[group("first").output("entryUuid")])\n'
CANARY = "canary-3f9b-password"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A project of the provider donvi, which previews without any server."""
    folder = tmp_path_factory.mktemp("pack")
    project = folder / "project"
    project.mkdir()
    plugin = ROOT / "donvi/provider/plugin"
    (project / "Pulumi.yaml").write_text(
        f"name: toy\nruntime: python\nplugins:\n  providers:\n    - name: donvi\n      path: {plugin}\n",
        encoding="utf-8",
    )
    made = Engine(folder, project)
    made.must("stack", "init", "toy", "--no-select")
    return made


def preview(engine: Engine, body: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (engine.project / "__main__.py").write_text(TOY.format(root=ROOT) + body, encoding="utf-8")
    return engine.run("preview", "--stack", "toy", **variables)


def register(folder: Path, expires: str) -> str:
    path = folder / f"waivers-{expires}.yaml"
    path.write_text(
        f"""waivers:
  - rule: own-unit-only
    resource: donvi:directory:Group::theirs
    owner: Phòng An toàn thông tin
    reason: two units share a clerk until the merger
    granted: 2026-11-01
    expires: {expires}
""",
        encoding="utf-8",
    )
    return str(path)


def test_a_waived_finding_passes_and_is_shown_with_owner_and_end(engine: Engine, tmp_path: Path) -> None:
    done = preview(engine, OTHERS, DONVI_WAIVERS=register(tmp_path, "2027-02-01"), DONVI_CLOCK="2026-11-24T00:00:00Z")
    assert done.returncode == 0, done.stdout
    assert "[advisory]  own-unit-only  (donvi:directory:Group: theirs)" in done.stdout
    assert "waived until 2027-02-01 by Phòng An toàn thông tin: two units share" in done.stdout


def test_an_expired_waiver_refuses_the_preview_with_its_own_message(engine: Engine, tmp_path: Path) -> None:
    variables = {"DONVI_WAIVERS": register(tmp_path, "2026-11-20"), "DONVI_CLOCK": "2026-11-24T00:00:00Z"}
    done = preview(engine, OTHERS, **variables)
    assert done.returncode != 0
    assert "[mandatory]  own-unit-only" in done.stdout
    assert "[mandatory]  waiver-in-force" in done.stdout
    assert "expired on 2026-11-20" in done.stdout


def test_a_wrong_register_stops_the_run_and_names_the_row(engine: Engine, tmp_path: Path) -> None:
    done = preview(engine, "", DONVI_WAIVERS=register(tmp_path, "2028-01-01"))
    assert done.returncode != 0
    assert "waivers-2028-01-01.yaml:7:" in done.stdout, done.stdout
    assert "more than a waiver may last" in done.stdout


def test_what_a_preview_cannot_decide_is_listed_and_refused_where_that_is_wanted(engine: Engine) -> None:
    done = preview(engine, UNKNOWN)
    assert done.returncode == 0, done.stdout
    assert "[advisory]  own-unit-only  (donvi:directory:Group: later)" in done.stdout
    assert "not decided at preview: members[0] not known yet" in done.stdout

    strict = preview(engine, UNKNOWN, DONVI_POLICY_UNDECIDED="refuse")
    assert strict.returncode != 0
    assert "[mandatory]  own-unit-only  (donvi:directory:Group: later)" in strict.stdout


def test_a_refusal_shows_no_value_whether_marked_secret_or_not(engine: Engine) -> None:
    one, other = (f'"uid={name}{CANARY},ou=people,ou=25747,ou=units"' for name in "ab")
    done = preview(engine, f'group("theirs", members=[{one}, pulumi.Output.secret({other})])\n')
    assert done.returncode != 0
    policies = done.stdout[done.stdout.index("Policies:") :].partition("Diagnostics:")[0]
    assert "members[0]: expected" in policies
    assert "members[1]: expected" in policies
    assert CANARY not in policies


def test_the_driver_turns_a_refusal_into_an_error_with_policy_resource_and_remedy(engine: Engine) -> None:
    (engine.project / "__main__.py").write_text(TOY.format(root=ROOT) + OTHERS, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"policy own-unit-only at theirs: .*; remedy: Use the unit's own") as caught:
        PlainRunner(engine.environ, repository=engine.project).must(Operation.PREVIEW, "toy")
    assert caught.value.exit_code == 4


FOLDER = [PYTHON, "-m", "pulumi.policy", "127.0.0.1:1", str(ROOT / "policies")]
EXECUTABLE = [str(ROOT / "policies/pulumi-analyzer-donvi"), "127.0.0.1:1"]


@pytest.fixture(params=[FOLDER, EXECUTABLE], ids=["folder", "executable"])
def analyzer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack, started as a language host starts a folder, and as the engine starts a file."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "VAULT_TOKEN": "not for policies"}
    process = subprocess.Popen(request.param, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def analyze(stub: analyzer_pb2_grpc.AnalyzerStub, inputs: dict[str, object]) -> list[analyzer_pb2.AnalyzeDiagnostic]:
    stub.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="26506-vung-tau", dry_run=True))
    request = analyzer_pb2.AnalyzeRequest(
        type="kubernetes:apps/v1:Deployment", urn="urn:pulumi:s::p::kubernetes:apps/v1:Deployment::site", name="site"
    )
    request.properties.CopyFrom(encode(inputs))
    request.provider.SetInParent()
    return list(stub.Analyze(request).diagnostics)


def test_the_pack_is_started_and_names_its_rules(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "donvi"
    named = {policy.name: policy for policy in info.policies}
    assert named.keys() >= {rule.id for rule in ALL}
    assert named["image-by-digest"].remediation_steps == by_id()["image-by-digest"].remedy
    assert analyze(analyzer, deployment()) == []


def test_the_engines_marks_of_secret_and_unknown_reach_the_rules(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    inputs = deployment()
    (container,) = inputs["spec"]["template"]["spec"]["containers"]
    container["image"] = SENTINEL
    container["env"] = [{"name": "DB_PASSWORD", "value": Secret(CANARY)}]
    found = analyze(analyzer, inputs)
    said = {(one.policyName, one.enforcementLevel): one.message for one in found}
    assert "not decided at preview" in said["image-by-digest", analyzer_pb2.ADVISORY]
    assert "env[0].value: expected" in said["no-plain-secrets", analyzer_pb2.MANDATORY]
    assert CANARY not in json.dumps([one.message for one in found])
