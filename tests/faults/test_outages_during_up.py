"""A system that is down while a stack is brought up: the error says what, where, the remedy; the next up ends well."""

from __future__ import annotations

import ssl
import time
import urllib.request
from contextlib import suppress

import pytest

from donvi.errors import SealedError


def finishes(stack, newcomer, before):
    """Bring the stack up again: nothing was lost, it ends with the unit proven open, and nothing remains to be done."""
    lost = before - stack.urns()
    assert not lost, f"the failed run forgot {lost}"
    done = stack.up()
    assert done.code == 0, done.text
    assert any(newcomer in urn for urn in stack.urns())
    again = stack.run("preview", "--expect-no-changes")
    assert again.code == 0, again.text


def test_with_the_directory_down_the_error_names_unit_place_and_remedy(lab, stack, newcomer, code):
    before = stack.urns()
    with lab.stopped("slapd", ports=(636,)):
        failed = stack.up()
    assert failed.code != 0
    assert newcomer in failed.text
    assert code in failed.text
    assert lab.deployment["directory"]["url"] in failed.text
    assert "again" in failed.text, "the remedy is missing"
    finishes(stack, newcomer, before)


def test_with_mail_down_the_error_names_unit_place_and_remedy(lab, stack, newcomer, code):
    before = stack.urns()
    with lab.stopped("dovecot", ports=(993,)):
        failed = stack.up()
    assert failed.code != 0
    assert code in failed.text
    assert any(lab.deployment["mail"][place] in failed.text for place in ("doveadm", "imap"))
    assert "again" in failed.text, "the remedy is missing"
    finishes(stack, newcomer, before)


def test_vault_that_is_sealed_in_the_middle_of_a_run_stops_it_and_loses_nothing(lab, stack, newcomer, code):
    before = stack.urns()
    administrator = lab.environ("administrator")
    text, sealed = "", False
    try:
        with stack.start("up", "--yes", "--skip-preview") as process:
            for line in process.stdout:
                text += line
                if not sealed and newcomer in line and "creating" in line:
                    seal(lab, administrator)
                    sealed = True
    finally:
        lab.on("dc", "systemctl", "restart", "openbao")
        await_unsealed(lab)
    assert process.returncode != 0, text
    assert code in text
    assert "sealed" in text
    finishes(stack, newcomer, before)


def test_vault_that_is_down_before_a_run_stops_it_at_once_and_changes_nothing(lab, stack):
    before = stack.urns()
    environ = lab.environ(**stack.variables)
    with lab.stopped("openbao", ports=(8200,)):
        failed = stack.run("up", "--yes", "--skip-preview", environ=environ)
    await_unsealed(lab)
    assert failed.code != 0
    assert lab.deployment["vault"]["address"] in failed.text
    assert stack.urns() == before


def test_an_environment_asked_for_while_vault_starts_is_given_when_it_has_started(lab):
    lab.on("dc", "systemctl", "restart", "openbao")
    lab.await_port(8200)
    assert lab.environ()["VAULT_TOKEN"]


def test_a_sealed_vault_gives_no_environment_and_the_remedy_is_where_to_look(lab):
    seal(lab, lab.environ("administrator"))
    try:
        with pytest.raises(SealedError) as refused:
            lab.environ()
        assert "journalctl --unit openbao" in refused.value.hint
    finally:
        lab.on("dc", "systemctl", "restart", "openbao")
        await_unsealed(lab)


def seal(lab, environ):
    vault(lab, "sys/seal", method="PUT", token=environ["VAULT_TOKEN"])


def await_unsealed(lab):
    """The lab's Vault unseals itself at start; wait until it does work, for which it answers 200."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError):
            vault(lab, "sys/health")
            return
        time.sleep(0.2)
    pytest.fail("Vault didn't unseal itself")


def vault(lab, path, *, method="GET", token=""):
    asked = urllib.request.Request(  # noqa: S310 - the lab's own address, https
        f"{lab.deployment['vault']['address']}/v1/{path}",
        method=method,
        headers={"X-Vault-Token": token} if token else {},
    )
    context = ssl.create_default_context(cafile=str(lab.settings.home / "pki/root.crt"))
    with urllib.request.urlopen(asked, timeout=5, context=context) as response:  # noqa: S310
        response.read()
