"""The database as a problem for the optimiser: one consistent reading, in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A problem, and what was left out of it."""

    problem: Problem
    policy: BookingPolicy
    left_out: Mapping[str, int]
    """How many referrals are not planned, and why: being confirmed, offer still open, not booked online."""


def optimiser_policy(policy: BookingPolicy) -> Policy:
    """The optimiser's weights from the published document; targets and alternatives are stated once, outside it."""
    weights = {
        "version": str(policy.version),
        "target_days": [policy.target_days[priority] for priority in PRIORITIES],
        "alternatives": policy.alternatives,
        **policy.optimiser,
    }
    return Policy.from_dict(weights)


def read(database: Database, *, as_of: date, now: datetime, replan_open: bool = False, reserve: bool = True) -> Reading:
    """Everything the plan depends on, as it stands at one moment.

    ``replan_open`` plans again those whose guaranteed offer is still open (their places count as free);
    ``reserve`` keeps places for the urgent arrivals to expect.
    """
    session = database.session(write=False)
    try:
        if not database.is_sqlite:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return _read(session, as_of, now, replan_open, reserve)
    finally:
        session.rollback()
        session.close()


def _read(session: Session, as_of: date, now: datetime, replan_open: bool, reserve: bool) -> Reading:
    booking_policy = current_policy(session, as_of)
    policy = optimiser_policy(booking_policy)
    services = read_services(session, as_of)
    everybody = demands.read_demand(session, services.specialties)
    held = demands.read_held(session, now)
    firm, offered = np.isin(everybody.key, held.firm), np.isin(everybody.key, held.offered)
    online = _online(everybody, services.key)
    out = firm | ~online if replan_open else firm | offered | ~online
    chosen = everybody.take(~out)
    key, rows = chosen.key, chosen.rows
    today = demands.day_number(as_of)
    referrals = Referrals.build(
        key=key, patient=whole(rows["patient"]), specialty=whole(rows["specialty"]),
        priority=whole(rows["priority"]), waited_days=np.maximum(today - whole(rows["clock"]), 0),
        target_days=np.maximum(whole(rows["due"]) - whole(rows["clock"]), 1), needs=demands.needs_of(rows),
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
    return Reading(problem.canonical(), booking_policy, counts)


def _online(everybody: demands.Demand, bookable: I64) -> Bool:
    """Referrals with at least one shortlisted service that is booked online, or (so that it shows) with none at all."""
    listed = find(bookable, everybody.list_service) >= 0
    online = np.bincount(everybody.list_row[listed], minlength=len(everybody)) > 0
    return np.asarray(online | (np.bincount(everybody.list_row, minlength=len(everybody)) == 0), np.bool_)
