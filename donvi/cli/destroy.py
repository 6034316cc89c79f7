"""``donvi destroy SELECT``: close units."""

from __future__ import annotations

import msgspec

from donvi.cli.fleet import options as given
from donvi.cli.output import Json  # noqa: TC001  # typer reads the annotations
from donvi.fleet.model import Operation
from donvi.fleet.records import Settings
from donvi.fleet.select import PLATFORM, Selection
from donvi.registry.text import fold

EPILOG = f"""
{given.SELECTING}

Here `platform` goes only when it is named or with `--platform`, and last: what all units share is rarely meant.
Accounts are locked and kept, mail stores are kept, certificates are revoked (`donvi retention list`).

All stacks are looked at first. The number of resources that would be deleted must be typed on a terminal, or given as
`--confirm`; anything else changes nothing.

Examples:

`donvi destroy "vung tau"` · on a terminal: shows how many resources, has the number typed

`donvi destroy 26506 26740 --confirm 204` · elsewhere

{given.EXITS}
"""


def destroy(
    *,
    units: given.Units = None,
    everything: given.All = False,
    localities: given.Localities = None,
    wave_numbers: given.WaveNumbers = None,
    systems: given.Systems = None,
    failed: given.Failed = False,
    platform: given.Platform = None,
    parallel: given.Parallel = given.PARALLEL,
    scheduler: given.Scheduler = "",
    max_failures: given.MaxFailures = "0",
    confirm: given.Confirm = None,
    policy: given.Policy = True,
    as_json: Json = False,
) -> None:
    """Close units: remove what their stacks made, keeping what must be kept."""
    asked = given.selection(
        units,
        everything=everything,
        localities=localities,
        waves=wave_numbers,
        systems=systems,
        failed=failed,
        platform=platform,
    )
    settings = Settings(
        parallel=parallel,
        scheduler=scheduler,
        max_failures=given.failures(max_failures),
        policy=policy,
        receipts=False,
        gates=False,
    )
    from donvi.cli.fleet import report, session  # --help needs none of it

    wish = session.Wish(quiet=as_json, confirm=confirm)
    report.finish(session.begin(Operation.DESTROY, _spare_platform(asked), settings, wish), as_json=as_json)


def _spare_platform(asked: Selection) -> Selection:
    """Leave ``platform`` out unless somebody said it."""
    named = any(fold(query) == PLATFORM for query in asked.units)
    return asked if named or asked.platform is not None else msgspec.structs.replace(asked, platform=False)
