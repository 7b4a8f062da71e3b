"""What must hold of the stored data whatever happened: checked at rest, on the live database or on a restored copy.

Each check covers numbered invariants of the house. Those about a moment in time (3 and 9: what was
acknowledged is there; 16, 18 and 19: publishing and planning) can't be seen in data at rest: races, kills
and the state machine prove those, with ``audit``-like bookkeeping of their own.

==================  =================================================================================
check               invariants
==================  =================================================================================
places              (1) holds and bookings never exceed the places of a slot
two_places          (2) no patient and no practitioner in two places at one time
worklists           (4) each live referral and request for advice on one worklist, its owner's, with a due date
bookings            (5) the appointment is at a shortlisted service, as the slot stands, made before it began;
                    (6) none on a withdrawn slot or an ended referral; (7) no hold was confirmed after its time
booked_agrees       (8) state and appointment of a referral agree
idempotency         (10) no kept answer without an answer
histories           (11) only listed transitions, and the state is the one they lead to; the RTT clock likewise
audited             (12) every transition has its audit entry
chains              (13) the audit trail verifies
told                (14) every appointment made has its message; (17) so has everybody whose provider cancelled
outbox              (15) no message is unsent beyond its time without somebody being shown that it failed
local_times         (20) UTC → local → UTC is the identity, and the day of an appointment is its local one
==================  =================================================================================

The cost is linear in events, bookings, slots and audit entries; on a small database it is milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from booking.domain.referral import TERMINAL, TRANSITIONS, Action, ReferralState
from booking.domain.words import (
    AdviceState,
    BookingState,
    ClockChange,
    ClockState,
    SlotStatus,
)
from booking.domain.worklists import OWNER, Owner
from booking.models import (
    AdviceRequest,
    AuditEntry,
    Booking,
    ClockEvent,
    IdempotencyRecord,
    OutboxMessage,
    Referral,
    ReferralEvent,
    ReferralService,
    Service,
    Slot,
)
from booking.services import audit
from booking.services.delivery import GIVE_UP_AFTER, LEASE, LONGEST_RETRY
from booking.services.places import occupying

BATCH = 1000
OUTBOX_OVERDUE = GIVE_UP_AFTER + LONGEST_RETRY + LEASE
"""A message older than this that neither left nor failed: nobody is delivering."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it must be. ``where`` and ``what`` name keys, never people."""

    check: str
    invariant: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"({self.invariant}) {self.where}: {self.what}"


Found = Iterator[tuple[int, str, str]]
Rows = Select[*tuple[Any, ...]]
Check = Callable[[Session, datetime], Found]


def faults(session: Session, now: datetime, *, only: Collection[str] | None = None) -> list[Fault]:
    """Everything amiss, by the checks named (all of them by default); an empty list means that all is well."""
    return [
        Fault(name, *found)
        for name, check in CHECKS.items()
        if only is None or name in only
        for found in check(session, now)
    ]


def _rows(session: Session, query: Rows) -> Iterator[Any]:
    return iter(session.execute(query.execution_options(yield_per=BATCH)))


def _places(session: Session, now: datetime) -> Found:
    taken = (
        select(Booking.slot_id, func.count().label("taken"), func.max(Booking.place).label("highest"))
        .where(occupying(now))
        .group_by(Booking.slot_id)
        .subquery()
    )
    query = select(Slot.id, Slot.capacity, taken.c.taken, taken.c.highest).join(taken, taken.c.slot_id == Slot.id)
    over = or_(taken.c.taken > Slot.capacity, taken.c.highest > Slot.capacity)
    for row in _rows(session, query.where(over)):
        yield 1, f"slot {row.id}", f"{row.taken} on {row.capacity} places, the highest on {row.highest}"


