"""Running the suite in a process of its own."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from donvi.errors import UsageError, VerificationError
from donvi.verify import Outcome, verify
from donvi.verify.run import suite_folder

CLOSED = "127.0.0.1:1"
CANARY = "token-chim-hoang-yen-20394"


@pytest.fixture
def dead_city(tmp_path):
    """An environment in which every system's address is right and nobody answers there."""
    places = {
        "city_domain": "tphcm.test",
        "vault": {"address": f"https://{CLOSED}"},
        "directory": {"url": f"ldaps://{CLOSED}"},
        "mail": dict.fromkeys(("smtp", "submission", "imap", "doveadm"), CLOSED),
        "dns": {"server": "127.0.0.1", "port": 1},
        "machines": {name: {"address": "127.0.0.1", "port": 1} for name in ("core", "gw-26506", "ws-26506")},
    }
    (tmp_path / "deployment.json").write_text(json.dumps(places))
    (tmp_path / "known_hosts").touch()
    return {
        "PATH": os.environ["PATH"],
        "DONVI_DEPLOYMENT": str(tmp_path / "deployment.json"),
        "DONVI_KNOWN_HOSTS": str(tmp_path / "known_hosts"),
        "VAULT_ADDR": f"https://{CLOSED}",
        "VAULT_CACERT": str(tmp_path / "known_hosts"),
        "VAULT_TOKEN": CANARY,
    }


def test_a_dead_city_is_inconclusive_and_never_passed(dead_city, tmp_path):
    seen = []
    report = tmp_path / "reports" / "26506.xml"
    verdict = verify("26506", environ=dead_city, junit=report, on_check=seen.append)
    assert {system.outcome for system in verdict.systems} == {Outcome.INCONCLUSIVE}
    assert verdict.count(Outcome.PASSED) == 0
    assert sorted(c.title for c in seen) == sorted(c.title for c in verdict.checks), "each result is told as it comes"
    assert CANARY not in report.read_text(encoding="utf-8")


def test_what_needs_machines_that_are_not_in_this_lab_is_absent_and_neither_passed_nor_failed(dead_city):
    verdict = verify("26536", environ=dead_city)
    absent = {check.system for check in verdict.checks if check.outcome is Outcome.ABSENT}
    assert absent >= {"documents", "endpoint-security", "lgsp", "network", "tthc", "vault"}
    said = {check.message for check in verdict.checks if check.outcome is Outcome.ABSENT}
    assert said == {"gw-26536 is not in this lab", "ws-26536 is not in this lab"}
    assert {s.system: s.outcome for s in verdict.systems if s.system in {"endpoint-security", "vault"}} == {
        "endpoint-security": Outcome.ABSENT,
        "vault": Outcome.ABSENT,
    }
    assert verdict.outcome is Outcome.INCONCLUSIVE, "what is there and doesn't answer stays in doubt"
    assert verdict.count(Outcome.PASSED) == 0


def test_an_environment_that_names_no_city_is_a_usage_error_with_the_remedy():
    with pytest.raises(UsageError, match="VAULT_TOKEN") as raised:
        verify("26506", environ={})
    assert "donvi lab env" in raised.value.hint


@pytest.mark.parametrize("suite", ["nowhere", "../../etc", ""])
def test_a_suite_that_does_not_exist_is_a_usage_error(suite):
    with pytest.raises(UsageError, match="no verification suite"):
        suite_folder(suite)


def test_a_unit_that_does_not_exist_is_named(dead_city):
    with pytest.raises(VerificationError, match="99999"):
        verify("99999", environ=dead_city)


def test_a_cancelled_run_ends_at_once_and_leaves_no_process(dead_city):
    cancelled = threading.Event()
    cancelled.set()
    others, before = set(_children()), time.monotonic()
    with pytest.raises(VerificationError, match="cancelled"):
        verify("26506", environ=dead_city, cancelled=cancelled)
    assert time.monotonic() - before < 1.0
    assert not set(_children()) - others, "the suite's process is still there"


def test_a_run_that_takes_too_long_is_stopped_and_says_so(dead_city):
    others = set(_children())
    with pytest.raises(VerificationError, match="longer than"):
        verify("26506", environ=dead_city, timeout=0.05)
    assert not set(_children()) - others


def _children():
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"\nPPid:\t{os.getpid()}\n" in text:
            yield status.parent.name
