"""``donvi lab up``: the machines, without what runs on them."""

from __future__ import annotations

from donvi.cli.lab.place import lab_settings
from donvi.cli.output import Json, console, print_json

EPILOG = """
Examples:

`donvi lab up` · starts what isn't running, repairs what is half-made, reuses the rest

`donvi lab up --json | jq -r '.[].address'`
"""


def up(as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of declaring a flag
    """Start the lab's machines and the networks between them; servers are configured by `donvi lab open`."""
    settings = lab_settings()
    from lab import control
    from lab.display import display

    with display() as shown:
        control.up(settings, shown)
    status = control.status(settings)
    if as_json:
        print_json(status.machines)
    else:
        console().print(f"{len(status.machines)} machines are up; `donvi lab ssh dc` enters one.")
