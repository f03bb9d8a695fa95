"""subscribers.yaml: what it may say, and every mistake with its place."""

from __future__ import annotations

import time as clock
from datetime import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import SettingsError
from digest.models import EVERY_DAY, WEEKDAYS, Interests, Profile, Schedule, Topic, WhenQuiet
from digest.store.roster import dump, parse, read


def profiles(text: str) -> tuple[Profile, ...]:
    return parse(dedent(text)).profiles


def one(text: str) -> Profile:
    """Of a roster with one entry, of which *text* is the rest."""
    [profile] = profiles(
        "subscribers:\n  - email: ada@example.org\n" + "".join(f"    {line}\n" for line in text.split("\n"))
    )
    return profile


def mistakes(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(dedent(text), "s.yaml")
    return list(caught.value.problems)


# -- what it says


def test_a_roster_says_who_gets_what_and_when() -> None:
    [ada, bo] = profiles(
        """\
        defaults: {zone: Europe/Berlin, at: "07:00", days: daily, papers: 12}
        subscribers:
          - email: Ada@EXAMPLE.org
            name: Ada
            zone: Europe/London
            days: weekdays
            papers: 15
            language: de
            topics:
              - theory of mind in language models
              - {topic: attention mechanisms, weight: 2}
            authors: [Yann LeCun]
            categories: [cs.CL, hep-th, cond-mat.mes-hall]
            liked: ["1706.03762"]
            disliked: ["math/0601001"]
            mute: [survey]
            mute_authors: [B. Bore]
          - email: bo@example.org
        """
    )
    assert ada == Profile(
        "Ada@example.org",
        "Ada",
        Interests(
            topics=(Topic("theory of mind in language models"), Topic("attention mechanisms", 2.0)),
            authors=("Yann LeCun",),
            categories=("cs.CL", "hep-th", "cond-mat.mes-hall"),
            liked=("1706.03762",),
            disliked=("math/0601001",),
            muted=("survey",),
            muted_authors=("B. Bore",),
        ),
        Schedule("Europe/London", time(7), WEEKDAYS),
        papers=15,
        language="de",
    )
    assert bo == Profile("bo@example.org", schedule=Schedule("Europe/Berlin", time(7), EVERY_DAY), papers=12)


def test_an_entry_may_say_again_what_is_the_default_of_all() -> None:
    """`zone: UTC` in an entry beats the file's default, though it is also the program's."""
    [ada, bo] = profiles(
        """\
        defaults: {zone: Asia/Tokyo, at: 09:00, days: [sat], papers: 3, language: de}
        subscribers:
          - {email: ada@example.org, zone: UTC, at: 07:00, days: daily, papers: 12, language: en}
          - {email: bo@example.org}
        """
    )
    assert (ada.schedule, ada.papers, ada.language) == (Schedule(), 12, "en")
    assert (bo.schedule, bo.papers, bo.language) == (Schedule("Asia/Tokyo", time(9), frozenset({5})), 3, "de")


def test_nobody_is_a_roster_too() -> None:
    assert profiles("subscribers: []") == ()


@pytest.mark.parametrize(
    ("text", "at"),
    [("12:30", time(12, 30)), ("07:00", time(7)), ("'7:05'", time(7, 5)), ("23:59", time(23, 59)), ("0:00", time(0))],
)
def test_a_time_needs_no_quotes(text: str, at: time) -> None:
    """YAML 1.1 reads 12:30 as 750."""
    assert one(f"at: {text}").schedule.at == at


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "off", "y", "n", "Norway", "1_000", "1:2:3", "2026-02-04", "<<", "="]
)
def test_a_word_is_a_word(word: str) -> None:
    """YAML 1.1 reads booleans, numbers and dates in these."""
    assert one(f"topics: [{word}]").interests.topics == (Topic(word),)


def test_a_number_is_decimal_even_with_zeros_before_it() -> None:
    """YAML 1.1 reads 010 as eight, and stumbles over 08."""
    assert one("papers: 010").papers == 10
    assert one("papers: 08").papers == 8
    assert one("papers: 0o17").papers == 15
    assert one("papers: 0x1F").papers == 31


