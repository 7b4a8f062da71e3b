"""The history of a referral, whole: its events, its clock, and the state they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.clock import breach_date, weeks_waited
from booking.domain.referral import ReferralState, recompute
from booking.models import Booking, ClockEvent, Referral, ReferralEvent, Slot
from booking.services import acting
from booking.services.work import Acting, Work


@dataclass(frozen=True, slots=True)
class History:
    events: list[ReferralEvent]
    ticks: list[ClockEvent]
    state: ReferralState
    """Recomputed from the events."""
    weeks_waited: int
    breach_date: date
    helpers: dict[str, Acting]
    """Of the events' actors those who acted for the patient."""


def of(work: Work, referral: Referral) -> History:
    """Everything that happened to a referral the actor may see, oldest first."""
    events = list(
        work.session.scalars(
            select(ReferralEvent).where(ReferralEvent.referral_id == referral.id).order_by(ReferralEvent.sequence)
        )
    )
    ticks = list(
        work.session.scalars(
            select(ClockEvent).where(ClockEvent.referral_id == referral.id).order_by(ClockEvent.sequence)
        )
    )
    return History(
        events, ticks, recompute(event.action for event in events),
        weeks_waited(
            referral.rtt_clock_start, referral.rtt_clock_state, referral.rtt_clock_stopped_on, work.today
        ),
        breach_date(referral.due_date), acting.names(work.session, {event.actor for event in events}),
    )  # fmt: skip


def appointments(work: Work, referral: Referral) -> dict[str, Booking]:
    """Every appointment the referral has or had, by its reference, with slot and site: what its events speak of."""
    query = select(Booking).where(Booking.referral_id == referral.id, Booking.reference.is_not(None))
    found = work.session.scalars(query.options(joinedload(Booking.slot).joinedload(Slot.site)))
    return {one.reference: one for one in found if one.reference is not None}
