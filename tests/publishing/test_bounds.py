"""Few bytes that ask for very much: refused before anything is made of them."""

from __future__ import annotations

import base64
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain import sessions
from booking.domain.sessions import LeftOut, expand, most_slots
from booking.services import publication_input
from tests.publishing.conftest import Provider, session, slot
from tests.publishing.test_sessions import LONDON, make

EVERY_DAY = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
TWO_YEARS: dict[str, Any] = {
    "first_date": "2026-04-01", "last_date": "2028-03-30", "weekdays": EVERY_DAY, "starts": "00:00", "ends": "23:59",
    "slot_minutes": 1,
}  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_too_many_slots_are_refused_before_any_is_made(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication_input, "expand", None)  # calling it would fail
    answer = provider.publish(expect=422, sessions=[session(), session(**TWO_YEARS)])
    assert [(e["field"], e["code"]) for e in answer["errors"]] == [("sessions.1", "TOO_MANY_SLOTS")]
    monkeypatch.setattr(publication_input, "MOST_SLOTS", 1)
    answer = provider.publish(expect=422, slots=[slot("A1"), slot("A2")])
    assert [(e["field"], e["code"]) for e in answer["errors"]] == [("slots", "TOO_MANY_SLOTS")]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_as_many_as_allowed_are_published(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication_input, "MOST_SLOTS", 4 * 14)
    assert provider.publish(sessions=[session()])["added"] == 4 * 14
    monkeypatch.setattr(publication_input, "MOST_SLOTS", 4 * 14 - 1)
    provider.publish(expect=422, sessions=[session()])


def test_days_left_out_whole_are_not_walked_through() -> None:
    first, last = date(2026, 4, 1), date(2028, 3, 30)
    away = make(first, last, minutes=1, exceptions=(LeftOut(first, last),))
    assert (most_slots(away), expand(away, LONDON).slots) == (0, ())
    assert list(sessions._days(away)) == []


@given(minutes=st.integers(1, 300), pause=st.none() | st.tuples(st.integers(0, 23), st.integers(0, 23)))
def test_the_bound_is_never_too_low(minutes: int, pause: tuple[int, int] | None) -> None:
    more = {} if pause is None else {"break_starts": time(pause[0]), "break_ends": time(pause[1])}
    one = make(date(2026, 4, 7), date(2026, 4, 9), minutes=minutes, **more)
    if not sessions.check(one):
        assert most_slots(one) == len(expand(one, LONDON).slots)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "inside",
    ["1|0001-01-01T00:00+14:00|1", "1|9999-12-31T23:59-14:00|1", f"1|2026-03-03T09:00+00:00|{'9' * 25}",
     f"{'9' * 25}|2026-03-03T09:00+00:00|1", "1|2026-03-03T09:00|1"],
)  # fmt: skip
def test_a_cursor_out_of_bounds_is_refused(provider: Provider, inside: str) -> None:
    cursor = base64.urlsafe_b64encode(inside.encode()).decode()
    answer = provider.client.get("/api/v1/slots", query_string={"cursor": cursor}, headers=provider.headers)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "cursor"
