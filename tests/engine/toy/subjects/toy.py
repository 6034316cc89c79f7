"""A toy backend for tests of the adapter: every object is a JSON file in the folder that ``DONVI_TOY`` names.

Inputs steer it: ``fail="before"`` raises before anything exists, ``fail="halfway"`` after the file was written, both as
long as the file ``allow`` doesn't exist in the folder; ``seconds`` is how long a create takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.errors import ConflictError, PartialError, UnreachableError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from donvi.provider.services import Services


class ThingInputs(Inputs, frozen=True, kw_only=True):
    """Everything that travels between program and provider in one type."""

    name: str
    size: int = 1
    tags: tuple[str, ...] = ()
    note: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    fail: str = ""
    seconds: float = 0.0


def folder() -> Path:
    return Path(os.environ["DONVI_TOY"])


def remember(line: str) -> None:
    with (folder() / "calls.log").open("a", encoding="utf-8") as log:
        log.write(f"{line}\n")


@handler("donvi:toy:Thing", inputs=ThingInputs, replace_on={"name"}, stable={"serial"})
class ThingHandler(Handler[ThingInputs]):
    """A file per thing."""

    def check(self, new: ThingInputs) -> Iterable[Failure]:
        if new.size > 1000:
            yield Failure("size", "at most 1000; make it smaller")
        if "\0" in new.note or new.note != new.note.strip():
            yield Failure("note", "no surrounding spaces; remove them")

    def create(self, services: Services, new: ThingInputs) -> Result:
        (folder() / "environ.txt").write_text(
            subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
        )
        remember(f"begin {new.name} {time.monotonic():.3f}")
        time.sleep(new.seconds)
        path = folder() / f"{new.name}.json"
        if new.fail == "before" and not (folder() / "allow").exists():
            raise UnreachableError(f"nobody answers for {new.name}", hint="start it")
        if path.exists():
            held = json.loads(path.read_text(encoding="utf-8"))
            if (held["unit"], held["key"]) != (new.unit, new.key):
                raise ConflictError(f"thing {new.name} belongs to {held['unit']}", hint="use `pulumi import`")
        outputs = self._write(new)
        if new.fail == "halfway" and not (folder() / "allow").exists():
            raise PartialError(f"thing {new.name} exists, its second half failed", identifier=new.name, outputs=outputs)
        remember(f"end {new.name} {time.monotonic():.3f}")
        return Result(new.name, outputs)

    def read(self, services: Services, id: str, known: ThingInputs | None) -> Found | None:
        path = folder() / f"{id}.json"
        if not path.exists():
            return None
        held = json.loads(path.read_text(encoding="utf-8"))
        outputs = {"serial": held.pop("serial"), "written": held.pop("written")}
        fail, seconds = (known.fail, known.seconds) if known else ("", 0.0)
        return Found(
            id, ThingInputs(**{**held, "tags": tuple(held["tags"]), "fail": fail, "seconds": seconds}), outputs
        )

    def update(self, services: Services, id: str, old: ThingInputs, new: ThingInputs) -> Result:
        remember(f"update {id} {old.note!r} -> {new.note!r}")
        return Result(id, self._write(new))

    def delete(self, services: Services, id: str, old: ThingInputs) -> None:
        remember(f"delete {id}")
        (folder() / f"{id}.json").unlink(missing_ok=True)

    def renewal(self, old_outputs: Mapping[str, Any], now: datetime) -> str | None:
        return "two thirds of its life passed" if now.year > 2100 else None

    def _write(self, new: ThingInputs) -> dict[str, Any]:
        path = folder() / f"{new.name}.json"
        serial = json.loads(path.read_text(encoding="utf-8"))["serial"] if path.exists() else f"S-{new.name}"
        written = path.stat().st_mtime_ns if path.exists() else 0
        outputs = {"serial": serial, "written": f"w{written}"}
        held = {f: getattr(new, f) for f in ("unit", "key", "name", "size", "tags", "note", "labels")}
        path.write_text(json.dumps({**held, **outputs}), encoding="utf-8")
        return outputs


class LastInputs(Inputs, frozen=True, kw_only=True):
    """Depends on others' ``changedAt``, as the verification does."""

    depends: dict[str, str] = msgspec.field(default_factory=dict)


@handler("donvi:toy:Last", inputs=LastInputs)
class LastHandler(Handler[LastInputs]):
    """Counts how often it ran; remembers the unknown it must never see."""

    def check(self, new: LastInputs) -> Iterable[Failure]:
        remember(f"check last {sorted(new.depends)}")
        return ()

    def create(self, services: Services, new: LastInputs) -> Result:
        remember("run last")
        return Result(new.key, {"verdict": "open"})

    def read(self, services: Services, id: str, known: LastInputs | None) -> Found | None:
        return Found(id, known, {"verdict": "open"}) if known else None

    def update(self, services: Services, id: str, old: LastInputs, new: LastInputs) -> Result:
        remember("run last")
        return Result(id, {"verdict": "open"})

    def delete(self, services: Services, id: str, old: LastInputs) -> None:
        remember(f"delete {id}")
