"""What `donvi lab env` prints, and what it says when it can't."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.errors import LabError, LockedError, UnreachableError
from lab import environment, identity, pki, record, tools
from lab.record import Record

if TYPE_CHECKING:
    from lab.settings import LabSettings

AWKWARD = {"PLAIN": "value", "QUOTED": 'it\'s "so" $HOME `id` \\', "LINES": "a\nb", "EMPTY": "", "TIẾNG": "Việt"}


def test_a_shell_reads_back_every_value_whatever_it_holds() -> None:
    names = {name: value for name, value in AWKWARD.items() if name.isascii()}
    probe = f"import os; print([os.environ[name] for name in {list(names)!r}])"
    script = environment.exports(names) + f'exec "{sys.executable}" -c "$PROBE"'
    done = subprocess.run(["sh", "-c", script], env={"PROBE": probe}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(list(names.values()))


def test_the_search_path_is_the_same_when_made_twice(paper_lab: LabSettings) -> None:
    once = environment.search_path(paper_lab, "/usr/bin:/bin")
    assert environment.search_path(paper_lab, once) == once
    assert once.split(os.pathsep)[0] == str(paper_lab.repository / ".venv/bin")
    assert once.endswith("/usr/bin:/bin")


def test_without_a_lab_the_remedy_is_named(environment_of: dict[str, str], paper_lab: LabSettings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "donvi.cli.main", "lab", "env"],
        env=environment_of, cwd=paper_lab.repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "make up" in done.stderr


def test_a_lab_that_another_clone_took_over_gives_no_environment(paper_lab: LabSettings) -> None:
    record.save(paper_lab, Record(id="1234", owner="/srv/another-clone", image="x"))
    with pytest.raises(LockedError, match="/srv/another-clone"):
        environment.variables(paper_lab, "apply", {})


def test_a_lab_that_is_down_is_told_from_one_that_refuses(paper_lab: LabSettings) -> None:
    record.save(paper_lab, Record(id="1234", owner=str(paper_lab.repository), image="x"))
    pki.ensure_root(paper_lab.home / "pki", "tphcm.test")
    identity.ensure_operators(paper_lab, pki.ensure_root(paper_lab.home / "pki", "tphcm.test", "operators"))
    (paper_lab.home / "deployment.json").write_text('{"vault": {"address": "https://127.0.0.1:1"}}')
    with pytest.raises(UnreachableError) as refused:
        environment.variables(paper_lab, "apply", {})
    assert "make up" in refused.value.hint


def test_a_role_that_does_not_exist_is_a_usage_error(environment_of: dict[str, str], paper_lab: LabSettings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "donvi.cli.main", "lab", "env", "--role", "root"],
        env=environment_of, cwd=paper_lab.repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "apply, preview" in done.stderr


def test_versions_of_tools_come_from_their_go_modules(paper_lab: LabSettings, tmp_path: Path) -> None:
    module = tmp_path / "tools/pulumi/go.mod"
    module.parent.mkdir(parents=True)
    module.write_text("require (\n\tgithub.com/pulumi/pulumi/pkg/v3 v3.1.2 // indirect\n)\n")
    moved = replace(paper_lab, repository=tmp_path)
    assert tools.version(moved, tools.PULUMI) == "3.1.2"
    assert tools.folder(moved, tools.PULUMI).parent.name == "pulumi-3.1.2"
    module.write_text("require github.com/pulumi/pulumi/sdk/v3 v3.1.2\n")
    with pytest.raises(LabError, match=r"tools/pulumi/go\.mod"):
        tools.version(moved, tools.PULUMI)


def test_a_tool_of_another_version_on_the_path_is_not_used(
    paper_lab: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pulumi"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pinned = tools.version(paper_lab, tools.PULUMI)
    for version, fits in ((pinned, True), ("3.1.2", False)):
        program.write_text(f"#!/bin/sh\necho v{version}\n")
        program.chmod(0o755)
        assert tools.on_path(paper_lab, tools.PULUMI) is fits


def test_bootstrap_explains_itself_and_does_nothing_when_all_is_there(paper_lab: LabSettings) -> None:
    program = Path(paper_lab.repository / "tools/bootstrap")
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    assert "DONVI_CACHE" in said
    wrong = subprocess.run([program, "--everything"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2


def test_what_kubectl_needs_lies_in_the_labs_folder_and_holds_no_secret(paper_lab: LabSettings) -> None:
    cluster = {"server": "https://127.0.0.1:6443", "ca": "-----BEGIN CERTIFICATE-----", "gateway": "10.0.4.30:443"}
    places = {"vault": {"address": ""}, "directory": {"url": ""}, "dns": {"server": ""}, "cluster": cluster}
    mail = dict.fromkeys(("smtp", "submission", "imap", "doveadm"), "")
    text = json.dumps({"city_domain": "tphcm.test", "mail": mail, **places})
    file = Path(environment._kubeconfig(paper_lab, text))
    assert file.parent == paper_lab.home
    config = json.loads(file.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert set(config["users"][0]["user"]) == {"exec"}, "the credential is fetched when it is needed"
