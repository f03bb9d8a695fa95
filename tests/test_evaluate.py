"""`digest evaluate`: on judged cases, and on what one's own readers said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from digest import app
from digest.app.evaluating import LEAST
from digest.cli import main
from digest.sample import upstream
from tests.program import ROSTER, Program, at
from tests.ranking_days import day
from tests.test_run import fingerprint

SEVEN = "2026-02-04T06:00Z"


def evaluate(*words: str | Path, home: Path, **variables: str) -> Result:
    environment = {"DIGEST_HOME": str(home)} | {f"DIGEST_{name}": value for name, value in variables.items()}
    return CliRunner().invoke(main, ["evaluate", *map(str, words)], env=environment)


# -- judged cases


def write(file: Path, *lines: dict[str, Any] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_bytes(gzip.compress("".join(f"{text}\n" for text in texts).encode()))


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Forty invented papers, and one case of which ten are relevant."""
    folder = tmp_path / "invented"
    folder.mkdir()
    papers = [c.paper for c in day()]
    write(folder / "papers.jsonl.gz", *({"id": p.id, "title": p.title, "abstract": p.abstract} for p in papers))
    ids = [p.id for p in papers]
    relevant = dict.fromkeys(ids[:10], 1)
    write(
        folder / "cases-phrase.jsonl.gz",
        {"case": "owls", "topics": ["barn owls"], "liked": [], "candidates": ids, "relevant": relevant},
    )
    return folder


def test_a_table_names_every_set_and_metric(cases: Path, tmp_path: Path) -> None:
    done = evaluate(cases, home=tmp_path)
    assert done.exit_code == 0, done.output
    head, _, row, note = done.output.splitlines()
    assert head == "| set | cases | method | nDCG@10 | MRR | recall@20 | AUC |"
    assert row.startswith("| invented/phrase | 1 | digest | 1.000 [1.000, 1.000] |")
    assert "95 % bootstrap intervals" in note


