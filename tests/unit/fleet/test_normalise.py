"""A unit's own values leave a text, nobody else's do, and nothing is lost."""

from __future__ import annotations

import json
import re
from functools import cache
from ipaddress import ip_network
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from donvi.fleet.normalise import Normaliser, Normalisers, own_values
from donvi.registry import load_city
from donvi.registry.text import fold
from donvi.site import render
from donvi.tenancy import describe
from donvi.tenancy.machines import unit_machines
from donvi.tenancy.names import stack

if TYPE_CHECKING:
    from donvi.registry import City

PILOTS = ("25747", "26506", "26740")


@cache
def known() -> City:
    return load_city(Path(__file__).parents[3] / "city")


@cache
def normalisers() -> Normalisers:
    return Normalisers(known())


def normaliser(code: str) -> Normaliser:
    return normalisers().of(stack(known().allotments[code]))


def restored(code: str, normal: str) -> str:
    """The text whose normal form this is: proof that the form keeps everything."""
    tenancy = describe(known(), code)
    values = {label: text for text, label in normaliser(code).labels.items()}
    networks = {f"{one.id.removeprefix('main/')}.": (one.ipv4, one.ipv6) for one in tenancy.segments}
    networks[""] = (tenancy.unit.ipv4, tenancy.unit.ipv6)

    def back(match: re.Match[str]) -> str:
        label = match[1]
        if not label:
            return "‹"
        if label in values:
            return values[label]
        if label.startswith("uid+"):
            return str(tenancy.unit.uid_first + int(label[4:]))
        place, _, offset = label.partition("+")
        network = ip_network(networks[place[: -len("ipv4")]][place.endswith("6")])
        return str(network.network_address + int(offset)) if offset else str(network)

    return re.sub("‹(?:‹›|([^‹›]*)›)", lambda match: back(match) if match[1] is not None else "‹", normal)


def pieces() -> st.SearchStrategy[str]:
    """Values of units that resemble each other, addresses in and out of their prefixes, what stands between."""
    alike = [
        code for code, unit in known().units.items() if fold(unit.name).split()[1:2] in (["an"], ["thanh"], ["vung"])
    ]
    values = [own.text for code in (*alike[:8], *PILOTS) for own in own_values(known(), code)]
    addresses = [known().allotments[code].ipv4.partition("/")[0] for code in PILOTS]
    near = [address.rpartition(".")[0] + tail for address in addresses for tail in (".7", ".70", ".7/32", ".0/24")]
    six = ["fd9b:7a3c:2900:3400::1", "fd9b:7a3c:2900:3400::/64", "fd9b:7a3c:2900:3400:0::1", "fd9b:7a3c:2900:1000::/56"]
    between = [
        " ",
        "",
        "-",
        ".",
        "/",
        "@",
        ":",
        ",",
        "\n",
        "_",
        "‹",
        "›",
        "‹code›",
        "x",
        "7",
        "<dd>",
        "</dd>",
        "Địa bàn ",
    ]
    return st.one_of(
        st.sampled_from([*values, *near, *six, "2036004", "2036999"]), st.sampled_from(between), st.text(max_size=3)
    )


@given(code=st.sampled_from(PILOTS), parts=st.lists(pieces(), max_size=9))
def test_nothing_is_lost_whatever_the_text(code: str, parts: list[str]) -> None:
    text = "".join(parts)
    assert restored(code, normaliser(code).text(text)) == text


def test_two_values_of_a_unit_never_look_the_same(city: City) -> None:
    for code, numbers in city.allotments.items():
        labels = list(normalisers().of(stack(numbers)).labels.values())
        assert len(labels) == len(set(labels)), code


def test_machines_of_all_units_are_configured_alike(city: City) -> None:
    forms = {
        json.dumps(normaliser(code).value(msgspec.to_builtins(unit_machines(describe(city, code)))), sort_keys=True)
        for code in city.units
    }
    assert len(forms) == 1


