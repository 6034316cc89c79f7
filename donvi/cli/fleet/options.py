"""The options of the verbs on stacks, and what they become."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from donvi.errors import UsageError
from donvi.fleet.select import Selection, parse_shard

SELECTING = """
Which stacks: units by code, slug or name without accents, and `platform`; or criteria, which narrow each other down
(`--wave 1 --locality "binh duong"`), while several values of one widen it (`--wave 1 --wave 2`). Units that are named
come on top. `platform` is part of `--all`, `--changed-since` and `--failed`, and goes before the units.
"""

EXITS = """
Exit code 0: done, or nothing to do. 2: wrong usage, or nobody confirmed deletions. 4: a policy refuses. 5: some stacks
failed. 6: halted by a gate. 7: somebody else holds a stack. 130: interrupted.
"""

PARALLEL = max(2, min(os.cpu_count() or 2, 8))
"""Stacks at once where nobody says it: a run of one keeps about one processor busy."""

_CHOOSE = "Which stacks"
_LIMITS = "How much at once"
_WAVES = "Waves and gates"

Units = Annotated[
    list[str] | None,
    typer.Argument(metavar="[UNIT]...", help="Codes, slugs, names without accents; `platform`.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="Every unit and `platform`.", rich_help_panel=_CHOOSE)]
Localities = Annotated[
    list[str] | None,
    typer.Option("--locality", metavar="NAME", help="Units of a former locality.", rich_help_panel=_CHOOSE),
]
WaveNumbers = Annotated[
    list[int] | None,
    typer.Option("--wave", metavar="N", help="Units of a wave of the city's data.", rich_help_panel=_CHOOSE),
]
Systems = Annotated[
    list[str] | None,
    typer.Option("--system", metavar="ID", help="Units that have something of a system.", rich_help_panel=_CHOOSE),
]
ChangedSince = Annotated[
    str,
    typer.Option(
        "--changed-since",
        metavar="REV",
        help="Stacks that the difference to a git revision touches.",
        rich_help_panel=_CHOOSE,
        show_default=False,
    ),
]
Failed = Annotated[bool, typer.Option("--failed", help="Stacks that the last run failed at.", rich_help_panel=_CHOOSE)]
ShardText = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="The I-th of N parts of the units, for CI matrices; without `platform`.",
        rich_help_panel=_CHOOSE,
        show_default=False,
    ),
]
Platform = Annotated[
    bool | None,
    typer.Option(
        "--platform/--no-platform",
        help="Put `platform` in or leave it out, whatever else is selected.",
        rich_help_panel=_CHOOSE,
        show_default=False,
    ),
]
Parallel = Annotated[
    int,
    typer.Option(
        "--parallel",
        metavar="N",
        min=1,
        max=64,
        help="Stacks at once.",
        rich_help_panel=_LIMITS,
        show_default="one per processor",
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler",
        metavar="tls://HOST:PORT",
        envvar="DONVI_SCHEDULER",
        help="Have the workers of a dask scheduler run the stacks.",
        rich_help_panel=_LIMITS,
        show_default=False,
    ),
]
MaxFailures = Annotated[
    str,
    typer.Option(
        "--max-failures",
        metavar="N|any",
        help="More failed stacks than that end the run; at a gate, more units that aren't open.",
        rich_help_panel=_LIMITS,
    ),
]
MaxDeletes = Annotated[
    int | None,
    typer.Option(
        "--max-deletes",
        metavar="N",
        min=0,
        help="Look at all stacks first; more deletions than that must be confirmed.",
        rich_help_panel=_LIMITS,
        show_default="no limit, no look",
    ),
]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        metavar="N",
        min=0,
        help="How many resources may be deleted, instead of typing it.",
        rich_help_panel=_LIMITS,
        show_default=False,
    ),
]
Policy = Annotated[bool, typer.Option("--policy/--no-policy", help="Have the policy pack judge, as CI does.")]
Receipts = Annotated[
    bool, typer.Option("--receipts/--no-receipts", help="Skip stacks whose receipt proves that nothing changed.")
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Read the real systems first: repairs what was changed by hand.")
]
Waves = Annotated[
    bool, typer.Option("--waves/--no-waves", help="Pilots first, then growing waves.", rich_help_panel=_WAVES)
]
Gates = Annotated[
    bool,
    typer.Option(
        "--gates/--no-gates", help="Ask the real systems of each wave before the next.", rich_help_panel=_WAVES
    ),
]
Bake = Annotated[
    str,
    typer.Option("--bake", metavar="TIME", help="Wait before a gate: 90s, 10m, 1h.", rich_help_panel=_WAVES),
]
Probes = Annotated[
    int,
    typer.Option("--probes", metavar="N", min=1, help="Units that a gate asks at most.", rich_help_panel=_WAVES),
]
Approved = Annotated[
    Path | None,
    typer.Option(
        "--approved",
        metavar="FILE",
        help="Apply only what this file approves; stop at any stack whose preview no longer matches.",
        show_default=False,
    ),
]

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def selection(
    units: list[str] | None,
    *,
    everything: bool = False,
    localities: list[str] | None = None,
    waves: list[int] | None = None,
    systems: list[str] | None = None,
    changed_since: str = "",
    failed: bool = False,
    shard: str = "",
    platform: bool | None = None,
) -> Selection:
    """Return what was asked for.

    :raises UsageError: the shard is none.
    """
    return Selection(
        everything=everything,
        units=tuple(units or ()),
        localities=tuple(localities or ()),
        waves=tuple(waves or ()),
        systems=tuple(systems or ()),
        changed_since=changed_since,
        failed=failed,
        shard=parse_shard(shard) if shard else None,
        platform=platform,
    )


def failures(text: str) -> int | None:
    """Return how many stacks may fail, ``None`` for any number.

    :raises UsageError: it is neither a number nor ``any``.
    """
    if text == "any":
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(f"{text!r} is no number of failures", hint="say --max-failures 3, or any")


def seconds(text: str) -> float:
    """Return how long ``90s``, ``10m``, ``1h`` or ``0`` is.

    :raises UsageError: it is no time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no time", hint="say 90s, 10m or 1h")
    return float(match[1]) * _SECONDS[match[2]]
