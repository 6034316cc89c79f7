"""Rules for texts, names and addresses that several resources share; each refusal ends with the remedy."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from donvi.backends.directory import names
from donvi.errors import DataError
from donvi.provider.handler import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from donvi.provider.handler import Inputs

LONGEST_KEY = 256  # length bound of donviKey in the schema
LONGEST_LOCAL = 64  # RFC 5321, section 4.5.3.1
LONGEST_ADDRESS = 254
_UNIT = re.compile(r"platform|\d{5}")
_KEY = re.compile(r"[\x21-\x7e]+")
_ATOM = r"[a-z0-9!#$%&'*/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def mark(inputs: Inputs) -> Iterator[Failure]:
    """Check what the owner mark is made of."""
    if not _UNIT.fullmatch(inputs.unit):
        yield Failure("unit", f"{inputs.unit!r} isn't a unit; give the five-digit official code, or platform")
    if not _KEY.fullmatch(inputs.key) or len(inputs.key) > LONGEST_KEY:
        yield Failure("key", f"a logical id is 1 to {LONGEST_KEY} visible ASCII characters; choose a plain one")


def text(name: str, value: str, longest: int, *, required: bool = True) -> Iterator[Failure]:
    """Check a text that people read: NFC, no control characters, no outer or double spaces, bounded."""
    if not value:
        if required:
            yield Failure(name, "it is empty; give it a text")
        return
    if unicodedata.normalize("NFC", value) != value:
        yield Failure(name, f"{value!r} isn't in Unicode form NFC; normalise it where it is read")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cn", "Zl", "Zp"} for character in value):
        yield Failure(name, f"{value!r} holds control characters; take them out")
    if value != " ".join(value.split(" ")).strip() or "  " in value:
        yield Failure(name, f"{value!r} has spaces at its ends or twice in a row; remove them")
    if len(value) > longest:
        yield Failure(name, f"it has {len(value)} characters; shorten it to {longest}")


def address(name: str, value: str) -> Iterator[Failure]:
    """Check a mail address (RFC 5321 dot-string, lower case, ASCII)."""
    local, _, domain = value.rpartition("@")
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        yield Failure(name, f"{value!r} isn't a mail address; write it like ubnd@vung-tau.tphcm.test, in lower case")
    elif len(local) > LONGEST_LOCAL or len(value) > LONGEST_ADDRESS:
        yield Failure(
            name,
            f"{value!r} is too long; shorten it to {LONGEST_LOCAL} characters before the @, {LONGEST_ADDRESS} in all",
        )


def distinguished_name(name: str, value: str, attribute: str, expected: str | None = None) -> Iterator[Failure]:
    """Check the name of an entry of the city.

    :param attribute: what the entry is named by; ``expected`` is that attribute's value.
    """
    try:
        own = names.relative(value)
        names.base_of(value)
    except DataError as error:
        yield Failure(name, str(error))
        return
    if own.attribute.lower() != attribute or (expected is not None and own.value != expected):
        wanted = f"{attribute}={names.escape_value(expected)}" if expected is not None else f"{attribute}=…"
        yield Failure(name, f"{value!r} must begin with {wanted}; correct the name or the property it repeats")
    yield from text(name, own.value, LONGEST_KEY)


def reference(name: str, value: str) -> Iterator[Failure]:
    """Check the name of another entry."""
    try:
        names.parse(value)
    except DataError as error:
        yield Failure(name, str(error))
