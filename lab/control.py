"""Brings the lab up, takes it down, deletes it, says how it is."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from donvi.errors import DonviError, LabError
from lab import (
    access,
    cgroup,
    host,
    identity,
    image,
    inventory,
    limits,
    lock,
    network,
    pki,
    plan,
    record,
    shell,
    stackfiles,
    topology,
)
from lab.machine import WRITABLE, Container, greets, powers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.record import Record
    from lab.settings import LabSettings
    from lab.topology import CityPlan, Machine, Topology

SETTLE_SECONDS = 60


class Display(Protocol):
    """Where progress goes."""

    def machine(self, name: str, state: str) -> None:
        """Show that a machine came to a state."""

    def note(self, text: str) -> None:
        """Show a line about the whole."""


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One machine as it is now."""

    name: str
    role: str
    state: str  # running | silent | half-made | down
    address: str
    data4: str
    data6: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The lab as it is now; ``id`` is empty when none exists."""

    id: str
    owner: str
    image: str
    held_by: str
    machines: tuple[MachineStatus, ...]


@dataclass(slots=True)
class _Run:
    """What one ``up`` works with."""

    settings: LabSettings
    record: Record
    plan: CityPlan
    topology: Topology
    root: pki.Authority
    display: Display


def up(settings: LabSettings, display: Display) -> Topology:
    """Bring every machine up, reuse those that run, repair the half-made ones.

    :raises LabError: the image, a machine or its network can't be made.
    :raises LockedError: a run of this or another clone holds the lab.
    """
    city = plan.read(settings)
    with lock.hold(settings, "lab up"):
        run = _prepare(settings, city, display)
        for stack in stackfiles.forget_foreign_keys(settings):
            display.note(f"stack {stack}: forgot the key that another lab wrapped")
        reused = _sort_out(run)
        limits.ensure(settings, len(run.topology.machines))
        network.ensure(settings, run.topology)
        keys = _start_all(run, reused)
        inventory.write(settings, city, run.topology, keys, run.root.pem.decode())
        _settle(run, [name for name in keys if name not in reused])
        return run.topology


def down(settings: LabSettings, display: Display) -> None:
    """Stop every machine; disks and state stay.

    :raises LockedError: a run holds the lab.
    :raises LabError: something can't be removed from the host.
    """
    if not _exists(settings):
        return
    with lock.hold(settings, "lab down"):
        _clear_host(settings, display)


def reset(settings: LabSettings, display: Display) -> None:
    """Stop every machine, and delete disks, keys and state.

    :raises LockedError: a run holds the lab.
    """
    if not _exists(settings):
        return
    with lock.hold(settings, "lab reset"):
        _clear_host(settings, display)
        for entry in settings.home.iterdir():
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (settings.home / "lock").unlink()
        settings.home.rmdir()


def _exists(settings: LabSettings) -> bool:
    """Say whether there is anything to take down; looking leaves no folder behind."""
    return settings.home.exists() or bool(_labels(settings) or network.host_links(settings.prefix))


def status(settings: LabSettings) -> LabStatus:
    """Say how the lab is, changing nothing."""
    known = record.load(settings)
    note = lock.holder(settings)
    held_by = f"{note.get('clone')} ({note.get('purpose')}, pid {note.get('pid')})" if note else ""
    if known is None:
        return LabStatus("", "", "", held_by, ())
    city = plan.read(settings)
    layout = topology.build(city, _numbers(settings, city, known.numbers))
    machines = tuple(_machine_status(settings, machine) for machine in layout.machines)
    return LabStatus(known.id, known.owner, known.image, held_by, machines)


def _numbers(settings: LabSettings, city: CityPlan, known: dict[str, int]) -> dict[str, int]:
    """Return every machine's number on the management network.

    :raises LabError: the network is too small.
    """
    given, last = topology.numbers(known, city.machine_names()), settings.network.num_addresses - 2
    if max(given.values()) > last:
        hint = "Set DONVI_LAB_NETWORK to a larger network, or name fewer units in DONVI_LAB_UNITS."
        raise LabError(f"{settings.network} has no address number {max(given.values())}", hint=hint)
    return given


def _prepare(settings: LabSettings, city: CityPlan, display: Display) -> _Run:
    """Make what must exist before any machine: image, record, keys."""
    known = record.load(settings)
    if known is None or not image.location(settings, known.image).is_dir():
        made = image.ensure(settings, lambda stage: display.note(f"image: {stage}"))
        if known is not None and made != known.image:
            raise LabError(
                f"the disks were made on image {known.image}, which is no longer in {settings.cache}",
                hint="Run `make lab-reset`, then `make up`: the machines are made anew.",
            )
    else:
        made = known.image
        if made != image.digest():
            display.note("this clone's image differs from the lab's; `make lab-reset` would change over")
    opened = record.open_or_begin(settings, made)
    if opened.owner != str(settings.repository):
        display.note(f"taking over the idle lab of {opened.owner}")
    numbers = _numbers(settings, city, opened.numbers)
    opened = msgspec.structs.replace(opened, owner=str(settings.repository), numbers=numbers)
    record.save(settings, opened)
    root = pki.ensure_root(settings.home / "pki", city.domain)
    identity.ensure_operators(settings, pki.ensure_root(settings.home / "pki", city.domain, "operators"))
    return _Run(settings, opened, city, topology.build(city, numbers), root, display)


def _made_from(run: _Run, machine: Machine) -> dict[str, str]:
    """Return what a running machine must have been made from to be reused."""
    return {
        "lab": run.record.id,
        "image": run.record.image,
        "boot": host.boot_id(),
        "machine": machine.likeness,
        "capabilities": f"{powers(machine.role)} {WRITABLE}",
    }


def _sort_out(run: _Run) -> set[str]:
    """Say which machines run as they should; clear away the rest, machines included that are no longer wanted."""
    wanted = {run.settings.label(machine.name): machine for machine in run.topology.machines}
    reused, faulty = set(), []
    for label in sorted(_labels(run.settings) | set(wanted)):
        container, machine = _container(run.settings, label), wanted.get(label)
        if machine and _is_sound(run, container, machine):
            reused.add(machine.name)
            run.display.machine(machine.name, "running")
        elif _traces(run.settings, container):
            run.display.machine(container.name, "clearing")
            faulty.append(container)
    _all_at_once(Container.shut_down, faulty)
    return reused


def _container(settings: LabSettings, label: str) -> Container:
    return Container(settings, label.removeprefix(f"{settings.prefix}-"))


def _all_at_once(work: Callable[[Container], None], containers: Sequence[Container]) -> None:
    """Do something with every machine at once; the first error is raised after all are done."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = [pool.submit(work, container) for container in containers]
    for future in futures:
        future.result()


