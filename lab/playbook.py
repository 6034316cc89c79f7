"""Runs a playbook on the lab's machines with the lab's operator key."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from donvi.errors import LabError
from lab.environment import search_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.settings import LabSettings

HEADLINE = re.compile(r"^(?:PLAY|TASK|RUNNING HANDLER) \[(.+?)\]")
RECAP = re.compile(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


def run(settings: LabSettings, playbook: str, tell: Callable[[str], None], *options: str) -> int:
    """Run ``playbooks/<playbook>.yml``; return how many tasks changed something.

    :param tell: gets the name of each task.
    :raises LabError: a machine failed; the message holds Ansible's last words, the whole output is in ``logs/``.
    """
    log = settings.home / "logs" / f"{playbook}.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    command = ["ansible-playbook", "-i", str(settings.home / "inventory.yml"), f"playbooks/{playbook}.yml", *options]
    environ = {
        **os.environ,
        "PATH": search_path(settings, os.environ["PATH"]),
        "ANSIBLE_CONFIG": str(settings.repository / "ansible.cfg"),
        "ANSIBLE_HOME": str(settings.home / "ansible"),
        "ANSIBLE_FORCE_COLOR": "0",
    }
    changed, complaints = 0, []
    with log.open("w") as record, _start(command, settings, environ) as process:
        for line in process.stdout or ():
            record.write(line)
            if match := HEADLINE.match(line):
                tell(match[1])
            elif match := RECAP.match(line):
                changed += int(match[2])
            elif line.startswith(("fatal:", "ERROR", "[ERROR]")):
                complaints.append(line.strip()[:500])
    if process.returncode != 0:
        words = complaints[0] if complaints else f"exit status {process.returncode}"
        raise LabError(f"playbook {playbook} failed: {words}", hint=f"See {log}, then run the command again.")
    return changed


def _start(command: list[str], settings: LabSettings, environ: dict[str, str]) -> subprocess.Popen[str]:
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    where = settings.repository
    return subprocess.Popen(
        command, cwd=where, env=environ, stdin=null, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )
