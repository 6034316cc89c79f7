"""``donvi lab open``: from nothing to a city that works; what `make up` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from donvi.cli.lab.place import lab_settings

if TYPE_CHECKING:
    from lab.settings import LabSettings
    from lab.stages import Stage

EPILOG = """
Examples:

`donvi lab open` · machines, servers, city platform, pilot units, proof; run again it changes nothing

`donvi lab open --until servers` · what the tests of back ends need
"""


def open_(
    until: Annotated[str, typer.Option(help="Stop after: servers, or units.")] = "units",
) -> None:
    """Bring up the lab, configure its servers, open the pilot units and prove it."""
    settings = lab_settings()
    from lab import stages

    stages.run(settings, all_stages(settings, until), "make up")


def all_stages(settings: LabSettings, until: str) -> list[Stage]:
    """Return the stages of a run; the ones after the servers belong to the engine."""
    from lab import stages

    found = stages.lab_stages(settings)
    if until == "servers":
        return found
    return found
