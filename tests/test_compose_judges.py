"""The HTML of the mails before judges from outside: the Nu Html Checker, and what caniemail knows of mail programs.

They need Java, Node and `npm ci --prefix tests/judges`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.test_compose_looks import every_html, with_thumbnails

pytestmark = pytest.mark.judges

JUDGES = Path(__file__).parent / "judges"

OBSOLETE = (
    "attribute on the “table” element is obsolete",
    "attribute on the “td” element is obsolete",
)
"""Classic Outlook lays tables out by attributes alone."""

UNKNOWN = {
    "@media": "dark colours and narrow margins; all that is needed stands inline",
    "<style> element": "holds those media queries and nothing else",
    "color-scheme CSS property": "asks Apple Mail for our dark colours; others ignore it",
    "color-scheme meta tag": "the same",
    "border-radius": "corners are square there",
    "aspect-ratio": "a blocked thumbnail is a quiet box of its alternative text there",
    "word-break": "an endless word makes the page wider there; Windows Mail is discontinued",
    "role attribute": "a screen reader announces the layout table there; Windows Mail is discontinued",
    "display:none": "the preheader shows as a line of text in Gmail's page for old phones",
    "<body> element": "replaced by a div; the outer table repeats its background",
}
"""What some mail program does not know, and what the reader then sees."""


def mails() -> dict[str, str]:
    return {**dict(every_html()), "thumbnails": with_thumbnails()}


def test_the_html_checker_finds_no_fault(tmp_path: Path) -> None:
    for name, html in mails().items():
        (tmp_path / f"{name}.html").write_text(html, encoding="utf-8")
    jar = JUDGES / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
    command = ["java", "-jar", str(jar), "--format", "json", "--exit-zero-always", *map(str, tmp_path.glob("*.html"))]
    result = subprocess.run(command, capture_output=True, check=True)
    messages = [message["message"] for message in json.loads(result.stderr)["messages"]]
    assert messages, "it warns of obsolete attributes at least: it has run"
    assert not [each for each in messages if not any(known in each for known in OBSOLETE)]


@pytest.mark.parametrize("name", ["full", "odd", "down", "confirm", "thumbnails"])
def test_gmail_apple_mail_and_outlook_know_all_that_matters(name: str) -> None:
    html = mails()[name]
    command = ["node", str(JUDGES / "caniemail.mjs")]
    result = subprocess.run(command, input=html.encode(), capture_output=True, check=True)
    unknown = {feature for features in json.loads(result.stdout).values() for feature in features}
    assert unknown, "nobody knows everything: it has run"
    assert unknown <= set(UNKNOWN)
