"""Keeps secrets out of everything that is printed or logged: one function, attached to every log handler.

Shapes that are always secret (PEM private keys, Vault tokens, credentials in URLs, ``password=…``) are recognised;
values that merely happen to be secret (a password read from KV) are announced with :func:`conceal` by their reader.
"""

from __future__ import annotations

import logging
import re
import threading

MASK = "[redacted]"
SHORTEST = 6
"""Announced values shorter than this are ignored: masking ``a`` everywhere would hide the message itself."""

_SHAPES = (
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    (re.compile(r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}"), MASK),
    (re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), MASK),
    (
        re.compile(
            r"(?i)\b((?:[a-z]+[_-])?(?:password|passwd|secret|secret_id|api_key|token|bindpw)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[redacted\])[^\s\"',;}]+"
        ),
        rf"\1{MASK}",
    ),
)
_announced: set[str] = set()
_lock = threading.Lock()


def conceal(*values: str) -> None:
    """Announce secret values, so that no log line or error of this process shows them."""
    with _lock:
        _announced.update(value for value in values if len(value) >= SHORTEST)


def redact(text: str) -> str:
    """Return the text with every secret replaced by ``[redacted]``."""
    with _lock:
        announced = sorted(_announced, key=len, reverse=True)
    for value in announced:
        text = text.replace(value, MASK)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a record, its exception included, and redacts the result; child loggers can't slip past it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the redacted line."""
        return redact(super().format(record))
