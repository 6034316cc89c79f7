"""The configuration of a real gateway: previews ask it, drift is seen, rules that lock the operator out go back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from donvi.deployment import Machine
from donvi.errors import BackendError, ConflictError, UnreachableError, UsageError
from donvi.provider.handlers.machine import CHECKED, RENDERED, ConfigurationHandler, ConfigurationInputs
from donvi.provider.services import Services
from tests.support.ssh_server import make_key
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GATEWAY = "gw-25747"
HANDLER = ConfigurationHandler()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = "inet donvi_try"
RULES = f"""table {TABLE}
delete table {TABLE}
table {TABLE} {{
	chain input {{
		type filter hook input priority filter; policy accept;
		RULE
		ip saddr SOURCE counter
	}}
}}
"""

SAVE = """
rm -rf /run/donvi-saved; mkdir /run/donvi-saved; cd /run/donvi-saved
for path in etc/nftables.conf etc/sysctl.d/60-donvi.conf etc/ssh/sshd_config.d/20-donvi-hardening.conf \\
        etc/donvi/configured var/lib/donvi/nftables.live; do
    if [ -e "/$path" ]; then tar -C / -cf - "$path" | tar -xf -; fi
    echo "$path" >>.paths
done
{ echo flush ruleset; nft list ruleset; } >.ruleset
systemctl is-enabled nftables.service >.enabled || true
rm -rf /etc/donvi/configured /etc/nftables.conf /var/lib/donvi/nftables.live
nft flush ruleset
"""
RESTORE = """
cd /run/donvi-saved
while read -r path; do
    rm -rf "/$path"
    if [ -e "$path" ]; then tar -cf - "$path" | tar -C / -xf -; fi
done <.paths
nft -f .ruleset
[ "$(cat .enabled)" = enabled ] || systemctl --quiet disable nftables.service
systemctl reload ssh.service
rm -rf /run/donvi-saved /run/donvi-nftables
"""


def declared(rule: str = 'iifname "lo" accept', source: str = "10.0.1.10", **changes: Any) -> ConfigurationInputs:
    """Return a gateway with harmless rules of the test's own."""
    given = {
        "unit": "25747",
        "key": "machine/gateway",
        "machine": GATEWAY,
        "playbook": "gateway",
        "files": {"nftables": RULES.replace("RULE", rule).replace("SOURCE", source)},
        "settings": {"rollback_seconds": 6},
    }
    return ConfigurationInputs(**{**given, **changes})


@pytest.fixture(scope="module")
def gateway(services: Services) -> Iterator[Callable[..., str]]:
    """Run scripts on the gateway, which is as before when the module is over."""

    def run(script: str, *arguments: str) -> str:
        return services.ssh.run(GATEWAY, script, *arguments).stdout

    run(SAVE)
    yield run
    run(RESTORE)


def rules(gateway: Callable[..., str]) -> str:
    return gateway('nft -s list table inet donvi_try 2>/dev/null; grep -o "ip saddr.*" /etc/nftables.conf; true')


def replaced(services: Services, known_hosts: str = "", **places: Machine) -> Services:
    """Return clients that know other places or other host keys."""
    deployment = msgspec.structs.replace(services.deployment, machines={**services.deployment.machines, **places})
    known: Mapping[str, str] = {"DONVI_KNOWN_HOSTS": known_hosts} if known_hosts else {}
    return Services(deployment, {**services.environ, **known})


def test_a_preview_shows_what_up_then_changes_and_a_second_up_changes_nothing(
    services: Services, gateway: Callable[..., str]
) -> None:
    before = rules(gateway)
    shown = list(HANDLER.preview(services, None, declared()))
    assert rules(gateway) == before, "a preview changes nothing"
    assert f"+table {TABLE}" in shown, shown

    made = HANDLER.create(services, declared())
    assert shown[0] == f"checked: {made.outputs['changedTasks']} tasks would change {GATEWAY}"
    assert "ip saddr 10.0.1.10" in rules(gateway)
    assert HANDLER.renewal(made.outputs, NOW) is None

    assert HANDLER.update(services, made.id, declared(), declared()).outputs["changedTasks"] == 0
    assert list(HANDLER.preview(services, declared(), declared())) == [f"checked: nothing would change on {GATEWAY}"]


@pytest.mark.usefixtures("gateway")
def test_a_preview_of_one_changed_rule_shows_that_rule_only(services: Services) -> None:
    HANDLER.create(services, declared())
    shown = list(HANDLER.preview(services, declared(), declared(source="10.0.1.11")))
    assert shown[0] == f"checked: 1 tasks would change {GATEWAY}"
    assert shown[-2:] == ["-\t\tip saddr 10.0.1.10 counter", "+\t\tip saddr 10.0.1.11 counter"]


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft add rule inet donvi_try input tcp dport 9 accept",
        "echo '# edited' >>/etc/nftables.conf",
    ],
)
def test_drift_is_found_named_and_repaired(services: Services, gateway: Callable[..., str], damage: str) -> None:
    made = HANDLER.create(services, declared())
    clean = HANDLER.read(services, made.id, declared())
    assert clean is not None
    assert clean.over == {"drift": []}

    gateway(damage)
    found = HANDLER.read(services, made.id, declared())
    assert found is not None
    assert found.over == {"drift": ["nftables : Load the ruleset for a limited time"]}
    assert "machine drifted: nftables" in str(HANDLER.renewal({**made.outputs, **found.over}, NOW))

    assert HANDLER.update(services, made.id, declared(), declared()).outputs["changedTasks"] == 1
    assert "dport 9" not in gateway("cat /etc/nftables.conf; nft list ruleset")


