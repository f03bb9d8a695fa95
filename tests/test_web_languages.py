"""Pages speak the reader's language, and to strangers the one that their browser asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from digest.compose.words import FOLDER
from digest.web.languages import LANGUAGES, preferred
from tests.web_site import Site, hidden, site

ADA = "ada@example.org"
GERMAN = {"Accept-Language": "de-CH, de;q=0.9, en;q=0.5"}


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    """Ada reads German, has a digest, and has said something of a paper."""
    with site(tmp_path, operator_token="a long token") as opened:
        opened.subscribe(ADA, language="de")
        opened.run()
        opened.post(opened.feedback("Mehr davon"), {"word": "more"})
        opened.post(opened.feedback("Mehr davon"), {"word": "save"})
        yield opened


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("DE", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr, de;q=0.5, en;q=0.4", "de"),
        ("en;q=0.4, de;q=0.5", "de"),
        ("de;q=0", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        ("de;q=nan, ;;;q=,=," + "x" * 5000, "en"),
    ],
)
def test_the_browser_s_languages_are_weighed(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_there_is_a_catalog_for_each_language_of_the_form() -> None:
    assert {code for code, _ in LANGUAGES} == {"en", *(path.stem for path in FOLDER.glob("*.po"))}


def test_a_stranger_reads_the_browser_s_language_and_is_offered_mail_in_it(pages: Site) -> None:
    german, english = pages.get("/", **GERMAN), pages.get("/")
    assert "Woran du arbeitest" in german.text
    assert '<option value="de" selected>' in german.text
    assert (german.headers["content-language"], english.headers["content-language"]) == ("de", "en")
    assert '<html lang="de"' in german.text
    assert '<option value="en" selected>' in english.text
    assert pages.get("/trending", **GERMAN).headers["vary"] == "Accept-Language", "caches keep them apart"


def test_a_reader_s_pages_are_in_the_language_of_their_mail_whatever_the_browser_says(pages: Site) -> None:
    for purpose in ("preferences", "unsubscribe", "issue"):
        answer = pages.get(pages.link(purpose), **{"Accept-Language": "en"})
        assert answer.headers["content-language"] == "de", purpose


def test_a_confirmation_is_read_in_the_language_that_was_asked_for(pages: Site) -> None:
    pages.sign_up("bo@example.org", language="de")
    assert "Ja, los geht’s" in pages.get(pages.link("confirm", "bo@example.org")).text


def test_the_operator_s_page_is_english_throughout(pages: Site) -> None:
    answer = pages.client.get("/operator", auth=("anybody", "a long token"), headers=GERMAN)
    assert '<html lang="en"' in answer.text
    assert "Datenschutz" not in answer.text


def test_consent_is_kept_in_the_words_that_were_read(pages: Site) -> None:
    stamp = hidden(pages.get("/", **GERMAN).text, "stamp")
    pages.clock.forward(seconds=5)
    pages.post("/subscribe", {"email": "bo@example.org", "day": "mon", "stamp": stamp}, **GERMAN)
    pages.post_letters()
    pages.post(pages.link("confirm", "bo@example.org"))
    person = pages.desk.parts.store.subscribers.get("bo@example.org")
    assert person
    assert pages.desk.parts.store.readers.consents(person.id)[0]["wording"].startswith("Schickt mir")


def test_no_german_page_says_anything_in_english(pages: Site) -> None:
    with (FOLDER / "de.po").open("rb") as file:
        english = [m.id for m in read_po(file) if isinstance(m.id, str) and m.id != m.string and len(m.id) > 8]
    pieces = {piece for text in english for piece in re.split(r"%\(\w+\)s|<[^>]*>", text) if len(piece) > 8}
    assert len(pieces) > 200
    for name, text in every_text(pages):
        said = " ".join(re.sub(r"<[^>]*>", "\n", unescape(text)).split())
        said += " ".join(re.findall(r'(?:aria-label|placeholder|title)="([^"]*)"', unescape(text)))
        assert 'lang="de"' in text, name
        assert not [piece for piece in pieces if piece.strip() in said and piece not in PAPERS], name


PAPERS = {"theory of mind in language models"}
"""What papers are about is said in their language."""


def every_text(pages: Site) -> Iterator[tuple[str, str]]:
    links, token, now = pages.desk.links, pages.desk.tokens_of(ADA)[0], pages.clock.now
    archive, preferences = links.archive(token), links.preferences(token, now)
    for path in ("/", "/trending", "/privacy", "/link", "/nowhere", archive, f"{archive}/saved", preferences):
        yield path, pages.get(path, **GERMAN).text
    for path in (links.webview(token, now.date()), links.unsubscribe(token), links.not_me(token)):
        yield path, pages.get(path, **GERMAN).text
    for word in ("less", "none", "unsave", "save", "more"):
        yield word, pages.post(pages.feedback("Mehr davon"), {"word": word}, **GERMAN).text
    hide = pages.feedback("Person ausblenden")
    author = hidden(pages.get(hide).text, "hide")
    yield "hide", pages.get(hide).text
    yield "hidden", pages.post(hide, {"hide": author}).text
    yield "shown", pages.post(hide, {"show": author}).text
    for done in ("saved", "paused", "resumed", "mailed", "undone", "pause"):
        yield done, pages.get(f"{preferences}?done={done}").text
    wrong = {
        "email": "x",
        "zone": "x",
        "at": "x",
        "papers": "x",
        "categories": "!",
        "topic": "x" * 300,
        "language": "x",
    }
    for path in (
        "/subscribe",
        "/preview",
        "/preview/part",
        preferences,
        f"{preferences}/preview",
        f"{preferences}/erase",
    ):
        text = pages.post(path, wrong, **GERMAN).text
        yield f"{path}, wrong", text if "<html" in text else f'<html lang="de">{text}'
    stamp = pages.desk.seal.stamp("sign-up", now)
    pages.clock.forward(seconds=5)
    yield "sent", pages.post("/subscribe", {"email": ADA, "day": "mon", "stamp": stamp}, **GERMAN).text
    yield "foreign", pages.client.post("/subscribe", headers={"Origin": "https://evil.example", **GERMAN}).text
    yield "large", pages.post("/subscribe", {"topic": "x" * 70_000}, **GERMAN).text
    yield "method", pages.client.put("/", headers=GERMAN).text
    left = pages.post(links.unsubscribe(token), {"page": "1"}).text
    yield "left", left
    back = {"receipt": hidden(left, "receipt"), "choice": "weekly"}
    yield "back", pages.post(f"{links.unsubscribe(token)}/back", back).text
    yield "erased", pages.post(f"{preferences}/erase", {"sure": "1", "never": "1"}).text
    yield "noted", pages.post(links.not_me(token), {}, **GERMAN).text
