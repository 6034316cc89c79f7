"""The configuration of a machine: rendered files and settings, made real by an Ansible playbook.

A diff compares what was rendered and contacts nobody. A preview with changes also asks the machine what the playbook
would change there, and says so beside the resource; a refresh asks it for drift. Whatever a refresh finds, or an edited
role, is a named reason for the next ``up``. A machine has one owner per playbook; on the router each unit has its part.

A delete leaves a gateway or a workstation configured as it is, a firewall most of all; only the mark goes. The router
loses the unit's part. A machine that the deployment no longer has is gone with all that was on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from donvi.backends.machines import HostResult, PlaybookRun, host_certificate, source
from donvi.errors import ConflictError, DonviError, PartialError, UsageError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler
from donvi.provider.handlers import checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

TOKEN = "donvi:machine:Configuration"  # noqa: S105 - a resource token
GROUPS = {"gateway": "gateways", "router": "routers", "workstation": "workstations"}
"""Playbook to the inventory group that its plays name."""
SHARED = frozenset({"router"})
"""Playbooks whose machine several units have a part of."""

CHECKED, RENDERED = "checked", "rendered"
SHOWN_LINES = 60
SHOWN_PER_TASK = 20
SHOWN_WIDTH = 160
SECONDS_VARIABLE = "DONVI_MACHINE_SECONDS"
SECONDS = 900.0
HOST_CERTIFICATE = "ssh_host_certificate"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

OWNER = """
file=/etc/donvi/configured/$1
if [ -f "$file" ] && [ "$(cat "$file")" != "$2" ]; then cat "$file"; exit 0; fi
case $3 in
claim) mkdir -p /etc/donvi/configured; printf '%s\\n' "$2" >"$file.new"; mv "$file.new" "$file" ;;
release) rm -f "$file" ;;
esac
"""


class ConfigurationInputs(Inputs, frozen=True, kw_only=True):
    """What a machine gets from a playbook.

    ``files`` are rendered texts by name, ``settings`` are plain values; the playbook sees them as ``donvi_files`` and
    ``donvi_settings``. ``preview`` is ``checked`` or ``rendered``; the latter never opens SSH in a preview. With
    ``host_certificate_hours`` Vault signs the machine's SSH host key for that long; 0 is no certificate.
    """

    machine: str
    playbook: str
    files: dict[str, str] = msgspec.field(default_factory=dict)
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    preview: str = CHECKED
    host_certificate_hours: int = 0


@handler(TOKEN, inputs=ConfigurationInputs, replace_on={"unit", "key", "machine", "playbook"})
class ConfigurationHandler(Handler[ConfigurationInputs]):
    """Runs the playbook; see :func:`donvi.backends.machines.run_playbook`."""

    def check(self, new: ConfigurationInputs) -> Iterable[Failure]:
        """Refuse playbooks, names and previews that don't exist."""
        yield from checks.mark(new)
        if not _NAME.fullmatch(new.machine):
            yield Failure("machine", f"{new.machine!r} is no machine's name; take one of the deployment")
        if new.playbook not in GROUPS:
            yield Failure("playbook", f"{new.playbook!r} configures no machine; choose one of {', '.join(GROUPS)}")
        for name in new.files:
            if not _NAME.fullmatch(name):
                yield Failure("files", f"{name!r} is no file's name; use lower-case letters, digits and dots")
        if new.host_certificate_hours < 0:
            yield Failure("hostCertificateHours", "a life is not negative; give whole hours, or 0 for no certificate")
        if new.preview not in {CHECKED, RENDERED}:
            yield Failure("preview", f"{new.preview!r}: write {CHECKED} or {RENDERED}")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """How a preview looks is no property of the machine."""
        return name == "preview" or old == new

    def create(self, services: Services, new: ConfigurationInputs) -> Result:
        """Take the machine, if it is nobody else's, and configure it."""
        return _configure(services, new)

    def update(self, services: Services, id: str, old: ConfigurationInputs, new: ConfigurationInputs) -> Result:
        """Configure the machine again."""
        return _configure(services, new)

    def preview(self, services: Services, old: ConfigurationInputs | None, new: ConfigurationInputs) -> Iterable[str]:
        """Ask the machine what would change; what can't be asked is said, and is no reason to stop a preview."""
        if new.preview == RENDERED:
            return []
        try:
            if not services.ssh.permitted(new.machine):
                return ["not checked: no SSH for this token"]
            host, _ = _run(services, new, check=True)
        except DonviError as error:
            return [f"not checked: {error.message}"]
        if host.error is not None:
            return [f"not checked: {host.error.message}", *_shown(host)]
        return _shown(host) or [f"checked: nothing would change on {new.machine}"]

    def read(self, services: Services, id: str, known: ConfigurationInputs | None) -> Found | None:
        """Look for drift; without SSH, what the state holds is kept and that is said.

        :raises UnreachableError: nobody knows whether the machine drifted.
        """
        if known is None:
            raise UsageError(
                "the configuration of a machine can't be imported", hint="declare it: `up` takes the machine over"
            )
        if not services.deployment.has(known.machine):
            return None
        if not services.ssh.permitted(known.machine):
            return Found(id, known, None, notes=("drift not looked for: no SSH for this token",))
        host, _ = _run(services, known, check=True)
        if host.error is not None:
            raise host.error
        drift: list[JSON] = [task.task for task in host.changed]
        return Found(id, known, None, over={"drift": drift}, notes=tuple(_shown(host)))

    def delete(self, services: Services, id: str, old: ConfigurationInputs) -> None:
        """Take the unit's part off a shared machine; otherwise only end the ownership."""
        if not services.deployment.has(old.machine):
            return
        if _mark(services, old, "look"):
            return  # somebody else's by now
        if old.playbook in SHARED:
            host, _ = _run(services, old, check=False, absent=True)
            if host.error is not None:
                raise host.error
        _mark(services, old, "release")

    def renewal(self, old_outputs: Mapping[str, JSON], now: datetime) -> str | None:
        """Ask for an update after drift, for other roles than those that ran, and when the host certificate is due."""
        drift = old_outputs.get("drift")
        if isinstance(drift, list) and drift:
            return f"the machine drifted: {', '.join(map(str, drift))}"
        playbook, _, ran = str(old_outputs.get("roles", "")).partition(" ")
        if ran and source.digest(_file(os.environ, playbook)) != ran:
            return f"the roles of playbook {playbook} changed since it ran"
        due = str(old_outputs.get("renewalAt") or "")
        if due and now >= datetime.fromisoformat(due):
            return f"renewal of the SSH host certificate is due since {due}"
        return None