def _two_places(session: Session, now: datetime) -> Found:
    present = and_(Booking.released_at.is_(None), Booking.state != BookingState.HELD)
    for row in _rows(session, _overlaps(Booking, Booking.patient_id, present)):
        yield 2, f"patient {row.who}", f"booking {row.id} begins before another of theirs ends"
    active = and_(Slot.practitioner_id.is_not(None), Slot.status != SlotStatus.WITHDRAWN)
    for row in _rows(session, _overlaps(Slot, Slot.practitioner_id, active)):
        yield 2, f"practitioner {row.who}", f"slot {row.id} begins before another of theirs ends"


def _overlaps(of: type[Booking | Slot], who: InstrumentedAttribute[Any], where: ColumnElement[bool]) -> Rows:
    """Rows that begin before an earlier row of the same person has ended."""
    earlier = func.max(of.ends_at).over(partition_by=who, order_by=(of.starts_at, of.id), rows=(None, -1))
    rows = select(of.id, who.label("who"), of.starts_at, earlier.label("earlier_end")).where(where).subquery()
    return select(rows.c.id, rows.c.who).where(rows.c.earlier_end > rows.c.starts_at)


def _worklists(session: Session, now: datetime) -> Found:
    for model, ended in (
        (Referral, Referral.state.in_(TERMINAL)),
        (AdviceRequest, AdviceRequest.state.in_([AdviceState.CONVERTED, AdviceState.CLOSED])),
    ):
        name = model.__tablename__
        provider = select(Service.organisation_id).where(Service.id == model.service_id).scalar_subquery()
        query = select(
            model.id, model.worklist, model.worklist_due, model.worklist_organisation_id.label("owner"),
            model.practice_id, provider.label("provider"),
        ).where(or_(~ended, model.worklist.is_not(None)))  # fmt: skip
        for row in _rows(session, query):
            if row.worklist is None or row.worklist_due is None or row.owner is None:
                yield 4, f"{name} {row.id}", "is live and on no worklist, or on one without owner or due date"
                continue
            # A provider's list falls to the practice while no provider is known, never the other way round. (The
            # practice of a closed one's patients is its successor, or the commissioner.)
            theirs = row.provider if OWNER[row.worklist] is Owner.PROVIDER else None
            if row.owner != (theirs or row.practice_id):
                yield 4, f"{name} {row.id}", f"{row.worklist} is not the list of organisation {row.owner}"


def _bookings(session: Session, now: datetime) -> Found:
    shortlisted = exists().where(
        ReferralService.referral_id == Booking.referral_id, ReferralService.service_id == Slot.service_id
    )
    query = (
        select(
            Booking.id, Booking.state, Booking.starts_at, Booking.ends_at, Booking.booked_at, Booking.held_until,
            Booking.patient_id, Slot.starts_at.label("slot_starts_at"), Slot.ends_at.label("slot_ends_at"), Slot.status,
            Slot.service_id, Referral.state.label("referral_state"), Referral.service_id.label("sent_to"),
            Referral.patient_id.label("referred"), shortlisted.label("shortlisted"),
        )
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Referral, Referral.id == Booking.referral_id)
        .where(or_(Booking.state == BookingState.HELD, Booking.booked_at.is_not(None)))
    )  # fmt: skip
    for row in _rows(session, query):
        for invariant, amiss, what in _of_booking(row, now):
            if amiss:
                yield invariant, f"booking {row.id}", what


def _of_booking(row: Any, now: datetime) -> list[tuple[int, bool, str]]:
    booked = row.state is BookingState.BOOKED
    live = booked or (row.state is BookingState.HELD and row.held_until > now)
    moved = row.starts_at != row.slot_starts_at or row.ends_at != row.slot_ends_at
    late = row.booked_at is not None and row.booked_at >= row.starts_at
    return [
        (5, booked and not row.shortlisted, "is at a service that is not on the shortlist"),
        (5, booked and row.service_id != row.sent_to, "is at another service than the referral was sent to"),
        (5, live and moved, "has other times than its slot"),
        (5, row.patient_id != row.referred, "is of another patient than its referral"),
        (6, live and row.status is SlotStatus.WITHDRAWN, "is on a withdrawn slot"),
        (6, live and row.referral_state in TERMINAL, "is live although the referral has ended"),
        (6, late, "was made when the time had come or passed"),
        (
            7,
            row.booked_at is not None and row.held_until is not None and row.booked_at >= row.held_until,
            "was confirmed from a hold whose time was over",
        ),
    ]


