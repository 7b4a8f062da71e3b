"""What a placement costs, term by term, vectorised; the formulas are those of ``optimiser.policy``."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import F32, I64, U64, Array, mix
from optimiser.errors import PlanError
from optimiser.policy import Policy

PARTS = ("breach", "lateness", "wait")


def _triple(values: tuple[int, int, int], priority: Array) -> I64:
    return np.asarray(values, np.int64)[priority]


def _bent_square(late: I64, cap: int) -> I64:
    """``late`` squared, going on in a straight line from ``cap``: convex, and bounded in slope."""
    low = np.minimum(late, cap)
    bent: I64 = low * low + 2 * cap * (late - low)
    return bent


def check_range(policy: Policy, waited: Array, target: Array) -> None:
    """Raise PlanError if the greatest cost there can be does not fit into 64 bits, worked out without wrapping."""
    if len(waited) == 0:
        return
    wait = int(waited.max()) + policy.horizon_days + policy.unplaced_days
    cap = policy.late_cap_days
    bent = wait * wait if wait <= cap else cap * cap + 2 * cap * (wait - cap)
    most = max(policy.breach) + max(policy.late_day) * wait + max(policy.late_square) * bent
    most += max(policy.wait_day) * wait + max(policy.wait_square) * wait * wait
    most += policy.travel_cap_km * policy.travel_km + policy.tie_break + policy.keep
    if most >= 2**63:
        raise PlanError(f"policy: a cost of up to {most} is beyond 64 bits: lower the wait or lateness weights")


def day_parts(policy: Policy, priority: Array, waited: Array, target: Array, day: Array) -> tuple[I64, I64, I64]:
    """Breach, lateness and wait cost of a slot on ``day`` (days from the plan's day), broadcast together."""
    w, t, d = (np.asarray(a, np.int64) for a in (waited, target, day))
    wait = w + d
    late, late_now = np.maximum(wait - t, 0), np.maximum(w - t, 0)
    cap = policy.late_cap_days
    breach = np.where((w <= t) & (wait > t), _triple(policy.breach, priority), 0)
    lateness = _triple(policy.late_day, priority) * (late - late_now) + _triple(policy.late_square, priority) * (
        _bent_square(late, cap) - _bent_square(late_now, cap)
    )
    waiting = _triple(policy.wait_day, priority) * d
    waiting = waiting + _triple(policy.wait_square, priority) * (wait * wait - w * w) // t
    return breach.astype(np.int64), lateness, waiting


def day_cost(policy: Policy, priority: Array, waited: Array, target: Array, day: Array) -> I64:
    """All of the cost that depends on the day alone."""
    breach, lateness, waiting = day_parts(policy, priority, waited, target, day)
    total: I64 = breach + lateness + waiting
    return total


def travel_cost(policy: Policy, distance_km: F32) -> I64:
    """Cost of the way there; unknown distances count as ``unknown_km``, long ones as ``travel_cap_km``."""
    km = np.where(np.isnan(distance_km), np.float64(policy.unknown_km), distance_km.astype(np.float64))
    way: I64 = np.rint(np.minimum(km, policy.travel_cap_km) * policy.travel_km).astype(np.int64)
    return way


def unplaced_cost(policy: Policy, priority: Array, waited: Array, target: Array) -> I64:
    """Cost of no slot: worse than any slot that the policy allows, and always a breach."""
    day = np.int64(policy.horizon_days + policy.unplaced_days)
    _, lateness, waiting = day_parts(policy, priority, waited, target, np.asarray(day))
    worst_way = max(policy.travel_cap_km, 0) * policy.travel_km
    total: I64 = lateness + waiting + _triple(policy.breach, priority) + worst_way + policy.tie_break
    return total


def place_salt(service: Array, day: Array) -> U64:
    """One 64-bit number for a day of a service, alike in every run."""
    return mix(mix(service) ^ day.astype(np.uint64))


def tie_break(policy: Policy, key: Array, salt: U64) -> I64:
    """A hash of referral, service and day, 0 to ``tie_break - 1``: favours nobody, and never depends on input order."""
    if policy.tie_break <= 1:
        return np.zeros(np.broadcast(key, salt).shape, np.int64)
    return (mix(key.astype(np.uint64) ^ salt) % np.uint64(policy.tie_break)).astype(np.int64)
