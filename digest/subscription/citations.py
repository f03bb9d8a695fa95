"""Papers as BibTeX and RIS.

BibTeX as btxdoc (Patashnik, 1988) has it, with `eprint` and `archivePrefix` as arXiv recommends; what is beyond ASCII
stays UTF-8, which biber and current BibTeX styles read. RIS by the tags that reference managers agree on, TY first and
ER last.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from digest.compose.text import line
from digest.models import Paper

_ARXIV = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})")
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "%": r"\%",
        "&": r"\&",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "^": r"\^{}",
        "~": r"\~{}",
    }
)
_SMALL = frozenset(re.findall(r"\w+", "a an the on of in for and to with from by at is are how why what towards"))


def bibtex(papers: Sequence[Paper]) -> str:
    """One entry a paper, each under a key of its own."""
    return "\n".join(_entry(paper, name) for paper, name in zip(papers, _keys(papers), strict=True))


def ris(papers: Sequence[Paper]) -> str:
    """One record a paper; lines end in CRLF."""
    return "".join("\r\n".join([*_record(paper), "ER  - ", "", ""]) for paper in papers)


def key(paper: Paper) -> str:
    """Family name, year, first word of weight: example2026case."""
    family = paper.authors[0].split()[-1] if paper.authors and paper.authors[0].split() else "anonymous"
    words = [word for word in re.findall(r"\w+", _ascii(paper.title).lower()) if word not in _SMALL]
    year = str(paper.published.year) if paper.published else ""
    return re.sub(r"[^a-z0-9]", "", f"{_ascii(family).lower()}{year}{words[0] if words else ''}") or "paper"


def _keys(papers: Iterable[Paper]) -> list[str]:
    """Repeated keys get a number."""
    found: list[str] = []
    for paper in papers:
        name = plain = key(paper)
        number = 2
        while name in found:
            name, number = f"{plain}-{number}", number + 1
        found.append(name)
    return found


def _entry(paper: Paper, name: str) -> str:
    arxiv = paper.id if _ARXIV.fullmatch(paper.id) else ""
    fields = {
        "title": f"{{{_tex(paper.title)}}}",
        "author": " and ".join(_tex(author) for author in paper.authors),
        "year": str(paper.published.year) if paper.published else "",
        "month": paper.published.strftime("%b").lower() if paper.published else "",
        "eprint": arxiv,
        "archivePrefix": "arXiv" if arxiv else "",
        "primaryClass": paper.categories[0] if arxiv and paper.categories else "",
        "doi": _tex(_doi(paper)),
        "url": _bare(paper.url),
    }
    kept = {name: value for name, value in fields.items() if value}
    lines = [f"  {name} = {value}" if name == "month" else f"  {name} = {{{value}}}" for name, value in kept.items()]
    return f"@misc{{{name},\n" + ",\n".join(lines) + "\n}\n"


def _record(paper: Paper) -> list[str]:
    values: list[tuple[str, str]] = [("TY", "GEN" if not _doi(paper) else "JOUR"), ("TI", paper.title)]
    values += [("AU", _family_first(author)) for author in paper.authors]
    if paper.published:
        values += [("PY", str(paper.published.year)), ("DA", f"{paper.published:%Y/%m/%d}")]
    values += [("AB", paper.abstract), ("DO", _doi(paper)), ("UR", paper.url)]
    values += [("KW", keyword) for keyword in paper.keywords]
    if _ARXIV.fullmatch(paper.id):
        values.append(("M1", f"arXiv:{paper.id}"))
    return [f"{tag}  - {line(value)}" for tag, value in values if line(value)]


def _doi(paper: Paper) -> str:
    return paper.doi or (paper.id if paper.id.startswith("10.") else "")


def _family_first(author: str) -> str:
    given, _, family = line(author).rpartition(" ")
    return f"{family}, {given}" if given else family


def _tex(text: str) -> str:
    return line(text).translate(_SPECIAL)


def _bare(url: str) -> str:
    """An address inside braces, which must not close them."""
    return re.sub(r"[{}\s\\]", "", line(url))


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
