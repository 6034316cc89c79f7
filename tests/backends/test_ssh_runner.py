"""Scripts on machines over SSH: short-lived keys, pinned hosts, nothing left behind, nothing in arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.backends.machines import SshRunner, identity
from donvi.errors import BackendError, PermissionDeniedError, UnreachableError, UsageError
from tests.support.fixtures import deployment
from tests.support.ssh_server import known_host_line, make_key
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ssh_server import SshServer
    from tests.support.vault_server import VaultServer

MACHINE = "gw-26506"
SECRET = "mật-khẩu-Q7x2"


@pytest.fixture
def runner(own_vault: VaultServer, own_machine: SshServer) -> Iterator[SshRunner]:
    made = SshRunner(deployment(port=own_machine.port), own_vault.client("apply"), str(own_machine.known_hosts))
    yield made
    made.close()


def key_folders() -> set[Path]:
    return set(identity.memory_folder().glob(f"{identity.PREFIX}*"))


def processes_naming(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def test_a_script_gets_its_arguments_and_input_and_returns_what_it_printed(runner: SshRunner) -> None:
    done = runner.run(MACHINE, 'echo "$1|$2"; cat; echo warning >&2', "a b", "c'd$(id)", stdin="xin chào\nEOF\n")
    assert (done.stdout, done.stderr, done.exit_code) == ("a b|c'd$(id)\nxin chào\nEOF\n", "warning\n", 0)


def test_a_failed_script_says_so_with_its_last_words(runner: SshRunner) -> None:
    with pytest.raises(BackendError, match="script on gw-26506 failed with code 3: no disk left"):
        runner.run(MACHINE, "echo 'no disk left' >&2; exit 3")
    assert runner.run(MACHINE, "exit 3", check=False).exit_code == 3


def test_a_script_that_hangs_is_given_up(runner: SshRunner) -> None:
    runner.run(MACHINE, "true")
    with pytest.raises(BackendError, match="did not end within 1 s"):
        runner.run(MACHINE, "sleep 30", timeout=1)


def test_neither_script_nor_input_is_in_any_process_argument(runner: SshRunner) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            runner.run, MACHINE, f"x='{SECRET}'; cat >/dev/null; sleep 1", SECRET, stdin=SECRET, timeout=20
        )
        seen = [line for _ in range(20) for line in processes_naming(SECRET) if not waiting.done()]
        waiting.result()
    assert seen == []


def test_nothing_is_left_after_closing_neither_key_nor_process(own_vault: VaultServer, own_machine: SshServer) -> None:
    before = key_folders()
    runner = SshRunner(deployment(port=own_machine.port), own_vault.client("apply"), str(own_machine.known_hosts))
    runner.run(MACHINE, "true")
    (folder,) = key_folders() - before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert processes_naming(str(folder)), "the shared connection is open"
    runner.close()
    assert not folder.exists()
    assert processes_naming(str(folder)) == []
    assert runner.run(MACHINE, "echo again").stdout == "again\n"
    runner.close()


def test_a_killed_process_leaves_a_folder_that_the_next_one_removes(
    own_vault: VaultServer, own_machine: SshServer, runner: SshRunner
) -> None:
    program = (
        "import os, signal, sys\n"
        "from donvi.backends.vault import VaultClient\nfrom donvi.backends.machines import SshRunner\n"
        "from tests.support.fixtures import deployment\n"
        "client = VaultClient(os.environ['A'], os.environ['T'], os.environ['C'])\n"
        f"place, hosts = deployment(port={own_machine.port}), {str(own_machine.known_hosts)!r}\n"
        f"SshRunner(place, client, hosts).run('{MACHINE}', 'true')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    before = key_folders()
    environment = {"A": own_vault.address, "T": own_vault.token("apply"), "C": own_vault.ca_file}
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    (orphan,) = key_folders() - before
    runner.run(MACHINE, "true")
    assert not orphan.exists()


def test_many_threads_share_one_connection(runner: SshRunner, own_machine: SshServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: runner.run(MACHINE, 'echo "$1 $PPID"', str(n)).stdout.split(), range(24)))
    assert [number for number, _ in answers] == [str(n) for n in range(24)]
    masters = [line for line in processes_naming("mux-") if f"-p {own_machine.port} " in line]
    assert len(masters) <= 1, masters


def test_a_machine_with_another_host_key_is_not_talked_to(
    own_vault: VaultServer, own_machine: SshServer, tmp_path: Path
) -> None:
    pinned = tmp_path / "known_hosts"
    pinned.write_text(known_host_line(own_machine.port, make_key(tmp_path / "other")))
    runner = SshRunner(deployment(port=own_machine.port), own_vault.client("apply"), str(pinned))
    with pytest.raises(BackendError, match=r"host key of gw-26506 .* is not the one pinned"):
        runner.run(MACHINE, "true")
    pinned.write_text("")
    with pytest.raises(BackendError, match="is not the one pinned"):
        runner.run(MACHINE, "true")
    assert pinned.read_text() == "", "nothing is trusted on first sight"
    runner.close()


def test_a_machine_that_is_down_is_called_unreachable(own_vault: VaultServer, own_machine: SshServer) -> None:
    port = free_port()
    runner = SshRunner(deployment(port=port), own_vault.client("apply"), str(own_machine.known_hosts))
    with pytest.raises(UnreachableError, match=rf"gw-26506 \(127.0.0.1:{port}\) can't be reached by SSH"):
        runner.run(MACHINE, "true")
    runner.close()


def test_a_preview_gets_no_key_and_reaches_no_machine(own_vault: VaultServer, own_machine: SshServer) -> None:
    runner = SshRunner(deployment(port=own_machine.port), own_vault.client("preview"), str(own_machine.known_hosts))
    assert not runner.permitted(MACHINE)
    with pytest.raises(PermissionDeniedError, match="ssh-client/sign/operator"):
        runner.run(MACHINE, "true")
    runner.close()


def test_a_certificate_for_another_login_name_is_refused_by_vault(own_vault: VaultServer, tmp_path: Path) -> None:
    public = make_key(tmp_path / "key").with_suffix(".pub").read_text()
    with pytest.raises(BackendError, match="principal"):
        own_vault.client("apply").ssh_sign("ssh-client", "operator", public, principals="postgres", ttl_seconds=60)


def test_an_unknown_machine_is_answered_with_those_that_exist(runner: SshRunner) -> None:
    with pytest.raises(UsageError, match="no machine gw-99999; it has gw-26506"):
        runner.run("gw-99999", "true")


def test_the_operators_own_ssh_settings_and_agent_play_no_part(
    runner: SshRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert runner.run(MACHINE, "echo ok").stdout == "ok\n"
