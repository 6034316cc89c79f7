"""Looks for secrets where they must not be, on whatever machine it runs; standard library only, sent there by SSH.

Reads from standard input a JSON object ``{"secrets": [...], "seconds": n, "logs": true}``; writes what was found as
JSON, naming secrets by their position only. Arguments of all processes are sampled for ``seconds``; logs are the
journal and ``/var/log``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

MARKS = (b"PRIVATE " + b"KEY-----",)  # in two parts: this text is itself an argument when it runs on a machine


def main() -> None:
    asked = json.load(sys.stdin)
    wanted = [secret.encode() for secret in asked["secrets"]]
    found, samples = sample(wanted, asked["seconds"])
    answer = {"arguments": found, "samples": samples, "logs": search_logs(wanted) if asked["logs"] else []}
    json.dump(answer, sys.stdout)


def hits(text: bytes, wanted: list[bytes]) -> list[int]:
    """Return the positions of the secrets in a text; -1 stands for a private key."""
    positions = [number for number, secret in enumerate(wanted) if secret in text]
    return positions + [-1 for mark in MARKS if mark in text]


def sample(wanted: list[bytes], seconds: float) -> tuple[list[dict[str, object]], int]:
    """Look at every process's arguments again and again."""
    end, samples, found = time.monotonic() + seconds, 0, {}
    while time.monotonic() < end:
        samples += 1
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    text = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                for position in hits(text, wanted):
                    found[position] = text.split(b"\0")[0].decode(errors="replace")
        time.sleep(0.02)
    return [{"secret": position, "program": program} for position, program in found.items()], samples


def search_logs(wanted: list[bytes]) -> list[dict[str, object]]:
    """Search the journal and the files below /var/log."""
    found = []
    journal = subprocess.run(["journalctl", "--no-pager", "-o", "cat"], capture_output=True, check=False).stdout
    texts = [("journal", journal)]
    texts += [(str(file), file.read_bytes()) for file in Path("/var/log").rglob("*") if readable(file)]
    for where, text in texts:
        found += [{"secret": position, "where": where} for position in hits(text, wanted)]
    return found


def readable(file: Path) -> bool:
    """Whether it is a text log; the journal's own files were read through journalctl."""
    return file.is_file() and "journal" not in file.parts and not file.name.endswith((".gz", ".xz"))


if __name__ == "__main__":
    main()
