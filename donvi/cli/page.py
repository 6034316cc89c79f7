"""``donvi page UNIT FOLDER``: the unit's web site as files, to look at before it is served."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from donvi.cli.output import Json, print_json
from donvi.cli.show import Query  # noqa: TC001  # typer reads it
from donvi.errors import UsageError
from donvi.registry import find_unit, load_city
from donvi.tenancy import Tenancy, describe

EPILOG = """
Example:

`donvi page "vung tau" /tmp/page && python3 -m http.server --directory /tmp/page` · look at it before `pulumi up`
"""

Folder = Annotated[Path, typer.Argument(help="Where the files are written; made when it is missing.")]


class Written(Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    host: str
    folder: str
    files: tuple[str, ...]


def page(query: Query, folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002  # typer's way of a flag
    """Write the files of a unit's web site into a folder, as its stack would bring them to the cluster."""
    city = load_city()
    done = write(describe(city, find_unit(city, query).code), folder)
    if as_json:
        print_json(done)
    else:
        sys.stdout.write(f"{done.host}: {', '.join(done.files)} · {done.folder}\n")


def write(tenancy: Tenancy, folder: Path) -> Written:
    """Write the files of a unit's site.

    :raises UsageError: the unit has no site, or the folder can't be written.
    """
    from donvi.site import render

    found = [app.page for app in tenancy.apps if app.page]
    if not found:
        hint = "a system's app with `page` in the catalogue is one"
        raise UsageError(f"unit {tenancy.unit.code} ({tenancy.unit.name}) has no web site", hint=hint)
    files = render(found[0])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} can't be written: {error.strerror}", hint="name a folder of your own") from error
    return Written(host=found[0].host, folder=str(folder), files=tuple(files))
