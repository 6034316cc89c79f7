"""``donvi resume [RUN]``: go on where a run stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from donvi.cli.fleet import options as given
from donvi.cli.output import Json  # noqa: TC001  # typer reads the annotations

if TYPE_CHECKING:
    from donvi.fleet.records import Settings

EPILOG = f"""
Only what is unstarted, failed or was interrupted is run; what is done stays done. Stacks that a dead run had begun are
healed first, with proof that their owner is dead, and run with a refresh. A gate that halted the run asks its units
again. Selection, waves and options are those of the run; those given here replace them.

Examples:

`donvi resume` · the newest run that isn't finished

`donvi resume 4f2a --max-failures 3` · a certain one, and three stacks may fail

{given.EXITS}
"""

Query = Annotated[str, typer.Argument(metavar="[RUN]", help="An id or a part of one.", show_default=False)]
Parallel = Annotated[int | None, typer.Option("--parallel", metavar="N", min=1, max=64, help="Stacks at once.")]
MaxFailures = Annotated[str | None, typer.Option("--max-failures", metavar="N|any", help="As for `donvi up`.")]
Gates = Annotated[bool | None, typer.Option("--gates/--no-gates", help="As for `donvi up`.", show_default=False)]
Bake = Annotated[str | None, typer.Option("--bake", metavar="TIME", help="As for `donvi up`.")]


def resume(
    *,
    query: Query = "",
    parallel: Parallel = None,
    max_failures: MaxFailures = None,
    gates: Gates = None,
    bake: Bake = None,
    confirm: given.Confirm = None,
    as_json: Json = False,
) -> None:
    """Go on with a run that was halted, interrupted or killed, or that failed in places."""
    changes: dict[str, object] = {}
    if parallel is not None:
        changes["parallel"] = parallel
    if max_failures is not None:
        changes["max_failures"] = given.failures(max_failures)
    if gates is not None:
        changes["gates"] = gates
    if bake is not None:
        changes["bake"] = given.seconds(bake)

    def changed(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, **changes)

    from donvi.cli.fleet import report, session  # --help needs none of it

    report.finish(session.go_on(query, session.Wish(quiet=as_json, confirm=confirm), changed), as_json=as_json)
