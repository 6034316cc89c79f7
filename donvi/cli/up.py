"""``donvi up SELECT``: open units and keep them as the data says."""

from __future__ import annotations

from donvi.cli.fleet import options as given
from donvi.cli.output import Json  # noqa: TC001  # typer reads the annotations
from donvi.fleet.model import Operation
from donvi.fleet.records import Settings

EPILOG = f"""
{given.SELECTING}

Units are changed in waves: the pilots first, then twice as many each time. Between waves the run waits (`--bake`) and
asks the real systems of the wave just done, as `donvi verify` does; more units that aren't open than `--max-failures`
allows halt the run. A wave in which nothing changed isn't asked.

Examples:

`donvi up "vung tau"` · one unit

`donvi up --all` · everything, pilots first, gates between waves

`donvi up --changed-since HEAD~1 --max-deletes 10` · what the last commit touches; at most ten deletions unasked

`donvi up --wave 1 --locality "binh duong" --no-gates` · five pilots, without asking between

`donvi up --failed` · again what the last `donvi up` failed at; `donvi resume` also does what it didn't come to

`donvi up --all --approved seen.json` · only what was approved, and a stop at anything else

Ctrl-C once: no new stack, engines finish what they are at. Twice: leave at once; `donvi resume` goes on.

{given.EXITS}
"""


def up(
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
    max_deletes: given.MaxDeletes = None,
    confirm: given.Confirm = None,
    waves: given.Waves = True,
    gates: given.Gates = True,
    bake: given.Bake = "60s",
    probes: given.Probes = 15,
    approved: given.Approved = None,
    refresh: given.Refresh = False,
    policy: given.Policy = True,
    receipts: given.Receipts = True,
    as_json: Json = False,
) -> None:
    """Open units, or bring them to what the data says: pilots first, real probes between waves."""
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
        max_deletes=max_deletes,
        refresh=refresh,
        policy=policy,
        receipts=receipts,
        gates=gates,
        bake=given.seconds(bake),
        probes=probes,
        approved=str(approved.resolve()) if approved else "",
    )
    from donvi.cli.fleet import report, session  # --help needs none of it

    wish = session.Wish(quiet=as_json, confirm=confirm)
    report.finish(session.begin(Operation.UP, asked, settings, wish, waves=waves), as_json=as_json)
