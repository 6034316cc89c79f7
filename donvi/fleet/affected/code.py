"""The code that decides what a stack's preview says: program, provider, policies, the lab's cluster plugin.

Its files follow from the imports of what the engine starts, and from what lies in the packages that are imported:
templates, registers, launchers. Nothing is listed by hand but where the engine begins.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from donvi.fleet.affected.imports import Imports, imports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping
    from pathlib import Path

ROOTS: Mapping[str, str] = {
    "program": "stacks.__main__",
    "provider": "donvi.provider.__main__",
    "policies": "policies.__main__",
    "cluster plugin": "lab.kubernetes_plugin.__main__",
}
"""What the engine starts; a test compares it with ``Pulumi.yaml`` and the launchers."""

PROJECT = "Pulumi.yaml"
PACKAGES = "pyproject.toml"
ENGINE = "tools/pulumi"
"""The engine and its language host are built from modules pinned in folders whose names begin so."""

PLAYBOOK_SETTINGS = "ansible.cfg"
IGNORED = frozenset({"__pycache__", ".gitignore"})


@dataclass(frozen=True)
class Code:
    """The files whose contents a preview depends on.

    :param used: relative path of each file to what it is used by, ``program`` or ``provider and policies``.
    :param packages: folders of imported packages that hold more than docstrings.
    :param digest: SHA-256 over names and contents of all of them, of the installed packages' pins and of the engine's.
    """

    repository: Path
    used: Mapping[str, str]
    packages: frozenset[str]
    digest: str = ""

    def why(self, path: str) -> str:
        """Say why a changed file can change a preview; empty when it can't.

        :param path: relative to the repository, with ``/``; the file may be gone.
        """
        if path in self.used:
            return f"{path} ({self.used[path]})"
        folder, _, name = path.rpartition("/")
        if path in {PROJECT, PLAYBOOK_SETTINGS} or path.startswith(ENGINE):
            return f"{path} (engine)"
        if name in IGNORED:
            return ""
        package = self._package(folder)
        gone_or_unknown = not (self.repository / path).is_file() or not path.endswith(".py")
        return f"{path} (beside what is imported)" if package in self.packages and gone_or_unknown else ""

    def _package(self, folder: str) -> str:
        """Return the nearest folder that is a package, for what lies in it or below."""
        while folder and not (self.repository / folder / "__init__.py").is_file() and folder not in self.packages:
            folder = folder.rpartition("/")[0]
        return folder


@dataclass
class _Walk:
    """Follows imports from file to file inside the repository."""

    repository: Path
    read: Callable[[Path, str, bool], Imports]
    found: dict[str, set[str]] = field(default_factory=dict)

    def follow(self, root: str, use: str) -> None:
        seen: set[str] = set()
        todo = [root]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            path = self.path(name)
            if path is None:
                todo += [name.rpartition(".")[0]] if "." in name else []
                continue
            self.found.setdefault(path.relative_to(self.repository).as_posix(), set()).add(use)
            is_package = path.name == "__init__.py"
            told = self.read(path, name, is_package)
            todo += [*told.names, *([name.rpartition(".")[0]] if "." in name else [])]
            if told.package:
                todo += self.below(told.package)

    def path(self, name: str) -> Path | None:
        """Return the file of a module of the repository, ``None`` for anything else."""
        place = self.repository.joinpath(*name.split(".")) if name else self.repository / "-"
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if path.is_file():
                return path
        return None

    def below(self, package: str) -> Iterator[str]:
        folder = self.repository.joinpath(*package.split("."))
        for path in folder.rglob("*.py"):
            parts = path.relative_to(self.repository).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_code(repository: Path, known: MutableMapping[str, Imports] | None = None) -> Code:
    """Follow the imports in a repository.

    :param known: imports by digest of the file's text, to read no text twice; it is added to.
    :raises SyntaxError: a file isn't Python: nothing could be previewed either.
    """
    known = {} if known is None else known
    contents: dict[str, str] = {}
    spoken: dict[str, set[str]] = {}

    def read(path: Path, name: str, is_package: bool) -> Imports:  # noqa: FBT001
        relative = path.relative_to(repository).as_posix()
        source = path.read_bytes()
        contents[relative] = sha256(source).hexdigest()
        key = f"{name} {contents[relative]}"
        if key not in known:
            known[key] = imports(source, name, is_package=is_package)
        if not known[key].silent:
            spoken.setdefault(relative.rpartition("/")[0], set()).add(relative)
        return known[key]

    walk = _Walk(repository, read)
    for use, root in ROOTS.items():
        walk.follow(root, use)
    found = dict(walk.found)
    for package, modules in spoken.items():
        uses = set().union(*(walk.found[module] for module in modules))
        found |= dict.fromkeys(_beside(repository, package), uses)
    contents |= {path: sha256((repository / path).read_bytes()).hexdigest() for path in found if path not in contents}
    told = [*sorted(contents.items()), ("packages", packages_digest(_text(repository / PACKAGES)))]
    told += [(path, _text(repository / path)) for path in (PROJECT, PLAYBOOK_SETTINGS)]
    told += [(file.relative_to(repository).as_posix(), _text(file)) for file in sorted(repository.glob(f"{ENGINE}*/*"))]
    used = {path: " and ".join(sorted(uses)) for path, uses in sorted(found.items())}
    return Code(repository, used, frozenset(spoken), sha256(repr(told).encode()).hexdigest())


def packages_digest(text: str) -> str:
    """Return a digest of what a ``pyproject.toml`` says of installed packages; the rest of it is for tools."""
    try:
        told: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return sha256(text.encode()).hexdigest()
    uv = told.get("tool", {}).get("uv", {})
    said = [told.get("project", {}), uv, told.get("build-system", {})]
    return sha256(repr(said).encode()).hexdigest()


def config_folder(repository: Path) -> Path:
    """Return the folder of the stacks' own configuration, which the engine writes."""
    match = re.search(r"(?m)^stackConfigDir:\s*(\S+)", _text(repository / PROJECT))
    return repository / (match[1] if match else ".")


def _beside(repository: Path, package: str) -> Iterator[str]:
    """Yield the files that are no modules, in a package's folder and below; not those of packages below."""
    config = config_folder(repository)
    todo = [repository / package]
    while todo:
        for path in sorted(todo.pop().iterdir()):
            if path.name in IGNORED or path == config or (path.is_dir() and (path / "__init__.py").is_file()):
                continue
            if path.is_dir():
                todo.append(path)
            elif path.suffix != ".py":
                yield path.relative_to(repository).as_posix()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
