"""Invented days for the tests and the benchmark of the compose room; no paper in here exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice

from digest.models import (
    Digest,
    Paper,
    Pick,
    Reason,
    ReasonKind,
    Section,
    Signal,
    SourceStatus,
)
from tests.make import NOON, a_digest, a_paper, a_pick, a_subscriber, interests

ISSUE = date(2026, 2, 4)
READER = a_subscriber(
    "ada@example.org",
    name="Ada",
    id=7,
    token="q3v9k2",
    interests=interests("theory of mind in language models", "attention mechanisms", authors=("Mira Okonkwo",)),
)

_TOPIC = Reason(ReasonKind.TOPIC, "theory of mind in language models", ("theory of mind", "language models"), 0.8)
_ATTENTION = Reason(ReasonKind.TOPIC, "attention mechanisms", ("attention",), 0.5)
_AUTHOR = Reason(ReasonKind.AUTHOR, "Mira Okonkwo", value=0.3)
_LIKED = Reason(ReasonKind.LIKED, "Lighthouses: Sparse Routing Over Very Long Books", ("routing",), 0.4)
_CATEGORY = Reason(ReasonKind.CATEGORY, "cs.CL", value=0.1)
_TRENDING = Reason(ReasonKind.TRENDING, value=0.6, upvotes=184, percentile=97.2)
_RISING = Reason(ReasonKind.RISING, value=0.5, upvotes=41, percentile=95)
_SEEN = Reason(ReasonKind.SEEN, value=0.4, upvotes=212, percentile=99, day=date(2026, 2, 2))

_NAMES = ("Mira Okonkwo", "Tomás Ferreira", "Wei-Lin Zhao", "Ingrid Sæther", "Rahul Banerjee", "Anna Kowalczyk")

_TEXTS: tuple[tuple[str, str, str], ...] = (
    (
        "What the Other Agent Does Not Know: Probing Theory of Mind in Small Language Models",
        "Small language models track what one other agent believes, but lose the thread at the second order; a short "
        "written diary of beliefs closes most of the gap.",
        "",
    ),
    (
        "Attention Without Regret: Forgetting Tokens That Were Never Going to Matter",
        "",
        "Long contexts are mostly silence. We study which tokens a trained transformer could have dropped without any "
        "change in its answer, and find that four in five are never attended to after the layer in which they were "
        "read. From this we derive a rule that forgets tokens as it goes, needs no training, and keeps attention "
        "constant in memory. On eleven tasks with contexts of up to 500,000 tokens, the rule loses 0.3 points and "
        "answers 3.8 times faster. We release the code and a list of the cases in which forgetting was a mistake.",
    ),
    (
        "Beliefs on a Ledger: Auditing Multi-Agent Dialogue with Signed Mental States",
        "Each agent writes down what it thinks the others believe before it speaks; the record explains failures of "
        "cooperation that transcripts hide.",
        "",
    ),
    (
        "How Much Attention Does a Proof Need?",
        "",
        "Provers spend most of their time on premises that the proof never uses. We measure attention over premises "
        "in three open provers, e.g. on undergraduate algebra, and show that a cheap filter of premises doubles the "
        "number of theorems proved in one minute.",
    ),
    (
        "OpenQuarry: Four Billion Permissively Licensed Sentences, With Their Provenance",
        "A corpus in which every sentence names its source, licence and date, and the tools to keep it that way.",
        "",
    ),
    (
        "Video Diffusion at the Speed of the Camera",
        "A distilled sampler draws 24 frames a second on one consumer card, at the quality of a 40-step sampler.",
        "",
    ),
    (
        "Grasping Wet Things: A Benchmark of 300 Slippery Objects for Dexterous Hands",
        "",
        "We collect slippery objects.",
    ),
    (
        "Do Reviewers Agree With Themselves? A Six-Month Replication",
        "Half of the reviewers changed their verdict when they unknowingly saw the same paper again half a year on.",
        "",
    ),
    ("Sleep-Time Compute for Retrieval: Indexing What Nobody Has Asked Yet", "", "We index at night."),
    ("A Calibrated Ear: Uncertainty in Speech Recognition for Accents Unseen in Training", "", "We calibrate."),
    ("Notes on the Geometry of Refusal", "", "We look at where refusals lie."),
    ("Mixtures of Patient Experts", "", "Experts that wait for more tokens before they vote."),
)


def _paper(number: int, title: str, tldr: str, abstract: str) -> Paper:
    """Every third paper has all links, every fourth a long byline."""
    arxiv_id = f"2602.{1701 + 37 * number:05d}"
    rich = number % 3 == 0
    return a_paper(
        id=arxiv_id,
        title=title,
        tldr=tldr,
        abstract=abstract,
        authors=tuple(islice(cycle(_NAMES), 17 if number % 4 == 0 else 2 + number % 3)),
        categories=(("cs.CL", "cs.LG", "cs.CV")[number % 3],),
        organization="Example Institute" if rich else "",
        pdf_url=f"https://arxiv.org/pdf/{arxiv_id}",
        code_url="https://github.com/example/sample" if rich else "",
        project_url="https://example.org/project" if rich else "",
        huggingface_url=f"https://huggingface.co/papers/{arxiv_id}" if number % 2 == 0 else "",
    )


_REASONS: tuple[tuple[Reason, ...], ...] = (
    (_TOPIC, _AUTHOR),
    (_ATTENTION, _TRENDING),
    (_TOPIC, _LIKED),
    (_ATTENTION, _CATEGORY),
    (_TRENDING,),
    (_RISING,),
    (_RISING, _CATEGORY),
    (_SEEN,),
    (_CATEGORY,),
    (),
    (_CATEGORY,),
    (_ATTENTION,),
)
_SECTIONS = (*(Section.FOR_YOU,) * 4, *(Section.TRENDING,) * 4, *(Section.QUIETER,) * 4)


def _pick(number: int, section: Section) -> Pick:
    return a_pick(
        _paper(number, *_TEXTS[number % len(_TEXTS)]),
        section=section,
        reasons=_REASONS[number % len(_REASONS)],
        listed_at=NOON - timedelta(days=number % 3),
        sources=("huggingface", "arxiv") if number % 2 == 0 else ("arxiv",),
        signal=Signal(NOON, 184 - 9 * number, number % 5, 1240 if number % 3 == 0 else None)
        if number % 2 == 0
        else None,
    )


def digest_of(*picks: Pick, **given: object) -> Digest:
    """A digest of exactly these picks, perhaps none, for the reader of this file."""
    return replace(a_digest(subscriber=READER, issue=ISSUE), picks=picks, **given)  # type: ignore[arg-type]


def full_day() -> Digest:
    """Twelve papers in all sections."""
    return digest_of(*(_pick(i, section) for i, section in enumerate(_SECTIONS)))


def forty_papers(section: Section = Section.FOR_YOU) -> Digest:
    """More than a mail holds at full length."""
    return digest_of(*(_pick(i, section) for i in range(40)))


def quiet_day() -> Digest:
    """Nothing on the reader's topics, two papers that others read."""
    return digest_of(*(_pick(i, Section.TRENDING) for i in (4, 7)), considered=38)


