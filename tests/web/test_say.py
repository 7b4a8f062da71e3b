"""Times and waits as people say them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from booking.web import say


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("09:00", "nine o’clock in the morning"), ("14:30", "half past two in the afternoon"),
        ("09:45", "quarter to ten in the morning"), ("10:20", "twenty past ten in the morning"),
        ("11:40", "twenty to twelve in the morning"), ("12:00", "noon"), ("00:00", "midnight"),
        ("12:05", "five past twelve in the afternoon"), ("17:31", "twenty-nine minutes to six in the evening"),
        ("08:01", "one minute past eight in the morning"),
    ],
)  # fmt: skip
def test_times_in_words(time: str, words: str) -> None:
    local = datetime.fromisoformat(f"2026-03-03T{time}").replace(tzinfo=ZoneInfo("Europe/London"))
    assert say.clock(local) == words


def test_waits_in_words() -> None:
    assert [say.span(days) for days in (0, 1, 20, 21, 51)] == [
        "0 days", "1 day", "20 days", "3 weeks", "7 weeks and 2 days",
    ]  # fmt: skip
