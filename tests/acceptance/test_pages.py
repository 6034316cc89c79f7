"""The unit's pages, opened from its workstation by their host name: the right page, the right certificate, TLS only."""

import html
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.certificates import read_chain

pytestmark = pytest.mark.about("page")


@pytest.fixture
def page(answers, opened):
    """What the workstation got; without an answer nothing can be said about the page."""
    _, app, machine = opened
    found = answers[machine.id].pages[f"{app.id}/own"]
    if found.stage == "unreachable":
        raise InconclusiveError(f"{machine.id} can't reach {app.host}: {found.detail}")
    return found


def test_the_page_opens_over_tls_with_a_certificate_of_the_city(page, opened):
    _, app, machine = opened
    assert page.stage == "answered", f"{machine.id} can't open https://{app.host}/: {page}"
    assert page.status == 200, f"https://{app.host}/ answers {page}"
    assert page.version in {"TLSv1.2", "TLSv1.3"}, f"it speaks {page.version}"


def test_the_page_is_the_units_own_in_vietnamese(page, opened, tenancy):
    _, app, _ = opened
    assert page.status == 200, f"there is no page: {page}"
    text = html.unescape(page.text)
    assert page.headers.get("content-type", "").lower() == "text/html; charset=utf-8", page.headers.get("content-type")
    assert unicodedata.is_normalized("NFC", text), "the page's text isn't NFC, so a search finds no name in it"
    assert 'lang="vi"' in text, "the page doesn't say that it is in Vietnamese"
    assert tenancy.unit.name in text, f"https://{app.host}/ doesn't name {tenancy.unit.name}"


def test_the_certificate_of_the_page_says_what_was_agreed(page, opened, context):
    _, app, _ = opened
    assert page.certificate, f"no certificate came: {page}"
    seen, wanted = read_chain(page.certificate, Path(context.ca_file)), app.certificate
    assert app.host in seen.dns_names, f"it is for {seen.dns_names}, not for {app.host}"
    assert seen.dns_names == tuple(sorted(wanted.dns_names)), f"it is for {seen.dns_names}, agreed {wanted.dns_names}"
    assert seen.uris == tuple(sorted(wanted.uris)), f"it carries {seen.uris}, agreed {wanted.uris}"
    assert seen.usages == wanted.usages, f"extended key usages {seen.usages}, agreed {wanted.usages}"
    assert seen.curve == "secp256r1", f"the key is {seen.curve or 'not on an elliptic curve'}, should be on P-256"
    assert not seen.certificate_authority, "it could issue certificates itself"
    hours = (seen.not_after - seen.not_before).total_seconds() / 3600
    assert seen.not_before <= datetime.now(UTC) < seen.not_after, f"valid from {seen.not_before} to {seen.not_after}"
    assert hours <= wanted.ttl_hours + 1, f"valid for {hours:.0f} hours, agreed are {wanted.ttl_hours}"


def test_a_host_name_that_nobody_has_gets_no_page(answers, page, opened):
    _, app, machine = opened
    if page.stage != "answered":
        raise InconclusiveError(f"not even the right name is answered: {page}")
    found = answers[machine.id].pages[f"{app.id}/nobody"]
    assert found.stage == "refused", f"a handshake for another name should be broken off; got {found}"


def test_the_gateway_of_the_city_serves_the_page_of_the_unit(answers, app, tenancy):
    found = answers["gateway"][f"{app[1].id}/own"]
    if found.stage == "unreachable":
        raise InconclusiveError(f"the gateway doesn't answer: {found.detail}")
    assert (found.stage, found.status) == ("answered", 200), f"https://{app[1].host}/ answers {found}"
    assert tenancy.unit.name in html.unescape(found.text), f"https://{app[1].host}/ doesn't name {tenancy.unit.name}"


def test_a_request_without_tls_is_sent_to_https(answers, app):
    found = answers["gateway"][f"{app[1].id}/plain"]
    if found.stage == "unreachable":
        raise InconclusiveError(f"the gateway doesn't answer without TLS: {found.detail}")
    assert found.status in {301, 308}, f"http://{app[1].host}/ should redirect; got {found}"
    assert found.headers.get("location") == f"https://{app[1].host}/", f"it leads to {found.headers.get('location')}"