def empty_day() -> Digest:
    """No paper at all."""
    return digest_of(considered=0, sources=(SourceStatus("huggingface"), SourceStatus("arxiv")))


def source_down() -> Digest:
    """arXiv has not answered since Monday, a feed broke off, and this digest covers the weekend."""
    down = (
        SourceStatus("huggingface", 33),
        SourceStatus("arxiv", 0, "no answer within 30 seconds", datetime(2026, 2, 2, 6, tzinfo=UTC)),
        SourceStatus("Example Letters", 3, "the feed ends in the middle of an entry"),
    )
    return digest_of(
        *(_pick(i, Section.FOR_YOU) for i in range(3)), considered=36, sources=down, since=date(2026, 1, 30)
    )


def odd_letters() -> Digest:
    """Right-to-left, East Asian, endless words, leftovers of LaTeX, mark-up, emoji."""
    titles = (
        (
            "נקודות מבט: תורת התודעה במודלי שפה קטנים",
            "מודלים קטנים עוקבים אחר אמונות של סוכן אחד. זהו משפט שני.",
            "דנה לוי",
        ),
        (
            "大规模语言模型中的心智理论：一项关于信念追踪的研究",
            "小模型能够追踪一个主体的信念，但在二阶信念上失败。",
            "李小龙",
        ),
        ("التعلّم العميق لفهم النوايا في الحوار متعدد الأطراف", "ندرس كيف تتتبع النماذج نوايا المتحدثين.", "ليلى حداد"),
        (
            "Supercalifragilistic" * 12,
            "An endless word in a title, and an address: https://example.org/" + "a" * 90,
            "Ada Example",
        ),
        (
            r"On $\mathcal{O}(n \log n)$ Attention and $\ell_1$-Sparsity in \textsc{Longformer}s",
            r"We show $\alpha<0.05$ & more.",
            "Bo Sample",
        ),
        (
            "<script>alert('x')</script> & {{ title }} considered harmful 🦉",
            "“Quotes” <b>and</b> {% raw %} braces.",
            "O'Neill <x>",
        ),
    )
    return digest_of(
        *(
            a_pick(
                replace(_paper(3 * i, title, tldr, ""), authors=(name,)),
                reasons=(_TOPIC, Reason(ReasonKind.LIKED, title, value=0.2)),
            )
            for i, (title, tldr, name) in enumerate(titles)
        ),
        considered=6,
    )


DAYS = {
    "full": full_day,
    "quiet": quiet_day,
    "empty": empty_day,
    "down": source_down,
    "forty": forty_papers,
    "odd": odd_letters,
}
