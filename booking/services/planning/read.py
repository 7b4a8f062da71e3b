"""The database as a problem for the optimiser: one consistent reading, in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from sqlalchemy.orm import Session

from booking.db import Database
from booking.domain.policy import BookingPolicy
from booking.services.planning import demand as demands
from booking.services.planning.forecast import read_expected
from booking.services.planning.narrowing import narrowed
from booking.services.planning.sql import whole
from booking.services.planning.supply import PRIORITIES, read_services, read_slots
from booking.services.policy import current_policy
from optimiser import Expected, Policy, Problem, Referrals
from optimiser.arrays import I64, Bool, find

FIRST_IN_LINE_DAYS = 28
"""Whom a provider's cancellation put first in line counts as so many days later than their target, or than they are:
before everybody of equal priority who is not about to miss a target, or that much later already."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A problem, and what was left out of it."""

    problem: Problem
    policy: BookingPolicy
    left_out: Mapping[str, int]
    """How many referrals are not planned, and why: being confirmed, offer still open, not booked online."""
    days_left: Mapping[int, int] = field(default_factory=dict)
    """Days to the due date of those first in line, by key: the problem counts them as late."""


def optimiser_policy(policy: BookingPolicy) -> Policy:
    """The optimiser's weights from the published document; targets and alternatives are stated once, outside it."""
    weights = {
        "version": str(policy.version),
        "target_days": [policy.target_days[priority] for priority in PRIORITIES],
        "alternatives": policy.alternatives,
        **policy.optimiser,
    }
    return Policy.from_dict(weights)


def read(
    database: Database,
    *,
    as_of: date,
    now: datetime,
    replan_open: bool = False,
    reserve: bool = True,
    only: Collection[int] | None = None,
    policy: BookingPolicy | None = None,
) -> Reading:
    """Everything the plan depends on, as it stands at one moment, under ``policy`` or the one in force.

    ``replan_open`` plans again those whose guaranteed offer is still open (their places count as free);
    ``reserve`` keeps places for the urgent arrivals to expect; ``only`` these referrals, and whoever's need is
    greater, are planned, beside all that is kept for others.
    """
    with _moment(database) as session:
        return _read(session, as_of, now, policy or current_policy(session, as_of), replan_open, reserve, only)


def read_under(database: Database, policies: Sequence[BookingPolicy], *, as_of: date, now: datetime) -> list[Reading]:
    """The same moment under each policy, open offers being planned again: to set plans side by side."""
    with _moment(database) as session:
        return [_read(session, as_of, now, policy, True, True, None) for policy in policies]


@contextmanager
def _moment(database: Database) -> Iterator[Session]:
    """A session that sees the database as it is at one moment, and writes nothing."""
    session = database.session(write=False)
    try:
        if not database.is_sqlite:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session
    finally:
        session.rollback()
        session.close()


def _read(
    session: Session,
    as_of: date,
    now: datetime,
    booking_policy: BookingPolicy,
    replan_open: bool,
    reserve: bool,
    only: Collection[int] | None,
) -> Reading:
    policy = optimiser_policy(booking_policy)
    reserve = reserve and booking_policy.reserve
    services = read_services(session, as_of)
    everybody = demands.read_demand(session, services.specialties)
    held = demands.read_held(session, now)
    firm, offered = np.isin(everybody.key, held.firm), np.isin(everybody.key, held.offered)
    online = _online(everybody, services.key)
    out = firm | ~online if replan_open else firm | offered | ~online
    if only is not None:
        out |= ~_asked_or_needier(everybody, out, only)
    chosen = everybody.take(~out)
    key, rows = chosen.key, chosen.rows
    today = demands.day_number(as_of)
    waited = np.maximum(today - whole(rows["clock"]), 0)
    target = np.maximum(whole(rows["due"]) - whole(rows["clock"]), 1)
    first = rows["first_in_line"] > 0
    referrals = Referrals.build(
        key=key, patient=whole(rows["patient"]), specialty=whole(rows["specialty"]),
        priority=whole(rows["priority"]), target_days=target, needs=demands.needs_of(rows),
        waited_days=np.where(first, np.maximum(waited, target) + FIRST_IN_LINE_DAYS, waited),
        unsuitable=whole(rows["unsuitable"]), practitioner=demands.optional_key(rows["practitioner"]),
        previous_slot=demands.previous_slots(session, key),
        busy=demands.busy_times(session, key, whole(rows["patient"]), now),
    )  # fmt: skip
    slots = read_slots(
        session, services, as_of=as_of, now=now, last_day=policy.horizon_days, ids=key,
        replanned=np.isin(key, held.offered) if replan_open else None,
    )  # fmt: skip
    problem = Problem(
        as_of, referrals, narrowed(chosen, services, as_of), slots, policy,
        read_expected(session, services, slots, policy, as_of=as_of) if reserve else Expected(),
    )  # fmt: skip
    counts = {
        "being_confirmed": int(firm.sum()),
        "offer_still_open": 0 if replan_open else int((offered & ~firm).sum()),
        "not_booked_online": int((~online & ~firm & ~offered).sum()),
    }
    days_left = dict(zip(key[first].tolist(), (target - waited)[first].tolist(), strict=True))
    return Reading(problem.canonical(), booking_policy, counts, days_left)


def _asked_or_needier(everybody: demands.Demand, out: Bool, only: Collection[int]) -> Bool:
    """The referrals asked for, and those of a higher priority than some of them: these are planned too, so that
    nobody takes a slot from a greater need, but they are offered nothing before their own turn."""
    asked = np.isin(everybody.key, np.fromiter(only, np.int64, len(only)))
    priority = whole(everybody.rows["priority"])
    lowest = priority[asked & ~out].min(initial=len(PRIORITIES))
    return np.asarray(asked | (priority > lowest), np.bool_)


def _online(everybody: demands.Demand, bookable: I64) -> Bool:
    """Referrals with at least one shortlisted service that is booked online, or (so that it shows) with none at all."""
    listed = find(bookable, everybody.list_service) >= 0
    online = np.bincount(everybody.list_row[listed], minlength=len(everybody)) > 0
    return np.asarray(online | (np.bincount(everybody.list_row, minlength=len(everybody)) == 0), np.bool_)