def _configure(services: Services, new: ConfigurationInputs) -> Result:
    if owner := _mark(services, new, "claim"):
        raise ConflictError(
            f"{new.machine} is configured by {owner!r}, not by {new.unit} {new.key}",
            hint="destroy that resource first, or remove its mark in /etc/donvi/configured on the machine",
        )
    identifier = f"{new.unit}/{new.key}"
    host, due = _run(services, new, check=False)
    outputs: dict[str, JSON] = {
        "renewalAt": due,
        "digest": _digest(new),
        "roles": f"{new.playbook} {source.digest(_file(services.environ, new.playbook))}",
        "changedTasks": len(host.changed),
        "drift": [],
    }
    if host.error is None:
        return Result(identifier, outputs, notes=(f"tasks that changed {new.machine}: {len(host.changed)}",))
    if not host.changed:
        raise host.error
    raise PartialError(host.error.message, identifier=identifier, outputs={**outputs}, hint=host.error.hint)


def _run(
    services: Services, inputs: ConfigurationInputs, *, check: bool, absent: bool = False
) -> tuple[HostResult, str]:
    """Run the playbook; return what it did, and when the machine's host certificate is to be renewed."""
    files, due = dict(inputs.files), ""
    if inputs.host_certificate_hours and not absent:
        certificate = host_certificate(
            inputs.machine,
            inputs.host_certificate_hours,
            ssh=services.ssh,
            vault=services.vault,
            now=services.clock,
            check=check,
        )
        files[HOST_CERTIFICATE] = certificate.text
        due = certificate.renewal_at.isoformat().replace("+00:00", "Z") if certificate.renewal_at else ""
    spec = PlaybookRun(
        playbook=_file(services.environ, inputs.playbook),
        group=GROUPS[inputs.playbook],
        machines=(inputs.machine,),
        variables={
            "donvi_unit": inputs.unit,
            "donvi_files": files,
            "donvi_settings": inputs.settings,
            "donvi_state": "absent" if absent else "present",
        },
    )
    seconds = float(services.environ.get(SECONDS_VARIABLE) or SECONDS)
    result = services.play(spec, check=check, timeout=seconds)
    return result.hosts[inputs.machine], due


def _mark(services: Services, inputs: ConfigurationInputs, action: str) -> str:
    """Look at, claim or release the owner mark on the machine; return the other owner, or ""."""
    name = f"{inputs.playbook}-{inputs.unit}" if inputs.playbook in SHARED else inputs.playbook
    owner = f"{inputs.unit} {inputs.key}"
    return services.ssh.run(inputs.machine, OWNER, name, owner, action).stdout.strip()


def _file(environ: Mapping[str, str], playbook: str) -> Any:
    return source.folder(environ) / f"{playbook}.yml"


def _digest(inputs: ConfigurationInputs) -> str:
    text = json.dumps(
        [inputs.files, inputs.settings, inputs.host_certificate_hours], sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _shown(host: HostResult) -> list[str]:
    """Return the changes as short lines; each task is named, its difference may be cut."""
    lines = [f"checked: {len(host.changed)} tasks would change {host.machine}"] if host.changed else []
    for task in host.changed:
        room = min(SHOWN_PER_TASK, max(0, SHOWN_LINES - len(lines)))
        more = len(task.diff) - room
        lines += [task.task, *task.diff[:room], *([f"… {more} more lines"] if more > 0 else [])]
    return [line if len(line) <= SHOWN_WIDTH else f"{line[: SHOWN_WIDTH - 1]}…" for line in lines]
