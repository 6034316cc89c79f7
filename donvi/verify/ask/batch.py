"""One batch of questions, put to a machine over one connection.

The batch is ``on_machine.py``, run there by the machine's Python; the questions, passwords among them, are its
standard input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from donvi.verify.ask import InconclusiveError

if TYPE_CHECKING:
    from testinfra.host import Host

PROGRAM = Path(__file__).with_name("on_machine.py")
ROOT = "/etc/donvi/tls/root.crt"


def run_batch(host: Host, asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run one batch of questions on a machine.

    :return: the answers by question.
    :raises InconclusiveError: the machine's Python didn't answer.
    """
    if not asked:
        return {}
    questions = json.dumps({"root": ROOT, "asked": asked})
    done = host.run("python3 -I -c %s", PROGRAM.read_text(encoding="utf-8"), stdin=questions)
    if done.rc != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InconclusiveError(f"{host.backend.hostname}: the questions could not be put there: {last}")
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


def part(answers: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the answers to the questions ``<kind>/<rest>`` by rest."""
    prefix = f"{kind}/"
    return {name.removeprefix(prefix): answer for name, answer in answers.items() if name.startswith(prefix)}
