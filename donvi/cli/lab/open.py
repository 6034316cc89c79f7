"""``donvi lab open``: from nothing to a city that works; what `make up` runs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli import web_sites
from donvi.cli.lab.place import lab_settings
from donvi.cli.output import console
from donvi.registry import load_city

if TYPE_CHECKING:
    from donvi.cli.lab.opening import Opening
    from donvi.registry import City
    from lab.settings import LabSettings

EPILOG = """
Examples:

`donvi lab open` · machines, servers, city platform, pilot units, proof; run again it changes nothing

`donvi lab open --until servers` · machines and configured servers, no unit

Exit code 0: every pilot unit is open. 1: a stage failed, or a check did.
"""


class Until(StrEnum):
    """Where to stop."""

    SERVERS = "servers"
    UNITS = "units"


def open_(until: Annotated[Until, typer.Option(help="The last thing to bring up.")] = Until.UNITS) -> None:
    """Bring up the lab, configure its servers, open the pilot units and prove it."""
    city = load_city()  # bad data is refused before anything starts
    settings = lab_settings()
    from donvi.cli.lab.opening import Opening
    from lab import stages

    opening = Opening(settings, city)
    whole = until is Until.UNITS
    work = (
        [*stages.lab_stages(settings, opening.platform()), *opening.units()] if whole else stages.lab_stages(settings)
    )
    stages.run(settings, work, "make up")
    if whole and not _render(city, opening, settings):
        raise typer.Exit(1)


def _render(city: City, opening: Opening, settings: LabSettings) -> bool:
    """Print the readiness table, the web sites and where to look; say whether every unit is open."""
    from donvi.deployment import parse
    from donvi.verify import matrix

    out = console()
    out.print()
    for line in matrix.finding_lines(opening.verdicts):
        out.print(line)
    out.print(matrix.readiness_table(opening.verdicts))
    deployment = parse((settings.home / "deployment.json").read_text())
    codes = [verdict.unit for verdict in opening.verdicts]
    for text in web_sites.lines(city, codes, deployment, settings.home / "pki/root.crt"):
        out.print(text, soft_wrap=True)
    first = opening.verdicts[0]
    out.print(
        "\nWhere to look:\n"
        f"  uv run donvi show {first.unit}       what the unit has, who can do what and why\n"
        f"  uv run donvi verify {first.unit}     ask the real systems again\n"
        '  eval "$(uv run donvi lab env)"; pulumi stack ls     the official command line\n'
        f"  uv run donvi lab ssh dc        the shared servers; state and logs in {settings.home}",
        highlight=False,
    )
    return all(verdict.open for verdict in opening.verdicts)
