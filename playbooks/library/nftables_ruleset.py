#!/usr/bin/python
"""Load a ruleset for a limited time, and keep it once the operator has shown that he still gets in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_ruleset
short_description: Load an nftables ruleset that takes itself back
description:
  - C(loaded) loads the ruleset in one transaction and starts a timer on the machine that restores the rules from
    before. The file stays the old one meanwhile, so a machine that starts again has the old rules. Nothing is kept yet,
    so this is no change; in a check it is.
  - C(confirmed) stops the timer and writes the file. Call it over a new connection.
  - C(settled) waits until no load is pending and says whether the last one was taken back.
  - The rules in force are compared too, so a flushed ruleset is a change.
options:
  state: {description: See above, type: str, choices: [loaded, confirmed, settled], default: loaded}
  ruleset: {description: Text of the ruleset, type: str}
  path: {description: File that is loaded at boot, type: path, default: /etc/nftables.conf}
  rollback_seconds: {description: When the timer restores the rules, type: int, default: 30}
"""

EXAMPLES = r"""
- name: Load the ruleset
  nftables_ruleset:
    ruleset: "{{ lookup('ansible.builtin.file', 'gateway.nft') }}"
"""

RETURN = r"""
pending: {description: Whether a load waits for its confirmation, type: bool, returned: loaded}
rolled_back: {description: When the last pending load was taken back, or empty, type: str, returned: settled}
"""

import fcntl
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = Path("/run/donvi-nftables")  # gone after a restart, as the rules are
PENDING = STATE / "pending"
ROLLED_BACK = STATE / "rolled-back"
RECORD = Path("/var/lib/donvi/nftables.live")
UNIT = "donvi-nftables-rollback"
TABLE = re.compile(
    r"^\s*(?:add\s+|create\s+)?table\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([A-Za-z_]\w*)", re.MULTILINE
)

ROLLBACK = f"""exec 9>{STATE}/lock
flock 9
[ -d {PENDING} ] || exit 0
nft -f {PENDING}/previous.nft
date -u +%Y-%m-%dT%H:%M:%SZ >{ROLLED_BACK}
rm -r {PENDING}
"""


class Ruleset:
    """The machine's ruleset and what is known of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.seconds = module.params["rollback_seconds"]

    def run(self, *command: str, data: str | None = None, check: bool = True) -> tuple[int, str, str]:
        """Run a program; its refusal ends the module."""
        code, out, err = self.module.run_command(list(command), data=data, check_rc=False)
        if check and code != 0:
            self.module.fail_json(msg=f"{command[0]} refused: {(err or out).strip()[-800:]}")
        return code, out, err

    def live(self, text: str) -> str:
        """Return the tables that a text defines as they are in force, without counters; what is missing is left out."""
        tables = sorted({(family or "ip", name) for family, name in TABLE.findall(text)})
        listed = (self.run("nft", "-s", "list", "table", *table, check=False) for table in tables)
        return "".join(out for code, out, _ in listed if code == 0)

    def compare(self, text: str, *, live: str) -> dict[str, Any]:
        """Return whether file and rules in force are what they should be, with the difference."""
        now = read(self.path)
        if now != text:
            return {"changed": True, "diff": difference(now, text, str(self.path))}
        recorded = read(RECORD)
        if live != recorded:
            return {"changed": True, "diff": difference(live, recorded, "rules in force")}
        return {"changed": False}

    def load(self, text: str) -> dict[str, Any]:
        """Load the ruleset and start the timer, unless everything is as it should be."""
        self.settle()
        self.run("nft", "--check", "--file", "-", data=text)
        live = self.live(text)
        found = self.compare(text, live=live)
        if self.module.check_mode or not found["changed"]:
            return {**found, "pending": False}
        with locked():
            if PENDING.is_dir():
                self.module.fail_json(msg="an earlier load still waits for its confirmation; run again when it is over")
            PENDING.mkdir(mode=0o700)
            _, before, _ = self.run("nft", "list", "ruleset")
            (PENDING / "previous.nft").write_text(f"flush ruleset\n{before}")
            (PENDING / "next.conf").write_text(text)
            (PENDING / "live").write_text(live)
            (STATE / "rollback").write_text(ROLLBACK)
            ROLLED_BACK.unlink(missing_ok=True)
            self.start_timer()
            code, out, err = self.run("nft", "--file", str(PENDING / "next.conf"), check=False)
            if code != 0:
                self.stop_timer()
                shutil.rmtree(PENDING)
                self.module.fail_json(
                    msg=f"nft refused the ruleset, nothing was changed: {(err or out).strip()[-800:]}"
                )
        return {"changed": False, "pending": True}

    def confirm(self) -> dict[str, Any]:
        """Keep the pending ruleset."""
        with locked():
            if not PENDING.is_dir():
                self.module.fail_json(
                    msg=f"too late: the old rules are back since {read(ROLLED_BACK).strip() or 'then'}"
                )
            self.stop_timer()
            text = read(PENDING / "next.conf")
            found = self.compare(text, live=read(PENDING / "live"))
            place(self.path, text, 0o644)
            RECORD.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            place(RECORD, self.live(text), 0o600)
            shutil.rmtree(PENDING)
        # connections that the old rules let in have to pass the new ones
        self.run("conntrack", "--flush", check=False)
        return {**found, "changed": True}

    def settle(self) -> dict[str, Any]:
        """Wait until no load is pending; one whose timer is gone is taken back now."""
        deadline = time.monotonic() + self.seconds + 5
        while PENDING.is_dir() and time.monotonic() < deadline:
            code, _, _ = self.run("systemctl", "is-active", "--quiet", f"{UNIT}.timer", check=False)
            if code != 0 and not self.module.check_mode:
                self.run("sh", str(STATE / "rollback"))
            time.sleep(0.2)
        return {"changed": False, "rolled_back": read(ROLLED_BACK).strip()}

    def start_timer(self) -> None:
        """Have the machine itself restore the rules, whatever becomes of us."""
        when = [f"--on-active={self.seconds}s", "--timer-property=AccuracySec=100ms"]
        self.run("systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *when, "/bin/sh", str(STATE / "rollback"))

    def stop_timer(self) -> None:
        """Stop the timer."""
        self.run("systemctl", "stop", f"{UNIT}.timer", check=False)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock that the timer's script takes too."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(path: Path) -> str:
    """Return a file's text, or nothing."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def place(path: Path, text: str, mode: int) -> None:
    """Write a file so that nobody ever sees half of it."""
    fresh = path.with_name(f"{path.name}.donvi-new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def difference(before: str, after: str, header: str) -> dict[str, str]:
    """Return a difference as Ansible shows it."""
    return {"before": before, "after": after, "before_header": header, "after_header": header}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["loaded", "confirmed", "settled"], "default": "loaded"},
            "ruleset": {"type": "str"},
            "path": {"type": "path", "default": "/etc/nftables.conf"},
            "rollback_seconds": {"type": "int", "default": 30},
        },
        required_if=[("state", "loaded", ["ruleset"])],
        supports_check_mode=True,
    )
    ruleset = Ruleset(module)
    if module.params["state"] == "loaded":
        result = ruleset.load(module.params["ruleset"].rstrip("\n") + "\n")
    elif module.params["state"] == "confirmed":
        result = ruleset.confirm()
    else:
        result = ruleset.settle()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
