"""A unit's page as people meet it: on a phone, at a desk, by day and night, by eye, keyboard and screen reader."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from playwright.sync_api import Error, expect

from donvi.site import render
from tests.browser import axe, chromium, serving
from tests.support.ca import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Playwright, Route

    from tests.browser.serving import Served

LAYOUT = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")
MISSING = "khong-co/trang-nay"


class Device(NamedTuple):
    """What somebody holds or sits at."""

    name: str
    width: int
    height: int
    scale: int
    touch: bool


PHONE = Device("phone", 360, 740, 3, touch=True)
DESKTOP = Device("desktop", 1440, 900, 1, touch=False)
DEVICES = pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=lambda device: device.name)
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@contextmanager
def opened(browser: Browser, site: Served, device: Device, path: str = "", **more: Any) -> Iterator[Page]:
    """Open a page of the site on a device."""
    context = browser.new_context(
        viewport={"width": device.width, "height": device.height},
        device_scale_factor=device.scale,
        has_touch=device.touch,
        is_mobile=device.touch,
        locale="vi-VN",
        **more,
    )
    try:
        page = context.new_page()
        page.goto(site.url + path)
        yield page
    finally:
        context.close()


@DEVICES
@SCHEMES
def test_axe_finds_nothing_and_the_page_is_kept_as_a_picture(
    browser: Browser, site: Served, device: Device, scheme: str, reports: Path
) -> None:
    with opened(browser, site, device, color_scheme=scheme) as page:
        page.screenshot(path=reports / f"{site.page.code}-{device.name}-{scheme}.png", full_page=True)
        assert axe.findings(page) == {}
        assert page.evaluate(LAYOUT) == []


def test_axe_would_find_what_is_wrong(browser: Browser, site: Served) -> None:
    """The control: the same page, spoilt, is refused by the same engine."""
    with opened(browser, site, PHONE) as page:
        page.evaluate("""() => {
            document.documentElement.removeAttribute("lang");
            document.querySelector(".panel p").style.color = "#ccc";
            document.querySelector(".emblem").removeAttribute("alt");
            document.querySelector("h2").outerHTML = "<h5>Giờ</h5>";
        }""")
        assert set(axe.findings(page)) >= {"html-has-lang", "color-contrast", "image-alt", "heading-order"}


def test_the_layout_check_would_find_what_is_wrong(browser: Browser, site: Served) -> None:
    with opened(browser, site, PHONE) as page:
        page.evaluate("""() => {
            document.querySelector("h1").style.whiteSpace = "nowrap";
            document.querySelector(".tagline").style.marginTop = "-2rem";
            Object.assign(document.querySelector(".panel p").style, {height: "1em", overflow: "hidden"});
        }""")
        found = "\n".join(page.evaluate(LAYOUT))
    for sign in ("sideways", "on one another", "cropped"):
        assert sign in found


@DEVICES
def test_the_page_that_is_not_there_is_a_page_too(
    browser: Browser, site: Served, device: Device, reports: Path
) -> None:
    with opened(browser, site, device) as page:
        answer = page.goto(site.url + MISSING)
        assert answer
        assert answer.status == 404
        page.screenshot(path=reports / f"{site.page.code}-{device.name}-404.png")
        assert axe.findings(page) == {}
        assert page.evaluate(LAYOUT) == []
        page.get_by_role("link", name="Về trang chính").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Ủy ban nhân dân")


@pytest.mark.parametrize("width", [320, 360, 480, 600, 768, 900, 1024, 1920])
def test_nothing_is_cropped_at_any_width(browser: Browser, site: Served, width: int) -> None:
    """320 is also a desktop of 1280 at 400 %, as WCAG 1.4.10 asks."""
    with opened(browser, site, Device("any", width, 800, 1, touch=False)) as page:
        assert page.evaluate(LAYOUT) == []


@pytest.mark.parametrize("longest", ["name", "address", "host"])
def test_the_longest_texts_of_all_units_fit(browser: Browser, longest: str) -> None:
    """Rendered here and given to the browser as they are: no server has every unit's page."""
    said = max(serving.every_page(), key=lambda page: len(getattr(page, longest)))
    files = render(said)
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.route("**/*", lambda route: _fulfil(route, files))
    page = context.new_page()
    for width in (320, 360, 1440):
        page.set_viewport_size({"width": width, "height": 640})
        page.goto(f"https://{said.host}/index.html")
        expect(page.get_by_role("heading", level=1)).to_contain_text(said.name[1:])
        assert page.evaluate(LAYOUT) == []
    context.close()


