"""Every text of the patients' pages has its Welsh, with the same places to fill, and no Welsh is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from booking.domain.words import Language, Relation
from booking.edge.flask_app import BookingApp
from booking.languages import catalogue_path
from booking.web import said_by, say, spoken
from booking.web.context import NAV, Role
from booking.web.said_elsewhere import SAID

ROOT = Path(__file__).resolve().parents[3]
WEB = ROOT / "booking" / "web"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"trimmed": "true", "newstyle_gettext": "true"}
Text = str | tuple[str, str]
HOLES = re.compile(r"%\(\w+\)s|{\w*}|</?\w+>")


def extracted() -> Iterator[Text]:
    for path in WEB.rglob("*.py"):
        if re.search(r"import _\b|\bspoken\b", path.read_text(encoding="utf-8")):
            yield from (found[1] for found in extract_from_file("python", path, keywords=KEYWORDS))
    for path in (WEB / "templates").rglob("*.html"):
        found = extract_from_file("jinja2.ext:babel_extract", path, keywords=KEYWORDS, options=OPTIONS)
        yield from (one[1] for one in found)


def welsh() -> dict[Text, tuple[str, ...]]:
    with catalogue_path(Language.WELSH, spoken.PAGES).open("rb") as file:
        return {
            one.id: (one.string,) if isinstance(one.string, str) else tuple(one.string)
            for one in read_po(file)
            if one.id
        }


def test_every_text_has_its_welsh_and_no_welsh_is_left_over() -> None:
    texts, have = set(extracted()), {text for text, said in welsh().items() if all(one.strip() for one in said)}
    assert len(texts) > 500
    assert sorted(map(str, texts - have)) == []
    assert sorted(map(str, have - texts)) == []


def test_the_places_to_fill_are_the_same() -> None:
    for text, said in welsh().items():
        for form, one in enumerate(said):
            english = text if isinstance(text, str) else text[form != 1]  # Welsh has a form of its own for one
            assert sorted(HOLES.findall(english)) == sorted(HOLES.findall(one)), text
            assert english[0].isspace() == one[0].isspace(), text
            assert english[-1] == one[-1] or english[-1] not in ".,:? ", text


def test_the_welsh_is_not_the_english() -> None:
    alike = {text for text, said in welsh().items() if isinstance(text, str) and said[0] == text}
    assert alike == {"Print"}


def test_what_is_marked_elsewhere_is_said_there() -> None:
    here = WEB / "said_elsewhere.py"
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "booking").rglob("*.py") if path != here)
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    assert [text for text in SAID if f'"{text}"' not in joined] == []


def test_what_stands_in_the_navigation_is_marked() -> None:
    assert {words for _, words in NAV[Role.PATIENT]} <= set(SAID)
    assert set(said_by.RELATIONS) == set(Relation)


@pytest.fixture
def in_welsh(app: BookingApp) -> Iterator[None]:
    from flask import session

    with app.test_request_context("/"):
        session[spoken.CHOSEN] = "cy"
        yield


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_dates_and_times_are_in_welsh_words(in_welsh: None) -> None:
    assert say.day(date(2026, 3, 3)) == "Dydd Mawrth 3 Mawrth"
    assert say.day_year(date(2026, 3, 3)) == "3 Mawrth 2026"
    assert say.day_time(datetime(2026, 3, 3, 14, 30, tzinfo=UTC)) == "Dydd Mawrth 3 Mawrth am 14:30"
    assert say.clock(datetime(2026, 3, 3, 14, 30, tzinfo=UTC)) == "2.30 yn y prynhawn"
    assert say.clock(datetime(2026, 3, 3, 12, 0, tzinfo=UTC)) == "canol dydd"
    assert [say.span(days) for days in (1, 2, 5, 28, 30)] == [
        "1 diwrnod", "2 ddiwrnod", "5 diwrnod", "4 wythnos", "4 wythnos a 2 ddiwrnod"
    ]  # fmt: skip
    assert said_by.by_whom(Role.REFERRING_ADMIN, "x", {}) == "Eich meddygfa, drosoch chi"
