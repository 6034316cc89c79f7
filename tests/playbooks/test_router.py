"""The core router's rules: a base and a fragment per unit, each held by its owner and neither touching the other.

The router is as before when the module is over.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from donvi.registry import load_city
from donvi.tenancy import describe, platform_description
from donvi.tenancy.firewall import router_base, router_fragment, router_fragment_removal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.playbooks.conftest import Run

CORE = "core"
UNITS = ("26506", "25747")
SECONDS = 6
BASE = router_base(platform_description(load_city()))
LOCKING = BASE.replace('iifname "mgmt0" tcp dport 22 accept', 'iifname "mgmt0" tcp dport 22 ct state new drop')
SAVED = "etc/donvi/router.d etc/nftables.conf etc/sysctl.d/60-donvi.conf etc/ssh/sshd_config.d"

SAVE = f"""
set -e
mkdir /run/donvi-saved; cd /run/donvi-saved
for path in {SAVED}; do if [ -e "/$path" ]; then tar -C / -cf - "$path" | tar -xf -; fi; done
{{ echo flush ruleset; nft list ruleset; }} >.ruleset
systemctl is-enabled nftables.service >.enabled || true
nft flush ruleset; rm -rf /etc/donvi/router.d /run/donvi-nftables
"""
RESTORE = f"""
set -e
cd /run/donvi-saved
for path in {SAVED}; do rm -rf "/$path"; if [ -e "$path" ]; then tar -cf - "$path" | tar -C / -xf -; fi; done
[ "$(cat .enabled)" = enabled ] || systemctl --quiet disable --now nftables.service
nft -f .ruleset
systemctl reload ssh.service
rm -rf /run/donvi-saved /run/donvi-nftables
"""


@pytest.fixture(scope="module", autouse=True)
def core(on: Callable[..., str]) -> Iterator[None]:
    """A router without rules."""
    on(CORE, SAVE)
    yield
    on(CORE, RESTORE)


@pytest.fixture(scope="module")
def base(configure: Callable[..., Run]) -> Callable[..., Run]:
    """Hold the base, with a rule added to those for the router itself, or another text."""

    def run(*options: str, rule: str = "", text: str = BASE, **more: object) -> Run:
        added = f"{text}\nadd rule inet donvi input {rule}\n" if rule else text
        given = {"files": {"nftables": added}, "settings": {"rollback_seconds": SECONDS}}
        return configure("router", CORE, *options, unit="platform", **given, **more)

    return run


@pytest.fixture(scope="module")
def fragment(configure: Callable[..., Run]) -> Callable[..., Run]:
    """Hold a unit's fragment, with commands added to it."""
    city = load_city()

    def run(code: str, *options: str, more: str = "", **rest: object) -> Run:
        tenancy = describe(city, code)
        files = {"nftables": router_fragment(tenancy) + more, "removal": router_fragment_removal(tenancy)}
        return configure("router", CORE, *options, unit=code, files=files, **rest)

    return run


@pytest.fixture
def whole(base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]]) -> None:
    """The base and the fragments of two units are in force; a test that passed left them so."""
    lines = rules()
    if not all(f"chain unit_{code} {{" in lines for code in UNITS):
        base("--tags", "router")
        for code in UNITS:
            fragment(code)


@pytest.fixture
def rules(on: Callable[..., str]) -> Callable[[], set[str]]:
    """Return the lines in force, in no order: a set's elements have none."""

    def read() -> set[str]:
        text = on(CORE, "nft -s list ruleset").replace("elements = { ", "").replace(" }", "")
        return {line.strip(" \t,") for line in text.splitlines()}

    return read


def test_a_fragment_needs_a_base_and_a_check_before_it_shows_the_fragment(
    fragment: Callable[..., Run], on: Callable[..., str]
) -> None:
    assert "Hold the unit's fragment" in fragment("26506", "--check").tasks
    refused = fragment("26506", fails=True)
    assert "bring up the stack `platform` first" in refused.text
    assert on(CORE, "nft list ruleset; ls /etc/donvi/router.d") == ""


def test_each_part_is_made_once_and_checked_truthfully(
    base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]]
) -> None:
    before = rules()
    checked = base("--check", "--diff")
    assert rules() == before
    assert "Load the base for a limited time" in checked.tasks
    assert "+table inet donvi {" in checked.text
    assert base().changed[CORE] > 0
    assert base("--check").changed[CORE] == base().changed[CORE] == 0
    assert fragment("25747").tasks == fragment("26506", "--check").tasks == {"Hold the unit's fragment"}
    assert fragment("26506").tasks == {"Hold the unit's fragment"}
    assert fragment("26506", "--check").changed[CORE] == fragment("26506").changed[CORE] == 0
    assert base().changed[CORE] == 0, "fragments are no change of the base"


