"""Every text has its Welsh, with the same places to fill; and dates are in Welsh words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from booking.domain.reasons import REASONS as REASON_LISTS
from booking.domain.reasons import ReasonList
from booking.domain.words import Language
from booking.languages import catalogue_path, moment, say
from booking.services.message_words import REASONS

ROOT = Path(__file__).resolve().parent.parent.parent


def _texts() -> set[str]:
    found = set()
    pages = ROOT / "booking" / "web"  # what pages say is in a catalogue of its own: tests/web/me/test_welsh.py
    for path in (ROOT / "booking").rglob("*.py"):
        if pages not in path.parents and "from booking.languages import _" in path.read_text(encoding="utf-8"):
            found |= {message for _, message, _, _ in extract_from_file("python", path, keywords={"_": None})}
    return found


def _welsh() -> dict[str, str]:
    with catalogue_path(Language.WELSH).open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file) if one.id}


def test_every_text_has_its_welsh_and_no_welsh_is_left_over() -> None:
    assert len(_texts()) > 70
    assert _texts() == {text for text, welsh in _welsh().items() if welsh.strip()}


def test_the_places_to_fill_are_the_same() -> None:
    for text, welsh in _welsh().items():
        assert sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", welsh)), text
        assert text[0].isspace() == welsh[0].isspace(), text
        assert text[-1] == welsh[-1] or text[-1] not in ".,:", text


def test_every_reason_a_provider_can_give_has_words_for_the_patient() -> None:
    assert {one.code for one in REASON_LISTS[ReasonList.APPOINTMENT_BY_PROVIDER]} == set(REASONS)


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.ENGLISH, "Sunday 29 March 2026 at 14:30"), (Language.WELSH, "Dydd Sul 29 Mawrth 2026 am 14:30")],
)
def test_moments_are_in_words_and_local(language: Language, words: str) -> None:
    assert moment(datetime(2026, 3, 29, 13, 30, tzinfo=UTC), ZoneInfo("Europe/London"), language) == words


def test_what_people_wrote_is_never_looked_up_or_filled_again() -> None:
    assert say(Language.WELSH, "Dear {name},", name="{url} Ö") == "Annwyl {url} Ö,"
    assert say(Language.ENGLISH, "Access code") == "Access code"
