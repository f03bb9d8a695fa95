"""Under which id a paper goes: version-less arXiv id, else DOI, else what the feed calls it.

arXiv ids: info.arxiv.org/help/arxiv_identifier ("2602.01785", before April 2007 "math/0309136", where the subject
class of "math.GT/0309136" is decoration). DOIs: DOI Handbook, section 2.2; they are compared without regard to case,
and a DOI with the prefix 10.48550 *is* an arXiv id.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_ARXIV_ID = r"(\d{4}\.\d{4,5}|[a-z]+(?:-[a-z]+)?(?:\.[A-Za-z-]{2,17})?/\d{7})(?:v\d{1,3})?(?![\d/])"
_BARE = re.compile(_ARXIV_ID)
_SOMEWHERE = re.compile(
    r"(?i:arxiv\.org/(?:abs|pdf|html|format|e-print)/|10\.48550/arxiv\.|\barxiv:(?:org:)?|oai:arxiv\.org:"
    rf"|huggingface\.co/papers/|alphaxiv\.org/abs/){_ARXIV_ID}"
)
_DOI = re.compile(r"(?i)(?:^|doi\.org/|\bdoi:\s*|/doi/(?:abs/|full/|pdf/)?)(10\.\d{4,9}/[^\s?#\"<>]{1,200})")


def arxiv_id(text: str) -> str:
    """The version-less arXiv id that *text*, a bare id or an address, stands for; "" where there is none."""
    found = _BARE.fullmatch(text.strip()) or _SOMEWHERE.search(text)
    if not found:
        return ""
    archive, slash, number = found[1].rpartition("/")
    return archive.partition(".")[0] + slash + number


def doi(text: str) -> str:
    """The DOI in *text*, a bare one or an address, in lower case; "" where there is none."""
    found = _DOI.search(unquote(text.strip()))
    return found[1].rstrip(".,;)").lower() if found else ""


def web_address(value: object) -> str:
    """*value* where it is an http or https address that may become a link, else ""."""
    if not isinstance(value, str) or len(value := value.strip()) > 2000 or re.search(r"[\s\x00-\x20\x7f\"<>\\]", value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in {"http", "https"} and parts.hostname and not parts.username else ""
