"""From what was asked on the command line to a run that is driven, and what it came to."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from donvi.cli.fleet.board import board
from donvi.cli.fleet.token import kept_alive
from donvi.errors import DonviError, LockedError, UsageError, VerificationError
from donvi.fleet import journal, limits, owners
from donvi.fleet.drive import Drive
from donvi.fleet.engine import FastRunner
from donvi.fleet.gates import Health
from donvi.fleet.leasing import Leasing, leases_of, on_lost
from donvi.fleet.model import Operation
from donvi.fleet.places import Places, places
from donvi.fleet.progress import Picture, RunState, failed_stacks, picture
from donvi.fleet.records import Head, Resumed, Settings, State
from donvi.fleet.schedule import Stop
from donvi.fleet.select import Facts, Selection, Target, choose, nothing_selected
from donvi.fleet.waves import plan
from donvi.fleet.work import StackWork, project_of
from donvi.redaction import redact
from donvi.registry import City, load_city

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from donvi.fleet.affected import Affected
    from donvi.fleet.journal import Journal
    from donvi.fleet.leases import Held
    from donvi.fleet.model import Result
    from donvi.fleet.receipts import Receipts
    from donvi.fleet.work import Approval, Listener, Runner

REPOSITORY = Path(__file__).resolve().parents[3]
REASONS = 2
"""How many reasons of a unit that isn't open a gate keeps."""


@dataclass(frozen=True)
class Outcome:
    """What a command came to.

    :param seen: the run; ``None`` when no stack was selected and nothing was run.
    :param results: what the engine said of each stack that was run, in order of the stacks.
    :param affected: what the difference to a revision touches, where that was asked.
    """

    exit_code: int
    seen: Picture | None
    results: tuple[Result, ...]
    city: City
    affected: Affected | None = None


@dataclass(frozen=True)
class Wish:
    """How the command is to behave beside the run itself.

    :param confirm: the number of deletions that was given, ``None`` to ask on a terminal.
    """

    quiet: bool = False
    confirm: int | None = None


def begin(operation: Operation, asked: Selection, settings: Settings, wish: Wish, *, waves: bool = False) -> Outcome:
    """Select, lease, run.

    :raises UsageError: nothing was selected, a name is unknown or ambiguous, or nobody confirmed deletions.
    :raises LockedError: somebody else works on one of the stacks; nothing was run.
    """
    if asked.empty:
        raise nothing_selected()
    _approval(settings.approved)  # a file that can't be read is said before anything is begun
    city, where = load_city(), places(os.environ)
    affected = _affected(city, asked.changed_since) if asked.changed_since else None
    targets = choose(city, asked, _facts(where, asked, operation, affected))
    if not targets:
        return Outcome(0, None, (), city, affected)
    run = journal.new_id()
    owner = owners.myself(run)
    head = Head(
        id=run,
        operation=operation,
        begun=datetime.now(UTC),
        owner=owner,
        arguments=tuple(redact(argument) for argument in sys.argv[1:]),
        revision=_revision(),
        selection=asked,
        settings=msgspec.structs.replace(settings, waves=_waves(targets) if waves else ()),
        targets=targets,
    )
    leases, taken = _lease(where, operation, owner, targets)
    try:
        done = _drive(city, head, journal.begin(where, head), wish, leases=leases, suspect=taken)
        return replace(done, affected=affected)
    finally:
        _give_up(leases)


