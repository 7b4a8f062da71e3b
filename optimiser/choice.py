"""How much choice patients had: of provider, of day, of time of day."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64, find
from optimiser.problem import Problem

KINDS = ("provider", "day", "time_of_day")


def choice(problem: Problem, referral: I64, slot_key: I64) -> dict[str, float]:
    """Shares of the patients asked whose offers differ in each respect, from parallel columns of offers.

    A choice of day: two offers ``policy.alternative_days`` apart or more; of time of day: in different ones of
    morning, afternoon and evening. ``any``: in some respect. ``asked`` is a number; without anybody the shares are 0.
    """
    slots = problem.slots
    people, row = np.unique(referral, return_inverse=True)
    if len(people) == 0:
        return {"asked": 0, "any": 0.0, **dict.fromkeys(KINDS, 0.0)}
    at = find(slots.key, slot_key)
    row, at = row[at >= 0], at[at >= 0]
    has = {
        "provider": _spread(row, slots.provider[at], len(people)) > 0,
        "day": _spread(row, slots.day[at].astype(np.int64), len(people)) >= problem.policy.alternative_days,
        "time_of_day": _spread(row, slots.part[at].astype(np.int64) % 3, len(people)) > 0,
    }
    some = has["provider"] | has["day"] | has["time_of_day"]
    shares = {name: round(float(mask.mean()), 4) for name, mask in {"any": some, **has}.items()}
    return {"asked": len(people), **shares}


def _spread(row: I64, values: I64, n: int) -> I64:
    """Greatest less least value of each row, 0 for one without any."""
    low, high = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(low, row, values)
    np.maximum.at(high, row, values)
    seen = high >= low
    return np.where(seen, np.where(seen, high, 0) - np.where(seen, low, 0), 0).astype(np.int64)
