"""The history of a referral, whole: its events, its clock, and the state they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from booking.domain.clock import breach_date, weeks_waited
from booking.domain.referral import ReferralState, recompute
from booking.models import ClockEvent, Referral, ReferralEvent
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class History:
    events: list[ReferralEvent]
    ticks: list[ClockEvent]
    state: ReferralState
    """Recomputed from the events."""
    weeks_waited: int
    breach_date: date


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
        breach_date(referral.due_date),
    )  # fmt: skip
