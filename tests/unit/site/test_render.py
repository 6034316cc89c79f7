"""What a unit's web site says, to whom, and that nothing but the page can come of it."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict, replace

from donvi.site import render
from donvi.tenancy.model import SitePlace
from tests.unit.site.reading import Reading

if TYPE_CHECKING:
    from donvi.registry import City
    from donvi.tenancy.model import SitePage

Sites = dict[str, dict[str, str]]


def test_a_site_is_four_files(sites: Sites) -> None:
    assert all(list(files) == ["404.html", "favicon.svg", "index.html", "style.css"] for files in sites.values())


def test_every_unit_has_its_own_page(sites: Sites, city: City) -> None:
    for code, unit in city.units.items():
        text = Reading(sites[code]["index.html"]).text
        assert unit.name in text
        assert f"Ủy ban nhân dân {unit.kind} " in text
        assert city.allotments[code].identification in text
        assert city.contacts.units[code].address in text


def test_no_page_speaks_of_another_unit(sites: Sites, city: City) -> None:
    """Names may be part of streets and of each other; host names, codes and numbers may not."""
    for code, files in sites.items():
        page = files["index.html"]
        own = city.allotments[code]
        assert set(re.findall(r"([a-z0-9-]+)\.tphcm\.test", page)) == {own.slug}
        assert set(re.findall(r"\bH29\.\d+", page)) == {own.identification}
        assert set(re.findall(r"\b2[5-7]\d{3}\b", page)) <= {code}


def test_two_units_with_almost_one_name_have_pages_of_their_own(sites: Sites) -> None:
    assert "xã Thanh An" in sites["25807"]["index.html"]
    assert "xã Thạnh An" in sites["27676"]["index.html"]
    assert "Thạnh An" not in sites["25807"]["index.html"]
    assert "Thanh An" not in sites["27676"]["index.html"]


def test_pages_are_well_formed_vietnamese(sites: Sites) -> None:
    for files in sites.values():
        for name in ("index.html", "404.html"):
            page = files[name]
            assert unicodedata.is_normalized("NFC", page)
            assert page.startswith('<!doctype html>\n<html lang="vi">')
            reading = Reading(page)
            ids = reading.attributes("id")
            assert len(ids) == len(set(ids))
            inside = [target[1:] for target in reading.attributes("href") if target.startswith("#")]
            assert set(inside) | set(reading.attributes("aria-labelledby")) <= set(ids)
            assert len(reading.all("h1")) == len(reading.all("main")) == len(reading.all("header")) == 1


def test_the_same_data_gives_the_same_bytes_in_another_process(index: str) -> None:
    program = (
        "import sys; from donvi.registry import load_city; from donvi.tenancy import describe;"
        "from donvi.tenancy.site import site_page; from donvi.site import render;"
        "city = load_city(); facts = describe(city, '26506').unit;"
        "sys.stdout.write(render(site_page(city, facts, f'www.{facts.domain}'))['index.html'])"
    )
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert again.stdout.decode() == index


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(sites: Sites) -> None:
    for files in sites.values():
        for name in ("index.html", "404.html"):
            reading = Reading(files[name])
            assert not [e for e in reading.elements if e.tag in {"script", "style", "iframe", "object", "form", "base"}]
            assert not [n for e in reading.elements for n in e.attributes if n == "style" or n.startswith("on")]
            loaded = reading.attributes("src") + [
                link.attributes["href"]
                for link in reading.all("link")
                if link.attributes.get("rel") in {"icon", "stylesheet"}
            ]
            assert loaded
            assert {target[1:] for target in loaded} <= set(files)
        assert not re.search(r"url\(|@import|expression", files["style.css"])


def test_links_lead_to_telephones_mail_and_encrypted_sites_only(sites: Sites) -> None:
    for files in sites.values():
        targets = [link.attributes["href"] for link in Reading(files["index.html"]).all("a")]
        assert {target.split(":")[0] for target in targets if not target.startswith("#")} == {"https", "mailto", "tel"}
        assert not [target for target in targets if re.search(r"[\s<>\"']", target)]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt; &amp; <!-- --> ]]>",
        "</title></h1></main>",
    ],
)
def test_hostile_data_stays_text(page: SitePage, hostile: str) -> None:
    words = [name for name, value in asdict(page).items() if isinstance(value, str) and name not in {"phone", "host"}]
    place = SitePlace(title=hostile, text=hostile, mail="a@b.test")
    link = replace(page.links[0], title=hostile, text=hostile)
    spoilt = replace(page, office=place, counter=place, hotline=link, links=(link,), **dict.fromkeys(words, hostile))
    files = render(spoilt)
    honest = render(page)
    for name in ("index.html", "404.html"):
        reading = Reading(files[name])
        assert {element.tag for element in reading.elements} == {e.tag for e in Reading(honest[name]).elements}
        assert not [n for element in reading.elements for n in element.attributes if n.startswith("on")]
    assert hostile in Reading(files["index.html"]).text


def test_what_was_made_up_is_said_and_nothing_else(page: SitePage, index: str) -> None:
    assert "Dữ liệu giả lập, chưa có nguồn chính thức: địa chỉ, số điện thoại, giờ làm việc." in Reading(index).text
    sourced = render(replace(page, synthetic=("hours",)))["index.html"]
    assert "chưa có nguồn chính thức: giờ làm việc." in Reading(sourced).text
    assert "giả lập" not in render(replace(page, synthetic=()))["index.html"]


def test_hours_are_a_table_that_a_search_engine_reads_too(index: str) -> None:
    text = Reading(index).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Thứ Hai – Thứ Sáu 07:30–11:30 13:00–17:00 Thứ Bảy 07:30–11:30 Nghỉ Chủ nhật Nghỉ" in text
    assert Reading(index).attributes("itemprop").count("opens") == 3
    assert "https://schema.org/GovernmentOffice" in Reading(index).attributes("itemtype")


def test_telephone_and_mail_can_be_used_at_a_touch(index: str) -> None:
    targets = Reading(index).attributes("href")
    assert {"tel:+842540026506", "tel:1022"} <= set(targets)
    assert {"mailto:ubnd@vung-tau.tphcm.test", "mailto:motcua@vung-tau.tphcm.test"} <= set(targets)
    assert "(0254) 002 6506" in Reading(index).text


def test_style_and_pages_know_the_same_classes(sites: Sites) -> None:
    files = sites["26506"]
    styled = set(re.findall(r"\.([a-z][a-z-]*)(?=[^{}]*\{)", files["style.css"]))
    used = {
        word
        for name in ("index.html", "404.html")
        for value in Reading(files[name]).attributes("class")
        for word in value.split()
    }
    assert styled <= used, f"styled but in no page: {styled - used}"


def test_a_site_fits_a_config_map_many_times(sites: Sites) -> None:
    assert max(sum(len(text.encode()) for text in files.values()) for files in sites.values()) < 32 * 1024
