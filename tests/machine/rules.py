"""What people, providers, jobs and time do, as rules; and what must hold after each, as invariants."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule
from sqlalchemy import func, select

from booking.domain.actions import RULES
from booking.domain.errors import BookingError
from booking.domain.reasons import reasons_for
from booking.domain.referral import CHOOSING, Action, legal_actions
from booking.domain.slot import Result
from booking.domain.words import BookingState, Priority, Role
from booking.messaging import Message, Transport
from booking.models import Booking, OutboxMessage, Referral, Slot
from booking.services import (
    answers,
    audit,
    booking,
    clinics,
    escalation,
    freed,
    housekeeping,
    invariants,
    life,
    offers,
    publishing,
    referrals,
    waiting,
)
from booking.services.booking import Choice
from booking.services.clinics import Selection
from booking.services.delivery import deliver
from booking.services.life import HANDLERS, Given
from booking.services.publication_input import NewPublication, SlotDraft
from booking.services.slots import SlotSearch, free_slots
from booking.services.work import Work
from tests.machine.world import World

STAFF = (Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN, Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN)
PEOPLE = (*STAFF, Role.PATIENT, Role.SERVICE_DEFINER)
ACTIONS = sorted(HANDLERS)
turns = st.integers(0, 11)


class Post(Transport):
    """A mail server that is sometimes down."""

    def __init__(self, *, up: bool) -> None:
        self.up = up

    def send(self, message: Message) -> None:
        if not self.up:
            raise OSError("the mail server is down")


class Living(World):
    referrals: Bundle[str] = Bundle("referrals")

    @initialize()
    def region(self) -> None:
        self.start()

    # Referring and what the table of transitions has

    @rule(
        target=referrals, who=st.integers(0, 3), priority=st.sampled_from(Priority), kind=st.integers(0, 4),
        draft=st.sampled_from([False, False, False, True]), letter=st.booleans(),
    )  # fmt: skip
    def refer(self, who: int, priority: Priority, kind: int, draft: bool, letter: bool) -> str:
        both = [service.id for service in self.made.services]
        shortlist = [both, [*both, self.full], [self.full], [self.triage], [self.telephone, both[0]]][kind]
        new = referrals.NewReferral(
            self.patients[who], "330", priority, "a mole", shortlist, draft=draft,
            clinical_information="Seen." if letter else "",
        )  # fmt: skip
        return str(self.act(self.gp(), lambda work: referrals.create_referral(work, new)[0].ubrn, "refer"))

    @rule(
        ubrn=referrals, action=st.sampled_from(ACTIONS), turn=turns, anybody=st.integers(0, 9),
        priority=st.sampled_from([None, *Priority]), comment=st.sampled_from(["As discussed.", "As discussed.", None]),
    )  # fmt: skip
    def do(
        self, ubrn: str, action: Action, turn: int, anybody: int, priority: Priority | None, comment: str | None,
        role: Role | None = None,
    ) -> None:  # fmt: skip
        allowed = sorted(RULES[action].roles - {Role.SYSTEM})
        role = role or (PEOPLE[turn % len(PEOPLE)] if anybody == 0 else allowed[turn % len(allowed)])
        services = [self.made.services[0].id, self.full, self.triage, self.made.services[1].id]
        reasons = RULES[action].reasons
        usable = reasons_for(reasons, role, self.now.date()) if reasons is not None else []
        given = Given(
            reason=usable[turn % len(usable)].code if usable else None, comment=comment, priority=priority,
            service_id=services[turn % 4], shortlist=[services[0], services[1]][: 1 + turn % 2],
        )  # fmt: skip
        actor = self.somebody(role, ubrn)
        self.act(actor, lambda work: life.perform(work, ubrn, action, given), action.lower())

    @rule(ubrn=referrals, turn=turns, priority=st.sampled_from([None, *Priority]))
    def somebody_does_what_is_due(self, ubrn: str, turn: int, priority: Priority | None) -> None:
        self._do_something_legal(ubrn, turn, priority)

    @rule(ubrn=referrals, turn=turns)
    def the_clinic_does_what_is_due(self, ubrn: str, turn: int) -> None:
        self._do_something_legal(ubrn, turn, None, only=Role.PROVIDER_CLINICIAN)

    @rule(ubrn=referrals, turn=turns)
    def the_practice_does_what_is_due(self, ubrn: str, turn: int) -> None:
        self._do_something_legal(ubrn, turn, None, only=Role.REFERRING_CLINICIAN)

    def _do_something_legal(self, ubrn: str, turn: int, priority: Priority | None, *, only: Role | None = None) -> None:
        """One of the actions that the table has for the state it is in, by somebody who may."""
        with self.database.unit_of_work(write=False) as session:
            state = session.scalars(select(Referral.state).where(Referral.ubrn == ubrn)).one()
        open_to = [
            action for action in legal_actions(state)
            if action in HANDLERS and (only is None or only in RULES[action].roles)
        ]  # fmt: skip
        if open_to:
            self.do(ubrn, open_to[turn % len(open_to)], turn, 1, priority, "As discussed.", role=only)

    @rule(ubrn=referrals, role=st.sampled_from(PEOPLE))
    def cancel_the_referral(self, ubrn: str, role: Role) -> None:
        self.act(
            self.somebody(role, ubrn),
            lambda work: referrals.cancel_referral(work, ubrn, reason="NO_LONGER_REQUIRED", comment=None),
            "cancel_referral",
        )

    # Choosing and booking

    def _choice(self, work: Work, ubrn: str, turn: int) -> Choice:
        slots = self.slots(work)
        free = free_slots(work, referrals.own_referral(work, ubrn), SlotSearch())
        slot = (free or slots)[turn % len(free or slots)] if turn % 3 else slots[turn % len(slots)]
        return Choice(slot.id, slot.starts_at, slot.ends_at)

    def _acknowledge(self, made: Any, ubrn: str) -> None:
        if isinstance(made, Booking):
            assert made.reference is not None
            self.acknowledged[made.reference] = ubrn

    @rule(ubrn=referrals, turn=turns, role=st.sampled_from(PEOPLE))
    def book(self, ubrn: str, turn: int, role: Role) -> None:
        use = lambda work: booking.book(work, ubrn, self._choice(work, ubrn, turn))  # noqa: E731
        self._acknowledge(self.act(self.somebody(role, ubrn), use, "book"), ubrn)

    @rule(ubrn=referrals, turn=turns)
    def hold(self, ubrn: str, turn: int) -> None:
        use = lambda work: booking.hold(work, ubrn, self._choice(work, ubrn, turn))  # noqa: E731
        self.act(self.patient(ubrn), use, "hold")

    @rule(ubrn=referrals, turn=turns)
    def move(self, ubrn: str, turn: int) -> None:
        def use(work: Work) -> Booking | None:
            booked = booking.current_booking(work, referrals.own_referral(work, ubrn))
            if booked is None:
                return None
            return booking.move(work, str(booked.reference), self._choice(work, ubrn, turn))

        self._acknowledge(self.act(self.patient(ubrn), use, "move"), ubrn)

    @rule(ubrn=referrals)
    def be_offered(self, ubrn: str) -> None:
        def use(work: Work) -> None:
            locked = referrals.lock_referral(work, ubrn)
            made = offers.ensure_offers(work, referrals.own_referral(work, ubrn))
            assert all(offer.rank == 1 for offer in made if offer.guaranteed)
            if made and locked.state in CHOOSING:
                assert made[0].guaranteed

        self.act(self.patient(ubrn), use, "be_offered")

    @rule(ubrn=referrals)
    def take_the_guaranteed_offer(self, ubrn: str) -> None:
        def use(work: Work) -> Booking | None:
            made = offers.open_offers(work, referrals.own_referral(work, ubrn))
            if not made or not made[0].guaranteed:
                return None
            slot = made[0].slot
            return booking.book(work, ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))

        answer = self.act(self.patient(ubrn), use, "take")
        if isinstance(answer, BookingError):
            # Guaranteed is guaranteed: only the patient's own other appointment can stand in the way.
            assert answer.code in {"PATIENT_ELSEWHERE", "ILLEGAL_TRANSITION"}, answer
        self._acknowledge(answer, ubrn)

    @rule(ubrn=referrals, turn=turns)
    def decline(self, ubrn: str, turn: int) -> None:
        def use(work: Work) -> None:
            made = offers.open_offers(work, referrals.own_referral(work, ubrn))
            if made:
                chosen = made[turn % len(made)]
                answers.decline(work, ubrn, chosen.id)
                after = offers.open_offers(work, referrals.own_referral(work, ubrn))
                assert chosen.slot_id not in {offer.slot_id for offer in after}

        self.act(self.patient(ubrn), use, "decline")

    @rule(ubrn=referrals)
    def cancel_the_appointment(self, ubrn: str) -> None:
        def use(work: Work) -> None:
            booked = booking.current_booking(work, referrals.own_referral(work, ubrn))
            if booked is not None and booked.reference is not None:
                booking.cancel_booking(work, booked.reference, reason="UNABLE_TO_ATTEND", comment=None)

        self.act(self.patient(ubrn), use, "cancel_appointment")

    # The provider

    @rule(ubrn=referrals, withdraw=st.booleans())
    def the_provider_cancels_one(self, ubrn: str, withdraw: bool) -> None:
        def use(work: Work) -> None:
            booked = booking.current_booking(work, referrals.own_referral(work, ubrn))
            if booked is not None and booked.reference is not None:
                clinics.cancel_one(
                    work, booked.reference, reason="CLINICIAN_UNAVAILABLE", comment=None, withdraw_slot=withdraw
                )

        self.act(self.somebody(Role.PROVIDER_ADMIN, ubrn), use, "cancel_by_provider")

    @rule(turn=turns, between=st.booleans(), ubrn=referrals)
    def the_provider_cancels_a_clinic(self, turn: int, between: bool, ubrn: str) -> None:
        """Preview in one request, cancellation in the next; sometimes somebody books in between."""
        actor = self.somebody(Role.PROVIDER_ADMIN, ubrn)

        def slot_ids(work: Work) -> tuple[int, ...]:
            query = select(Slot.id).where(
                Slot.service_id == self.made.services[0].id, Slot.starts_at > work.now, Slot.status == "PUBLISHED"
            )
            return tuple(work.session.scalars(query.order_by(Slot.id)))[turn % 3 :: 2]

        def look(work: Work) -> tuple[Selection, str, set[int]]:
            selection = Selection(slot_ids=slot_ids(work))
            seen = clinics.preview(work, selection)
            return selection, seen.digest, {one.referral_id for one in seen.appointments}

        seen = self.act(actor, look, "preview_clinic")
        if isinstance(seen, BookingError):
            return
        selection, digest, touched = seen
        if between:
            self.book(ubrn, turn, Role.PATIENT)
        cancel = lambda work: clinics.cancel(  # noqa: E731
            work, selection, digest=digest, reason="CLINIC_CANCELLED", comment=None
        )
        if isinstance(self.act(actor, cancel, "cancel_clinic"), BookingError):
            return
        with self.database.unit_of_work(write=False) as session:  # (17)
            for referral in session.scalars(select(Referral).where(Referral.id.in_(touched))):
                assert referral.worklist == "APPOINTMENTS_FOR_BOOKING"
                told = select(OutboxMessage.created_at).where(
                    OutboxMessage.referral_id == referral.id, OutboxMessage.kind == "appointment-cancelled-by-provider"
                )
                assert self.now in set(session.scalars(told))

    @rule(turn=turns, days=st.integers(0, 6))
    def publish_twice(self, turn: int, days: int) -> None:
        """(16) Publishing the same again changes nothing."""
        service = [self.made.services[0].id, self.full][turn % 2]
        start = datetime.combine(self.now.date() + timedelta(days=days), datetime.min.time()).replace(hour=9 + turn % 6)
        drafts = [SlotDraft(f"p{start:%d%H}-{service}", start, start + timedelta(minutes=20))]
        new = NewPublication(service, slots=drafts)
        actor = self.somebody(Role.SERVICE_DEFINER, "")
        first = self.act(actor, lambda work: publishing.publish(work, new).outcomes, "publish")
        again = self.act(actor, lambda work: publishing.publish(work, new).outcomes, "publish_again")
        if not isinstance(first, BookingError):
            assert not isinstance(again, BookingError)
            assert all(
                after.result in (Result.UNCHANGED, Result.REFUSED) for after in again
            ), (first, again)  # fmt: skip

    @rule(turn=turns)
    def withdraw_a_slot(self, turn: int) -> None:
        def use(work: Work) -> None:
            mine = [slot for slot in self.slots(work) if slot.service_id == self.made.services[0].id]
            publishing.withdraw_slot(work, mine[turn % len(mine)].id)

        self.act(self.somebody(Role.PROVIDER_ADMIN, ""), use, "withdraw")

    # Jobs and time

    @rule()
    def holds_and_offers_expire(self) -> None:
        self.as_system(lambda work: housekeeping.expire_holds(work.session, work.now), "expire_holds")
        self.as_system(lambda work: housekeeping.expire_offers(work.session, work.now), "expire_offers")
        with self.database.unit_of_work(write=False) as session:  # (7)
            late = select(func.count()).where(Booking.state == BookingState.HELD, Booking.held_until <= self.now)
            assert session.scalar(late) == 0

    @rule()
    def freed_places_go_on(self) -> None:
        for key in self.as_system(freed.due, "freed_due"):
            self.as_system(lambda work, key=key: freed.pass_on(work, key), "pass_on")

    @rule()
    def those_waiting_are_offered_to(self) -> None:
        for key in self.as_system(lambda work: waiting.to_look_at(work, waiting.Memory()), "waiting"):
            self.as_system(lambda work, key=key: waiting.offer_one(work, key), "offer_one")

    @rule()
    def overdue_work_is_told_on(self) -> None:
        self.as_system(escalation.escalate, "escalate")

    @rule(up=st.booleans())
    def messages_leave(self, up: bool) -> None:
        self.steps_of("deliver")
        self._deliver(up=up)

    def _deliver(self, *, up: bool) -> int:
        """One batch; returns how many rows were tried."""
        done = deliver(self.database, Post(up=up), lambda: self.now, "https://book.example")
        return done.sent + done.retried + done.failed

    @rule()
    def the_trail_is_sealed(self) -> None:
        self.as_system(lambda work: audit.seal(work.session, work.now), "seal")

    @rule(minutes=st.sampled_from([1, 11, 60, 60 * 24, 60 * 24 * 3]), up=st.booleans())
    def time_passes(self, minutes: int, up: bool) -> None:
        """However long, the delivering job has been at work: the mail server may have been down all the time."""
        self.steps_of("time")
        self.now += timedelta(minutes=minutes)
        if minutes >= 60 * 24:
            while self._deliver(up=up):
                pass

    def steps_of(self, what: str) -> None:
        World.steps += 1
        World.tally[what] += 1

    # What must hold

    @invariant()
    def all_holds(self) -> None:
        if not self.changed():
            return
        with self.database.unit_of_work(write=False) as session:
            # (1) (2) (4) (5) (6) (7) (8) (10) (11) (12) (13) (14) (15) (17) (20)
            amiss = invariants.faults(session, self.now)
            assert not amiss, [str(fault) for fault in amiss]
            # (3) (9): what was acknowledged is there, and nothing else was said to be booked
            rows = {row.reference for row in session.scalars(select(Booking).where(Booking.reference.is_not(None)))}
            assert rows == set(self.acknowledged)
            # (14): one message for one event
            keys = list(session.scalars(select(OutboxMessage.event_key)))
            assert {f"booking:{reference}:booked" for reference in self.acknowledged} <= set(keys)
            assert len(keys) == len(set(keys))