def _fulfil(route: Route, files: dict[str, str]) -> None:
    name = route.request.url.rsplit("/", 1)[1]
    kind = {"html": "text/html; charset=utf-8", "css": "text/css", "svg": "image/svg+xml"}[name.rsplit(".", 1)[1]]
    route.fulfill(body=files[name], content_type=kind)


def test_wider_spacing_of_letters_and_lines_crops_nothing(browser: Browser, site: Served) -> None:
    """WCAG 1.4.12, with its figures."""
    with opened(browser, site, PHONE) as page:
        page.evaluate("""() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
                word-spacing: 0.16em !important } p { margin-bottom: 2em !important }`);
            document.adoptedStyleSheets = [sheet];
        }""")
        assert page.evaluate(LAYOUT) == []


@pytest.mark.parametrize(("width", "percent"), [(1280, 200), (768, 200), (360, 200)])
def test_larger_letters_crop_nothing(browser: Browser, site: Served, width: int, percent: int) -> None:
    """WCAG 1.4.4: the reader's own letter size."""
    with opened(browser, site, Device("any", width, 800, 1, touch=False)) as page:
        size = 16 * percent // 100
        page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": size}})
        page.reload()
        assert page.evaluate("() => getComputedStyle(document.body).fontSize") == f"{size}px"
        assert page.evaluate(LAYOUT) == []


def test_the_keyboard_skips_to_the_content_and_always_shows_where_it_is(browser: Browser, site: Served) -> None:
    with opened(browser, site, DESKTOP) as page:
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Đến nội dung chính")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()
        links = page.get_by_role("main").get_by_role("link")
        for index in range(links.count()):
            page.keyboard.press("Tab")
            expect(links.nth(index)).to_be_focused()
            outline = links.nth(index).evaluate("link => getComputedStyle(link).outlineWidth")
            assert outline == "3px"


def test_a_screen_reader_finds_the_parts_by_name(browser: Browser, site: Served) -> None:
    with opened(browser, site, PHONE) as page:
        expect(page.get_by_role("banner")).to_be_visible()
        expect(page.get_by_role("contentinfo")).to_be_visible()
        expect(page.get_by_role("navigation", name="Các phần của trang")).to_be_visible()
        parts = ["Trung tâm Phục vụ hành chính công", "Liên hệ Ủy ban nhân dân", "Dịch vụ và hỗ trợ", "Về đơn vị"]
        for name in parts:
            expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        hours = page.get_by_role("table", name="Giờ tiếp nhận và trả kết quả hồ sơ")
        expect(hours.get_by_role("rowheader")).to_have_count(3)
        expect(page).to_have_title("Ủy ban nhân dân phường Vũng Tàu – Thành phố Hồ Chí Minh")


def test_nothing_is_asked_of_anybody_else_and_nothing_is_refused(browser: Browser, site: Served) -> None:
    """Every request goes to the unit's host; the server's policy, which forbids scripts, is in force and never hit."""
    with opened(browser, site, DESKTOP) as page:
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        answer = page.reload(wait_until="networkidle")
        assert answer
        assert {url.removeprefix(site.url) for url in asked} >= {"", "style.css", "favicon.svg"}
        assert all(url.startswith(site.url) for url in asked)
        assert said == []
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page.evaluate("() => { const s = document.createElement('script'); s.text = 'x = 1'; document.body.append(s) }")
        assert any("Content Security Policy" in text for text in said), "the policy lets a script run"


def test_the_connection_is_verified_and_the_certificate_is_the_units(browser: Browser, site: Served) -> None:
    with opened(browser, site, DESKTOP) as page:
        answer = page.reload()
        assert answer
        details = answer.security_details()
        assert details
        assert details["protocol"] == "TLS 1.3"
        assert answer.server_addr()
        with pytest.raises(Error, match=r"ERR_(CERT_COMMON_NAME_INVALID|CONNECTION|SSL)"):
            page.goto("https://www.another.tphcm.test/")


def test_a_browser_that_trusts_another_root_refuses_the_page(
    playwright: Playwright, site: Served, tmp_path: Path
) -> None:
    with (
        chromium.browser(playwright, tmp_path, site, root=Authority("Another root").pem) as stranger,
        pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"),
        opened(stranger, site, DESKTOP),
    ):
        pass


def test_on_paper_the_page_is_black_on_white_and_has_no_navigation(browser: Browser, site: Served) -> None:
    with opened(browser, site, DESKTOP, color_scheme="dark") as page:
        page.emulate_media(media="print")
        expect(page.get_by_role("navigation")).to_be_hidden()
        colours = page.evaluate("() => ['body', '.band', '.panel'].map(s => getComputedStyle("
                                "document.querySelector(s)).backgroundColor)")  # fmt: skip
        assert set(colours) == {"rgb(255, 255, 255)"}
        assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
