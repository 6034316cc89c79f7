"""Names of units and people: the canonical form, and the ASCII form that queries, slugs and logins use.

This is the one home of folding. Files hold canonical text already; a text that isn't is refused with the
corrected form.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: letters that Unicode doesn't decompose; Ð (U+00D0) and ð only look like the Vietnamese letter
_LETTERS = str.maketrans({"đ": "d", "Đ": "D", "Ð": "D", "ð": "d"})
_LOOKALIKES = str.maketrans({"Ð": "Đ", "ð": "đ"})
_WORD = re.compile(r"[a-z0-9]+")
_PARENTHESES = re.compile(r"\([^)]*\)")
_LONGEST_LOGIN = 48

MAX_NAME = 120
"""Longest name of a unit or person, in characters."""


def canonical(text: str) -> str:
    """NFC, Đ for its look-alike, single spaces, no blanks at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_LOOKALIKES).split())


def ascii_letters(text: str) -> str:
    """Lower case without diacritics; other characters stay."""
    return text.lower() if text.isascii() else _without_marks(text)


@lru_cache(maxsize=8192)
def _without_marks(text: str) -> str:
    """Fold what isn't ASCII; names are made of the same few thousand syllables."""
    decomposed = unicodedata.normalize("NFD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


def fold(text: str) -> str:
    """Return the words of a text in ASCII: ``Phường Vũng Tàu`` is ``phuong vung tau``."""
    return " ".join(_WORD.findall(ascii_letters(text)))


def slugify(text: str) -> str:
    """Return the words of a text joined by dashes: ``Vũng Tàu`` is ``vung-tau``."""
    return fold(text).replace(" ", "-")


def name_words(name: str) -> list[str]:
    """Return the words of a person's name that can be folded, family name first.

    A parenthesis is a remark, not a name.
    """
    return [word for word in _PARENTHESES.sub(" ", name).split() if fold(word)]


def login_base(name: str) -> str:
    """Return the login a name leads to: given name, a dot, then family and middle names.

    ``Nguyễn Văn An`` is ``an.nguyen-van``. Middle names become initials when the login would pass 48 characters.
    Empty when the name holds no letter that folds to ASCII.
    """
    words = ["".join(_WORD.findall(ascii_letters(word))) for word in name_words(name)]
    if not words:
        return ""
    *rest, given = words
    for names in (rest, [*rest[:1], *(word[0] for word in rest[1:])]):
        login = f"{given}.{'-'.join(names)}" if names else given
        if len(login) <= _LONGEST_LOGIN:
            return login
    return login[:_LONGEST_LOGIN].rstrip(".-")


def flawless(text: str) -> bool:
    """Say whether no part of a text of several lines can be wrong, but for blanks at a part's ends.

    A part of a text in NFC is in NFC; so one look at a whole file spares one at each of its fields.
    """
    return (
        text.replace("\n", "").isprintable()
        and unicodedata.is_normalized("NFC", text)
        and "  " not in text
        and text.translate(_LOOKALIKES) == text
    )


def problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a text of a file, and the remedy; None when it is canonical."""
    if text.isascii() and text.isprintable() and "  " not in text and text.strip(" ") == text:
        return None  # codes, ids, numbers: most of what there is
    for character in "" if text.isprintable() else text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            return f"character U+{ord(character):04X} isn't allowed", "remove the invisible or control character"
    if not unicodedata.is_normalized("NFC", text):
        return "the text is not in Unicode normal form C (NFC)", f"type it again as {canonical(text)!r}"
    if text.translate(_LOOKALIKES) != text:
        return "Ð (U+00D0) only looks like the letter Đ", f"write {canonical(text)!r}"
    if text != " ".join(text.split()):
        return "blanks at the ends, doubled or unusual", f"write {canonical(text)!r}"
    return None


def name_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with the name of a unit or person, beyond :func:`problem`; None when it may be used."""
    if not name:
        return "the name is empty", "write the full name"
    if len(name) > MAX_NAME:
        return f"the name has {len(name)} characters, {MAX_NAME} are allowed", "shorten it"
    for character in '*\\"<>|;`$&':
        if character in name:
            return f"the character {character} has no place in a name", "remove it"
    return problem(name)
