"""The real stacks on the real systems of the lab, by the official CLI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from donvi.fleet.stacks import REPOSITORY
from donvi.registry import load_city
from donvi.tenancy import describe
from tests.engine.kinds import IMPORTED

if TYPE_CHECKING:
    from tests.engine.lab import Lab

PILOTS = ["25747-thu-dau-mot", "26506-vung-tau", "26740-sai-gon"]
UNIT = "25747-thu-dau-mot"
CODE, SLUG = UNIT.split("-", maxsplit=1)


@pytest.mark.parametrize("stack", ["platform", *PILOTS])
def test_a_stack_that_is_up_has_nothing_to_change(lab: Lab, stack: str) -> None:
    lab.pulumi("preview", "--stack", stack, "--expect-no-changes")


def test_an_unknown_stack_name_is_refused_with_the_right_one() -> None:
    from donvi.errors import UsageError
    from stacks.program import unit_code

    city = load_city()
    assert unit_code(city, UNIT) == CODE
    with pytest.raises(UsageError, match=f"its stack is {UNIT}"):
        unit_code(city, f"{CODE}-thudaumot")
    with pytest.raises(UsageError, match="the ledger has no unit 99999"):
        unit_code(city, "99999-nowhere")


def test_drift_is_seen_then_repaired_and_verified_again(lab: Lab) -> None:
    tenancy = describe(load_city(), CODE)
    person = next(account for account in tenancy.accounts if account.kind == "person")
    group = next(group for group in tenancy.groups if len(group.members) > 1 and person.dn not in group.members)
    record = next(record for record in tenancy.dns if record.type == "MX")
    before = lab.resources(UNIT)["Verification/verification"]["outputs"]["finishedAt"]

    directory = lab.services.directory_write
    directory.delete(person.dn)
    directory.modify(group.dn, replace={"member": group.members[:1]})
    from donvi.backends.dns import Mark

    names = lab.services.dns(f"backends/dns/tsig/{CODE}")
    names.remove(f"{tenancy.unit.domain.partition('.')[2]}", record.name, "MX", [Mark(CODE, f"dns/{record.id}")])

    seen = lab.pulumi("refresh", "--stack", UNIT, "--preview-only", "--diff")
    assert f"uid={person.id}" in seen
    assert group.members[1] in seen
    assert f"{record.name}/MX" in seen

    lab.pulumi("up", "--stack", UNIT, "--refresh", "--yes", "--skip-preview")

    assert lab.services.directory_read.get(person.dn) is not None
    repaired = lab.services.directory_read.get(group.dn)
    assert repaired is not None
    assert sorted(repaired.all("member")) == sorted(group.members)
    found, _ = names.read(record.name, "MX")
    assert found is not None
    assert lab.resources(UNIT)["Verification/verification"]["outputs"]["finishedAt"] > before
    lab.pulumi("preview", "--stack", UNIT, "--expect-no-changes")


def test_a_clone_without_stack_files_works_on_stacks_that_exist(lab: Lab) -> None:
    (REPOSITORY / f"stacks/config/Pulumi.{UNIT}.yaml").unlink(missing_ok=True)
    lab.pulumi("preview", "--stack", UNIT, "--expect-no-changes")


NOT_IMPORTED = {"donvi:kubernetes:CertificateSecret", "donvi:machine:Configuration", "donvi:verify:Verification"}


def test_everything_that_can_be_imported_reads_as_it_was_declared(lab: Lab) -> None:
    from donvi.provider.handler import Registry

    registry = Registry()
    seen = set()
    for name, resource in lab.resources(UNIT).items():
        token = resource["type"]
        if not token.startswith("donvi:") or ":component:" in token or token in NOT_IMPORTED:
            continue
        identifier = resource["id"]
        if token == "donvi:pki:Certificate":
            identifier = f"{identifier}/{resource['outputs']['serial']}"
        if resource["inputs"].get("kind") == "probe" and (token, "probe") in seen:
            continue
        seen.add((token, resource["inputs"].get("kind")))
        found = registry.find(token).read(lab.services, identifier, None)
        assert found is not None, name
        from donvi.provider.decode import plain

        assert plain(found.inputs) == resource["inputs"], name
    kinds = {token for token, _ in seen}
    assert {token.rpartition(":")[2] for token in kinds} == IMPORTED


def test_state_and_previews_hold_no_secret(lab: Lab) -> None:
    vault = lab.services.vault
    verifier = vault.with_token(vault.token_create("verify", ttl_seconds=300))
    known = {
        vault.kv_read("backends/directory/write")["password"],
        vault.kv_read("backends/directory/read")["password"],
        vault.kv_read("backends/mail/doveadm")["api_key"],
        vault.kv_read(f"backends/dns/tsig/{CODE}")["secret"],
        lab.environ["VAULT_TOKEN"],
        *(
            verifier.kv_read(account.credential)["password"]
            for account in describe(load_city(), CODE).accounts
            if account.kind == "probe"
        ),
    }
    for stack in ("platform", *PILOTS):
        told = lab.export(stack, "--show-secrets") + lab.pulumi("preview", "--stack", stack, "--diff", "--show-sames")
        assert not [value[:4] for value in known if value in told]
        assert "PRIVATE KEY" not in told
        assert not re.search(r"\bhvs\.[A-Za-z0-9]{20}", told)