def _is_sound(run: _Run, container: Container, machine: Machine) -> bool:
    return (
        container.supervisor() is not None
        and container.record() == _made_from(run, machine)
        and network.namespace_path(run.settings, machine.name).exists()
        and greets(str(run.settings.network[machine.number]))
    )


def _labels(settings: LabSettings) -> set[str]:
    """Return the labels of all machines that have left a trace on the host, whether this run knows them or not."""
    below = settings.home / "machines"
    mounted = {point.relative_to(below).parts[0] for point in host.mounts_below(below) if point != below}
    found = {settings.label(name) for name in mounted}
    return found | set(cgroup.existing(settings.prefix)) | set(network.namespaces(settings.prefix))


def _traces(settings: LabSettings, container: Container) -> bool:
    return container.label in _labels(settings) or container.supervisor() is not None


def _start_all(run: _Run, reused: set[str]) -> dict[str, str]:
    """Start the machines that don't run, all at once; return every machine's public host key."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = {
            machine.name: pool.submit(_start, run, machine, running=machine.name in reused)
            for machine in run.topology.machines
        }
    failures = [error for future in futures.values() if (error := future.exception())]
    for error in failures:
        if not isinstance(error, DonviError):
            raise error
    if failures:
        words = "; ".join(getattr(error, "message", str(error)) for error in failures)
        raise LabError(words, hint=getattr(failures[0], "hint", ""))
    return {name: future.result() for name, future in futures.items()}


def _start(run: _Run, machine: Machine, *, running: bool) -> str:
    container = Container(run.settings, machine.name)
    if not running:
        run.display.machine(machine.name, "starting")
        container.mount(image.location(run.settings, run.record.image))
    where = identity.Place(run.settings, run.topology, run.record.id)
    key = identity.furnish(where, machine, run.root, container.root)
    if not running:
        container.boot(_made_from(run, machine), powers(machine.role))
        container.wait_for_ssh(str(run.settings.network[machine.number]))
        run.display.machine(machine.name, "booting")
    return key


def _settle(run: _Run, started: Sequence[str]) -> None:
    """Wait until everything that starts at a machine's boot has started; this is the first login with the pinned keys.

    :raises LabError: a login is refused, or a boot doesn't end.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        for name, failed in zip(started, pool.map(lambda name: _boot_result(run.settings, name), started), strict=True):
            run.display.machine(name, f"running, but {failed} failed" if failed else "running")


def _boot_result(settings: LabSettings, name: str) -> str:
    """Return the names of units that failed at boot."""
    script = "systemctl is-system-running --wait; systemctl list-units --failed --plain --no-legend"
    command = ["timeout", str(SETTLE_SECONDS), *access.ssh_command(settings, name, [script])]
    state, _, failed = shell.run(command, hint=f"See `donvi lab ssh {name} systemctl list-jobs`.").partition("\n")
    if state not in {"running", "degraded"}:
        raise LabError(f"machine {name} is {state} after its boot", hint=f"See `donvi lab ssh {name} systemctl`.")
    return ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())


def _clear_host(settings: LabSettings, display: Display) -> None:
    """Stop all machines at once, then remove the network; look again to be sure that nothing is left."""
    labels = _labels(settings) | {settings.label(path.name) for path in (settings.home / "machines").glob("*/")}
    containers = [_container(settings, label) for label in sorted(labels)]
    _all_at_once(lambda container: _stop(container, display), containers)
    network.remove_links(settings.prefix)
    limits.restore(settings)
    left = sorted(_labels(settings)) + network.host_links(settings.prefix)
    if left:
        raise LabError(f"still on the host: {', '.join(left)}", hint="Run the command again, or restart the host.")


def _stop(container: Container, display: Display) -> None:
    running = container.supervisor() is not None
    if running:
        display.machine(container.name, "stopping")
    started = time.monotonic()
    container.shut_down()
    if running:
        display.machine(container.name, f"stopped after {time.monotonic() - started:.1f} s")


def _machine_status(settings: LabSettings, machine: Machine) -> MachineStatus:
    container = Container(settings, machine.name)
    address = str(settings.network[machine.number])
    pid = container.supervisor()
    if pid is not None:
        state = "running" if greets(address) else "silent"
    else:
        state = "half-made" if _traces(settings, container) else "down"
    return MachineStatus(machine.name, machine.role, state, address, str(machine.data4), str(machine.data6), pid)
