"""``donvi operator``: manifests for continuous reconciliation inside a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from donvi.cli.output import Json, console, print_json
from donvi.deployment import text_from_environment
from donvi.errors import UsageError
from donvi.fleet.operator import Choices, Drift, Places, bundle, render, write
from donvi.fleet.select import Selection, choose, parse_shard
from donvi.registry import load_city

if TYPE_CHECKING:
    from collections.abc import Mapping

    from donvi.fleet.operator import Bundle

EPILOG = """
Examples:

`donvi operator --all --image registry.example/donvi:2026.11 --output deploy/` · then `kubectl apply -k deploy/`

`donvi operator platform --wave 1 --image … --output - | kubectl apply -f -` · the pilots first

`donvi operator --all --image … --drift report --every 24h --output deploy/` · look every day, change nothing

The cluster needs the Pulumi Kubernetes Operator 2.x, and the Secret named by `--secret` in the namespace with the keys
`PULUMI_BACKEND_URL` and `VAULT_TOKEN`: docs/scale.md.
"""
STANDARD_OUTPUT = "-"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_REMEDY = 'run `eval "$(uv run donvi lab env)"` first, or set it to the file'


class Written(Struct, frozen=True):
    """What ``--json`` prints: file names below the folder."""

    folder: str
    stacks: int
    written: tuple[str, ...]
    removed: tuple[str, ...]


def operator(
    units: Annotated[list[str] | None, typer.Argument(help="Codes, slugs or names of units; `platform`.")] = None,
    *,
    image: Annotated[
        str, typer.Option(help="Image that holds this release of the repository, with tag or digest.")
    ] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="Folder to write, or - for standard output.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Platform and every unit.")] = False,
    locality: Annotated[list[str] | None, typer.Option(help="Units of this former locality.")] = None,
    wave: Annotated[list[int] | None, typer.Option(help="Units of this wave.")] = None,
    shard: Annotated[str, typer.Option(help="One part of several, e.g. 1/4.")] = "",
    drift: Annotated[Drift, typer.Option(help="What happens to an unchanged stack at every period.")] = Drift.REPAIR,
    every: Annotated[str, typer.Option(help="The period, e.g. 30m, 6h, 1d.")] = "6h",
    pilots_first: Annotated[
        bool, typer.Option("--pilots-first", help="Later waves wait for the pilots of their former locality.")
    ] = False,
    namespace: Annotated[str, typer.Option(help="Namespace of the stacks.")] = "donvi",
    secret: Annotated[str, typer.Option(help="Name of the Secret with state URL and token.")] = "donvi-engine",  # noqa: S107
    as_json: Json = False,
) -> None:
    """Write manifests for the Pulumi Kubernetes Operator: one Stack per unit, on the same state as `pulumi` by hand."""
    if not image or not output:
        raise UsageError(
            f"{'--image' if not image else '--output'} is missing", hint="`donvi operator --help` has examples"
        )
    selection = Selection(
        everything=everything,
        units=tuple(units or ()),
        localities=tuple(locality or ()),
        waves=tuple(wave or ()),
        shard=parse_shard(shard) if shard else None,
    )
    choices = Choices(
        image=image,
        namespace=namespace,
        secret=secret,
        drift=drift,
        period=seconds(every),
        pilots_first=pilots_first,
    )
    city = load_city()
    made = bundle(city, choose(city, selection), places(os.environ), choices)
    if output == STANDARD_OUTPUT:
        sys.stdout.write(render(made))
    else:
        _write(made, Path(output), as_json=as_json)


def places(environ: Mapping[str, str]) -> Places:
    """Read what the workspaces must know of the city's systems, from where `donvi lab env` says it is.

    :raises UsageError: a variable is unset or its file can't be read.
    """
    return Places(
        deployment=text_from_environment(environ),
        ca=_text(environ, "VAULT_CACERT"),
        known_hosts=_text(environ, "DONVI_KNOWN_HOSTS"),
    )


def seconds(text: str) -> int:
    """Return a period such as ``6h`` in seconds.

    :raises UsageError: it isn't a whole number and a unit.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit():
        raise UsageError(f"{text!r} is no period", hint=f"a whole number and one of {', '.join(_UNITS)}, e.g. 6h")
    return int(number) * _UNITS[unit]


def _text(environ: Mapping[str, str], variable: str) -> str:
    name = environ.get(variable, "")
    if not name:
        raise UsageError(f"{variable} is not set", hint=_REMEDY)
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{variable} names {name}, which can't be read: {error}", hint=_REMEDY) from None


def _write(made: Bundle, folder: Path, *, as_json: bool) -> None:
    written, removed = write(made, folder)
    if as_json:
        print_json(Written(str(folder), len(made.stacks), tuple(written), tuple(removed)))
        return
    out = console()
    out.print(f"{len(made.stacks)} stacks in {folder}: {len(written)} files written, {len(removed)} removed")
    out.print(f"kubectl apply -k {folder}")
