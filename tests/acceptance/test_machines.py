"""The unit's machines are what was promised: no passwords, keys for root only, clock, resolver and firewall running."""

import pytest

from donvi.verify.ask.baseline import REDIRECTS

pytestmark = pytest.mark.about("baseline")

SSHD = {
    "allowtcpforwarding": "no",
    "authenticationmethods": "publickey",
    "kbdinteractiveauthentication": "no",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "x11forwarding": "no",
}


def ran(answers, machine, name):
    return answers[machine.id].baseline.looked[name]


def test_ssh_lets_nobody_in_by_password(answers, machine):
    settings = answers[machine[1].id].baseline.sshd
    found = {name: settings.get(name, "unknown") for name in SSHD}
    assert found == SSHD, f"sshd of {machine[1].id} has {found}"


def test_ssh_shows_a_certificate_of_the_host(answers, machine):
    shown = answers[machine[1].id].baseline.sshd.get("hostcertificate", "none")
    assert shown.endswith("-cert.pub"), f"sshd of {machine[1].id} shows no host certificate: {shown}"


def test_the_machine_trusts_the_root_of_the_city(answers, machine):
    found = ran(answers, machine[1], "trust")
    assert found.status == 0, f"the city's root isn't in the trust store of {machine[1].id}: {found.detail}"


def test_the_clock_is_kept(answers, machine):
    found = ran(answers, machine[1], "time")
    assert found.output.strip() == "active", f"chrony on {machine[1].id} is {found.output.strip() or found.detail}"


def test_private_keys_are_readable_by_root_only(answers, machine):
    secrets = answers[machine[1].id].baseline.secrets
    assert secrets, f"{machine[1].id} has no private key at all, not even its host's"
    loose = {path: mode for path, mode in secrets.items() if mode != "root 0600"}
    assert not loose, f"on {machine[1].id}: {loose}"


def test_the_kernel_forwards_only_where_it_should(answers, machine):
    kernel = answers[machine[1].id].baseline.kernel
    forwards = "1" if machine[1].role == "gateway" else "0"
    found = (kernel.get("net.ipv4.ip_forward"), kernel.get("net.ipv6.conf.all.forwarding"))
    assert found == (forwards, forwards), f"{machine[1].id} forwards {found} (IPv4, IPv6), should be {forwards}"


def test_the_kernel_follows_no_redirects(answers, machine):
    if ran(answers, machine[1], "kernel-writable").status != 0:
        pytest.skip(f"the kernel's settings of {machine[1].id} are its host's")
    found = answers[machine[1].id].baseline.kernel.get(REDIRECTS)
    assert found == "0", f"{machine[1].id} lets others change its routes: {REDIRECTS} is {found}"


def test_the_firewall_is_loaded(answers, guard):
    found = ran(answers, guard[1], "rules")
    assert found.status == 0, f"there is no table inet donvi on {guard[1].id}: {found.detail}"
    assert "counter forged" in found.output, f"the table on {guard[1].id} counts no forged sources"


def test_the_resolver_runs(answers, guard):
    found = ran(answers, guard[1], "resolver")
    assert found.output.strip() == "active", f"unbound on {guard[1].id} is {found.output.strip() or found.detail}"
