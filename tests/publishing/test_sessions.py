"""Sessions become slot times: on the clock on the wall, and right on the days when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.errors import Invalid
from booking.domain.sessions import LeftOut, Session, expand

LONDON = ZoneInfo("Europe/London")
ZONES = [LONDON, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")]
EVERY_DAY = frozenset(range(7))
FORWARD, BACK = date(2026, 3, 29), date(2026, 10, 25)


def make(first: date = date(2026, 4, 7), last: date | None = None, **more: object) -> Session:
    fields = {"starts": time(9), "ends": time(12, 30), "minutes": 15, "weekdays": EVERY_DAY, **more}
    return Session(identifier="S", first_date=first, last_date=last or first, **fields)  # type: ignore[arg-type]


def walls(session: Session, tz: ZoneInfo = LONDON) -> list[str]:
    return [f"{slot.starts_at.astimezone(tz):%d %H:%M}" for slot in expand(session, tz).slots]


def test_tuesdays_nine_to_half_past_twelve() -> None:
    made = expand(make(date(2026, 4, 1), date(2026, 4, 30), weekdays=frozenset({1})), LONDON)
    assert len(made.slots) == 4 * 14
    assert not made.problems
    assert made.slots[0].provider_slot_id == "S/20260407T0900"
    assert made.slots[0].starts_at == datetime(2026, 4, 7, 8, 0, tzinfo=UTC)
    assert made.slots[-1].ends_at == datetime(2026, 4, 28, 11, 30, tzinfo=UTC)


def test_nine_stays_nine_across_the_clock_change() -> None:
    made = expand(make(date(2026, 3, 27), date(2026, 3, 31), ends=time(9, 15)), LONDON)
    assert [slot.starts_at.hour for slot in made.slots] == [9, 9, 8, 8, 8]
    assert not made.problems


def test_a_break_starts_the_slots_afresh_and_what_does_not_fit_is_left_out() -> None:
    session = make(ends=time(10, 10), minutes=20, break_starts=time(9, 30), break_ends=time(9, 45))
    assert walls(session) == ["07 09:00", "07 09:45"]


def test_exceptions_of_a_day_of_days_and_of_hours() -> None:
    session = make(
        date(2026, 4, 6), date(2026, 4, 10), ends=time(10), minutes=30,
        exceptions=(
            LeftOut(date(2026, 4, 6)),
            LeftOut(date(2026, 4, 8), date(2026, 4, 9)),
            LeftOut(date(2026, 4, 10), starts=time(9, 45), ends=time(11)),
        ),
    )  # fmt: skip
    assert walls(session) == ["07 09:00", "07 09:30", "10 09:00"]


def test_times_that_do_not_exist_are_reported_one_by_one() -> None:
    made = expand(make(FORWARD, starts=time(0, 30), ends=time(2, 30), minutes=30), LONDON, field="sessions.4")
    assert [f"{slot.starts_at:%H:%M}" for slot in made.slots] == ["00:30", "01:00"]  # UTC: half past twelve, then two
    assert [(p.field, p.code) for p in made.problems] == [("sessions.4", "TIME_DOES_NOT_EXIST")] * 2
    assert "2026-03-29 01:00" in made.problems[0].message


def test_times_that_exist_twice_need_their_offset() -> None:
    session = make(BACK, starts=time(1), ends=time(2), minutes=30)
    assert {p.code for p in expand(session, LONDON).problems} == {"TIME_EXISTS_TWICE"}
    summer = expand(make(BACK, starts=time(1), ends=time(2), minutes=30, utc_offset=timedelta(hours=1)), LONDON)
    winter = expand(make(BACK, starts=time(1), ends=time(2), minutes=30, utc_offset=timedelta(0)), LONDON)
    assert [s.starts_at.hour for s in summer.slots] == [0, 0]
    assert [s.starts_at.hour for s in winter.slots] == [1, 1]
    wrong = expand(make(BACK, starts=time(1), ends=time(2), minutes=30, utc_offset=timedelta(hours=5)), LONDON)
    assert {p.code for p in wrong.problems} == {"OFFSET_WRONG"}


def test_a_slot_during_which_the_clocks_change_is_reported() -> None:
    made = expand(make(FORWARD, starts=time(0, 30), ends=time(3), minutes=75), LONDON)
    assert [p.code for p in made.problems] == ["CLOCKS_CHANGE_DURING_SLOT", "TIME_DOES_NOT_EXIST"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"ends": time(9)}, "ends"),
        ({"minutes": 0}, "slot_minutes"),
        ({"weekdays": frozenset()}, "weekdays"),
        ({"break_starts": time(10)}, "break"),
        ({"break_starts": time(10), "break_ends": time(10)}, "break.ends"),
        ({"starts": time(9, 0, 30)}, "starts"),
        ({"last": date(2026, 4, 6)}, "last_date"),
        ({"last": date(2028, 4, 30)}, "last_date"),
        ({"first": date(1999, 4, 30), "last": date(1999, 5, 1)}, "first_date"),
        ({"exceptions": (LeftOut(date(2026, 4, 7), starts=time(10)),)}, "exceptions.0"),
        ({"exceptions": (LeftOut(date(2026, 4, 7), date(2026, 4, 1)),)}, "exceptions.0.last_date"),
    ],
)
def test_what_is_wrong_with_a_session_is_named(more: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        expand(make(**more), LONDON)  # type: ignore[arg-type]
    assert [error.field for error in caught.value.errors] == [field]


TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 5, 15, 20, 30, 45, 59]))
SESSIONS = st.builds(
    lambda first, days, hours, minutes, weekdays, offset: make(
        first, first + timedelta(days=days), starts=min(hours), ends=max(hours), minutes=minutes,
        weekdays=weekdays, utc_offset=offset,
    ),
    st.dates(date(2026, 1, 1), date(2027, 1, 1)) | st.sampled_from([FORWARD, BACK, date(2026, 11, 1)]),
    st.integers(0, 10),
    st.lists(TIMES, min_size=2, max_size=2, unique=True),
    st.integers(5, 240),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.none() | st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(hours=-4)]),
)  # fmt: skip


@given(SESSIONS, st.sampled_from(ZONES))
def test_expansion_holds_for_any_session(session: Session, tz: ZoneInfo) -> None:
    made = expand(session, tz)
    length = timedelta(minutes=session.minutes)
    days = [session.first_date + timedelta(days=n) for n in range((session.last_date - session.first_date).days + 1)]
    a_day = (datetime.combine(date.min, session.ends) - datetime.combine(date.min, session.starts)) // length
    assert len(made.slots) + len(made.problems) == a_day * sum(day.weekday() in session.weekdays for day in days)
    assert len({slot.provider_slot_id for slot in made.slots}) == len(made.slots)
    for slot in made.slots:
        local = slot.starts_at.astimezone(tz)
        assert slot.ends_at - slot.starts_at == length
        assert local.astimezone(UTC) == slot.starts_at
        assert local.date() == slot.local_date
        assert slot.provider_slot_id == f"S/{local:%Y%m%dT%H%M}"
        assert session.starts <= local.time() < session.ends
    assert all(first.ends_at <= second.starts_at for first, second in zip(made.slots, made.slots[1:], strict=False)), (
        "slots overlap"
    )
    assert expand(session, tz) == made
