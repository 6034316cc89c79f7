"""CSV files: strict reading, so that what comes out needs no second look."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from donvi.errors import DataError
from donvi.registry.files import read_text, shown
from donvi.registry.text import flawless, problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of a table; ``number`` is the line's number in the file, the header being 1."""

    file: str
    number: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def error(self, column: str, message: str, hint: str = "") -> DataError:
        """Return an error at a column of this row, to raise."""
        return DataError(message, file=self.file, row=self.number, column=column, hint=hint)

    def integer(self, column: str, lowest: int, highest: int) -> int:
        """Return the column as a whole number between two bounds, both included.

        :raises DataError: it isn't one.
        """
        text = self[column]
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest and str(int(text)) == text):
            raise self.error(column, f"{text!r} isn't a whole number from {lowest} to {highest}")
        return int(text)


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file with exactly these columns, in this order.

    :raises DataError: BOM, wrong header, wrong number of fields, text that isn't canonical; with row and column.
    """
    file = shown(path)
    text = read_text(path)
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise DataError("holds a NUL character", file=file, row=row, hint="remove it")
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    trusted = flawless(text)
    rows: list[Row] = []
    try:
        header = next(reader, [])
        _check_header(file, header, columns)
        rows.extend(_row(file, reader.line_num, fields, columns, trusted=trusted) for fields in reader)
    except csv.Error as error:
        raise DataError(f"isn't CSV: {error}", file=file, row=reader.line_num, hint="quote the field") from error
    return rows


def _check_header(file: str, header: list[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    unknown = [name for name in header if name not in columns]
    hint = f"the first line must be {','.join(columns)}"
    if missing:
        raise DataError(f"column {missing[0]!r} is missing", file=file, row=1, column=missing[0], hint=hint)
    if unknown:
        raise DataError(f"column {unknown[0]!r} is unknown", file=file, row=1, column=unknown[0], hint=hint)
    if header != list(columns):
        raise DataError("the columns are doubled or out of order", file=file, row=1, hint=hint)


def _row(file: str, number: int, fields: list[str], columns: Sequence[str], *, trusted: bool) -> Row:
    if len(fields) != len(columns):
        message = f"{len(fields)} fields where the header has {len(columns)}"
        raise DataError(message, file=file, row=number, hint="quote a field that holds a comma")
    row = Row(file, number, dict(zip(columns, fields, strict=True)))
    for column, value in row.values.items():
        if trusted and value.strip() == value and "\n" not in value:
            continue
        if wrong := problem(value):
            raise row.error(column, *wrong)
    return row