def go_on(query: str, wish: Wish, change: Callable[[Settings], Settings]) -> Outcome:
    """Resume a run: only what is unstarted, failed or interrupted.

    :param query: a run's id or part of it; empty for the newest that isn't finished.
    :param change: gives the run's settings as they shall be from now on.
    :raises UsageError: there is no such run.
    :raises LockedError: it is being driven, or by a host that can't be asked from here.
    """
    city, where, here = load_city(), places(os.environ), owners.myself("")
    run = journal.find_run(where, query) if query else _newest_unfinished(where, here)
    if not run:
        return Outcome(0, None, (), city)
    story = journal.read(where.runs / run)
    before = picture(story, here)
    if before.state in {RunState.RUNNING, RunState.ELSEWHERE}:
        raise LockedError(
            f"run {run} is driven by {before.owner}, {owners.doubt(before.owner, here)}",
            hint=owners.remedy(before.owner, here),
        )
    if not before.unfinished:
        return Outcome(0, None, (), city)
    head = msgspec.structs.replace(story.head, settings=change(story.head.settings))
    owner = owners.myself(run)
    pending = [target for target in head.targets if target.stack in {stack.stack for stack in before.unfinished}]
    leases, taken = _lease(where, head.operation, owner, pending)
    try:
        log = journal.Journal(where.runs / run)
        log.write(Resumed(owner, datetime.now(UTC)))
        begun = {stack.stack for stack in before.stacks if stack.state in {State.RUNNING, State.INTERRUPTED}}
        return _drive(city, head, log, wish, leases=leases, suspect=taken | begun, before=before)
    finally:
        _give_up(leases)


def runner(head: Head) -> AbstractContextManager[Runner]:
    """Return what runs the stacks; it ends what it started when its block is left.

    :raises UsageError: workers were asked for that can't share the state, or can't be reached safely.
    :raises UnreachableError: no scheduler answers.
    """
    if head.settings.scheduler:
        from donvi.fleet.distributed.runner import DistributedRunner

        project = project_of(REPOSITORY)
        return DistributedRunner(
            head.settings.scheduler, os.environ, project=project, run=head.id, repository=REPOSITORY
        )
    return FastRunner(os.environ, repository=REPOSITORY)


def probe(code: str, cancelled: threading.Event) -> Health:
    """Ask the real systems whether a unit is open, as far as its machines are in this lab."""
    from donvi.verify import verify

    try:
        verdict = verify(code, cancelled=cancelled)
    except VerificationError as error:
        return Health(open=False, reason=redact(error.message))
    if verdict.sound:
        return Health(open=True)
    told = [f"{check.system}: {check.title}: {check.message}" for check, _ in verdict.reasons()]
    more = f"; and {len(told) - REASONS} other reasons" if len(told) > REASONS else ""
    return Health(open=False, reason=redact("; ".join(told[:REASONS]) + more) or "no check of it could run")


def _drive(
    city: City,
    head: Head,
    log: Journal,
    wish: Wish,
    *,
    leases: Leasing | None,
    suspect: set[str],
    before: Picture | None = None,
) -> Outcome:
    stop = Stop()
    on_lost(leases, lambda: stop.end("another driver may take these stacks over: the leases can't be held"))
    try:
        with runner(head) as made, board(quiet=wish.quiet) as listener:
            work = StackWork(
                runner=made,
                operation=head.operation,
                settings=head.settings,
                journal=log,
                stop=stop,
                listener=listener,
                leases=leases,
                known=_receipts(city, head),
                approval=_approval(head.settings.approved),
                suspect=suspect,
            )
            alive = kept_alive(os.environ, listener.note)
            with alive, stop.on_signals(lambda number: _signalled(listener, number)):
                code = Drive(head, work, probe, _confirmer(listener, wish), before).run()
    finally:
        log.close()
    seen = picture(journal.read(log.folder), owners.myself(head.id))
    results = tuple(work.results[target.stack] for target in head.targets if target.stack in work.results)
    return Outcome(code, seen, results, city)


def _signalled(listener: Listener, number: int) -> None:
    if number > 1:
        listener.left()
    else:
        listener.note("interrupted: engines finish what they are at; once more leaves at once")