_APPOINTMENT_OF = {
    ReferralState.BOOKED: BookingState.BOOKED,
    ReferralState.ATTENDED: BookingState.ATTENDED,
    ReferralState.DID_NOT_ATTEND: BookingState.DID_NOT_ATTEND,
}


def _booked_agrees(session: Session, now: datetime) -> Found:
    def has(state: BookingState) -> ColumnElement[bool]:
        return exists().where(Booking.referral_id == Referral.id, Booking.state == state)

    agree = or_(*(and_(Referral.state == one, has(other)) for one, other in _APPOINTMENT_OF.items()))
    lacking = select(Referral.id, Referral.state).where(Referral.state.in_(_APPOINTMENT_OF), ~agree)
    for row in _rows(session, lacking):
        yield 8, f"referral {row.id}", f"is {row.state} without an appointment that is"
    loose = select(Referral.id, Referral.state).where(Referral.state != ReferralState.BOOKED, has(BookingState.BOOKED))
    for row in _rows(session, loose):
        yield 8, f"referral {row.id}", f"is {row.state} and has a live appointment"


def _idempotency(session: Session, now: datetime) -> Found:
    count = session.scalar(select(func.count()).where(IdempotencyRecord.status.is_(None)))
    if count:
        yield 10, "idempotency_record", f"{count} keys are taken without an answer"


_CLOCK = {
    ClockChange.START: ClockState.RUNNING,
    ClockChange.STOP: ClockState.STOPPED,
    ClockChange.NULLIFY: ClockState.NULLIFIED,
}


def _histories(session: Session, now: datetime) -> Found:
    events = select(
        ReferralEvent.referral_id, ReferralEvent.sequence, ReferralEvent.action, ReferralEvent.from_state,
        ReferralEvent.to_state, Referral.state.label("state"), Referral.version,
    ).join(Referral, Referral.id == ReferralEvent.referral_id)  # fmt: skip
    ordered = events.order_by(ReferralEvent.referral_id, ReferralEvent.sequence)
    for referral_id, history in groupby(_rows(session, ordered), lambda row: row.referral_id):
        where, state, last = f"referral {referral_id}", ReferralState.DRAFT, None
        for last in history:
            if last.from_state is not state or TRANSITIONS.get((state, last.action)) is not last.to_state:
                yield 11, where, f"event {last.sequence}: {last.action} from {state} to {last.to_state} is not listed"
            state = last.to_state
        if last is not None and state is not last.state:
            yield 11, where, f"is {last.state}, its history leads to {state}"
        if last is not None and last.sequence > last.version:
            yield 11, where, f"is at version {last.version}, its last event at {last.sequence}"
    without = ~exists().where(ReferralEvent.referral_id == Referral.id)
    for row in _rows(session, select(Referral.id).where(Referral.state != ReferralState.DRAFT, without)):
        yield 11, f"referral {row.id}", "has left its draft without an event"
    yield from _clocks(session)


def _clocks(session: Session) -> Found:
    last = select(ClockEvent.referral_id, func.max(ClockEvent.sequence).label("sequence")).group_by(
        ClockEvent.referral_id
    ).subquery()  # fmt: skip
    query = (
        select(Referral.id, Referral.rtt_clock_state, ClockEvent.change)
        .join(last, last.c.referral_id == Referral.id)
        .join(ClockEvent, and_(ClockEvent.referral_id == Referral.id, ClockEvent.sequence == last.c.sequence))
    )
    for row in _rows(session, query):
        if _CLOCK[row.change] is not row.rtt_clock_state:
            yield 11, f"referral {row.id}", f"its clock is {row.rtt_clock_state}, the last change was {row.change}"


