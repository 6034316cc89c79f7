"""Rules on trial: loaded for a limited time, after which the machine itself takes them back unless they are kept.

One trial at a time; whoever changes rules holds the lock, and waits for a trial to end, because its end may restore the
rules from before. All that is needed for that is on the machine, so it doesn't matter what becomes of the operator.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.module_utils.basic import AnsibleModule

STATE = Path("/run/donvi-nftables")  # gone after a restart, as the rules are
PENDING = STATE / "pending"
ROLLED_BACK = STATE / "rolled-back"
UNIT = "donvi-nftables-rollback"
PATIENCE = 5  # seconds beyond a trial's own, for the machine to end it

ROLLBACK = f"""exec 9>{STATE}/lock
flock 9
[ -d {PENDING} ] || exit 0
nft -f {PENDING}/previous.nft
date -u +%Y-%m-%dT%H:%M:%SZ >{ROLLED_BACK}
rm -r {PENDING}
"""


def run(module: AnsibleModule, *command: str, data: str | None = None, check: bool = True) -> tuple[int, str, str]:
    """Run a program; its refusal ends the module."""
    code, out, err = module.run_command(list(command), data=data, check_rc=False)
    if check and code != 0:
        module.fail_json(msg=f"{command[0]} refused: {(err or out).strip()[-800:]}")
    return code, out, err


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock that the rollback takes too."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def begin(module: AnsibleModule, text: str, path: Path, seconds: int, found: dict[str, Any]) -> None:
    """Load rules on trial; the lock is held.

    :param text: what ``nft -f`` gets.
    :param path: the file that the trial's end writes.
    :param found: what is to be reported when the rules are kept; ``text`` in it goes into the file instead.
    """
    if PENDING.is_dir():
        module.fail_json(msg="an earlier load still waits for its confirmation; run again when it is over")
    _, before, _ = run(module, "nft", "list", "ruleset")
    PENDING.mkdir(mode=0o700)
    try:
        (PENDING / "previous.nft").write_text(f"flush ruleset\n{before}")
        (PENDING / "next.conf").write_text(text)
        (PENDING / "kept.json").write_text(json.dumps({"text": text, "path": str(path), **found}))
        (STATE / "rollback").write_text(ROLLBACK)
    except OSError:
        shutil.rmtree(PENDING)  # half of the old rules must never be restored
        raise
    ROLLED_BACK.unlink(missing_ok=True)
    when = [f"--on-active={seconds}s", "--timer-property=AccuracySec=100ms"]
    run(module, "systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *when, "/bin/sh", str(STATE / "rollback"))
    code, out, err = run(module, "nft", "--file", str(PENDING / "next.conf"), check=False)
    if code != 0:
        _end(module)
        module.fail_json(msg=f"nft refused the ruleset, nothing was changed: {(err or out).strip()[-800:]}")


def keep(module: AnsibleModule) -> dict[str, Any]:
    """End the trial and keep its rules; the lock is held. Return what was found, ``text`` and ``path`` among it."""
    if not PENDING.is_dir():
        since = read(ROLLED_BACK).strip() or "then"
        module.fail_json(msg=f"too late: the old rules are back since {since}", too_late=True)
    kept: dict[str, Any] = json.loads(read(PENDING / "kept.json"))
    place(Path(kept["path"]), kept["text"], 0o644)
    _end(module)
    return kept


def settle(module: AnsibleModule, seconds: int) -> str:
    """Wait until there is no trial; one whose timer is gone is taken back now. Return when the last one was."""
    deadline = time.monotonic() + seconds + PATIENCE
    while PENDING.is_dir() and time.monotonic() < deadline:
        code, _, _ = run(module, "systemctl", "is-active", "--quiet", f"{UNIT}.timer", check=False)
        if code != 0 and not module.check_mode:
            run(module, "sh", str(STATE / "rollback"))
        time.sleep(0.2)
    return read(ROLLED_BACK).strip()


def _end(module: AnsibleModule) -> None:
    run(module, "systemctl", "stop", f"{UNIT}.timer", check=False)
    shutil.rmtree(PENDING)


def read(path: Path) -> str:
    """Return a file's text, or nothing."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def place(path: Path, text: str, mode: int) -> None:
    """Write a file so that nobody ever sees half of it."""
    draft(path, text, mode).replace(path)


def draft(path: Path, text: str, mode: int) -> Path:
    """Write a file beside the one that it is to replace: if there is no room, that is known before anything is done."""
    fresh = path.with_name(f"{path.name}.donvi-new")
    try:
        fresh.write_text(text)
        fresh.chmod(mode)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


@contextmanager
def told(module: AnsibleModule) -> Iterator[None]:
    """Tell what the system refuses (a full disk, say) in a sentence instead of a traceback."""
    try:
        yield
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'a file'} can't be written: {error.strerror}")


def difference(before: str, after: str, header: str) -> dict[str, str]:
    """Return a difference as Ansible shows it."""
    return {"before": before, "after": after, "before_header": header, "after_header": header}