def test_pages_differ_by_the_counter_hours_and_nothing_else(city: City) -> None:
    hours: dict[str, set[str]] = {}
    for code in city.units:
        (app,) = (app for app in describe(city, code).apps if app.page)
        assert app.page is not None
        form = json.dumps(normaliser(code).value(render(app.page)), sort_keys=True)
        hours.setdefault(form, set()).add(city.contacts.units[code].schedule)
    assert len(hours) == len({schedule for found in hours.values() for schedule in found})
    assert all(len(found) == 1 for found in hours.values())


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("ou=26506,ou=units", "ou=‹code›,ou=units"),
        ("urn:pulumi:26506-vung-tau::donvi::x", "urn:pulumi:‹stack›::donvi::x"),
        ("chain unit_26506_denied { iifname u26506", "chain unit_‹code›_denied { iifname ‹router.interface›"),
        ("gw-26506.mgmt", "gw-‹code›.mgmt"),
        ("an.nguyen-van@vung-tau.tphcm.test", "‹chairperson.1.login›@‹domain›"),
        ("an.nguyen-van2@vung-tau.tphcm.test", "‹counter-officer.1.login›@‹domain›"),
        ("an.nguyen-van9@vung-tau.tphcm.test", "an.nguyen-van9@‹domain›"),
        ("10.3.64.0/20", "‹ipv4›"),
        ("10.3.64.0/24", "‹office.ipv4›"),
        ("10.3.64.1", "‹office.ipv4+1›"),
        ("10.3.70.9", "‹ipv4+1545›"),
        ("fd9b:7a3c:2900:3400::1", "‹office.ipv6+1›"),
        ("10.3.80.1 fd9b:7a3c:2900:3500::1", "10.3.80.1 fd9b:7a3c:2900:3500::1"),
        ("2036004 2036901 2037001", "‹clerk.1.uid› ‹uid+901› 2037001"),
        ("1265061 12.26506", "1265061 12.‹code›"),
        ("Ủy ban nhân dân phường Vũng Tàu", "Ủy ban nhân dân ‹name, small›"),
        ("tel:+842540026506, (0254) 002 6506", "tel:‹phone, dialled›, ‹phone, national›"),
        ("H29.1037 H29.10370", None),
        ("a ‹code› b", "a ‹‹›code› b"),
    ],
)
def test_what_is_a_unit_s_own(text: str, normal: str | None) -> None:
    if normal is None:
        own = known().allotments["26506"].identification
        text, normal = f"{own} {own}0", f"‹identification› {own}0"
    assert normaliser("26506").text(text) == normal


def test_a_neighbour_whose_name_begins_alike_is_left_alone(city: City) -> None:
    pairs = [
        (short, long)
        for short, one in city.units.items()
        for long, other in city.units.items()
        if short != long and one.name in other.name
    ]
    assert pairs, "the real list holds such names"
    for short, long in pairs:
        other = city.units[long].name
        told = f"{other}, www.{describe(city, long).unit.domain}, {fold(other)}"
        assert normaliser(short).text(told) == told


def test_what_says_only_when_is_set_aside_and_what_isn_t_known_stays() -> None:
    own = normaliser("26506")
    kind = "donvi:pki:Certificate"
    assert own.value("0fa465c2", kind, "serial") == "‹serial›"
    assert own.value("[unknown]", kind, "serial") == "[unknown]"
    assert own.value({"a": "2026-11-24T18:13:39Z"}, "donvi:verify:Verification", "depends") == {"a": "‹a›"}
    assert own.value("b0d4", "donvi:dns:RecordSet", "digest") == "b0d4"
    assert (
        own.value("registry/site@sha256:c24b", "kubernetes:apps/v1:Deployment", "image") == "registry/site@sha256:c24b"
    )
    assert own.name("unit-26506-public/web-portal-page-0123456789", "kubernetes:core/v1:ConfigMap").endswith(
        "-‹contents›"
    )


def test_of_two_people_of_one_name_a_resource_means_the_one_it_names() -> None:
    own = normaliser("26506")
    assert own.text("Nguyễn Văn An") == "‹chairperson.1.name›"
    about = own.about("urn:pulumi:26506-vung-tau::donvi::donvi:directory:Account::cb-265006")
    assert about.text("Nguyễn Văn An") == "‹civil-status-officer.1.name›"
    assert own.about("urn:pulumi:s::donvi::t::cb-2650061").text("Nguyễn Văn An") == "‹chairperson.1.name›"


def test_a_sorted_list_is_sorted_again_and_two_lists_never_look_the_same() -> None:
    own = normaliser("26506")
    sorted_ = ["an.nguyen-van@vung-tau.tphcm.test", "ha.tran-thi-thu@vung-tau.tphcm.test", "zz@vung-tau.tphcm.test"]
    forms = [json.dumps(own.value([sorted_[n] for n in order])) for order in permutations(range(3))]
    assert len(set(forms)) == 6
    assert own.value(sorted_) == sorted(own.text(one) for one in sorted_)
    assert own.value([1, "b", "a"]) == [1, "b", "a"]
