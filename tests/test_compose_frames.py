"""What is rendered once for many readers says to each what it would have said to them alone."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from digest.compose import Links, Site, Writer, template_folder
from digest.compose.sentences import subject
from digest.compose.text import wrap
from digest.compose.words import words
from digest.models import Digest, Reason, ReasonKind, Subscriber
from tests.compose_days import DAYS, full_day
from tests.make import a_digest, a_paper, a_pick, a_subscriber
from tests.test_compose_hostile import DIGEST
from tests.test_compose_templates import put

URL = "https://digest.example.org"
LINKS = Links(URL, ["k" * 32])
SITE = Site("Paper Digest <digest@example.org>", public_url=URL)
READERS = [
    a_subscriber("ada@example.org", token="ada", name="Ada"),
    a_subscriber("a.rather.long.name@a-rather-long-domain.example.org", token="bo", name="Bo <b>"),
    a_subscriber("cy@example.org", token="cy", language="de"),
]


def writer(*folders: Path) -> Writer:
    return Writer([*folders, template_folder()], SITE, LINKS)


def for_reader(digest: Digest, reader: Subscriber) -> Digest:
    return replace(digest, subscriber=reader)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.one_of(st.sampled_from([make() for make in DAYS.values()]), DIGEST), min_size=1, max_size=4),
    st.permutations(range(3)),
)
def test_a_digest_has_the_same_bytes_in_any_company(digests: Sequence[Digest], order: Sequence[int]) -> None:
    """A retry has to equal the first attempt, whoever was written to before, and whichever objects say the same."""
    crowd = writer()
    together = {(n, i): crowd.write(for_reader(digest, READERS[i])) for i in order for n, digest in enumerate(digests)}
    for (n, i), written in together.items():
        assert crowd.write(deepcopy(for_reader(digests[n], READERS[i]))) == written
    (n, i), written = together.popitem()
    assert writer().write(for_reader(digests[n], READERS[i])) == written, "alone"


ANY_USE = [
    "{{ to }}",
    "{{ to|upper }} {{ to|length }} {{ to|default('nobody') }}",
    "{{ subject|wrap(40) }} {{ subject[:9] }} {{ subject.title() }}",
    "{{ subscriber.profile.name }} {{ subscriber.email }}",
    "{{ digest.issue }} {{ digest.picks|length }}",
    "{% if to == 'ada@example.org' %}you{% else %}somebody{% endif %}",
    "{% if '.org' in unsubscribe %}x{% endif %}{{ 'y' if to > 'b' }}",
    "{{ '<' ~ unsubscribe ~ '>' }}{{ to + '!' }}{{ to * 2 }}",
    "{{ to is string }} {{ to is sequence }} {{ to is defined }} {{ to is none }} {{ subscriber is string }}",
    "{% set address %}<{{ to }}>{% endset %}{{ address }} {{ address|length }}",
    "{% macro line(x) %}{{ x }}.{% endmacro %}{{ line(to)|upper }}",
    "{% filter upper %}{{ to }}{% endfilter %}",
    "{% for letter in to %}{{ loop.index }}{{ letter }}{% endfor %}",
    "{{ {to: 1}[to] }} {{ [to, subject]|join(', ') }} {{ to|int(7) }} {{ '%r'|format(to) }}",
    "{{ webview if webview else 'nowhere' }} {{ confirm or 'none' }} {{ not confirm }} {{ confirm|length }}",
    "{% block a %}{{ preferences }}{% endblock %}{{ self.a()|reverse }}",
]


@pytest.mark.parametrize("template", ANY_USE)
def test_a_template_may_do_anything_with_what_is_the_reader_s_own(tmp_path: Path, template: str) -> None:
    """Jinja with the values themselves is the oracle."""
    put(tmp_path, "digest/body.txt", template)
    ours = writer(tmp_path)
    jinja = Environment()
    jinja.filters["wrap"] = wrap
    for reader in READERS:
        digest = for_reader(full_day(), reader)
        own = {
            "to": reader.email,
            "subject": subject(digest, words(reader.profile.language)),
            "subscriber": reader,
            "digest": digest,
            "unsubscribe": LINKS.unsubscribe(reader.token),
            "preferences": LINKS.preferences(reader.token),
            "webview": LINKS.webview(reader.token, digest.issue),
            "confirm": "",
        }
        assert ours.write(digest).text.strip() == jinja.from_string(template).render(own).strip()


def test_what_is_the_reader_s_own_is_escaped_in_html(tmp_path: Path) -> None:
    put(tmp_path, "digest/body.html", "<p>{{ to }}</p>")
    reader = a_subscriber('"<b>&"@example.org')
    assert writer(tmp_path).write(for_reader(full_day(), reader)).html == (
        "<p>&#34;&lt;b&gt;&amp;&#34;@example.org</p>\n"
    )


@pytest.mark.parametrize(
    ("template", "times"),
    [
        ("{{ to }} {{ subject }} {% if webview %}{{ webview }}{% endif %}{% include 'mail/digest/links.txt' %}", 1),
        ("{{ to }} {{ subscriber.profile.name }}", 3),
        ("{% include 'mail/digest/mine.txt' %}", 3),
        ("{% import 'mail/digest/mine.txt' as mine with context %}{{ mine.name() }}", 3),
    ],
)
def test_a_page_that_only_prints_is_rendered_once_for_all_who_are_told_the_same(
    tmp_path: Path, template: str, times: int
) -> None:
    """Chance shows how often a template ran."""
    put(tmp_path, "digest/body.txt", "{{ range(10**12)|random }}\n" + template)
    put(tmp_path, "digest/links.txt", "Included.")
    put(tmp_path, "digest/mine.txt", "{% macro name() %}{{ subscriber.profile.name }}{% endmacro %}{{ to|upper }}")
    ours = writer(tmp_path)
    readers = [replace(READERS[0], token=f"t{n}", id=n) for n in range(3)]
    texts = [ours.write(for_reader(full_day(), reader)).text for reader in readers]
    assert len({text.splitlines()[0] for text in texts}) == times


@pytest.mark.parametrize(
    ("template", "times"),
    [
        ("{{ card.plain_title|upper }} {% if card.summary %}{{ card.plain_summary }}{% endif %}", 1),
        ("{{ card.title|length }}", 2),
        ("{% set title %}{{ card.title }}{% endset %}{{ title|length }}", 2),
    ],
)
def test_a_card_without_marks_is_rendered_once_for_readers_of_any_words(
    tmp_path: Path, template: str, times: int
) -> None:
    put(tmp_path, "digest/card.txt", "Chance: {{ range(10**12)|random }}\n" + template)
    ours = writer(tmp_path)
    paper = a_paper(title="Owls and mice", abstract="Owls.")
    reasons = [(Reason(ReasonKind.TOPIC, "animals", (word,)),) for word in ("owls", "mice")]
    texts = [ours.write(a_digest(a_pick(paper, reasons=each))).text for each in reasons]
    assert len({line for text in texts for line in text.splitlines() if "Chance" in line}) == times