@pytest.mark.parametrize("rule", ['iifname "mgmt0" drop', 'iifname "mgmt0" ct state new drop'])
def test_rules_that_lock_the_operator_out_are_taken_back(
    services: Services, gateway: Callable[..., str], rule: str
) -> None:
    HANDLER.create(services, declared())
    before = rules(gateway)
    locking = declared(rule=rule)
    with pytest.raises(
        BackendError, match=r"did not let the operator in within 6 s.*took the old ones back \(20"
    ) as told:
        HANDLER.update(services, "x", declared(), locking)
    assert type(told.value) is BackendError, "nothing is kept, so the state keeps the old rules"
    assert rules(gateway) == before
    assert gateway("systemctl list-timers --all --no-legend 'donvi*'") == ""
    assert HANDLER.update(services, "x", declared(), declared()).outputs["changedTasks"] == 0


def test_a_ruleset_that_nft_refuses_is_seen_in_the_preview_and_changes_nothing(
    services: Services, gateway: Callable[..., str]
) -> None:
    HANDLER.create(services, declared())
    before = rules(gateway)
    broken = declared(files={"nftables": f"table {TABLE} {{"})
    assert "not checked: playbook gateway on gw-25747 failed" in next(iter(HANDLER.preview(services, None, broken)))
    with pytest.raises(BackendError, match=r"nft refused: .*syntax error"):
        HANDLER.update(services, "x", declared(), broken)
    assert rules(gateway) == before


def test_a_machine_that_is_down_is_not_checked_in_a_preview_and_fails_in_up_and_refresh(services: Services) -> None:
    down = replaced(services, **{GATEWAY: Machine("127.0.0.1", free_port())})
    (line,) = HANDLER.preview(down, None, declared())
    assert line.startswith(f"not checked: {GATEWAY} (127.0.0.1:")
    for operation in (
        lambda: HANDLER.create(down, declared()),
        lambda: HANDLER.update(down, "x", declared(), declared()),
        lambda: HANDLER.read(down, "x", declared()),
        lambda: HANDLER.delete(down, "x", declared()),
    ):
        with pytest.raises(UnreachableError, match="can't be reached by SSH"):
            operation()
    down.close()


def test_a_machine_that_the_deployment_no_longer_has_is_gone_and_nobody_is_asked(services: Services) -> None:
    smaller = Services(msgspec.structs.replace(services.deployment, machines={}), {})
    assert HANDLER.read(smaller, "x", declared()) is None
    HANDLER.delete(smaller, "x", declared())


def test_a_machine_with_another_host_key_is_left_alone(services: Services, tmp_path: Path) -> None:
    place = services.deployment.machine(GATEWAY)
    public = Path(f"{make_key(tmp_path / 'other')}.pub").read_text()
    (tmp_path / "known_hosts").write_text(f"{place.address} {public}")
    other = replaced(services, str(tmp_path / "known_hosts"))
    with pytest.raises(BackendError, match=r"host key of gw-25747 .* is not the one pinned"):
        HANDLER.create(other, declared())
    other.close()


def test_the_preview_role_has_no_ssh_and_says_so(services_of: Callable[[str], Services]) -> None:
    preview = services_of("preview")
    assert list(HANDLER.preview(preview, None, declared())) == ["not checked: no SSH for this token"]
    found = HANDLER.read(preview, "x", declared())
    assert found is not None
    assert (found.outputs, found.over) == (None, {}), "what the state holds is kept"
    assert found.notes == ("drift not looked for: no SSH for this token",)


def test_a_rendered_preview_opens_no_connection(services: Services) -> None:
    nowhere = Services(services.deployment, {})
    assert list(HANDLER.preview(nowhere, None, declared(preview=RENDERED))) == []
    assert HANDLER.same("preview", CHECKED, RENDERED), "how a preview looks changes no machine"


def test_a_machine_has_one_owner_per_playbook(services: Services, gateway: Callable[..., str]) -> None:
    made = HANDLER.create(services, declared())
    theirs = declared(unit="26506")
    with pytest.raises(
        ConflictError, match=r"gw-25747 is configured by '25747 machine/gateway'.*destroy that resource"
    ):
        HANDLER.create(services, theirs)
    HANDLER.delete(services, "x", theirs)
    assert gateway("cat /etc/donvi/configured/gateway") == "25747 machine/gateway\n", "a mark of others stays"

    before = rules(gateway)
    HANDLER.delete(services, made.id, declared())
    HANDLER.delete(services, made.id, declared())
    assert gateway("ls /etc/donvi/configured") == ""
    assert rules(gateway) == before, "a gateway keeps its rules when its unit goes"


def test_other_roles_than_those_that_ran_are_a_reason_to_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.yml").write_text("- hosts: gateways\n  roles: [only]\n")
    monkeypatch.setitem(os.environ, "DONVI_PLAYBOOKS", str(tmp_path))
    outputs = {"roles": "gateway 0123", "drift": []}
    assert HANDLER.renewal(outputs, NOW) == "the roles of playbook gateway changed since it ran"


def test_an_import_is_refused_with_the_way_to_do_it(services: Services) -> None:
    with pytest.raises(UsageError, match=r"can't be imported.*declare it"):
        HANDLER.read(services, "25747/machine/gateway", None)


@pytest.mark.parametrize(
    ("changes", "property"),
    [
        ({"playbook": "printer"}, "playbook"),
        ({"machine": "../gw"}, "machine"),
        ({"preview": "none"}, "preview"),
        ({"files": {"../x": ""}}, "files"),
        ({"unit": "Vũng Tàu"}, "unit"),
    ],
)
def test_inputs_that_make_no_sense_are_refused_by_name(changes: dict[str, Any], property: str) -> None:
    assert [failure.property for failure in HANDLER.check(declared(**changes))] == [property]