def _confirmer(listener: Listener, wish: Wish) -> Callable[[limits.Removal], None]:
    """Return what has the number of deletions said: by the option, or typed on a terminal."""

    def confirm(found: limits.Removal) -> None:
        said = wish.confirm
        if said is None and sys.stdin.isatty() and not wish.quiet:
            import typer

            with listener.aside():
                typer.echo(f"{found.count} resources would be deleted: {found}", err=True)
                said = typer.prompt("Type how many resources to delete", type=int, err=True)
        limits.require(found, said)

    return confirm


def _waves(targets: Iterable[Target]) -> tuple[tuple[str, ...], ...]:
    """Return the waves, none where all stacks are one: nothing lies between then."""
    waves = plan(targets)
    return waves if len(waves) > 1 else ()


def _lease(
    where: Places, operation: Operation, owner: owners.Owner, targets: Iterable[Target]
) -> tuple[Leasing | None, set[str]]:
    """Take the leases of all stacks; returns them and the stacks that a dead owner may have left in the middle."""
    if operation is Operation.PREVIEW:
        return None, set()
    leases = leases_of(os.environ, where, owner)
    taken = leases.take(target.stack for target in targets)
    return leases, _left_by_the_dead(where, taken)


def _left_by_the_dead(where: Places, taken: Iterable[Held]) -> set[str]:
    """Return which stacks dead runs had begun and not ended; all of a run whose journal isn't here or can't be read."""
    left = set()
    begun: dict[str, set[str] | None] = {}
    for held in taken:
        if held.owner.run not in begun:
            begun[held.owner.run] = _in_the_middle(where, held.owner.run)
        stacks = begun[held.owner.run]
        if stacks is None or held.stack in stacks:
            left.add(held.stack)
    return left


def _in_the_middle(where: Places, run: str) -> set[str] | None:
    try:
        seen = picture(journal.read(where.runs / run), owners.myself(""))
    except DonviError:
        return None
    return {stack.stack for stack in seen.stacks if stack.state in {State.RUNNING, State.INTERRUPTED}}


def _give_up(leases: Leasing | None) -> None:
    if leases is not None:
        leases.close()


def _facts(where: Places, asked: Selection, operation: Operation, affected: Affected | None) -> Facts:
    failed = _last_failed(where, operation) if asked.failed else frozenset()
    return Facts(failed=failed, changed=frozenset(affected.stacks if affected else ()))


def _last_failed(where: Places, operation: Operation) -> frozenset[str]:
    """Return what the last run of this verb failed at; a preview asks about the last run of any verb.

    :raises UsageError: there was no such run.
    """
    here = owners.myself("")
    for run in journal.run_ids(where):
        story = journal.read(where.runs / run)
        if operation in {Operation.PREVIEW, story.head.operation}:
            return failed_stacks(picture(story, here))
    raise UsageError(f"there was no run of {operation.value} yet", hint="`donvi runs` lists the runs there were")


def _affected(city: City, revision: str) -> Affected:
    """Return what the difference between the working tree and a revision touches."""
    from donvi.fleet.affected import affected  # reads all code that stacks run

    return affected(city, REPOSITORY, revision)


def _approval(file: str) -> Approval | None:
    """Return what was approved, ``None`` where nothing need be."""
    if not file:
        return None
    from donvi.fleet.approval import read

    return read(Path(file))


def _receipts(city: City, head: Head) -> Receipts | None:
    """Return what proves that a preview or an `up` of a stack would do nothing."""
    if not head.settings.receipts or head.operation not in {Operation.PREVIEW, Operation.UP}:
        return None
    from donvi.fleet.receipts import Receipts as Made

    return Made(city, REPOSITORY, os.environ, policy=head.settings.policy)


def _newest_unfinished(where: Places, here: owners.Owner) -> str:
    for run in journal.run_ids(where):
        story = journal.read(where.runs / run)
        seen = picture(story, here)
        if seen.operation is not Operation.PREVIEW and seen.unfinished:
            return run
    return ""


def _revision() -> str:
    """Return the repository's git revision, ``+`` behind it where files differ; empty without git."""
    shown = _git("rev-parse", "HEAD")
    return shown + ("+" if shown and _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
