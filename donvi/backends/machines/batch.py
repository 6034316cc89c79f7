"""Machines for a look at everything: many scripts by one connection to each machine, then answers from memory."""

from __future__ import annotations

import secrets
import shlex
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from donvi.backends.machines.runner import Completed, SshRunner

if TYPE_CHECKING:
    from collections.abc import Iterable

SECONDS = 300.0


class Question(NamedTuple):
    """A script that only looks, and its arguments."""

    script: str
    arguments: tuple[str, ...]


class BatchedSsh(SshRunner):
    """A runner with answers that were fetched beforehand; anything else it asks the machine as usual."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answers: dict[tuple[str, Question], str] = {}
        self._answering = threading.Lock()

    def load(self, machine: str, questions: Iterable[Question]) -> None:
        """Run scripts on a machine, one after the other, and remember what those printed that ended well.

        :raises UnreachableError: no connection; and whatever else :meth:`SshRunner.run` raises.
        """
        wanted = list(dict.fromkeys(questions))
        mark = f"END-{secrets.token_hex(8)}"
        text = "\n".join(_asked(number, question, mark) for number, question in enumerate(wanted))
        printed = super().run(machine, text, timeout=SECONDS).stdout if wanted else ""
        for question in wanted:
            answer, _, rest = printed.partition(f"\n{mark} ")
            code, _, printed = rest.partition("\n")
            if code == "0":
                with self._answering:
                    self._answers[machine, question] = answer

    def run(
        self,
        machine: str,
        script: str,
        *arguments: str,
        stdin: str = "",
        check: bool = True,
        timeout: float = 60.0,
    ) -> Completed:
        """Return what a script printed on a machine; see :meth:`SshRunner.run`."""
        known = self._answers.get((machine, Question(script, arguments))) if not stdin else None
        if known is not None:
            return Completed(known, "", 0)
        return super().run(machine, script, *arguments, stdin=stdin, check=check, timeout=timeout)


def _asked(number: int, question: Question, mark: str) -> str:
    """Return a script as a function that runs in a shell of its own, and its end's mark with the code."""
    quoted = " ".join(shlex.quote(argument) for argument in question.arguments)
    name = f"donvi_{number}"
    return f"{name}() {{\n{question.script}\n}}\n( {name} {quoted} ) </dev/null\nprintf '\\n{mark} %s\\n' $?"
