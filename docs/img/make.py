"""Make the pictures of the documentation in headless Chromium: mails of the sample day and of odd days, a page.

python docs/img/make.py
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from digest.compose import Links, Site, Writer, template_folder
from tests.compose_days import odd_letters, source_down
from tests.sample_program import NOON, sample_program
from tests.web_site import served

HERE = Path(__file__).parent
URL = "https://digest.example.org"
FORCED = "<style>html { filter: invert(1); background: #fff; }</style></head>"
"""What some mail programs do to light mails at night."""


@dataclass(frozen=True)
class Picture:
    """One mail, seen through a window of so many CSS pixels."""

    name: str
    html: str
    width: int
    height: int
    dark: bool = False
    inverted: bool = False

    def take(self, browser: Browser) -> None:
        """Write it beside this file."""
        page = browser.new_page(
            viewport={"width": self.width, "height": self.height}, color_scheme="dark" if self.dark else "light"
        )
        page.set_content(self.html.replace("</head>", FORCED) if self.inverted else self.html)
        page.screenshot(path=HERE / f"{self.name}.png")
        page.close()


def main() -> None:
    """Write all pictures."""
    with TemporaryDirectory() as home:
        sample = sample_mail(Path(home))
    writer = Writer([template_folder()], Site("Paper Digest <digest@example.org>", public_url=URL), Links(URL, ["k"]))
    letters, down = (writer.write(day()).html for day in (odd_letters, source_down))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for picture in (
            Picture("digest-light", sample, 640, 830),
            Picture("digest-phone-dark", sample, 375, 830, dark=True),
            Picture("letters-phone", letters, 375, 620),
            Picture("inverted-phone", down, 375, 620, inverted=True),
        ):
            picture.take(browser)
        landing_page(browser)
        browser.close()


def sample_mail(home: Path) -> str:
    """The mail of the sample day as HTML, for Lin of the sample roster."""
    with sample_program(home) as program:
        return program.preview("lin@example.org", NOON).written.html


def landing_page(browser: Browser) -> None:
    """The page where people sign up, on the sample day."""
    with TemporaryDirectory() as home, served(Path(home)) as pages:
        page = browser.new_page(viewport={"width": 980, "height": 600})
        page.goto(pages.public)
        page.screenshot(path=HERE / "landing.png")
        page.close()


if __name__ == "__main__":
    main()
