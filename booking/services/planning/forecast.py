"""Urgent arrivals to expect, from those of the last weeks: places are reserved for them until they come."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.words import Priority
from booking.models import Referral, ReferralService
from booking.services.planning.sql import EpochDays, code, table, whole
from booking.services.planning.supply import EPOCH, PRIORITIES, Services
from optimiser import Expected, Policy, Slots
from optimiser.arrays import I64, find
from optimiser.forecast import expected_from_rates, rates

HISTORY_DAYS = 56
"""Referrals of so many whole days before the plan's day say how many to expect."""
SHORTEST_HISTORY = 7
"""With less history than this nothing is reserved: there is nothing to go by."""
URGENT = (Priority.URGENT, Priority.TWO_WEEK_WAIT)


def read_expected(session: Session, services: Services, slots: Slots, policy: Policy, *, as_of: date) -> Expected:
    """Whole referrals a day for each service that stands first on shortlists, with the margin of the reserve.

    Services of a specialty share the margin, since a patient may be seen at any on the shortlist.
    """
    today = (as_of - EPOCH).days
    oldest = session.scalar(select(func.min(Referral.rtt_clock_start)))
    days = min(HISTORY_DAYS, (as_of - oldest).days) if oldest else 0
    if days < SHORTEST_HISTORY:
        return Expected()
    at, priority, counts = _history(session, services, as_of, days)
    if not len(at):
        return Expected()
    found = rates(counts, _weekday(np.arange(today - days, today)))
    group = services.specialty[at].astype(np.int64) * len(PRIORITIES) + priority
    margin = found.margin(group, np.asarray(policy.target_days, np.int64)[priority])
    tomorrow = np.arange(today + 1, today + policy.horizon_days)
    published = np.zeros(len(services.key), np.int64)  # the last day of each service that has slots
    np.maximum.at(published, find(services.key, slots.service), slots.day)
    return expected_from_rates(
        policy, service=services.key[at], specialty=services.specialty[at], priority=priority,
        rate=found.on(_weekday(tomorrow)) * (1 + margin)[:, None], last_day=published[at],
    )  # fmt: skip


def _history(session: Session, services: Services, as_of: date, days: int) -> tuple[I64, I64, I64]:
    """Each series' position of its service and priority, and its counts [series, day], the newest day last.

    The plan's own day has only begun, so it is left out.
    """
    query = (
        select(
            ReferralService.service_id.label("service"), code(Referral.priority, PRIORITIES).label("priority"),
            EpochDays(Referral.rtt_clock_start).label("day"), func.count().label("count"),
        )
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(
            ReferralService.position == 1, Referral.priority.in_(URGENT),
            Referral.rtt_clock_start >= as_of - timedelta(days=days), Referral.rtt_clock_start < as_of,
        )
        .group_by(ReferralService.service_id, Referral.priority, Referral.rtt_clock_start)
    )  # fmt: skip
    rows = table(session, query, order=("service", "priority", "day"))
    at = find(services.key, whole(rows["service"]))
    mine = at >= 0
    series, row = np.unique(at[mine] * len(PRIORITIES) + whole(rows["priority"])[mine], return_inverse=True)
    counts = np.zeros((len(series), days), np.int64)
    column = whole(rows["day"])[mine] - ((as_of - EPOCH).days - days)
    np.add.at(counts, (row, column), whole(rows["count"])[mine])
    return series // len(PRIORITIES), series % len(PRIORITIES), counts


def _weekday(day: I64) -> I64:
    """Monday is 0; 1 January 1970 was a Thursday."""
    return np.asarray((day + 3) % 7, np.int64)
