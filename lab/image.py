"""The one root file system of all lab machines: made by mmdebstrap from Debian packages, cached by content."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from donvi.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.settings import LabSettings

RECIPE = Path(__file__).parent / "image"
SUITE = "bookworm"
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


def packages() -> list[str]:
    """Return the Debian packages of the image."""
    lines = (line.partition("#")[0].strip() for line in (RECIPE / "packages.txt").read_text().splitlines())
    return [line for line in lines if line]


def digest() -> str:
    """Return the image's name: 16 hex digits that change with the recipe."""
    sum_ = hashlib.sha256(SUITE.encode())
    for file in sorted(RECIPE.iterdir()):
        sum_.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return sum_.hexdigest()[:16]


def location(settings: LabSettings, name: str) -> Path:
    """Return where an image is, or would be."""
    return settings.cache / "images" / name / "root"


def ensure(settings: LabSettings, tell: Callable[[str], None] = lambda _: None) -> str:
    """Return the name of the image of this clone's recipe; make it if it isn't in the cache.

    An interrupted build leaves a folder that the next one removes. Two builds wait for each other.

    :param tell: gets a line whenever the build comes to another stage.
    :raises LabError: mmdebstrap failed; its last lines are in the message.
    """
    name = digest()
    if location(settings, name).is_dir():
        return name
    with _one_builder(settings.cache / "images"):
        if not location(settings, name).is_dir():
            _build(settings.cache / "images", name, tell)
    return name


@contextmanager
def _one_builder(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for left in folder.glob("*.part"):
            shutil.rmtree(left)
        yield


def _build(folder: Path, name: str, tell: Callable[[str], None]) -> None:
    draft = folder / f"{name}.part"
    draft.mkdir()
    sources = draft / "sources"
    sources.write_text(debian_sources())
    command = [
        "mmdebstrap", "--mode=root", "--variant=important", f"--include={','.join(packages())}", "--format=directory",
        f"--essential-hook={RECIPE / 'essential.sh'}", f"--customize-hook={RECIPE / 'customize.sh'}",
        "--dpkgopt=path-exclude=/usr/share/man/*", '--aptopt=Acquire::Languages "none"',
        SUITE, str(draft / "root"), str(sources),
    ]  # fmt: skip
    log = folder / f"{name}.log"
    _run_with_stages(command, log, tell)
    sources.unlink()
    draft.replace(folder / name)


def _run_with_stages(command: list[str], log: Path, tell: Callable[[str], None]) -> None:
    """Run mmdebstrap; its ``I:`` lines are the stages."""
    last: list[str] = []
    try:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace")
    except FileNotFoundError:
        raise LabError("mmdebstrap is not installed", hint="Run `make up`: it installs what is missing.") from None
    with process, log.open("w") as record:
        for line in process.stdout or ():
            record.write(line)
            last = [*last[-4:], line.strip()]
            if line.startswith("I: "):
                tell(line[3:].strip().rstrip("."))
    if process.returncode != 0:
        hint = f"See {log}, then run the command again."
        raise LabError(f"the image could not be made: {'; '.join(last)}", hint=hint)


def debian_sources() -> str:
    """Return the host's apt sources as far as they are this Debian release's own, so that its mirror settings count.

    :raises LabError: the host has none (it isn't Debian 12).
    """
    texts = []
    for place in SOURCES:
        for file in sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []:
            texts += _stanzas(file)
    if not texts:
        raise LabError(f"no apt source of Debian {SUITE} on this host", hint="The lab needs a Debian 12 host.")
    return "\n\n".join(texts) + "\n"


def _stanzas(file: Path) -> list[str]:
    """Return the sources of a file that name the release's suites and ``main``."""
    text = file.read_text(errors="replace")
    if file.suffix == ".sources":
        return [_bare(stanza) for stanza in re.split(r"\n\s*\n", text) if _is_ours(stanza)]
    if file.suffix != ".list":
        return []
    found = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
        if match and _of_release(match[3]) and "main" in match[4].split():
            found.append(_as_stanza(match))
    return found


def _is_ours(stanza: str) -> bool:
    fields = dict(re.findall(r"^(Types|Suites|Components|Enabled):\s*(.*)$", stanza, re.MULTILINE))
    words = {name: value.split() for name, value in fields.items()}
    suites = words.get("Suites", [])
    ours = "deb" in words.get("Types", []) and "main" in words.get("Components", [])
    return ours and words.get("Enabled") != ["no"] and bool(suites) and all(map(_of_release, suites))


def _bare(stanza: str) -> str:
    return "\n".join(line for line in stanza.strip().splitlines() if not line.startswith("#"))


def _of_release(suite: str) -> bool:
    return suite == SUITE or suite.startswith((f"{SUITE}-", f"{SUITE}/"))


def _as_stanza(match: re.Match[str]) -> str:
    """Write a one-line source as a stanza, so that all can be in one file."""
    fields = [f"Types: deb\nURIs: {match[2]}\nSuites: {match[3]}\nComponents: {match[4].strip()}"]
    for option in (match[1] or "").strip("[] \t").split():
        key, _, value = option.partition("=")
        fields.append(f"{key.title()}: {value}")
    return "\n".join(fields)


if __name__ == "__main__":
    # before there is a Python environment: tools/bootstrap makes the image while that one is installed
    from lab.settings import LabSettings

    print(ensure(LabSettings.from_environment(), lambda stage: print(stage, flush=True)))
