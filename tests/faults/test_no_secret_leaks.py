"""No private key and no known secret value is in a stack's state, a log, or the arguments of any process."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from donvi.backends.vault import VaultClient
from donvi.verify import verify
from tests.support import search_secrets
from tests.support.lab import Stack

SECRET_FIELDS = {"password", "api_key", "secret"}
SAMPLED_SECONDS = 25
PROGRAM = Path(search_secrets.__file__)
CONTROL = "chim-hoang-yen-đối-chứng-58213"


@pytest.fixture(scope="module")
def secrets(lab):
    """Every secret value that Vault's KV holds, and probes' passwords as HTTP writes them."""
    vault = VaultClient.from_env(lab.environ("administrator"))
    values = {}
    for path in walk(vault, ""):
        for name, value in (vault.kv_read(path) or {}).items():
            if name in SECRET_FIELDS:
                values[f"kv/{path} {name}"] = value
                values[f"kv/{path} {name}, as HTTP Basic"] = basic(path, value)
    vault.close()
    assert len([name for name in values if "probes/" in name]) > 10
    return Known(values)


class Known(dict):
    """Secret values by where they are from; pytest shows what a failed test held, so this shows names only."""

    def __repr__(self):
        return f"<{len(self)} secrets>"


def walk(vault, folder):
    for name in vault.kv_list(folder) if folder else vault.list("kv/metadata"):
        path = f"{folder}/{name}".strip("/")
        if name.endswith("/"):
            yield from walk(vault, path)
        elif not path.startswith("archive/"):
            yield path


def basic(path, value):
    return base64.b64encode(f"{path.rsplit('/', 1)[1]}:{value}".encode()).decode()


def look(lab, machine, secrets, *, seconds, logs):
    """Search a machine, or this host when ``machine`` is None; return what was found, with the secrets' names."""
    names = [*secrets, "the control"]
    asked = json.dumps({"secrets": [*secrets.values(), CONTROL], "seconds": seconds, "logs": logs})
    if machine is None:
        command = [sys.executable, "-I", str(PROGRAM)]
        text = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    else:
        text = lab.on(machine, "python3", "-I", "-c", shlex.quote(PROGRAM.read_text(encoding="utf-8")), stdin=asked)
    answer = json.loads(text)
    for hit in (*answer["arguments"], *answer["logs"]):
        hit["secret"] = "a private key" if hit["secret"] < 0 else names[hit["secret"]]
    return answer


def named_hits(text, secrets):
    """Return the names of the secrets in a text."""
    names = [*secrets, "a private key"]
    return [names[position] for position in search_secrets.hits(text, [value.encode() for value in secrets.values()])]


def test_no_state_holds_a_secret(lab, secrets):
    listed = subprocess.run(
        ["pulumi", "stack", "ls", "--json"],
        env=lab.environ(),
        cwd=lab.settings.repository,
        capture_output=True,
        check=True,
    )
    stacks = [stack["name"] for stack in json.loads(listed.stdout)]
    assert {"platform", "26740-sai-gon"} <= set(stacks)
    for name in stacks:
        exported = Stack(lab, name).run("stack", "export", "--show-secrets")
        assert exported.code == 0, exported.text
        found = named_hits(exported.text.encode(), secrets)
        assert not found, f"the state of {name} holds {found}"


def test_no_file_of_the_engine_holds_a_secret(lab, secrets):
    files = [
        file
        for folder in ("pulumi", "pulumi-home")
        for file in (lab.settings.home / folder).rglob("*")
        if file.is_file()
    ]
    assert files, "the engine keeps its state somewhere else"
    for file in files:
        found = named_hits(file.read_bytes(), secrets)
        assert not found, f"{file} holds {found}"


def test_nothing_shows_a_secret_while_a_unit_is_changed_and_verified(lab, stack, secrets, newcomer, tmp_path):
    code = stack.name.split("-")[0]
    machines = [None, "dc", f"gw-{code}"]
    with ThreadPoolExecutor(len(machines) + 1) as pool:
        looking = {m: pool.submit(look, lab, m, secrets, seconds=SAMPLED_SECONDS, logs=m is not None) for m in machines}
        control = pool.submit(show_control, lab, code)
        done = stack.up("--refresh")
        verdict = verify(code, environ=lab.environ(**stack.variables), junit=tmp_path / "report.xml")
        control.result()
    assert done.code == 0, done.text
    assert newcomer in done.text, "nothing was changed"
    verdict.require_open()
    printed = done.text + (tmp_path / "report.xml").read_text(encoding="utf-8")
    assert named_hits(printed.encode(), secrets) == []
    for machine, answer in looking.items():
        seen = answer.result()
        assert seen["samples"] > 20, f"{machine or 'this host'} was hardly looked at"
        shown = {hit["secret"] for hit in seen["arguments"]}
        assert "the control" in shown, f"the search on {machine or 'this host'} misses what is there"
        assert shown == {"the control"}, seen["arguments"]
        assert [hit for hit in seen["logs"] if hit["secret"] != "the control"] == []


def show_control(lab, code):
    """Show a value in process arguments everywhere, so that the search is seen to work."""
    waits = f"import time; time.sleep(2) # {CONTROL}"
    for machine in ("dc", f"gw-{code}"):
        lab.on(machine, "python3", "-c", shlex.quote(waits))
    subprocess.run([sys.executable, "-c", waits], check=True)