@pytest.mark.parametrize(
    ("text", "paper_id"),
    [
        ("'1706.03762'", "1706.03762"),
        ("1706.03762v5", "1706.03762"),
        ("' 1706.03762 '", "1706.03762"),
        ("arXiv:1706.03762v2", "1706.03762"),
        ("https://arxiv.org/abs/1706.03762v5", "1706.03762"),
        ("http://www.arxiv.org/pdf/1706.03762v5.pdf", "1706.03762"),
        ("https://export.arxiv.org/abs/1706.03762", "1706.03762"),
        ("https://arxiv.org/html/1706.03762v1", "1706.03762"),
        ("https://huggingface.co/papers/1706.03762", "1706.03762"),
        ("math/0601001v2", "math/0601001"),
        ("https://arxiv.org/abs/math.AG/0601001", "math/0601001"),
        ("10.1101/2026.07.15.1v2", "10.1101/2026.07.15.1v2"),
        ("https://doi.org/10.1000/ABC.v2", "10.1000/abc.v2"),
        ("doi:10.1000/abc", "10.1000/abc"),
        ("https://eprint.example.org/2026/v2", "https://eprint.example.org/2026/v2"),
        ("tag:example.org,2026:v2", "tag:example.org,2026:v2"),
    ],
)
def test_a_paper_is_meant_whatever_stands_around_its_id(text: str, paper_id: str) -> None:
    assert one(f'liked: ["{text.strip(chr(39))}"]').interests.liked == (paper_id,)


def test_white_space_is_put_in_order() -> None:
    assert one('topics: ["  two\\n words "]').interests.topics == (Topic("two words"),)


def test_anchors_and_aliases_stand_for_what_they_name() -> None:
    [ada, bo] = profiles(
        """\
        subscribers:
          - {email: ada@example.org, topics: &ours [attention, {topic: memory, weight: 3}]}
          - {email: bo@example.org, topics: *ours}
        """
    )
    assert ada.interests == bo.interests == Interests(topics=(Topic("attention"), Topic("memory", 3)))


@pytest.mark.parametrize(
    "text", ["\ufeffsubscribers: []", "subscribers:\r\n  - email: a@example.org\r\n", "---\nsubscribers: []\n..."]
)
def test_other_editors_write_other_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_bytes(text.encode())
    read(tmp_path / "s.yaml")


def test_lines_of_entries_are_known() -> None:
    text = "subscribers:\n  - email: Ada@EXAMPLE.org\n  - name: Bo\n    email: bo@example.org\n"
    assert parse(text).lines == {"ada@example.org": 2, "bo@example.org": 4}


# -- what is wrong with it


