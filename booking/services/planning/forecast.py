"""Urgent arrivals to expect, from those of the last days: places are reserved for them until they come."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.words import Priority
from booking.models import Referral, ReferralService
from booking.services.planning.sql import EpochDays, code, table, whole
from booking.services.planning.supply import PRIORITIES, Services
from optimiser import Expected, Policy, Slots
from optimiser.arrays import find

HISTORY_DAYS = 14
"""Referrals of so many days before the plan's day say how many to expect."""
SHORTEST_HISTORY = 7
"""With less history than this nothing is reserved: there is nothing to go by."""
URGENT = (Priority.URGENT, Priority.TWO_WEEK_WAIT)


def read_expected(session: Session, services: Services, slots: Slots, policy: Policy, *, as_of: date) -> Expected:
    """Whole referrals a day for each service that stands first on shortlists, at the rate of the last days.

    Fractions are carried over from day to day, so that 0.3 a day is one referral on every third or fourth day.
    Who arrives so late that slots not yet published can still serve them in time needs nothing kept today.
    """
    oldest = session.scalar(select(func.min(Referral.rtt_clock_start)))
    days = min(HISTORY_DAYS, (as_of - oldest).days) if oldest else 0
    if days < SHORTEST_HISTORY:
        return Expected()
    query = (
        select(
            ReferralService.service_id.label("service"), code(Referral.priority, PRIORITIES).label("priority"),
            func.count().label("count"), func.max(EpochDays(Referral.rtt_clock_start)).label("newest"),
        )
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(
            ReferralService.position == 1, Referral.priority.in_(URGENT),
            Referral.rtt_clock_start > as_of - timedelta(days=days), Referral.rtt_clock_start <= as_of,
        )
        .group_by(ReferralService.service_id, Referral.priority)
        .order_by(ReferralService.service_id, Referral.priority)
    )  # fmt: skip
    rows = table(session, query)
    at = find(services.key, whole(rows["service"]))
    keep = at >= 0
    at, priority, count = at[keep], whole(rows["priority"])[keep], rows["count"][keep]
    arrival = np.arange(1, policy.horizon_days, dtype=np.int64)
    so_far = np.floor(count[:, None] / days * np.append(0, arrival)[None, :] + 1e-9)
    each = np.diff(so_far, axis=1).astype(np.int64)
    published = np.zeros(len(services.key), np.int64)  # the last day of each service that has slots
    np.maximum.at(published, find(services.key, slots.service), slots.day)
    in_time = arrival[None, :] + np.asarray(policy.target_days)[priority][:, None] <= published[at][:, None]
    series, day = np.nonzero(np.where(in_time, each, 0))
    return Expected.build(
        specialty=services.specialty[at[series]], service=services.key[at[series]], priority=priority[series],
        arrival_day=arrival[day], count=each[series, day],
    )  # fmt: skip
