"""What the lab remembers of itself: its id, the clone that owns it, its image, the numbers of its machines.

The lab id pairs the machines' disks with the engine's state: each folder carries it, and a folder with another id is
refused, because the state would then describe objects that are on no disk.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import LabError
from lab.files import place

if TYPE_CHECKING:
    from lab.settings import LabSettings

PAIRED = ("machines", "pulumi")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """``lab.json``.

    :param id: made when the lab is; 16 hex digits.
    :param owner: the clone that brought the machines up last.
    :param image: name of the image that is the base of every disk.
    :param numbers: number of each machine on the management network, by its name.
    :param gateways: the same for gateways, by their unit: what a lab from before workstations has; kept, so that a
        clone of that time can take the lab over.
    """

    id: str
    owner: str
    image: str
    numbers: dict[str, int] = {}
    gateways: dict[str, int] = {}


def load(settings: LabSettings) -> Record | None:
    """Return the record; None when there is no lab yet.

    :raises LabError: the file is damaged.
    """
    path = settings.home / "lab.json"
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LabError(f"{path} is damaged: {error}", hint="Run `make lab-reset` to begin anew.") from None
    older = {f"gw-{code}": number for code, number in known.gateways.items()}
    return msgspec.structs.replace(known, numbers={**older, **known.numbers})


def save(settings: LabSettings, record: Record) -> None:
    """Write the record and mark the folders that belong to it."""
    place(settings.home / "lab.json", msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    for folder in PAIRED:
        place(settings.home / folder / "lab-id", record.id + "\n")


def open_or_begin(settings: LabSettings, image: str) -> Record:
    """Return the lab's record, or that of a new lab if nothing exists.

    :param image: the image a new lab is made from.
    :raises LabError: disks or state of another lab are in the way.
    """
    record = load(settings)
    ids = {folder: _id_of(settings, folder) for folder in PAIRED}
    if record is None:
        left = [str(settings.home / folder) for folder, id_ in ids.items() if id_]
        if left:
            raise LabError(f"{' and '.join(left)} belong to a lab that is gone", hint="Run `make lab-reset`.")
        return Record(id=secrets.token_hex(8), owner=str(settings.repository), image=image)
    for folder, id_ in ids.items():
        if id_ != record.id:
            raise LabError(
                f"{settings.home / folder} belongs to lab {id_ or '(none)'}, the machines to lab {record.id}",
                hint="Put the folder of that lab back, or run `make lab-reset` to begin anew.",
            )
    return record


def _id_of(settings: LabSettings, folder: str) -> str:
    try:
        return (settings.home / folder / "lab-id").read_text().strip()
    except OSError:
        return ""
