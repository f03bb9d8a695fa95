"""Mail that cannot break: whatever a source, a reader or an upstream writes, the message stays sound."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import date
from email.message import EmailMessage

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.compose import Links, Site, Writer, template_folder
from digest.compose.page import BUDGET
from digest.models import Digest, Reason, ReasonKind, Section, Signal, SourceStatus
from tests.compose_days import DAYS
from tests.make import NOON, a_digest, a_paper, a_pick, a_subscriber

URL = "https://digest.example.org"
LINKS = Links(URL, ["k" * 32])
SITE = Site("Paper Digest <digest@example.org>", public_url=URL, thumbnails=True)
WRITERS = {web: Writer([template_folder()], replace(SITE, web=web), LINKS) for web in (True, False)}
HEADERS = {
    *("date", "from", "to", "subject", "message-id", "content-language", "auto-submitted", "x-auto-response-suppress"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-owner", "list-post", "precedence"),
    *("feedback-id", "archived-at", "mime-version", "content-type"),
}

NASTY = st.sampled_from(
    [
        "\r\nBcc: all@example.org\r\n\r\nbody",
        "\r\n.\r\n",
        "\0",
        "\x1b[31m",
        "{{ 7 * 7 }}{% raw %}",
        "%(title)s %s %",
        "<script>alert(1)</script>",
        "</td></tr></table></body></html><!--",
        '" onclick="x',
        "&amp;&#0;&bogus",
        "x" * 5000,
        "心" * 3000,
        "\u202eturned\u2066around",
        "שלום " * 200,
        "🏳️‍🌈" * 50,
        "e" + "\u0301" * 500,
        "\ufdd0reason\ufdd0\ufdd01\ufdd0",
        "\ufdd1subject\ufdd1%(card0)s%%",
        "=?utf-8?Q?=0D=0ABcc:_x?=",
        "\ud800",
        "a\u2028b\u2029c\x85d",
        "From me\n--=_x--",
        " ",
    ]
)
TEXT = st.one_of(NASTY, st.text(max_size=80), st.lists(NASTY, max_size=3).map("".join))
ADDRESS = st.one_of(
    st.sampled_from(
        ["javascript:alert(1)", "data:text/html,x", "https://example.org/\r\nX: y", 'https://e.org/"><script>']
    ),
    TEXT,
    TEXT.map(lambda text: f"https://example.org/{text}"),
)
PAPER = st.builds(
    a_paper,
    id=TEXT,
    title=TEXT,
    abstract=TEXT,
    tldr=TEXT,
    authors=st.lists(TEXT, max_size=5).map(tuple),
    categories=st.lists(TEXT, max_size=2).map(tuple),
    organization=TEXT,
    url=ADDRESS,
    pdf_url=ADDRESS,
    code_url=ADDRESS,
    thumbnail_url=ADDRESS,
)
REASON = st.builds(
    Reason,
    kind=st.sampled_from(list(ReasonKind)),
    subject=TEXT,
    terms=st.lists(TEXT, max_size=3).map(tuple),
    upvotes=st.integers(0, 10**9),
    percentile=st.floats(0, 100),
    day=st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2030, 1, 1))),
)
PICK = st.builds(
    a_pick,
    PAPER,
    section=st.sampled_from(list(Section)),
    reasons=st.lists(REASON, max_size=3).map(tuple),
    sources=st.lists(TEXT, max_size=3).map(tuple),
    signal=st.one_of(st.none(), st.builds(Signal, st.just(NOON), st.integers(0, 10**9), st.integers(0, 10**9))),
)
STATUS = st.builds(SourceStatus, TEXT, st.integers(0, 10**6), st.one_of(st.just(""), TEXT))


def a_hostile_digest(
    picks: list[object], sources: list[SourceStatus], name: str, language: str, repeated: int
) -> Digest:
    subscriber = a_subscriber("ada@example.org", name=name, language=language)
    digest = a_digest(subscriber=subscriber, sources=tuple(sources))
    return replace(digest, picks=tuple(picks) * repeated)  # type: ignore[arg-type]


DIGEST = st.builds(
    a_hostile_digest,
    picks=st.lists(PICK, max_size=4),
    sources=st.lists(STATUS, max_size=3),
    name=TEXT,
    language=st.sampled_from(["en", "de"]),
    repeated=st.sampled_from([1, 1, 1, 60]),
)
SHORT_DIGEST = st.builds(
    a_hostile_digest,
    picks=st.lists(PICK, max_size=2),
    sources=st.lists(STATUS, max_size=2),
    name=TEXT,
    language=st.just("en"),
    repeated=st.just(1),
)


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = (part.get_content() for part in message.iter_parts())
    return text, html


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(DIGEST, st.booleans())
def test_any_digest_is_sound(digest: Digest, web: bool) -> None:
    written = WRITERS[web].write(digest)
    data = written.message.data
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)

    assert [part.defects for part in message.walk()] == [[]] * 3, "no parser finds a defect"
    assert {name.lower() for name, _ in message.items()} <= HEADERS, "no header that we did not write"
    assert len(message.keys()) == len(set(message.keys()))
    assert all(value.defects == () for value in message.values())
    assert [each.addr_spec for each in message["To"].addresses] == ["ada@example.org"]
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n"), "only CRLF"
    assert b"\0" not in data
    assert b"\n." not in data, "no line has to be changed on the way"
    assert data.isascii()

    text, html = parts(message)
    assert len(html.encode()) <= BUDGET + html.count("\r\n")
    assert html.rstrip().endswith("</html>"), "nothing was cut off"
    leave = LINKS.unsubscribe(digest.subscriber.token) if web else "mailto:digest@example.org?subject=unsubscribe"
    assert html.rindex(leave) > max(html.rfind('class="cell"'), html.rfind('class="line"')), "behind all papers"
    assert leave.partition(":")[2].partition("?")[0] in text.rpartition("\n-- ")[2].replace("\r\n", ""), (
        "in the text as well"
    )
    assert len(text.strip()) > 50
    assert not re.search("[\ufdd0\ufdd1]", text + html), "every slot was filled"


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(SHORT_DIGEST)
def test_nothing_a_paper_says_becomes_markup(digest: Digest) -> None:
    html = WRITERS[True].write(digest).html
    document = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False).parse(html)
    names = {element.tag for element in document.iter() if isinstance(element.tag, str)}
    assert names <= {
        *("html", "head", "meta", "title", "style", "body", "div", "table", "tbody", "tr", "td"),
        *("h1", "h2", "h3", "p", "a", "mark", "span", "img"),
    }
    for element in [*document.iter("a"), *document.iter("img")]:
        url = element.get("href") or element.get("src")
        assert re.match(r"https?://", url), url
    attributes = {name for element in document.iter() for name in element.attrib}
    assert not any(name.startswith("on") for name in attributes)


@pytest.mark.parametrize("day", DAYS)
def test_a_strict_parser_has_nothing_to_say(day: str) -> None:
    for web in (True, False):
        html = WRITERS[web].write(DAYS[day]()).html
        html5lib.HTMLParser(strict=True).parse(html)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(headline=TEXT, problems=st.lists(TEXT, max_size=3))
def test_any_alert_is_sound(headline: str, problems: list[str]) -> None:
    """Its text holds what servers and exceptions say."""
    data = WRITERS[True].mail("alert", "operator@example.org", at=NOON, headline=headline, problems=problems).data
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert [part.defects for part in message.walk()] == [[]] * 3
    assert {name.lower() for name, _ in message.items()} <= HEADERS
    assert max(map(len, data.split(b"\r\n"))) <= 998
