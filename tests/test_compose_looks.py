"""How a digest looks: contrast by WCAG 2.2 (1.4.3), structure, and what a browser makes of it at three widths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import pairwise
from typing import Any

import html5lib
import pytest

from digest.compose import Links, Site, Writer, template_folder
from tests.compose_days import DAYS, READER
from tests.make import NOON

URL = "https://digest.example.org"
SITE = Site("Paper Digest <digest@example.org>", public_url=URL)
WRITER = Writer([template_folder()], SITE, Links(URL, ["k" * 32]))
BASE = template_folder() / "mail" / "_base"
OTHER_MAILS = ("confirm", "welcome", "preferences", "goodbye")
Palette = dict[str, dict[str, str]]


def luminance(color: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palette(css: str) -> Palette:
    """For each class its color, background-color and border color."""
    found: Palette = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        for name in re.findall(r"\.([a-z-]+)", selectors):
            mine = found.setdefault(name, {})
            for rule, value in re.findall(r"([a-z-]+):[^;]*?(#[0-9a-f]{6})", body):
                mine["border" if rule.startswith("border") else rule] = value
    return found


LIGHT = palette((BASE / "style.css").read_text())
NIGHT = palette((BASE / "media.css").read_text().partition("(prefers-color-scheme: dark) {")[2])


def test_every_colour_has_its_night() -> None:
    """A colour that is inlined and forgotten in the media query is dark on dark."""
    for name, colors in LIGHT.items():
        assert set(colors) <= set(NIGHT.get(name, {})), f".{name}"


@pytest.mark.parametrize("name", [name for name, colors in LIGHT.items() if "color" in colors])
@pytest.mark.parametrize("scheme", ["light", "night"])
def test_text_stands_out_from_what_is_behind_it(name: str, scheme: str) -> None:
    colors = LIGHT if scheme == "light" else NIGHT
    behind = colors[name].get("background-color") or colors["sheet"]["background-color"]
    assert contrast(colors[name]["color"], behind) >= 4.5


def inverted(color: str) -> str:
    """*color* as programs show it that turn light mails dark whatever these say of themselves."""
    return "#" + "".join(f"{255 - int(color[i : i + 2], 16):02x}" for i in (1, 3, 5))


@pytest.mark.parametrize("name", [name for name, colors in LIGHT.items() if "color" in colors])
def test_text_stands_out_where_colours_are_inverted_by_force(name: str) -> None:
    behind = LIGHT[name].get("background-color") or LIGHT["sheet"]["background-color"]
    assert contrast(inverted(LIGHT[name]["color"]), inverted(behind)) >= 4.5


def every_html() -> Iterator[tuple[str, str]]:
    for day, make in DAYS.items():
        yield day, WRITER.write(make()).html
    for kind in OTHER_MAILS:
        *_, html = message_from_bytes(WRITER.mail(kind, READER, at=NOON).data, policy=default).walk()
        assert isinstance(html, EmailMessage)
        yield kind, html.get_content()


def with_thumbnails() -> str:
    """A full day with a preview image in each card."""
    day = DAYS["full"]()
    picks = [replace(p, paper=replace(p.paper, thumbnail_url="https://cdn.example.org/t.png")) for p in day.picks]
    writer = Writer([template_folder()], replace(SITE, thumbnails=True), Links(URL, ["k" * 32]))
    return writer.write(replace(day, picks=tuple(picks))).html


@pytest.mark.parametrize("name", [*DAYS, *OTHER_MAILS])
def test_a_screen_reader_finds_its_way(name: str) -> None:
    html = dict(every_html())[name]
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html)
    assert document.get("lang") == "en"
    assert len(list(document.iter("h1"))) == 1
    levels = [int(e.tag[1]) for e in document.iter() if isinstance(e.tag, str) and re.fullmatch("h[1-6]", e.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels)), "no level is skipped"
    assert all(table.get("role") == "presentation" for table in document.iter("table"))
    assert all(image.get("alt") for image in document.iter("img"))
    for link in document.iter("a"):
        said = "".join(link.itertext()).strip()
        assert len(said) >= 3
        assert said.lower() not in {"here", "click here", "link", "more", "read more"}
    assert "".join(document.find("head").findtext("title")).strip()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


MEASURE = """() => {
  const seen = (e) => { const b = e.getBoundingClientRect(); return b.width > 1 && b.height > 1; };
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const texts = [...document.querySelectorAll('body *')].filter(
    (e) => seen(e) && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return {
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    small: [...document.querySelectorAll('a.act, a.vote, a.out, a.button')].filter(
      (e) => e.getBoundingClientRect().height < 44).map((e) => e.textContent),
    colors: texts.map((e) => [e.textContent.slice(0, 30), rgb(getComputedStyle(e).color).slice(0, 3), behind(e)]),
  };
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("columns", [320, 375, 640])
def test_a_browser_shows_it_whole_legible_and_within_reach_of_a_thumb(chromium: Any, columns: int, scheme: str) -> None:
    page = chromium.new_page(viewport={"width": columns, "height": 800}, color_scheme=scheme)
    for name, html in every_html():
        page.set_content(html)
        found = page.evaluate(MEASURE)
        assert found["overflow"] <= 0, f"{name}: wider than the window"
        assert found["small"] == [], f"{name}: links under 44 px"
        for text, color, behind in found["colors"]:
            ratio = contrast(*("#" + "".join(f"{part:02x}" for part in each) for each in (color, behind)))
            assert ratio >= 4.5, f"{name}: {text!r} has {ratio:.2f}"
    page.close()


@pytest.mark.browser
def test_a_blocked_thumbnail_is_one_line_of_text_and_no_hole(chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 375, "height": 800})
    page.route("**/*", lambda route: route.abort())
    page.set_content(with_thumbnails())
    heights = page.evaluate("[...document.images].map((e) => e.getBoundingClientRect().height)")
    assert heights
    assert max(heights) <= 24
    page.close()


@pytest.mark.browser
def test_it_asks_for_nothing_from_the_network(chromium: Any) -> None:
    """No pixel, no font, no style sheet: reading leaves no trace."""
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _, html in every_html():
        page.set_content(html)
    assert asked == []
    page.close()