def _audited(session: Session, now: datetime) -> Found:
    def tally(query: Rows) -> Counter[tuple[str, str]]:
        return Counter({(row.chain, row.action): row.times for row in _rows(session, query)})

    events = select(
        ReferralEvent.referral_id.label("chain"), ReferralEvent.action, func.count().label("times")
    ).group_by(ReferralEvent.referral_id, ReferralEvent.action)
    entries = (
        select(AuditEntry.chain, AuditEntry.action, func.count().label("times"))
        .where(AuditEntry.chain.like("referral:%"))
        .group_by(AuditEntry.chain, AuditEntry.action)
    )
    written = tally(entries)
    for (referral_id, action), times in tally(events).items():
        if written[f"referral:{referral_id}", f"referral.{action.lower()}"] < times:
            yield 12, f"referral {referral_id}", f"{action} happened without an audit entry"


def _chains(session: Session, now: datetime) -> Found:
    for fault in audit.verify(session):
        yield 13, fault.where, fault.what


def _told(session: Session, now: datetime) -> Found:
    keys = select(OutboxMessage.event_key).where(OutboxMessage.event_key.like("booking:%"))
    told = {row.event_key.split(":")[1] for row in _rows(session, keys)}
    for row in _rows(session, select(Booking.id, Booking.reference).where(Booking.booked_at.is_not(None))):
        if row.reference not in told:
            yield 14, f"booking {row.id}", "was made without a message"
    cancelled, messages = (
        _newest(ReferralEvent.at, ReferralEvent.referral_id),
        _newest(OutboxMessage.created_at, OutboxMessage.referral_id),
    )
    cancelled = cancelled.where(ReferralEvent.action == Action.CANCEL_APPOINTMENT_BY_PROVIDER)
    event, message = cancelled.subquery(), messages.subquery()
    left = (
        select(Referral.id)
        .join(event, event.c.referral_id == Referral.id)
        .outerjoin(message, message.c.referral_id == Referral.id)
        .where(or_(message.c.at.is_(None), message.c.at < event.c.at))
    )
    for row in _rows(session, left):
        yield 17, f"referral {row.id}", "the provider cancelled and nobody was told"


def _newest(at: InstrumentedAttribute[datetime], referral_id: InstrumentedAttribute[Any]) -> Rows:
    return select(referral_id.label("referral_id"), func.max(at).label("at")).group_by(referral_id)


def _outbox(session: Session, now: datetime) -> Found:
    stuck = select(OutboxMessage.id, OutboxMessage.kind).where(
        OutboxMessage.delivered_at.is_(None), OutboxMessage.failed_at.is_(None),
        OutboxMessage.created_at < now - OUTBOX_OVERDUE,
    )  # fmt: skip
    for row in _rows(session, stuck):
        yield 15, f"outbox_message {row.id}", f"{row.kind} has neither left nor failed since {OUTBOX_OVERDUE}"


def _local_times(session: Session, now: datetime) -> Found:
    query = (
        select(Slot.id, Slot.starts_at, Slot.ends_at, Slot.time_zone, Slot.local_date)
        .where(exists().where(Booking.slot_id == Slot.id, Booking.booked_at.is_not(None)))
        .order_by(Slot.id)
    )
    for row in _rows(session, query):
        zone = ZoneInfo(row.time_zone)
        local = row.starts_at.astimezone(zone)
        if local.date() != row.local_date:
            yield 20, f"slot {row.id}", f"is on {local.date()} in {row.time_zone}, not on {row.local_date}"
        if any(when.astimezone(zone).astimezone(UTC) != when for when in (row.starts_at, row.ends_at)):
            yield 20, f"slot {row.id}", "does not come back from its local time"


CHECKS: Mapping[str, Check] = {
    "places": _places,
    "two_places": _two_places,
    "worklists": _worklists,
    "bookings": _bookings,
    "booked_agrees": _booked_agrees,
    "idempotency": _idempotency,
    "histories": _histories,
    "audited": _audited,
    "chains": _chains,
    "told": _told,
    "outbox": _outbox,
    "local_times": _local_times,
}
