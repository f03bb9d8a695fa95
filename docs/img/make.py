"""Make the pictures of the README: what `digest preview` shows of the built-in sample day, in headless Chromium.

python docs/img/make.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.sample_program import NOON, sample_program

HERE = Path(__file__).parent
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
    with sample_program(home) as program:
        return program.preview("lin@example.org", NOON).written.html


if __name__ == "__main__":
    main()
