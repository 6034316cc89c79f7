"""``donvi refresh SELECT``: bring the state to what the real systems hold."""

from __future__ import annotations

from donvi.cli.fleet import options as given
from donvi.cli.output import Json  # noqa: TC001  # typer reads the annotations
from donvi.fleet.model import Operation
from donvi.fleet.records import Settings

EPILOG = f"""
{given.SELECTING}

The state takes over what somebody changed by hand; `donvi up --refresh` repairs it instead, and `donvi drift` only
says it, much faster.

Examples:

`donvi refresh "vung tau"` · one unit

`donvi refresh --wave 1 --parallel 4` · the pilots

{given.EXITS}
"""


def refresh(
    *,
    units: given.Units = None,
    everything: given.All = False,
    localities: given.Localities = None,
    wave_numbers: given.WaveNumbers = None,
    systems: given.Systems = None,
    changed_since: given.ChangedSince = "",
    failed: given.Failed = False,
    shard: given.ShardText = "",
    platform: given.Platform = None,
    parallel: given.Parallel = given.PARALLEL,
    scheduler: given.Scheduler = "",
    max_failures: given.MaxFailures = "0",
    policy: given.Policy = True,
    as_json: Json = False,
) -> None:
    """Bring the state of many stacks to what the real systems hold; the systems aren't changed."""
    asked = given.selection(
        units,
        everything=everything,
        localities=localities,
        waves=wave_numbers,
        systems=systems,
        changed_since=changed_since,
        failed=failed,
        shard=shard,
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

    report.finish(session.begin(Operation.REFRESH, asked, settings, session.Wish(quiet=as_json)), as_json=as_json)
