"""The answer: which stacks are affected and why, and by what it is proven that the others aren't."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from donvi.errors import DataError, UsageError
from donvi.fleet.affected import data
from donvi.fleet.affected.code import PACKAGES, Code, packages_digest, read_code
from donvi.fleet.affected.git import Repository
from donvi.fleet.affected.imports import Imports
from donvi.tenancy import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.registry import City

PLATFORM = data.PLATFORM
PEOPLE = "people/"
PLAYBOOKS = "playbooks"
POLICIES_READ = frozenset({"city.yaml", "ledger.csv"})
"""Files of the city that policies read; a test watches them do it."""

NAMED = 3
CACHE = "imports-1.json"


class Affected(msgspec.Struct, frozen=True):
    """What a difference touches.

    :param since: the commit.
    :param stacks: affected stack to the reasons.
    :param unaffected: stacks of which it is proven that nothing they are made of changed.
    :param proof: by what, in a few words.
    :param gone: stacks of units that the city doesn't have any more; they are to be destroyed from the old revision.
    """

    since: str
    stacks: dict[str, tuple[str, ...]]
    unaffected: tuple[str, ...]
    proof: str
    gone: tuple[str, ...] = ()


def affected(city: City, repository: Path, revision: str, environ: Mapping[str, str] | None = None) -> Affected:
    """Return which stacks a preview of the working tree could show differently from one of a revision.

    :param city: the city as it is now, loaded from ``city.path``.
    :param repository: the working tree of program, provider, policies and playbooks.
    :raises UsageError: there is no git, or no such revision.
    """
    tree = Repository(repository)
    commit = tree.commit(revision)
    changed = tree.changed(commit)
    code = current_code(repository, environ)
    why_all = _code_reasons(tree, commit, code, changed)
    told, gone = _data_reasons(city, revision, _Difference(tree, commit, changed))
    found = dict(told)
    every = {one: names.stack(numbers) for one, numbers in city.allotments.items()} | {PLATFORM: PLATFORM}
    for place, reasons in _playbook_reasons(city, repository, _Difference(tree, commit, changed)).items():
        found[place] = (*found.get(place, ()), *reasons)
    stacks = {
        stack: (*found.get(key, ()), *found.get("", ()), *why_all)
        for key, stack in every.items()
        if why_all or key in found or "" in found
    }
    unaffected = tuple(stack for stack in sorted(every.values()) if stack not in stacks)
    proof = f"equal data, and program, provider, policies and playbooks are those of {commit[:7]}, {code.digest[:8]}"
    return Affected(commit, dict(sorted(stacks.items())), unaffected, proof, gone)


def current_code(repository: Path, environ: Mapping[str, str] | None = None) -> Code:
    """Return the code as it is now; what was read of a file before isn't read again.

    :raises UsageError: a file isn't Python.
    """
    given = os.environ if environ is None else environ
    folder = Path(given.get("DONVI_CACHE") or Path(given.get("HOME", "/")) / ".cache/donvi")
    known = _remembered(folder / CACHE)
    size = len(known)
    try:
        code = read_code(repository, known)
    except SyntaxError as error:
        raise UsageError(f"{error.filename or 'a file'} isn't Python: {error}", hint="repair it first") from None
    if len(known) != size:
        _remember(folder / CACHE, known)
    return code


def _remembered(path: Path) -> dict[str, Imports]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Imports])
    except (OSError, msgspec.DecodeError):
        return {}


def _remember(path: Path, known: Mapping[str, Imports]) -> None:
    """Keep what was read for the next time; a cache that can't be written is none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(known))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)


def _code_reasons(tree: Repository, commit: str, code: Code, changed: Iterable[str]) -> tuple[str, ...]:
    """Return why every stack is affected: files of the code that differ."""
    prefix = _prefix(code.repository, tree.root)
    found = [why for path in sorted(changed) if path.startswith(prefix) and (why := code.why(path[len(prefix) :]))]
    if f"{prefix}{PACKAGES}" in changed and _packages_differ(tree, commit, f"{prefix}{PACKAGES}"):
        found.append(f"{PACKAGES} (installed packages)")
    return _cut(found)


