"""A state machine over the services: patients, practices and time do what they like, in any order, and after every
step the invariants hold. On both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from booking.config import Config
from booking.db import Database
from booking.domain.errors import BookingError
from booking.domain.referral import CHOOSING, TRANSITIONS, ReferralState
from booking.domain.words import BookingState, Priority, Role, SlotStatus
from booking.keys import Keys
from booking.models import AuditEntry, Booking, OutboxMessage, Referral, ReferralEvent, Slot
from booking.services import audit, booking, offers, places, referrals
from booking.services.booking import Choice
from booking.services.slots import SlotSearch, free_slots
from booking.services.work import Actor, Work
from tests import factories
from tests.conftest import NOW, SECRET, SYSTEM, empty_postgresql


class Choosing(RuleBasedStateMachine):
    """Each rule is one request: one transaction, committed or rolled back whole."""

    database: Database
    referrals: Bundle[str] = Bundle("referrals")

    @initialize()
    def region(self) -> None:
        self.now = NOW
        self.acknowledged: dict[str, str] = {}
        self.keys, self.config = Keys(SECRET), Config(database_url=self.database.url, secret_key=SECRET, testing=True)
        with self.database.unit_of_work() as session, factories.using(session):
            self.made = factories.region(Work(session, SYSTEM, self.now, self.config, self.keys))
            others = [factories.PatientFactory(practice_id=self.made.practice.id) for _ in range(3)]
            self.patients = [self.made.patient.id, *(one.id for one in others)]
            # Few slots, so that they run out; some with two places.
            for slot in self.made.slots[4:]:
                slot.status = SlotStatus.WITHDRAWN
            self.made.slots[0].capacity = 2

    def act(self, actor: Actor, use: Any) -> Any:
        """Run ``use`` as a request of ``actor``; a refusal rolls back and is an answer too."""
        try:
            with self.database.unit_of_work() as session:
                return use(Work(session, actor, self.now, self.config, self.keys))
        except BookingError as refusal:
            return refusal

    def gp(self) -> Actor:
        return Actor("Dr Lake", Role.REFERRING_CLINICIAN, self.made.practice.id, "P81001")

    def patient(self, ubrn: str) -> Actor:
        with self.database.unit_of_work(write=False) as session:
            found = session.scalar(select(Referral.id).where(Referral.ubrn == ubrn))
            return Actor("patient", Role.PATIENT, referral_id=found)

    @rule(target=referrals, who=st.integers(0, 3), priority=st.sampled_from(Priority))
    def refer(self, who: int, priority: Priority) -> str:
        new = referrals.NewReferral(
            self.patients[who], "330", priority, "a mole", [service.id for service in self.made.services]
        )
        return str(self.act(self.gp(), lambda work: referrals.create_referral(work, new)[0].ubrn))

    def _choice(self, work: Work, ubrn: str, turn: int) -> Choice:
        slots = list(work.session.scalars(select(Slot).order_by(Slot.id)))
        free = free_slots(work, referrals.own_referral(work, ubrn), SlotSearch())
        slot = (free or slots)[turn % len(free or slots)] if turn % 3 else slots[turn % len(slots)]
        return Choice(slot.id, slot.starts_at, slot.ends_at)

    @rule(ubrn=referrals, turn=st.integers(0, 11))
    def book(self, ubrn: str, turn: int) -> None:
        made = self.act(self.patient(ubrn), lambda work: booking.book(work, ubrn, self._choice(work, ubrn, turn)))
        if isinstance(made, Booking):
            assert made.reference is not None
            self.acknowledged[made.reference] = ubrn

    @rule(ubrn=referrals, turn=st.integers(0, 11))
    def hold(self, ubrn: str, turn: int) -> None:
        self.act(self.patient(ubrn), lambda work: booking.hold(work, ubrn, self._choice(work, ubrn, turn)))

    @rule(ubrn=referrals)
    def be_offered(self, ubrn: str) -> None:
        def use(work: Work) -> None:
            locked = referrals.lock_referral(work, ubrn)
            made = offers.ensure_offers(work, referrals.own_referral(work, ubrn))
            assert all(offer.guaranteed == (offer.rank == 1) for offer in made)
            if made and locked.state in CHOOSING:
                assert made[0].guaranteed

        self.act(self.patient(ubrn), use)

    @rule(ubrn=referrals)
    def take_the_guaranteed_offer(self, ubrn: str) -> None:
        def use(work: Work) -> Booking | None:
            made = offers.open_offers(work, referrals.own_referral(work, ubrn))
            if not made or not made[0].guaranteed:
                return None
            slot = made[0].slot
            return booking.book(work, ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))

        answer = self.act(self.patient(ubrn), use)
        if isinstance(answer, BookingError):
            # Guaranteed is guaranteed: only the patient's own other appointment can stand in the way.
            assert answer.code in {"PATIENT_ELSEWHERE", "ILLEGAL_TRANSITION"}, answer
        elif answer is not None:
            assert answer.reference is not None
            self.acknowledged[answer.reference] = ubrn

    @rule(ubrn=referrals)
    def cancel_the_appointment(self, ubrn: str) -> None:
        def use(work: Work) -> None:
            booked = booking.current_booking(work, referrals.own_referral(work, ubrn))
            if booked is not None and booked.reference is not None:
                booking.cancel_booking(work, booked.reference, reason="UNABLE_TO_ATTEND", comment=None)

        self.act(self.patient(ubrn), use)

    @rule(ubrn=referrals)
    def cancel_the_referral(self, ubrn: str) -> None:
        self.act(
            self.gp(), lambda work: referrals.cancel_referral(work, ubrn, reason="NO_LONGER_REQUIRED", comment=None)
        )

    @rule(minutes=st.sampled_from([1, 11, 60, 60 * 24]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def places_are_never_overbooked(self) -> None:  # (1)
        with self.database.unit_of_work(write=False) as session:
            counted = select(Booking.slot_id, func.count()).where(places.occupying(self.now)).group_by(Booking.slot_id)
            live = {row[0]: row[1] for row in session.execute(counted)}
            for slot in session.scalars(select(Slot)):
                assert live.get(slot.id, 0) <= slot.capacity

    @invariant()
    def nobody_is_in_two_places(self) -> None:  # (2)
        with self.database.unit_of_work(write=False) as session:
            booked = list(session.scalars(select(Booking).where(Booking.state == BookingState.BOOKED)))
            for one in booked:
                for other in booked:
                    if one.id < other.id and one.patient_id == other.patient_id:
                        assert one.ends_at <= other.starts_at or other.ends_at <= one.starts_at

    @invariant()
    def state_events_and_booking_agree(self) -> None:  # (8) (11) (12)
        with self.database.unit_of_work(write=False) as session:
            booked = {
                row.referral_id for row in session.scalars(select(Booking).where(Booking.state == BookingState.BOOKED))
            }
            for referral in session.scalars(select(Referral)):
                assert (referral.state is ReferralState.BOOKED) == (referral.id in booked)
                query = select(ReferralEvent).where(ReferralEvent.referral_id == referral.id)
                events = list(session.scalars(query.order_by(ReferralEvent.sequence)))
                state = ReferralState.DRAFT
                for event in events:
                    assert event.from_state is state
                    state = TRANSITIONS[state, event.action]
                    assert event.to_state is state
                assert state is referral.state
                chain = select(func.count()).where(AuditEntry.chain == f"referral:{referral.id}")
                assert session.scalar(chain) == len(events)

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:  # (3) (9) (14)
        with self.database.unit_of_work(write=False) as session:
            rows = {row.reference for row in session.scalars(select(Booking).where(Booking.reference.is_not(None)))}
            keys = list(session.scalars(select(OutboxMessage.event_key)))
            assert rows == set(self.acknowledged)
            assert {f"booking:{reference}:booked" for reference in rows} <= set(keys)
            assert len(keys) == len(set(keys))

    @invariant()
    def the_audit_trail_is_whole(self) -> None:  # (13)
        with self.database.unit_of_work(write=False) as session:
            assert audit.verify(session) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Makes an empty database for each run of the machine."""
    made: list[Database] = []

    def make() -> Database:
        for old in made:
            old.dispose()
        if request.param == "sqlite":
            path = tmp_path / f"{len(made)}.db"
            shutil.copy(request.getfixturevalue("empty_sqlite"), path)
            database = Database(f"sqlite:///{path}")
        else:
            database = Database(request.getfixturevalue("migrated_postgresql"))
            empty_postgresql(database)
        made.append(database)
        return database

    yield make
    for database in made:
        database.dispose()


def test_the_invariants_hold_whatever_people_do(fresh: Any) -> None:
    class Machine(Choosing):
        def __init__(self) -> None:
            super().__init__()
            self.database = fresh()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
