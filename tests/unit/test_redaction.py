"""No log line and no error shows a secret."""

from __future__ import annotations

import logging
import sys

import pytest

from donvi.redaction import RedactingFormatter, conceal, redact

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key: {PEM} end", "MHcCAQEEIB"),
        ("a key that was cut off: -----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG", "MIGHAgEAMBMG"),
        ("X-Vault-Token hvs.CAESIJ0123456789abcdefghij", "CAESIJ0123456789abcdefghij"),
        ("ldaps://cn=x:tram-huong@10.0.1.10:636", "tram-huong"),
        ("bind failed: password='tram huong'", "tram"),
        ('{"secret_id": "c0ffee-11"}', "c0ffee-11"),
    ],
)
def test_what_is_always_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[redacted]" in redact(text)


def test_ordinary_messages_stay_readable() -> None:
    text = "the account uid=cb-265001,ou=people belongs to unit 26506; run `donvi show 26506`"
    assert redact(text) == text


def test_an_announced_value_never_appears_again() -> None:
    conceal("ngon-gio-mua-thu", "ab")
    assert redact("it was ngon-gio-mua-thu, ab") == "it was [redacted], ab"


def test_an_exception_in_a_log_record_is_masked_too() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(message)s"))
    try:
        int(PEM)
    except ValueError:
        record = logging.getLogger("donvi").makeRecord("x", 40, "f", 1, "failed: %s", (PEM,), sys.exc_info())
    assert "MHcCAQEEIB" not in handler.format(record)
