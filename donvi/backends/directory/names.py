r"""Distinguished names (RFC 4514) and search filters (RFC 4515): the one home of their escaping and comparison.

Any text may be a value here, whatever it holds: it is data and never becomes syntax. Both client libraries get this
wrong (``ldap3.escape_rdn`` and ``bonsai.escape_attribute_value`` crash on "" and leave NUL half escaped, and bonsai's
``LDAPDN`` turns the escaped text ``\5C2C`` into a comma), so values are written in hexadecimal pairs wherever that
class could misread them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from donvi.errors import DataError

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+")
_HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._@")
_SPECIAL = frozenset(' "#+,;<=>\\')
_FILTER_SPECIAL = frozenset("*()\\\0")


class Component(NamedTuple):
    """One attribute and value of a relative name; ``value`` is the plain, unescaped text."""

    attribute: str
    value: str


Rdn = tuple[Component, ...]


def _hex(text: str) -> str:
    return "".join(f"\\{octet:02X}" for octet in text.encode("utf-8"))


def escape_value(value: str) -> str:
    """Write any text as the value of a relative name."""
    out: list[str] = []
    after_backslash = False
    for position, character in enumerate(value):
        inner_space = character == " " and 0 < position < len(value) - 1
        plain = character in _PLAIN or inner_space or (not character.isascii() and character.isprintable())
        # bonsai's LDAPDN reads the pair after an escaped backslash once more
        out.append(character if plain and not after_backslash else _hex(character))
        after_backslash = character == "\\"
    return "".join(out)


def escape_filter(value: str) -> str:
    """Write any text as the assertion value of a filter."""
    return "".join(f"\\{ord(c):02X}" if c in _FILTER_SPECIAL else c for c in value)


def equals(attribute: str, value: str) -> str:
    """Return the filter *attribute is value*."""
    return f"({attribute}={escape_filter(value)})"


def both(*filters: str) -> str:
    """Return the filter that all of ``filters`` hold."""
    return f"(&{''.join(filters)})"


def either(*filters: str) -> str:
    """Return the filter that at least one of ``filters`` holds."""
    return f"(|{''.join(filters)})"


def child(attribute: str, value: str, parent: str) -> str:
    """Return the name of the entry ``attribute=value`` below ``parent``."""
    return f"{attribute}={escape_value(value)},{parent}"


def parse(name: str) -> tuple[Rdn, ...]:
    """Take a distinguished name apart, nearest part first.

    :raises DataError: the text isn't a distinguished name, or is empty.
    """
    return _Parser(name).names()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def names(self) -> tuple[Rdn, ...]:
        names: list[Rdn] = []
        parts = [self._component()]
        while self.at < len(self.text):
            separator = self.text[self.at]
            self.at += 1
            if separator == ",":
                names.append(tuple(parts))
                parts = []
            elif separator != "+":
                raise self._error(f"unexpected {separator!r}")
            parts.append(self._component())
        return (*names, tuple(parts))

    def _component(self) -> Component:
        self._spaces()
        found = _ATTRIBUTE.match(self.text, self.at)
        if found is None:
            raise self._error("an attribute name is missing")
        self.at = found.end()
        self._spaces()
        if self.text[self.at : self.at + 1] != "=":
            raise self._error("`=` is missing")
        self.at += 1
        self._spaces()
        return Component(found.group(), self._value())

    def _spaces(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def _value(self) -> str:
        octets = bytearray()
        keep = 0  # up to here spaces are escaped, hence part of the value
        while self.at < len(self.text) and self.text[self.at] not in ",+":
            character = self.text[self.at]
            if character == "\\":
                octets += self._escaped()
                keep = len(octets)
            elif character in '";<>\0' or (character == "#" and not octets):
                raise self._error(f"{character!r} must be escaped")
            else:
                octets += character.encode("utf-8")
                self.at += 1
        value = bytes(octets[:keep]) + bytes(octets[keep:]).rstrip(b" ")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise self._error("a value isn't UTF-8") from None

    def _escaped(self) -> bytes:
        if pair := _HEX_PAIR.match(self.text, self.at + 1):
            self.at = pair.end()
            return bytes.fromhex(pair.group())
        character = self.text[self.at + 1 : self.at + 2]
        if character not in _SPECIAL or not character:
            raise self._error("a backslash must stand before two hexadecimal digits or a special character")
        self.at += 2
        return character.encode()

    def _error(self, reason: str) -> DataError:
        return DataError(
            f"{self.text!r} isn't a distinguished name: {reason}, at position {self.at + 1}",
            hint="write it as in RFC 4514, e.g. uid=nv001,ou=people,ou=26506,ou=units,dc=tphcm,dc=test",
        )


def _write(names: tuple[Rdn, ...]) -> str:
    return ",".join("+".join(f"{part.attribute}={escape_value(part.value)}" for part in rdn) for rdn in names)


def normal(name: str) -> str:
    """Return the form in which two names of one entry are equal: what the directory's own matching ignores is folded.

    Attribute names and values lose their case, values become NFC and their runs of spaces one space (RFC 4518).

    :raises DataError: the text isn't a distinguished name.
    """

    def fold(part: Component) -> Component:
        value = " ".join(unicodedata.normalize("NFKC", part.value).casefold().split(" "))
        return Component(part.attribute.lower(), re.sub(" +", " ", value).strip(" "))

    return _write(tuple(tuple(sorted(fold(part) for part in rdn)) for rdn in parse(name)))


def same(one: str, other: str) -> bool:
    """Say whether two texts name the same entry; two empty texts are the same."""
    if not one or not other:
        return one == other
    return normal(one) == normal(other)


def relative(name: str) -> Component:
    """Return the entry's own attribute and value, e.g. ``uid`` and ``nv001``."""
    return parse(name)[0][0]


def parent(name: str) -> str:
    """Return the name of the entry above; "" for a name of one part."""
    return _write(parse(name)[1:])


def base_of(name: str) -> str:
    """Return the city's base, the trailing ``dc=`` parts of any name below it.

    :raises DataError: the name doesn't end in ``dc=`` parts.
    """
    names = parse(name)
    first = len(names)
    while first > 0 and names[first - 1][0].attribute.lower() == "dc":
        first -= 1
    if first == len(names):
        raise DataError(f"{name!r} isn't below the city's base", hint="let it end in the base, e.g. dc=tphcm,dc=test")
    return _write(names[first:])


def retained(name: str) -> str:
    """Return where an entry is kept after its unit gave it up: below ``ou=retained`` of the same city."""
    own = relative(name)
    return child(own.attribute, own.value, f"ou=retained,{base_of(name)}")
