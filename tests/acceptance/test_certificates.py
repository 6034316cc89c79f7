"""The unit's certificates, as they are on its machines: issued by the city, saying what they should, the key beside."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.certificates import key_digest, read_chain, read_revocations

pytestmark = pytest.mark.about("certificate")


@pytest.fixture
def files(answers, certificate):
    return answers[certificate[1].machine].keys[certificate[1].id]


@pytest.fixture
def seen(context, files):
    """What the certificate says; a test that needs it fails when there is none."""
    return read_chain(files.certificate, Path(context.ca_file)) if files.certificate else None


def test_the_certificate_exists_and_chains_to_the_root_of_the_city(seen, certificate):
    assert seen is not None, f"there is no certificate {certificate[1].id} on {certificate[1].machine}"
    assert not seen.chain_error, seen.chain_error


def test_the_certificate_names_the_unit_and_nobody_else(seen, certificate):
    wanted = certificate[1]
    assert seen is not None, f"there is no certificate {wanted.id}"
    assert seen.common_name == wanted.common_name, f"common name {seen.common_name}, should be {wanted.common_name}"
    assert seen.dns_names == tuple(sorted(wanted.dns_names)), (
        f"DNS names {seen.dns_names}, should be {wanted.dns_names}"
    )
    assert seen.uris == tuple(sorted(wanted.uris)), f"URIs {seen.uris}, should be {wanted.uris}"
    assert seen.other_names == 0, "it carries names of other kinds, e.g. addresses"


def test_the_key_may_be_used_for_its_purpose_only(seen, certificate):
    wanted = certificate[1]
    assert seen is not None, f"there is no certificate {wanted.id}"
    assert seen.curve == "secp256r1", f"the key is {seen.curve or 'not on an elliptic curve'}, should be on P-256"
    assert seen.digital_signature, "the key usage lacks digital signature"
    assert not seen.certificate_authority, "it could issue certificates itself"
    assert seen.usages == wanted.usages, f"extended key usages {seen.usages}, should be {wanted.usages}"


def test_the_certificate_is_valid_now_and_no_longer_than_agreed(seen, certificate):
    wanted = certificate[1]
    assert seen is not None, f"there is no certificate {wanted.id}"
    now = datetime.now(UTC)
    assert seen.not_before <= now < seen.not_after, f"valid from {seen.not_before} to {seen.not_after}"
    hours = (seen.not_after - seen.not_before).total_seconds() / 3600
    assert hours <= wanted.ttl_hours + 1, f"valid for {hours:.0f} hours, agreed are {wanted.ttl_hours}"


def test_the_key_on_the_machine_belongs_to_the_certificate(seen, files, certificate):
    assert files.exists, f"the key of {certificate[1].id} isn't on {certificate[1].machine}"
    assert seen is not None, f"there is no certificate {certificate[1].id}"
    assert key_digest(files.public_key) == seen.public_key, "the certificate belongs to another key"


def test_the_key_is_readable_by_root_only(files, certificate):
    assert files.exists, f"the key of {certificate[1].id} isn't on {certificate[1].machine}"
    assert (files.owner, oct(files.mode)) == ("root", "0o600"), f"it is {files.owner}'s with mode {files.mode:o}"


def test_the_certificate_is_not_on_the_published_revocation_list(answers, gateway, seen, certificate):
    wanted = certificate[1]
    assert seen is not None, f"there is no certificate {wanted.id}"
    body = answers[gateway].revocations[wanted.mount]
    if not body:
        raise InconclusiveError(f"the unit's gateway can't fetch the revocation list of {wanted.mount}")
    published = read_revocations(body)
    assert published.next_update is None or published.next_update > datetime.now(UTC), (
        "the published list is out of date"
    )
    assert seen.serial not in published.serials, f"serial {seen.serial:x} was revoked"