def _packages_differ(tree: Repository, commit: str, path: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        tree.extract(commit, [path], Path(folder))
        texts = [
            place.read_text(encoding="utf-8") if place.is_file() else ""
            for place in (Path(folder) / path, tree.root / path)
        ]
    return packages_digest(texts[0]) != packages_digest(texts[1])


@dataclass(frozen=True)
class _Difference:
    """Files that differ from a commit, in one working tree."""

    tree: Repository
    commit: str
    changed: set[str]

    def below(self, folder: Path) -> set[str]:
        """Return the changed files in a folder, relative to it."""
        prefix = _prefix(folder, self.tree.root)
        return {path[len(prefix) :] for path in self.changed if path.startswith(prefix)}


def _data_reasons(city: City, revision: str, code: _Difference) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return reasons by unit's code, ``platform``, or "" for everybody; and the stacks of units that are gone."""
    folder = Path(city.path).resolve()
    difference = code if folder.is_relative_to(code.tree.root.resolve()) else _elsewhere(folder, revision)
    edited = difference.below(folder)
    if not edited:
        return {}, ()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        try:
            before = _before(city, difference, edited, place)
        except DataError as error:
            return {"": (f"the data of {difference.commit[:7]} can't be compared: {error.message}",)}, ()
        found = data.compare(before, city)
        if facts := _facts_differ(folder, place / _prefix(folder, difference.tree.root), edited):
            found[""] = facts
    gone = tuple(names.stack(before.allotments[one]) for one in sorted(before.units) if one not in city.units)
    return found, gone


def _elsewhere(folder: Path, revision: str) -> _Difference:
    """Return what differs in another working tree, which has the city's data."""
    tree = Repository(folder)
    commit = tree.commit(revision)
    return _Difference(tree, commit, tree.changed(commit))


def _before(now: City, difference: _Difference, edited: set[str], place: Path) -> City:
    """Return the city as it was. What nobody edited isn't read again: it is what it is now."""
    from donvi.registry import load_city
    from donvi.registry.people import read_people

    folder = Path(now.path).resolve()
    prefix = _prefix(folder, difference.tree.root)
    rosters = {path for path in edited if path.startswith(PEOPLE)}
    top = {one.name for one in folder.iterdir()} | {path.partition("/")[0] for path in edited}
    others = [f"{prefix}{name}" for name in top if f"{name}/" != PEOPLE] if edited - rosters else []
    difference.tree.extract(difference.commit, [*others, *(f"{prefix}{path}" for path in rosters)], place)
    (place / prefix / PEOPLE).mkdir(parents=True, exist_ok=True)
    old = load_city(place / prefix) if others else now
    again = {Path(path).stem for path in rosters}
    people = {code: roster for code, roster in now.people.items() if code not in again and code in old.units}
    people |= read_people(place / prefix / PEOPLE, old.units, old.posts, old.systems)
    return msgspec.structs.replace(old, people=dict(sorted(people.items())))


def _facts_differ(now: Path, before: Path, edited: set[str]) -> tuple[str, ...]:
    """Return why every stack may be judged differently: policies know all units' names and addresses."""
    if not edited & POLICIES_READ:
        return ()
    from policies.city import read_city

    was, is_ = read_city(before), read_city(now)
    if was == is_:
        return ()
    units = sorted(code for code in {*was.units, *is_.units} if was.units.get(code) != is_.units.get(code))
    what = f"units {', '.join(units[:NAMED])}{' …' if len(units) > NAMED else ''}" if units else "the city's ranges"
    return (f"policies judge by {what}",)


def _playbook_reasons(city: City, repository: Path, difference: _Difference) -> dict[str, tuple[str, ...]]:
    """Return reasons by unit's code and ``platform``: a machine's playbook, its roles or modules differ."""
    from donvi.backends.machines import source

    here = repository / PLAYBOOKS
    if not difference.below(here):
        return {}
    from donvi.tenancy import describe, platform_description
    from donvi.tenancy.machines import platform_router, unit_machines

    source.digest.cache_clear()  # it remembers what it read of a file for as long as the process lives
    used = {code: {one.playbook for one in unit_machines(describe(city, code))} for code in city.units}
    used[PLATFORM] = {platform_router(platform_description(city)).playbook}
    with tempfile.TemporaryDirectory() as place:
        prefix = _prefix(here, difference.tree.root)
        difference.tree.extract(difference.commit, [prefix.rstrip("/")], Path(place))
        digests = {
            playbook: [
                source.digest(file) if file.is_file() else ""
                for file in (Path(place) / prefix / f"{playbook}.yml", here / f"{playbook}.yml")
            ]
            for playbook in set().union(*used.values())
        }
    differ = {playbook for playbook, (was, is_) in digests.items() if was != is_}
    return {code: (f"playbooks: {', '.join(sorted(mine & differ))}",) for code, mine in used.items() if mine & differ}


def _prefix(folder: Path, root: Path) -> str:
    relative = folder.resolve().relative_to(root.resolve()).as_posix()
    return "" if relative == "." else f"{relative}/"


def _cut(found: list[str]) -> tuple[str, ...]:
    return (*found[:NAMED], f"and {len(found) - NAMED} more files") if len(found) > NAMED else tuple(found)
