"""Whoever waits because nothing was free: offered a time as soon as one that suits appears, by order of need.

Looks at referrals deferred to the provider (appointment slot issues), those whose appointment the provider
cancelled, and those accepted at triage to be booked later, as long as no time is kept for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingMode, BookingState, HoldKind, Priority, SlotStatus, Worklist
from booking.models import Booking, PlanRequest, Publication, Referral, ReferralEvent, ReferralService, Service, Slot
from booking.services import offers, outbox
from booking.services.places import has_free_place
from booking.services.referrals import WITH_DETAIL
from booking.services.transitions import transition
from booking.services.work import Work

WAITING = (
    ReferralState.DEFERRED_TO_PROVIDER, ReferralState.APPT_CANCELLED_BY_PROVIDER,
    ReferralState.TRIAGED_PROVIDER_TO_ACTION,
)  # fmt: skip
AGAIN_AFTER = timedelta(minutes=5)
"""Somebody for whom nothing suited is looked at again after this, or as soon as anything is published."""
LEFT_TO_PLAN = timedelta(minutes=10)
"""So long a plan that was asked for has the first go."""
MOST = 200
"""Tried in one look; those left come first in the next."""
_NEED = {Priority.TWO_WEEK_WAIT: 0, Priority.URGENT: 1, Priority.ROUTINE: 2}


class Stamp(NamedTuple):
    """What changes when a place may have become free, read by index: while it stays, there is nothing to look for."""

    publication: int
    event: int
    held: int
    newest_booking: int
    day: date


@dataclass(slots=True)
class Memory:
    """What one scheduler remembers from look to look. Forgetting it costs a look, nothing else."""

    stamp: Stamp | None = None
    tried: dict[int, datetime] = field(default_factory=dict)
    left: bool = False
    """Somebody was not tried in the last look, because there were too many or they had just been tried."""


def stamp(work: Work) -> Stamp:
    session = work.session
    held = session.scalar(select(func.count()).where(Booking.state == BookingState.HELD))
    newest = [session.scalar(select(func.max(key))) or 0 for key in (Publication.id, ReferralEvent.id, Booking.id)]
    return Stamp(newest[0], newest[1], held or 0, newest[2], work.today)


def to_look_at(work: Work, memory: Memory) -> list[int]:
    """Referrals to try now, in order of need; none where nothing has changed since the last look."""
    seen = stamp(work)
    before, memory.stamp = memory.stamp, seen
    lately = work.now - AGAIN_AFTER
    if before is None or before.publication != seen.publication or before.day != seen.day:
        memory.tried.clear()
    memory.tried = {key: at for key, at in memory.tried.items() if at > lately}
    if seen == before and not memory.left:
        return []
    waiting = _waiting(work)
    found = [key for key in waiting if key not in memory.tried][:MOST]
    memory.tried.update(dict.fromkeys(found, work.now))
    memory.left = len(found) < len(waiting)
    return found


def _is_waiting() -> ColumnElement[bool]:
    """SQL: in one of those states, or not booked with the provider as the one who must see to it (redirected, or to be
    booked again after not attending)."""
    theirs = Referral.worklist == Worklist.APPOINTMENTS_FOR_BOOKING
    return or_(Referral.state.in_(WAITING), and_(Referral.state == ReferralState.NOT_BOOKED, theirs))


def _waiting(work: Work) -> list[int]:
    open_services = _services_with_places(work)
    held = exists().where(
        Booking.referral_id == Referral.id, Booking.state == BookingState.HELD,
        Booking.hold_kind.in_((HoldKind.OFFER, HoldKind.FREED)), Booking.held_until > work.now,
    )  # fmt: skip
    listed = exists().where(ReferralService.referral_id == Referral.id, ReferralService.service_id.in_(open_services))
    # A deferred referral for which a time is kept already only has to come off the provider's list.
    deferred = Referral.state == ReferralState.DEFERRED_TO_PROVIDER
    query = (
        select(Referral.id)
        .where(_is_waiting(), or_(and_(~held, listed), and_(deferred, held)))
        .order_by(
            case(_NEED, value=Referral.priority), Referral.first_in_line_since.is_(None), Referral.due_date, Referral.id
        )
    )
    planned = _being_planned(work)
    return [key for key in work.session.scalars(query) if key not in planned]


def _being_planned(work: Work) -> set[int]:
    """Referrals for whom a plan was asked for a moment ago: it serves them together, and better than one by one."""
    query = select(PlanRequest.referral_ids).where(
        PlanRequest.done_at.is_(None), PlanRequest.requested_at > work.now - LEFT_TO_PLAN
    )
    return {key for ids in work.session.scalars(query) for key in ids}


def _services_with_places(work: Work) -> Sequence[int]:
    """Services that somebody waits for and that have any free place to come."""
    wanted = (
        select(ReferralService.service_id)
        .join(Referral, Referral.id == ReferralService.referral_id)
        .join(Service, Service.id == ReferralService.service_id)
        .where(_is_waiting(), Service.booking_mode == BookingMode.DIRECTLY_BOOKABLE)
        .distinct()
        .subquery()
    )
    free = exists().where(
        Slot.service_id == wanted.c.service_id, Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > work.now,
        has_free_place(work.now),
    )  # fmt: skip
    return list(work.session.scalars(select(wanted.c.service_id).where(free)))


def offer_one(work: Work, referral_id: int) -> bool:
    """Offer a time to one who waits, if any suits: True if so. Passed over where somebody is changing the referral."""
    referral = work.session.scalars(
        select(Referral)
        .where(Referral.id == referral_id, _is_waiting())
        .options(*WITH_DETAIL)
        .with_for_update(of=Referral, skip_locked=True)
        .execution_options(populate_existing=True)
    ).first()
    if referral is None:
        return False
    known = any(offer.guaranteed for offer in offers.open_offers(work, referral))
    if not offers.ensure_offers(work, referral):
        return False
    slot_found(work, referral)
    if known:  # whoever made that offer has told of it
        work.session.flush()
        return True
    outbox.enqueue(
        work, "slot-found", f"referral:{referral.id}:slot-found:{referral.version}", {"ubrn": referral.ubrn},
        referral_id=referral.id,
    )  # fmt: skip
    work.session.flush()
    return True


def slot_found(work: Work, referral: Referral) -> None:
    """A locked referral has offers: one deferred to the provider comes off that list."""
    if referral.state is ReferralState.DEFERRED_TO_PROVIDER:
        transition(work, referral, Action.SLOT_FOUND)