def test_json_and_the_orders_can_be_had(cases: Path, tmp_path: Path) -> None:
    done = evaluate(cases, "--json", "--dump", tmp_path / "orders.jsonl", home=tmp_path)
    [found] = json.loads(done.stdout)
    assert found["metrics"]["nDCG@10"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    [line] = (tmp_path / "orders.jsonl").read_text().splitlines()
    dumped = json.loads(line)
    assert (dumped["set"], dumped["case"], len(dumped["order"])) == ("invented/phrase", "owls", 40)


def a_case(**given: Any) -> dict[str, Any]:
    return {"case": "a", "topics": [], "liked": [], "candidates": ["a"], "relevant": {"a": 1}} | given


def test_ids_may_be_numbers(cases: Path, tmp_path: Path) -> None:
    write(cases / "papers.jsonl.gz", {"id": 0, "title": "An owl"}, {"id": 1, "title": "A loaf"})
    write(cases / "cases-phrase.jsonl.gz", a_case(topics=["owls"], candidates=[1, 0], relevant={"0": 1}))
    evaluate(cases, "--dump", tmp_path / "orders.jsonl", home=tmp_path)
    assert json.loads((tmp_path / "orders.jsonl").read_text())["order"] == ["0", "1"]


@pytest.mark.parametrize(
    ("file", "spoilt", "told"),
    [
        ("cases-phrase.jsonl.gz", ['{"case": "a"}'], r"cases-phrase.jsonl.gz:1: 'candidates' is missing"),
        ("cases-phrase.jsonl.gz", ["", "{"], "cases-phrase.jsonl.gz:2: no JSON: "),
        ("cases-phrase.jsonl.gz", ["[1]"], "cases-phrase.jsonl.gz:1: a line must be an object, not [1]"),
        ("cases-phrase.jsonl.gz", [""], "cases-phrase.jsonl.gz: holds no case"),
        (
            "cases-phrase.jsonl.gz",
            [a_case(topics="owls")],
            "cases-phrase.jsonl.gz:1: topics must be a list, not 'owls'",
        ),
        ("cases-phrase.jsonl.gz", [a_case(liked=[["a"]])], "cases-phrase.jsonl.gz:1: liked must be text, not ['a']"),
        ("cases-phrase.jsonl.gz", [a_case(relevant=["a"])], "cases-phrase.jsonl.gz:1: relevant must be an object"),
        (
            "cases-phrase.jsonl.gz",
            [a_case(relevant={"a": "good"})],
            "cases-phrase.jsonl.gz:1: a grade must be a number",
        ),
        ("cases-phrase.jsonl.gz", [a_case(relevant={"a": -1})], "cases-phrase.jsonl.gz:1: a grade must be a number"),
        ("cases-phrase.jsonl.gz", [a_case(relevant={"a": float("nan")})], "cases-phrase.jsonl.gz:1: a grade must be"),
        ("papers.jsonl.gz", ['{"id": "a", "authors": 3}'], "papers.jsonl.gz:1: authors must be a list, not 3"),
        ("papers.jsonl.gz", ['{"id": "a", "title": ["b"]}'], "papers.jsonl.gz:1: title must be text, not ['b']"),
    ],
)
def test_a_line_that_is_wrong_is_named(cases: Path, tmp_path: Path, file: str, spoilt: list[Any], told: str) -> None:
    write(cases / file, *spoilt)
    done = evaluate(cases, home=tmp_path)
    assert done.exit_code == 2
    assert f"digest: {cases}/{told}" in done.output


def test_a_file_that_is_cut_off_is_named(cases: Path, tmp_path: Path) -> None:
    file = cases / "papers.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-30])
    done = evaluate(cases, home=tmp_path)
    assert done.exit_code == 2
    assert "papers.jsonl.gz:" in done.output
    assert "cannot be read" in done.output


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = evaluate("nowhere", home=tmp_path)
    assert done.exit_code == 2
    assert "nowhere: papers.jsonl.gz and cases-VARIANT.jsonl.gz are needed" in done.output


def test_the_operators_model_is_measured_and_what_it_read_is_kept(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    semantic_models = pytest.importorskip("tests.semantic_models", reason="no extra: pip install 'digest[semantic]'")
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    plain = evaluate(cases, "--dump", tmp_path / "plain", home=tmp_path)
    model = semantic_models.bert_model(tmp_path / "model")
    for _ in range(2):
        done = evaluate(cases, "--dump", tmp_path / "meant", home=tmp_path, SEMANTIC_MODEL=str(model))
        assert "| digest+semantic |" in done.output
        size = (cache / "digest" / "vectors.sqlite").stat().st_size
    assert plain.exit_code == 0
    assert (tmp_path / "plain").read_text() != (tmp_path / "meant").read_text()
    assert size == (cache / "digest" / "vectors.sqlite").stat().st_size
    assert evaluate(cases, home=tmp_path, SEMANTIC_MODEL="no/model").exit_code == 3


# -- one's own readers


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with upstream.serve(date(2026, 2, 4)) as base:
        made = Program(tmp_path)
        made.roster(ROSTER)
        made.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        made.run(SEVEN)
        yield made


def shown(program: Program) -> dict[int, list[str]]:
    """What each reader got, in the order of the mail."""
    found = app.digests(program.settings)
    return {digest.subscriber.id: [pick.paper.id for pick in digest.picks] for digest, _ in found}


def say(program: Program, reader: int, verb: str, *papers: str, later: timedelta = timedelta(hours=2)) -> None:
    with app.opened(program.settings) as parts:
        for paper in papers:
            assert parts.store.feedback.add(reader, paper, verb, at(SEVEN) + later)


def looked(program: Program, moment: str = "2026-02-06T12:00Z") -> dict[str, Any]:
    from dataclasses import asdict

    from digest.app.evaluating import look_back

    return asdict(look_back(program.settings, app.clock_at(datetime.fromisoformat(moment))))


def test_with_too_little_feedback_it_says_so(program: Program) -> None:
    [(reader, papers), *_] = shown(program).items()
    say(program, reader, "more", papers[0])
    done = evaluate("--at", "2026-02-06T12:00", home=program.home)
    assert done.exit_code == 0
    assert done.output.startswith("There is too little feedback to judge by: ")
    assert looked(program)["liked"] == 1 < LEAST
    assert looked(program)["disliked_rank"] == {}


def test_what_readers_liked_is_set_against_upvotes(program: Program) -> None:
    for reader, papers in shown(program).items():
        say(program, reader, "more", *papers[:3])
        say(program, reader, "less", papers[-1])
    found = looked(program)
    assert (found["issues"], found["liked"], found["disliked"]) == (3, 9, 3)
    assert 0 <= found["liked_rank"]["digest"][0] < found["disliked_rank"]["digest"][0] <= 1
    difference = found["before"]["digest"][0] - found["before"]["upvotes"][0]
    assert found["before"]["difference"][0] == pytest.approx(difference)


def test_the_rank_of_a_paper_is_where_it_stands_among_all(program: Program) -> None:
    """The best for a reader with topics is at 0; by upvotes the most upvoted is."""
    [ada] = [d for d, _ in app.digests(program.settings) if d.subscriber.email == "ada@example.org"]
    best = max((pick for pick in ada.picks if pick.section == "for_you"), key=lambda pick: pick.score)
    say(program, ada.subscriber.id, "save", best.paper.id)
    found = looked(program)
    assert found["liked_rank"]["digest"][0] == 0
    assert found["liked_rank"]["upvotes"][0] > 0


def test_what_was_said_later_is_not_known_then(program: Program) -> None:
    """A liked paper would stand first, had the ranking known; and what was said before is known."""
    [ada] = [d for d, _ in app.digests(program.settings) if d.subscriber.email == "ada@example.org"]
    worst = min(ada.picks, key=lambda pick: pick.score).paper.id
    say(program, ada.subscriber.id, "more", worst)
    then = looked(program)["liked_rank"]["digest"][0]
    assert then > 0
    say(program, ada.subscriber.id, "more", worst, later=-timedelta(hours=2))
    assert looked(program)["liked_rank"]["digest"][0] < then


def test_a_weekly_issue_is_looked_at_as_it_was_chosen(tmp_path: Path) -> None:
    """Six days old, its papers were no older for the reader than fresh ones."""
    with upstream.serve(date(2026, 2, 4)) as base:
        program = Program(tmp_path)
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        program.roster(f"{ROSTER}  - {{email: bo@example.org, topics: [attention mechanisms], days: [tue]}}\n")
        for moment in ("2026-02-03T12:00Z", SEVEN, "2026-02-10T12:00Z"):
            program.run(moment)
    digest = next(d for d, _ in app.digests(program.settings) if d.subscriber.email == "bo@example.org")
    best = max((pick for pick in digest.picks if pick.section == "for_you"), key=lambda pick: pick.score)
    say(program, digest.subscriber.id, "more", best.paper.id, later=timedelta(days=7))
    found = looked(program, "2026-02-12T12:00Z")
    assert found["liked"] == 1
    assert found["liked_rank"]["digest"][0] == 0


def test_a_word_taken_back_does_not_count(program: Program) -> None:
    [(reader, papers), *_] = shown(program).items()
    for verb in ("more", "none", "save", "unsave", "more", "less"):
        say(program, reader, verb, papers[0])
    found = looked(program)
    assert (found["liked"], found["disliked"]) == (0, 1)


def test_issues_whose_upvotes_are_forgotten_are_left_out(program: Program) -> None:
    [(reader, papers), *_] = shown(program).items()
    say(program, reader, "more", *papers)
    assert looked(program, "2026-03-10T12:00Z")["issues"] == 1
    assert looked(program, "2026-03-12T12:00Z")["issues"] == 0


def test_looking_back_changes_nothing(program: Program) -> None:
    for reader, papers in shown(program).items():
        say(program, reader, "more", *papers[:4])
    before = fingerprint(program.home)
    found = looked(program)
    assert found["liked"] >= LEAST
    assert fingerprint(program.home) == before


def test_the_table_tells_what_it_rests_on(program: Program) -> None:
    for reader, papers in shown(program).items():
        say(program, reader, "more", *papers[:4])
    done = evaluate("--at", "2026-02-06T12:00", home=program.home)
    assert done.exit_code == 0
    assert "| a liked paper stands before others of its mail | " in done.output
    assert "12 liked and 0 disliked papers in 3 issues" in done.output
