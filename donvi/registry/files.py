"""Opening a file of the city: size, encoding and the name it has in messages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from donvi.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 * 1024 * 1024


def shown(path: Path) -> str:
    """Return the path in messages: relative to the working directory when the file lies below it."""
    here, absolute = os.getcwd(), os.path.abspath(path)  # noqa: PTH100, PTH109  # a Path costs ten times as much
    return absolute[len(here) + 1 :] if absolute.startswith(f"{here}/") else str(path)


def read_text(path: Path) -> str:
    """Return the text of a file.

    :raises DataError: it doesn't exist, is larger than 4 MB, starts with a byte order mark or isn't UTF-8.
    """
    file = shown(path)
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _LARGEST else b""
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror}", file=file, hint="DONVI_CITY must name a complete city folder"
        ) from error
    if size > _LARGEST:
        raise DataError(f"{size} bytes are more than {_LARGEST}", file=file, hint="split the file")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            "starts with a byte order mark (BOM)", file=file, row=1, column=1, hint="save it as UTF-8 without BOM"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise DataError("isn't UTF-8", file=file, row=row, column=column, hint="save it as UTF-8") from error
