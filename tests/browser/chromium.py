"""A real browser that trusts one root and verifies: no switch that ignores certificates is ever given."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

    from tests.browser.serving import Served

PROGRAM = "chromium-headless-shell"
#: a phone's typeface, the same wherever the test runs; without it the page would be drawn with what is installed
FONTS = Path("/usr/share/fonts/truetype/roboto")
FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>{fonts}</dir><cachedir>{cache}</cachedir>
<selectfont><rejectfont><glob>*Condensed*</glob></rejectfont></selectfont>
</fontconfig>
"""


@contextmanager
def driver() -> Iterator[Playwright]:
    """Start the driver; what is missing is a failure that names the remedy, never a skipped test."""
    missing = [name for name in (PROGRAM, "certutil") if not shutil.which(name)]
    if missing or not FONTS.is_dir():
        pytest.fail(f"not installed: {', '.join(missing) or FONTS}; `make test-browser` installs it")
    with sync_playwright() as playwright:
        yield playwright


@contextmanager
def browser(playwright: Playwright, home: Path, served: Served, root: str | None = None) -> Iterator[Browser]:
    """Start Chromium where the site can be reached.

    :param home: an empty folder for it alone.
    :param root: PEM of the root it trusts instead of the site's own.
    """
    _trust(home, root or served.root)
    running = playwright.chromium.launch(
        executable_path=_program(home, served.namespace),
        chromium_sandbox=False,  # tests run as root, which Chromium's own sandbox refuses
        env={"HOME": str(home), "LANG": "vi_VN.UTF-8", "FONTCONFIG_FILE": str(_fonts(home))},
        args=[f"--host-resolver-rules=MAP *.test {served.place}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
    )
    try:
        yield running
    finally:
        running.close()


def _trust(home: Path, root: str) -> None:
    """Put the root into the certificate store that Chromium reads on Linux."""
    store, file = home / ".pki/nssdb", home / "root.crt"
    store.mkdir(parents=True)
    file.write_text(root)
    _certutil(store, "-N", "--empty-password")
    _certutil(store, "-A", "-n", "root", "-t", "C,,", "-i", str(file))


def _certutil(store: Path, *arguments: str) -> None:
    done = subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"certutil {arguments[0]}: {done.stderr}"


def _fonts(home: Path) -> Path:
    file = home / "fonts.conf"
    file.write_text(FONTS_CONF.format(fonts=FONTS, cache=home / "fonts"))
    return file


def _program(home: Path, namespace: Path | None) -> str:
    """Return the browser's program; in another network namespace, a script that enters it first."""
    program = shutil.which(PROGRAM) or PROGRAM
    if namespace is None:
        return program
    script = home / "enter"
    script.write_text(f'#!/bin/sh\nexec nsenter --net={namespace} {program} "$@"\n')
    script.chmod(0o755)
    return str(script)