@pytest.mark.usefixtures("whole")
def test_a_new_base_leaves_the_fragments_and_the_other_way_round(
    base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]]
) -> None:
    before = rules()
    assert base(rule="tcp dport 9 drop").tasks == {"Confirm by a new connection"}
    assert rules() - before == {"tcp dport 9 drop"}
    assert fragment("26506", more="insert rule inet donvi unit_26506 tcp dport 10 drop\n").changed[CORE] == 1
    assert rules() - before == {"tcp dport 9 drop", "tcp dport 10 drop"}
    base()
    fragment("26506")
    assert rules() == before


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",  # what got lost with the base comes back with it
        "nft insert rule inet donvi forward accept",
        """nft add chain inet donvi door '{ type filter hook input priority -5; }'
        nft delete element inet donvi zones '{ "party0" }'""",
    ],
)
def test_damage_to_the_base_is_seen_and_repaired(
    base: Callable[..., Run], rules: Callable[[], set[str]], on: Callable[..., str], damage: str
) -> None:
    before = rules()
    on(CORE, damage)
    assert base("--check", "--tags", "router").changed[CORE] == base("--tags", "router").changed[CORE] == 1
    assert rules() == before


@pytest.mark.usefixtures("whole")
def test_damage_to_fragments_is_seen_by_each_owner_and_repaired(
    base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]], on: Callable[..., str]
) -> None:
    before = rules()
    for damage in (
        "nft delete element inet donvi units '{ \"u26506\" }'",
        "nft insert rule inet donvi unit_26506 accept; nft flush set inet donvi unit_25747_4",
        """echo '# edited' >>/etc/donvi/router.d/unit_26506.nft
        nft delete element inet donvi unit_sources6 '{ "u25747" . fd9b:7a3c:2900:1000::/56 }'""",
    ):
        on(CORE, damage)
        seen = {code for code in UNITS if fragment(code, "--check").changed[CORE]}
        assert seen == {code for code in UNITS if code in damage}
        assert base("--check", "--tags", "router").changed[CORE] == 0
        for code in seen:
            fragment(code)
        assert rules() == before


@pytest.mark.usefixtures("whole")
def test_a_base_that_locks_the_operator_out_is_taken_back(
    base: Callable[..., Run], rules: Callable[[], set[str]], on: Callable[..., str]
) -> None:
    before = rules()
    refused = base(text=LOCKING, fails=True)
    assert f"did not let the operator in within {SECONDS} s" in " ".join(refused.text.split())
    assert rules() == before
    assert "ct state new drop" not in on(CORE, "cat /etc/donvi/router.d/base.nft")
    assert base().changed[CORE] == 0


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("insert rule inet donvi input accept\nflush chain inet donvi from_gov", "chain from_gov, chain input"),
        (
            'add chain inet donvi unit_25747\nadd element inet donvi zones { "u1" : drop }',
            "chain unit_25747, map zones",
        ),
        ('add element inet donvi units { "u25747" : goto unit_26506 }', "interfaces u25747, u26506"),
    ],
)
def test_a_fragment_that_touches_what_is_not_its_own_is_refused(
    fragment: Callable[..., Run], rules: Callable[[], set[str]], more: str, named: str
) -> None:
    before = rules()
    refused = fragment("26506", more=more + "\n", fails=True)
    assert f"unit_26506 would change what is not its own: {named}" in " ".join(refused.text.split())
    assert rules() == before


@pytest.mark.usefixtures("whole")
def test_a_unit_that_goes_takes_its_fragment_and_nothing_else(
    base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]], on: Callable[..., str]
) -> None:
    before = rules()
    assert fragment("26506", "--check", state="absent").changed[CORE] == 1
    assert rules() == before
    assert fragment("26506", state="absent").changed[CORE] == 1
    assert not any("26506" in line for line in rules())
    assert any("25747" in line for line in rules())
    assert on(CORE, "ls /etc/donvi/router.d").split() == ["base.nft", "unit_25747.nft"]
    assert fragment("26506", state="absent").changed[CORE] == 0
    assert base(state="absent").changed[CORE] == 0, "a firewall stays"
    assert fragment("26506").changed[CORE] == 1
    assert rules() == before


@pytest.mark.usefixtures("whole")
def test_a_router_that_starts_again_has_all_parts(rules: Callable[[], set[str]], on: Callable[..., str]) -> None:
    before = rules()
    on(CORE, "systemctl restart nftables.service")
    assert rules() == before
    on(CORE, "nft add table ip theirs; nft -f /etc/nftables.conf")
    assert rules() - before == {"table ip theirs {"}, "tables of others stay when the file is loaded again"
    on(CORE, "nft delete table ip theirs")


@pytest.mark.usefixtures("whole")
def test_units_that_come_at_once_wait_for_each_other_and_for_a_base_on_trial(
    base: Callable[..., Run], fragment: Callable[..., Run], rules: Callable[[], set[str]]
) -> None:
    before = rules()
    for code in UNITS:
        fragment(code, state="absent")
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(base, text=LOCKING, fails=True)
        running = [pool.submit(fragment, code) for code in UNITS]
        assert [run.result().changed[CORE] for run in running] == [1, 1]
        assert "did not let the operator in" in " ".join(refused.result().text.split())
    assert rules() == before, "a base that was taken back took no fragment with it"
