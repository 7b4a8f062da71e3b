"""A place given back goes to whom it helps most, is kept for each in turn, and nobody snatches it in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.db import Database
from booking.domain.errors import BookingError
from booking.domain.freed import GRACE, MOST_ASKED, Waiting, in_order_of_need, turn_ends
from booking.domain.words import BookingState, HoldKind, OfferState, Priority, SlotStatus
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.keys import Keys
from booking.models import Booking, FreedPlace, Offer, OutboxMessage, Referral, Slot
from booking.services import booking, offers, places, referrals
from booking.services.booking import Choice
from booking.services.work import Actor, Role, Work
from tests import factories
from tests.changes.conftest import API, Headers, as_patient, book, offered, somebody
from tests.conftest import NOW, SECRET, Rows
from tests.factories import Region, bearer

Later = Callable[..., Work]


class TestNeed:
    """The published order, on plain values."""

    DAY = date(2026, 3, 10)

    def order(self, *waiting: Waiting) -> list[int]:
        return [one.referral_id for one in in_order_of_need(list(waiting), self.DAY)]

    def one(self, key: int, **changes: Any) -> Waiting:
        given = {"priority": Priority.ROUTINE, "due": date(2026, 6, 1), "has": date(2026, 4, 1), "first_in_line": False}
        return Waiting(key, **{**given, **changes})

    def test_whom_it_does_not_help_is_not_asked(self) -> None:
        assert self.order(self.one(1, has=self.DAY), self.one(2, has=date(2026, 3, 9)), self.one(3)) == [3]

    def test_a_target_met_comes_first_the_more_urgent_the_more(self) -> None:
        sooner = self.one(1, has=date(2026, 5, 30))
        met = self.one(2, due=date(2026, 3, 31))
        urgent = self.one(3, priority=Priority.URGENT, due=date(2026, 3, 31))
        assert self.order(sooner, met, urgent) == [3, 2, 1]

    def test_then_days_late_avoided_then_priority_then_first_in_line_then_days_sooner(self) -> None:
        late = self.one(1, due=date(2026, 3, 1), has=date(2026, 4, 20))
        less_late = self.one(2, due=date(2026, 3, 1), has=date(2026, 4, 10))
        urgent = self.one(3, priority=Priority.URGENT)
        first = self.one(4, first_in_line=True)
        sooner = self.one(5, has=date(2026, 5, 1))
        plain = self.one(6)
        assert self.order(plain, sooner, first, urgent, less_late, late) == [1, 2, 3, 4, 5, 6]

    def test_who_has_nothing_counts_as_missing_the_target(self) -> None:
        assert self.order(self.one(1), self.one(2, has=None)) == [2, 1]

    def test_turns_never_run_into_the_last_day(self) -> None:
        assert turn_ends(NOW, NOW + timedelta(days=9), 24) == NOW + timedelta(hours=24)
        assert turn_ends(NOW, NOW + timedelta(hours=30), 24) == NOW + timedelta(hours=6)
        assert turn_ends(NOW, NOW + timedelta(hours=25), 24) is None


@pytest.fixture
def scarce(work: Work, region: Region) -> Slot:
    """Nothing is free but one slot next week, and one a day from 20 April on for offers that are worse."""
    work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
    service = region.services[0]
    slot = factories.slots(work, service, work.now.replace(hour=9) + timedelta(days=9), 1)[0]
    for day in range(49, 63):
        factories.slots(work, service, work.now.replace(hour=9) + timedelta(days=day), 1)
    work.session.commit()
    return slot


def give_back(work: Work, referral: Referral) -> None:
    reference = work.session.scalars(
        select(Booking.reference).where(Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED)
    ).one()
    booking.cancel_booking(as_patient(work, referral), str(reference), reason="UNABLE_TO_ATTEND", comment=None)
    work.session.commit()


def kept_for(rows: Rows, slot: Slot) -> list[int]:
    live = select(Booking.referral_id).where(Booking.slot_id == slot.id, Booking.released_at.is_(None))
    return list(rows(live.where(Booking.hold_kind == HoldKind.FREED, Booking.state == BookingState.HELD)))


def queue(work: Work, region: Region, scarce: Slot) -> tuple[Referral, list[Referral]]:
    """One who is booked on the slot, and others with worse times, the neediest first."""
    owner = somebody(work, region)
    book(work, owner, scarce)
    needs: list[dict[str, Any]] = [
        {"priority": Priority.URGENT, "rtt_clock_start": work.today - timedelta(days=20)},
        {"rtt_clock_start": work.today - timedelta(days=110)},
        {"rtt_clock_start": work.today - timedelta(days=10)},
    ]
    waiting = [somebody(work, region, **need) for need in needs]
    for referral in reversed(waiting):
        offered(work, referral)
    work.session.commit()
    return owner, waiting


def test_it_passes_from_one_to_the_next_and_then_is_open_to_all(
    work: Work, region: Region, scarce: Slot, later: Later, running: BookingApp, rows: Rows
) -> None:
    owner, waiting = queue(work, region, scarce)
    give_back(work, owner)
    for turn, referral in enumerate(waiting):
        assert kept_for(rows, scarce) == [referral.id], turn
        offer = rows(select(Offer).where(Offer.slot_id == scarce.id, Offer.state == OfferState.OPEN))[0]
        assert (offer.referral_id, offer.guaranteed) == (referral.id, False)  # beside the one they have
        assert rows(select(OutboxMessage.event_key).where(OutboxMessage.kind == "slot-found"))[turn].endswith(
            f":referral:{referral.id}"
        )
        assert tasks.pass_on(running) == 0  # it is still their turn
        later(hours=24, seconds=1)
        tasks.expire(running)
        assert kept_for(rows, scarce) == [referral.id]  # the sweep leaves it to whoever passes it on
        assert tasks.pass_on(running) == 1
    assert kept_for(rows, scarce) == []
    place = rows(select(FreedPlace))[0]
    assert place.ended_at is not None
    assert place.asked == [one.id for one in waiting]
    assert tasks.pass_on(running) == 0


def test_a_place_declined_is_the_next_ones_in_the_same_transaction(
    work: Work, region: Region, scarce: Slot, rows: Rows, client: FlaskClient
) -> None:
    owner, waiting = queue(work, region, scarce)
    give_back(work, owner)
    me = bearer(factories.patient_token(work, waiting[0]))
    work.session.commit()
    shown = client.get(f"{API}/referrals/{waiting[0].ubrn}/offers", headers=me).json["offers"]
    extra = next(one for one in shown if one["slot_id"] == scarce.id)
    left = client.post(f"{API}/referrals/{waiting[0].ubrn}/offers/{extra['offer_id']}/decline", headers=me)
    assert left.status_code == 200, left.json
    assert scarce.id not in {one["slot_id"] for one in left.json["offers"]}
    assert left.json["offers"][0]["guaranteed"]  # what they had stays theirs
    assert kept_for(rows, scarce) == [waiting[1].id]


def test_whoever_takes_it_ends_the_round(
    work: Work, region: Region, scarce: Slot, rows: Rows, running: BookingApp
) -> None:
    owner, waiting = queue(work, region, scarce)
    give_back(work, owner)
    book(work, waiting[0], scarce)
    work.session.commit()
    assert rows(select(FreedPlace.ended_at)) != [None]
    assert rows(select(Booking.referral_id).where(Booking.state == BookingState.BOOKED)) == [waiting[0].id]
    assert tasks.pass_on(running) == 0


def test_whoever_books_elsewhere_or_ends_passes_it_on_at_once(
    work: Work, region: Region, scarce: Slot, rows: Rows
) -> None:
    owner, waiting = queue(work, region, scarce)
    give_back(work, owner)
    own = work.session.scalars(
        select(Slot)
        .join(Offer, Offer.slot_id == Slot.id)
        .where(Offer.referral_id == waiting[0].id, Offer.state == OfferState.OPEN, Offer.guaranteed)
    ).one()
    book(work, waiting[0], own)
    work.session.commit()
    assert kept_for(rows, scarce) == [waiting[1].id]
    gp = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    referrals.cancel_referral(gp, waiting[1].ubrn, reason="NO_LONGER_REQUIRED", comment=None)
    work.session.commit()
    assert kept_for(rows, scarce) == [waiting[2].id]


def test_a_moved_appointment_frees_its_old_place_in_turn(work: Work, region: Region, scarce: Slot, rows: Rows) -> None:
    owner, waiting = queue(work, region, scarce)
    reference = rows(select(Booking.reference).where(Booking.referral_id == owner.id))[0]
    free = next(slot for slot in rows(select(Slot).where(Slot.status == SlotStatus.PUBLISHED).order_by(Slot.id.desc())))
    booking.move(as_patient(work, owner), reference, Choice(free.id, free.starts_at, free.ends_at))
    work.session.commit()
    assert kept_for(rows, scarce) == [waiting[0].id]


def test_who_has_nothing_is_offered_it_as_their_guaranteed_time(
    work: Work, region: Region, scarce: Slot, rows: Rows, client: FlaskClient
) -> None:
    owner = somebody(work, region)
    book(work, owner, scarce)
    needy = somebody(work, region)
    me = bearer(factories.patient_token(work, needy))
    work.session.commit()
    give_back(work, owner)
    shown = client.post(f"{API}/referrals/{needy.ubrn}/offers", headers=me).json["offers"]
    assert [(one["slot_id"], one["rank"], one["guaranteed"]) for one in shown] == [(scarce.id, 1, True)]
    declined = client.post(f"{API}/referrals/{needy.ubrn}/offers/{shown[0]['offer_id']}/decline", headers=me)
    fresh = declined.json["offers"]
    assert fresh[0]["guaranteed"]  # another at once
    assert scarce.id not in {one["slot_id"] for one in fresh}
    again = client.post(f"{API}/referrals/{needy.ubrn}/offers/{shown[0]['offer_id']}/decline", headers=me)
    assert again.status_code == 404


def test_whom_it_does_not_suit_is_not_asked(work: Work, region: Region, scarce: Slot, rows: Rows) -> None:
    owner = somebody(work, region)
    book(work, owner, scarce)
    for patient in (
        {"unsuitable_times": 2**21 - 1}, {"farthest_km": 0.1}, {"clinician_sex": "male"},
    ):  # fmt: skip
        somebody(work, region, Priority.TWO_WEEK_WAIT, patient=patient)
    elsewhere = somebody(work, region, Priority.TWO_WEEK_WAIT, shortlist=[region.services[1].id])
    fine = somebody(work, region)
    work.session.commit()
    give_back(work, owner)
    assert kept_for(rows, scarce) == [fine.id]
    assert elsewhere.id != fine.id


def test_near_its_start_or_after_ten_it_is_open_to_all(
    work: Work, region: Region, scarce: Slot, later: Later, running: BookingApp, rows: Rows
) -> None:
    owner = somebody(work, region)
    book(work, owner, scarce)
    for _ in range(MOST_ASKED + 2):
        somebody(work, region)
    work.session.commit()
    give_back(work, owner)
    asked = 0
    while kept_for(rows, scarce):
        asked += 1
        later(hours=24)
        tasks.pass_on(running)
    assert asked == 8  # nine days ahead, of which the last is everybody's

    soon = factories.slots(work, region.services[0], running.clock() + timedelta(hours=20), 1)[0]
    late = replace(work, now=running.clock())
    other = somebody(work, region)
    book(late, other, soon)
    work.session.commit()
    give_back(late, other)
    assert kept_for(rows, soon) == []
    assert len(rows(select(FreedPlace))) == 1


def test_only_so_many_are_asked(
    work: Work, region: Region, scarce: Slot, later: Later, running: BookingApp, rows: Rows
) -> None:
    far = factories.slots(work, region.services[0], work.now.replace(hour=9) + timedelta(days=40), 1)[0]
    owner = somebody(work, region)
    book(work, owner, far)
    for _ in range(MOST_ASKED + 2):
        somebody(work, region)
    work.session.commit()
    give_back(work, owner)
    for _ in range(MOST_ASKED):
        assert len(kept_for(rows, far)) == 1
        later(hours=24)
        tasks.pass_on(running)
    assert kept_for(rows, far) == []
    assert len(rows(select(FreedPlace.asked))[0]) == MOST_ASKED


def test_nobody_outside_snatches_it_in_between(
    work: Work, region: Region, scarce: Slot, later: Later, running: BookingApp, database: Database, rows: Rows
) -> None:
    """While the place is given back, declined and passed on, others press "book" on it without a pause."""
    owner, waiting = queue(work, region, scarce)
    snatchers = [somebody(work, region, rtt_clock_start=work.today) for _ in range(3)]
    late = factories.slots(work, region.services[0], work.now + timedelta(days=5), len(snatchers))
    for referral, slot in zip(snatchers, late, strict=True):
        # What they have is sooner, so that it is never their turn.
        referral = referrals.own_referral(as_patient(work, referral), referral.ubrn)
        fit = offers.fits(work, referral, slot.id)
        assert fit is not None
        _hold(work, referral, slot)
        offers.add_offer(work, referral, fit, work.now + timedelta(days=4))
    work.session.commit()
    keys, config = Keys(SECRET), work.config
    over, answers = threading.Event(), []

    def snatch(referral: Referral) -> None:
        while not over.is_set():
            try:
                with database.unit_of_work() as session:
                    actor = Actor("patient", Role.PATIENT, referral_id=referral.id)
                    book(Work(session, actor, running.clock(), config, keys), referral, scarce)
                answers.append("SNATCHED")
                return
            except BookingError as error:
                answers.append(error.code)

    threads = [threading.Thread(target=snatch, args=(referral,)) for referral in snatchers]
    for thread in threads:
        thread.start()
    try:
        give_back(work, owner)
        for referral in waiting[:2]:
            assert kept_for(rows, scarce) == [referral.id]
            later(hours=24, seconds=1)
            while kept_for(rows, scarce) == [referral.id]:
                tasks.pass_on(running)
        assert kept_for(rows, scarce) == [waiting[2].id]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert "SNATCHED" not in answers
    assert set(answers) <= {"SLOT_NOT_AVAILABLE", "BEING_CHANGED"}


def _hold(work: Work, referral: Referral, slot: Slot) -> Slot:
    locked = places.lock_slot(work, slot.id)
    places.hold_place(work, referral, locked, HoldKind.OFFER, work.now + timedelta(days=4))
    return locked


def test_the_place_is_kept_a_little_longer_than_the_offer_says(
    work: Work, region: Region, scarce: Slot, rows: Rows
) -> None:
    owner, _ = queue(work, region, scarce)
    give_back(work, owner)
    offer = rows(select(Offer).where(Offer.slot_id == scarce.id, Offer.state == OfferState.OPEN))[0]
    held = rows(select(Booking).where(Booking.hold_kind == HoldKind.FREED))[0]
    assert held.held_until - offer.expires_at == GRACE


class TestProposedMove:
    @pytest.fixture
    def reference(self, work: Work, region: Region) -> str:
        made = str(book(work, somebody(work, region), region.slots[0]).reference)
        work.session.commit()
        return made

    def test_nothing_moves_until_the_patient_agrees(
        self, work: Work, region: Region, provider: Headers, client: FlaskClient, rows: Rows, reference: str
    ) -> None:
        referral = rows(select(Referral))[0]
        me = bearer(factories.patient_token(work, referral))
        work.session.commit()
        new = region.slots[8]
        said = client.post(f"{API}/bookings/{reference}/proposed-move", json={"slot_id": new.id}, headers=provider)
        assert said.status_code == 201, said.json
        assert rows(select(Booking.slot_id).where(Booking.state == BookingState.BOOKED)) == [region.slots[0].id]
        assert rows(select(OutboxMessage.kind).order_by(OutboxMessage.id))[-1] == "move-proposed"
        offer = client.get(f"{API}/referrals/{referral.ubrn}/offers", headers=me).json["offers"][0]
        assert offer["slot_id"] == new.id
        choice = {name: offer[name] for name in ("slot_id", "starts_at", "ends_at")}
        moved = client.post(f"{API}/bookings/{reference}/move", json=choice, headers=me)
        assert moved.status_code in (200, 201), moved.json
        assert rows(select(Booking.slot_id).where(Booking.state == BookingState.BOOKED)) == [new.id]

    def test_declined_everything_is_as_it_was(
        self, work: Work, region: Region, provider: Headers, client: FlaskClient, rows: Rows, reference: str
    ) -> None:
        referral = rows(select(Referral))[0]
        me = bearer(factories.patient_token(work, referral))
        work.session.commit()
        path = f"{API}/bookings/{reference}/proposed-move"
        made = client.post(path, json={"slot_id": region.slots[8].id}, headers=provider).json["offers"][0]
        assert client.post(f"{API}/referrals/{referral.ubrn}/offers/{made['offer_id']}/decline", headers=me).json == {
            "offers": []
        }
        live = rows(select(Booking).where(Booking.released_at.is_(None)))
        assert [(one.slot_id, one.state) for one in live] == [(region.slots[0].id, BookingState.BOOKED)]

    def test_what_can_not_be_proposed(
        self, work: Work, region: Region, provider: Headers, client: FlaskClient, reference: str
    ) -> None:
        book(work, somebody(work, region), region.slots[9])
        work.session.commit()
        path = f"{API}/bookings/{reference}/proposed-move"
        for slot_id, code in ((region.slots[0].id, 409), (region.slots[9].id, 422), (region.slots[-1].id, 404)):
            assert client.post(path, json={"slot_id": slot_id}, headers=provider).status_code == code, slot_id
