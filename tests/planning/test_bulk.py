"""Reading and writing in bulk: what goes in comes out, what the database refuses stays out, alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from booking.db import Database
from booking.domain.words import BookingState, HoldKind
from booking.models import Booking, OutboxMessage, Patient, Referral, Slot
from booking.services import bulk
from booking.services.planning import sql
from booking.services.planning.apply import _take_places
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region
from tests.planning.conftest import Flask, people, snapshot

AWKWARD = ["plain", "", "a\tb", "a\nb\r\nc", "\\N", "\\.", 'say "no"', "it's", "naïve – £5 😀", "100%", "%(x)s", ":x"]


def test_what_is_written_in_bulk_is_read_back(work: Work, rows: Rows) -> None:
    columns = ("event_key", "kind", "referral_id", "payload", "created_at", "next_attempt_at", "attempts", "last_error")
    given: list[tuple[Any, ...]] = [
        (f"k{at}", "offers-ready", None, {"said": text, "n": [1.5, None, True]}, work.now, work.now, at, text)
        for at, text in enumerate(AWKWARD)
    ]
    assert bulk.insert(work.session.connection(), OutboxMessage.__table__, columns, iter(given)) == len(AWKWARD)
    work.session.commit()
    found = rows(select(OutboxMessage).order_by(OutboxMessage.id))
    assert [tuple(getattr(one, name) for name in columns) for one in found] == given


def test_a_column_that_is_not_there_is_named(work: Work) -> None:
    with pytest.raises(ValueError, match="booking has no column 'colour'"):
        bulk.insert(work.session.connection(), Booking.__table__, ("place", "colour"), [])


def test_a_refusal_names_no_values(work: Work) -> None:
    row = ("secret-key", "k", {}, work.now, work.now, 0)
    columns = ("event_key", "kind", "payload", "created_at", "next_attempt_at", "attempts")
    with pytest.raises(IntegrityError) as refused:
        bulk.insert(work.session.connection(), OutboxMessage.__table__, columns, [row, row])
    assert "parameters" not in str(refused.value)


def test_only_the_rows_that_the_database_refuses_are_left_out(work: Work, region: Region) -> None:
    """Three of eleven: a place somebody has, a place that the slot has not, a slot of other times."""
    made = people(work, region, 11)
    slots = region.slots[:11]
    rival = factories.referral(work, region)[0]
    rows = [_hold(work, referral, slot) for referral, slot in zip(made, slots, strict=True)]
    assert _take_places(work.session, [_hold(work, rival, slots[4])]) == [rival.id]
    rows[7] = _hold(work, made[7], slots[7], place=2)
    rows[9] = _hold(work, made[9], slots[9], later=timedelta(minutes=1))
    expected = [one.id for at, one in enumerate(made) if at not in (4, 7, 9)]
    assert _take_places(work.session, rows) == expected
    work.session.commit()
    held = work.session.execute(select(Booking.referral_id, Booking.slot_id).order_by(Booking.slot_id))
    assert sorted(row[0] for row in held) == sorted([*expected, rival.id])


def _hold(
    work: Work, referral: Referral, slot: Slot, *, place: int = 1, later: timedelta = timedelta()
) -> tuple[Any, ...]:
    return (
        referral.id, referral.patient_id, slot.id, place, slot.starts_at + later, slot.ends_at, BookingState.HELD,
        HoldKind.OFFER, work.now + timedelta(days=1), work.now,
    )  # fmt: skip


def test_blocks_are_the_whole(work: Work, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block's size, also where one key has rows in two of them."""
    people(work, region, 7)
    query = select(Slot.service_id.label("service"), Slot.id.label("key"), (Slot.capacity > 0).label("free"))
    whole = sql.table(work.session, query, order=("service", "key"))
    assert len(whole["key"]) == len(region.slots)
    assert set(whole["free"]) == {1.0}
    for size in (1, 3, 1000):
        monkeypatch.setattr(sql, "CHUNK", size)
        for key in (Slot.service_id, Slot.id):
            parts = sql.table(work.session, query, order=("service", "key"), blocks=key)
            assert all(np.array_equal(parts[name], whole[name]) for name in whole)
    none = sql.table(work.session, query.where(Slot.id < 0), order=("key",), blocks=Slot.id)
    assert [len(values) for values in none.values()] == [0, 0, 0]


def test_a_missing_number_is_an_error_not_a_missing_row(work: Work, region: Region) -> None:
    people(work, region, 2)
    with pytest.raises(ValueError, match="farthest is NULL"):
        sql.table(work.session, select(Patient.id.label("key"), Patient.farthest_km.label("farthest")))


@pytest.mark.parametrize("size", [3, 500])
def test_chunks_side_by_side_write_what_one_after_another_would(
    flask: Flask, work: Work, region: Region, database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    made = people(work, region, 40)
    monkeypatch.setattr("booking.services.planning.apply.CHUNK", size)
    flask("plan")
    after = snapshot(database)
    assert [hold[0] for hold in after.holds] == [one.id for one in made]
    assert {(hold[0], hold[1]) for hold in after.holds} == {(offer[0], offer[2]) for offer in after.offers if offer[3]}
    assert len(after.messages) == 40
    assert [state for _, state in after.runs] == ["APPLIED"]