def test_every_mistake_is_said_at_once_and_in_order() -> None:
    assert mistakes(
        """\
        defaults: {zone: Mars/Olympus, color: red}
        subscribers:
          - email: ada@example.org
            at: 25:00
            days: [mon, blursday]
            topics: attention
          - email: nonsense
            papers: 99
          - name: Nobody
            topics:
              - {topic: x, weight: 100}
              - {weight: 1}
              - {topic: y, wait: 1}
          - just a word
          - email: ADA@example.org
            liked: [1706.03762]
            categories: ["c s"]
            language: fr
            authors: [""]
            when_quiet: never
            again: maybe
        people: []
        """
    ) == [
        "s.yaml:1:18: defaults.zone: unknown time zone 'Mars/Olympus'; use an IANA name such as Europe/Berlin",
        "s.yaml:1:39: defaults.color: unknown key; known are again, at, days, language, papers, when_quiet, zone",
        "s.yaml:4:9: subscribers.0.at: must be a time of day such as 07:00, not '25:00'",
        "s.yaml:5:11: subscribers.0.days: must be daily, weekdays, or a list such as [mon, thu]",
        "s.yaml:6:13: subscribers.0.topics: must be a list, such as [one, two]",
        "s.yaml:7:12: subscribers.1.email: 'nonsense' is not an e-mail address: An email address must have an @-sign.",
        "s.yaml:8:13: subscribers.1.papers: Input should be less than or equal to 50",
        "s.yaml:9:5: subscribers.2.email: is missing",
        "s.yaml:11:28: subscribers.2.topics.0.weight: Input should be less than or equal to 10",
        "s.yaml:12:9: subscribers.2.topics.1.topic: is missing",
        "s.yaml:13:26: subscribers.2.topics.2.wait: unknown key; known are topic, weight",
        "s.yaml:14:5: subscribers.3: must be an entry with `email:` and whatever else it says",
        "s.yaml:15:12: subscribers.4.email: ADA@example.org stands on line 3 already",
        's.yaml:16:13: subscribers.4.liked.0: must stand in quotes, such as "1706.03762": as a number it could lose '
        "zeros",
        "s.yaml:17:18: subscribers.4.categories.0: String should match pattern '^[A-Za-z][A-Za-z-]*(\\.[A-Za-z-]+)?$'",
        "s.yaml:18:15: subscribers.4.language: Input should be 'en' or 'de'",
        "s.yaml:19:15: subscribers.4.authors.0: must not be empty",
        "s.yaml:20:17: subscribers.4.when_quiet: Input should be 'trending', 'note' or 'silence'",
        "s.yaml:21:12: subscribers.4.again: Input should be a valid boolean",
        "s.yaml:22:9: people: unknown key; known are defaults, subscribers",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "s.yaml: is empty; write `subscribers: []` if nobody is to get a digest"),
        ("# only a comment", "s.yaml: is empty; write `subscribers: []` if nobody is to get a digest"),
        ("[]", "s.yaml:1:1: file: must be keys with values, such as `subscribers:` with a list below"),
        ("hello", "s.yaml:1:1: file: must be keys with values, such as `subscribers:` with a list below"),
        ("subscribers: {}", "s.yaml:1:14: subscribers: must be a list"),
        ("subscribers:", "s.yaml:1:13: subscribers: must be a list"),
        ("subscribers: []\nsubscribers: []", "s.yaml:2:1: subscribers: stands here for the second time"),
        ("subscribers: [}", "s.yaml:1:15: did not find expected node content"),
        ("subscribers:\n\t- email: a@example.org", "s.yaml:2:1: found character that cannot start any token"),
        ("a: 1\n--- \nb: 2", "s.yaml:2:1: but found another document"),
        ("subscribers: [*nobody]", "s.yaml:1:15: found undefined alias"),
        ("subscribers: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        ("subscribers: !!timestamp 2026-99-99", "s.yaml:1:14: "),
        ("subscribers: !!int x", "s.yaml:1:14: "),
        ("subscribers: !!bool perhaps", "s.yaml:1:14: "),
        ("subscribers: !!binary ä", "s.yaml:1:14: "),
        ("? [a]\n: b", "s.yaml:1:3: found unhashable key"),
        ("7: b\nsubscribers: []", "s.yaml:1:4: 7: "),
        ("subscribers: \x01", "s.yaml: "),
    ],
)
def test_a_file_in_disorder_says_where(text: str, mistake: str) -> None:
    [said] = mistakes(text)
    assert said.startswith("s.yaml:")
    assert mistake in said


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("subscribers: [{email: a@example.org}, {email: a@example.org}]", "s.yaml:1:47: subscribers.1.email"),
        (
            "subscribers:\n  - email: a@bücher.example\n  - email: a@xn--bcher-kva.example\n",
            "s.yaml:3:12: subscribers.1.email",
        ),
        ("subscribers:\n  - email: a@example.org\n    email: b@example.org\n", "s.yaml:3:5: email"),
    ],
)
def test_nobody_stands_there_twice(text: str, where: str) -> None:
    [said] = mistakes(text)
    assert said.startswith(f"{where}: ")


