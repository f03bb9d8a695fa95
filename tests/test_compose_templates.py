"""Templates can be replaced one by one, and a mistake in one is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digest.compose import Links, Site, Writer, template_folder
from digest.errors import SettingsError
from tests.compose_days import READER, full_day
from tests.make import NOON

LINKS = Links("https://digest.example.org", ["k" * 32])


def writer(folder: Path) -> Writer:
    return Writer([folder, template_folder()], Site(), LINKS)


def put(folder: Path, name: str, text: str) -> None:
    path = folder / "mail" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_one_file_of_one_s_own_beats_ours_and_the_others_stay(tmp_path: Path) -> None:
    put(tmp_path, "digest/subject.txt", "Lab news, {{ date }}")
    put(tmp_path, "digest/line.html", "<p>{{ card.plain_title }}!</p>")
    written = writer(tmp_path).write(full_day())
    assert written.subject == "Lab news, Wednesday, February 4, 2026"
    assert "<p>Mixtures of Patient Experts!</p>" in written.html
    assert "Attention Without Regret" in written.html


def test_one_s_own_style_sheet_is_inlined_into_our_templates(tmp_path: Path) -> None:
    put(tmp_path, "_base/style.css", ".headline { color: #123456; }")
    html = writer(tmp_path).write(full_day()).html
    assert '<h1 class="headline" style="color:#123456">' in html.replace("color: #", "color:#")
    assert '<p class="summary">' in html


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("digest/line.html", "<p>\n{{ card.titel }}\n</p>", r"digest/line\.html:2: 'card\.titel' is undefined"),
        ("digest/card.txt", "\n\n{% if card.titel %}x{% endif %}", r"digest/card\.txt:3: 'card\.titel' is undefined"),
        ("digest/card.html", "{% for x in card.titel %}{% endfor %}", r"card\.html:1: 'card\.titel' is undefined"),
        ("digest/links.txt", "{{ card.links.x.y }}", r"links\.txt:1: 'tuple object' has no attribute 'x'"),
        ("digest/body.txt", "\n{{ site.nam|upper }}", r"body\.txt:2: 'site\.nam' is undefined"),
        ("digest/body.html", "{% for p in parts %}\n{{ p.nam }}{% endfor %}", r"html:2: 'part\.nam' is undefined"),
        ("digest/subject.txt", "{{ subscriber.profile.nme }}", r"subject\.txt:1: 'profile\.nme' is undefined"),
    ],
)
def test_an_attribute_that_does_not_exist_is_told_with_file_line_and_name(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    put(tmp_path, file, text)
    with pytest.raises(SettingsError, match=said):
        writer(tmp_path).write(full_day())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("digest/card.txt", "\n{{ card.reason|wrap }}", r"card\.txt:2: 'card\.reason' is put in later"),
        ("digest/card.html", "{{ card.more[:9] }}", r"card\.html:1: 'card\.more' is put in later"),
        ("digest/card.html", "{{ card.hide.x }}", r"card\.html:1: 'card\.hide' is put in later"),
        (
            "digest/body.txt",
            "{% for part in parts %}\n{% for card in part.cards %}\n{{ card|upper }}{% endfor %}{% endfor %}",
            r"body\.txt:3: 'part\.cards' is put in later",
        ),
        (
            "digest/body.html",
            "{% filter upper %}{{ (parts|first).cards|first }}{% endfilter %}",
            r"digest/body\.html: papers can only be printed as they are",
        ),
    ],
)
def test_what_is_put_in_later_can_only_be_printed(tmp_path: Path, file: str, text: str, said: str) -> None:
    put(tmp_path, file, text)
    with pytest.raises(SettingsError, match=said):
        writer(tmp_path).write(full_day())


def test_an_included_file_that_does_not_exist_is_told_with_who_includes_it(tmp_path: Path) -> None:
    put(tmp_path, "digest/line.html", "\n{% include 'mail/digest/nothing.html' %}")
    with pytest.raises(SettingsError, match=r"line\.html:2: mail/digest/nothing\.html: there is no such template"):
        writer(tmp_path).write(full_day())


def test_a_variable_that_does_not_exist_is_told_with_file_and_line(tmp_path: Path) -> None:
    put(
        tmp_path,
        "digest/body.html",
        '{% extends "mail/_base/layout.html" %}\n{% block content %}\n\n{{ nws }}{% endblock %}',
    )
    with pytest.raises(SettingsError, match=r"digest/body\.html:4: 'nws' is undefined"):
        writer(tmp_path).write(full_day())


def test_a_template_that_does_not_parse_is_told_with_file_and_line(tmp_path: Path) -> None:
    put(tmp_path, "digest/body.txt", "fine\n{% if %}\n")
    with pytest.raises(SettingsError, match=r"digest/body\.txt:2: Expected an expression"):
        writer(tmp_path).write(full_day())


def test_a_filter_that_gets_nonsense_is_told_with_file_and_line(tmp_path: Path) -> None:
    put(tmp_path, "digest/line.txt", "\n\n{{ card.plain_title|fit('wide') }}")
    with pytest.raises(SettingsError, match=r"digest/line\.txt:3: "):
        writer(tmp_path).write(full_day())


def test_a_kind_of_mail_that_does_not_exist_is_told() -> None:
    with pytest.raises(SettingsError, match=r"mail/birthday/subject\.txt: there is no such template in .*templates"):
        writer(template_folder()).mail("birthday", READER, at=NOON)


def test_a_page_too_large_without_any_paper_is_told(tmp_path: Path) -> None:
    put(tmp_path, "digest/body.html", "<p>" + "x" * 90_001)
    with pytest.raises(SettingsError, match=r"body\.html: takes over 90000 bytes"):
        writer(tmp_path).write(full_day())


def test_every_class_of_our_templates_is_styled_and_every_style_is_used() -> None:
    folder = template_folder() / "mail"
    used = {
        name
        for file in folder.rglob("*.html")
        for found in re.findall(r'class="([^"]+)"', file.read_text())
        for name in found.split()
    }
    styled = set(re.findall(r"^\.([a-z-]+)", (folder / "_base" / "style.css").read_text(), re.MULTILINE))
    assert used == styled


def test_the_documentation_names_every_file_and_variable() -> None:
    text = (Path(__file__).parents[1] / "docs" / "templates.md").read_text(encoding="utf-8")
    folder = template_folder()
    for file in folder.rglob("mail/**/*.*"):
        assert f"`{file.relative_to(folder)}`" in text or f"`{file.name}`" in text, file
    for file in folder.rglob("mail/**/*.*"):
        for name in re.findall(r"{[{%][^}]*?\b((?:card|site|part)\.[a-z_]+)", file.read_text()):
            assert f"`{name}`" in text, f"{file}: {name}"
