"""``donvi lab status``: which machines run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.cli.lab.place import lab_settings
from donvi.cli.output import Json, console, print_json

if TYPE_CHECKING:
    from lab.control import LabStatus

EPILOG = """
Examples:

`donvi lab status` · running, silent (no ssh), half-made (repaired by `donvi lab up`) or down

`donvi lab status --json | jq -r '.machines[] | select(.state != "running") | .name'`
"""

COLOURS = {"running": "green", "silent": "red", "half-made": "yellow", "down": "dim"}


def status(as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of declaring a flag
    """Show the lab's machines, who owns the lab, and who holds it."""
    settings = lab_settings(as_root=False)
    from lab import control

    found = control.status(settings)
    if as_json:
        print_json(found)
    else:
        _render(found)


def _render(found: LabStatus) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not found.id:
        out.print("There is no lab on this host; `make up` makes one.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("machine", "role", "state", "operator's address", "IPv4", "IPv6"):
        table.add_column(title, no_wrap=True)
    for machine in found.machines:
        state = Text(machine.state, style=COLOURS[machine.state])
        table.add_row(machine.name, machine.role, state, machine.address, machine.data4, machine.data6)
    out.print(table)
    out.print(f"\nlab {found.id}, of {found.owner}; " + (f"held by {found.held_by}" if found.held_by else "idle"))