def test_keys_that_are_no_words_are_reported_once() -> None:
    [said] = mistakes("subscribers:\n  - email: a@example.org\n    7: x\n")
    assert said.startswith("s.yaml:3:8: subscribers.0.7: ")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read: .*No such file"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize("data", ["subscribers: []  # ä".encode("latin-1"), "subscribers: []".encode("utf-16")])
def test_a_file_in_another_encoding_says_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s.yaml").write_bytes(data)
    with pytest.raises(SettingsError, match=r"s\.yaml: cannot be read: 'utf-8'"):
        read(tmp_path / "s.yaml")


# -- files that would bring a careless reader down


@pytest.mark.parametrize(
    "text", ["[" * 5000, "subscribers: " + "[" * 900 + "]" * 900, "{a: " * 5000, "- " * 5000 + "x"]
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert mistakes(text)


def test_a_billion_laughs_are_not_counted() -> None:
    lines = ["l0: &l0 [a, a]"] + [f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]" for n in range(1, 60)]
    started = clock.perf_counter()
    assert len(mistakes("\n".join(lines))) == 60
    assert clock.perf_counter() - started < 5


def test_a_list_that_holds_itself_is_refused() -> None:
    assert mistakes("subscribers: &a [*a]")
    assert mistakes("subscribers:\n  - &a {email: a@example.org, topics: [*a]}")


def test_a_thousand_people_take_no_second() -> None:
    """Measured 0.6 s on a busy machine of two cores; most of it is pydantic and libyaml."""
    entry = (
        "  - email: p{n}@example.org\n    zone: Europe/Berlin\n    topics: [attention, {{topic: memory, weight: 2}}]\n"
    )
    text = "subscribers:\n" + "".join(entry.format(n=n) for n in range(1000))
    started = clock.perf_counter()
    assert len(parse(text).profiles) == 1000
    assert clock.perf_counter() - started < 3


# -- and back

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(lambda s: " ".join(s.split())).filter(bool)
words = texts | st.sampled_from(
    ["no", "~", "1e5", "08", "0o17", "0x1F", "12:30", "1.5", "<<", "=", "- x", "a: b", "#", "'"]
)
ids = st.sampled_from(["1706.03762", "math/0601001", "10.1000/abc", "guid:7", "https://example.org/v2"])
rosters = st.lists(
    st.builds(
        Profile,
        email=st.uuids().map(lambda u: f"{u}@example.org"),
        name=st.just("") | words,
        interests=st.builds(
            Interests,
            topics=st.lists(st.builds(Topic, words, st.just(1.0) | st.floats(0.1, 10)), max_size=3).map(tuple),
            authors=st.lists(words, max_size=2).map(tuple),
            categories=st.lists(st.sampled_from(["cs.CL", "hep-th"]), max_size=2).map(tuple),
            liked=st.lists(ids, max_size=2).map(tuple),
            disliked=st.lists(ids, max_size=2).map(tuple),
            muted=st.lists(words, max_size=2).map(tuple),
            muted_authors=st.lists(words, max_size=2).map(tuple),
        ),
        schedule=st.builds(
            Schedule,
            st.sampled_from(["UTC", "Europe/Berlin"]),
            st.builds(time, st.integers(0, 23), st.integers(0, 59)),
            st.frozensets(st.integers(0, 6), min_size=1),
        ),
        papers=st.integers(1, 50),
        language=st.sampled_from(["en", "de"]),
        when_quiet=st.sampled_from(WhenQuiet),
        again=st.booleans(),
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(rosters)
def test_what_is_exported_can_be_imported(roster: list[Profile]) -> None:
    assert list(parse(dump(roster)).profiles) == roster


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from("[]{}:,-*&!?#'\"\n ab0~"), max_size=40).map("".join))
def test_any_text_is_a_roster_or_a_mistake(text: str) -> None:
    said: tuple[str, ...] = ()
    try:
        parse("subscribers:\n  - " + text)
    except SettingsError as error:
        said = error.problems
    assert all(problem.startswith("subscribers.yaml:") for problem in said)
