"""Make the pictures of the README: what `digest preview` shows of the built-in sample day, in headless Chromium.

python docs/img/make.py
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from digest.sample.upstream import serve
from tests.program import Program

HERE = Path(__file__).parent
DAY = date(2026, 2, 4)
PICTURES = (("digest-light", 640, 830, "light"), ("digest-phone-dark", 375, 830, "dark"))
"""Name, width and height in CSS pixels, colour scheme."""


def main() -> None:
    """Write the pictures beside this file."""
    with TemporaryDirectory() as home, sync_playwright() as playwright:
        html = sample_mail(Path(home))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, width, height, scheme in PICTURES:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            page.set_content(html)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


def sample_mail(home: Path) -> str:
    """The mail of the sample day as HTML, for Lin of the sample roster."""
    program = Program(home)
    program.roster((HERE.parents[1] / "subscribers.yaml").read_text(encoding="utf-8"))
    program.set(sender="Paper Digest <digest@example.org>", public_url="https://digest.example.org")
    for back in (2, 1, 0):  # so that it is known how fast upvotes grew
        asked = DAY - timedelta(days=back)
        with serve(DAY, asked=asked) as base:
            program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
            if asked < DAY:
                program.run(f"{asked}T01:00Z")
            else:
                return program.preview("lin@example.org", f"{asked}T12:00Z").written.html
    raise AssertionError


if __name__ == "__main__":
    main()
