"""A machine whose disk is full fails by its name, with the remedy; the others are done, and a re-run finishes."""

from __future__ import annotations

from contextlib import contextmanager

PLACES = "/etc /root /tmp /var/tmp"
FULL = f"""
set -e
for place in {PLACES}; do
    over=/run/full$place
    mkdir -p "$over"
    mount -t tmpfs -o size=$(($(du -sk "$place" | cut -f1) + 1024))k none "$over"
    cp -a "$place/." "$over/"
    cat /dev/zero >"$over/.filler" 2>/dev/null || true
    mount --bind "$over" "$place"
done
"""
ROOM = f"for place in {PLACES}; do umount $place; umount /run/full$place; done"
RULES = "nft -s list table inet donvi"
RESOLVER = "/etc/unbound/unbound.conf.d/donvi.conf"


@contextmanager
def full(lab, machine):
    """Lay full file systems with the same content over a machine's folders."""
    lab.on(machine, "sh", "-s", stdin=FULL)
    try:
        yield
    finally:
        lab.on(machine, "sh", "-s", stdin=ROOM)


def assert_it_says_so(failed, machine):
    told = " ".join(failed.text.split())
    assert failed.code != 0, told
    assert f"on {machine} failed" in told
    assert "because a disk is full" in told
    assert f"make room on {machine}" in told


def assert_a_rerun_finishes(stack, *flags):
    done = stack.up(*flags)
    assert done.code == 0, done.text
    again = stack.run("preview", "--expect-no-changes")
    assert again.code == 0, again.text


def test_rules_that_find_no_room_leave_the_old_ones_and_other_machines_are_done(lab, stack, code, flows):
    gateway, flow = f"gw-{code}", "tcp . 8510 "
    flows(8510)
    with full(lab, gateway):
        failed = stack.up()
        rules = lab.on(gateway, RULES)
    assert_it_says_so(failed, gateway)
    assert flow in lab.on("core", RULES), "the router, whose disk has room, is done"
    assert flow not in rules, "what couldn't be kept is taken back"
    assert_a_rerun_finishes(stack)
    assert flow in lab.on(gateway, RULES)


def test_a_file_that_finds_no_room_is_written_by_the_next_run(lab, stack, code):
    gateway = f"gw-{code}"
    lab.on(gateway, "rm", RESOLVER)
    with full(lab, gateway):
        failed = stack.up("--refresh")
    assert_it_says_so(failed, gateway)
    assert_a_rerun_finishes(stack, "--refresh")
    lab.on(gateway, "test", "-s", RESOLVER)
