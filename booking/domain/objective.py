"""The weights of the planner's objective as a policy may state them: names, bounds, defaults, all in whole numbers.

The optimiser has the same table in its own ``Policy`` and knows nothing of this one; a test keeps the two in step.
What each weight means, with its unit, stands in :mod:`optimiser.policy` and in ``docs/optimiser.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from booking.domain.errors import FieldError
from booking.domain.targets import DEFAULT_TARGET_DAYS
from booking.domain.weights import RANK, Weights

OUTSIDE = ("version", "target_days", "alternatives")
"""What the optimiser takes too and the policy states once, outside its weights."""

LONGEST_WAIT = 730
"""Days somebody may have waited when the size of a cost is checked: two years."""
LARGEST_COST = 2_000_000_000_000
"""The flow solver's 64-bit costs hold this much in a specialty with a million nodes (2^63 / 4.6 nodes, measured)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a weight may be; a triple has a default of three: routine, urgent, two-week-wait."""

    low: int
    high: int
    default: int | tuple[int, int, int]


WEIGHTS: Mapping[str, Bounds] = {
    "notice_days": Bounds(0, 365, 1),
    "horizon_days": Bounds(1, 1000, 91),
    "breach": Bounds(0, 10**12, (100_000_000, 1_000_000_000, 10_000_000_000)),
    "late_day": Bounds(0, 10**10, (100_000, 200_000, 400_000)),
    "late_square": Bounds(0, 10**8, (500, 1_000, 2_000)),
    "late_cap_days": Bounds(1, 10_000, 365),
    "wait_day": Bounds(0, 10**10, (10_000, 0, 0)),
    "wait_square": Bounds(0, 10**10, (5_000, 15_000, 80_000)),
    "travel_km": Bounds(0, 10**9, 500),
    "travel_cap_km": Bounds(0, 2000, 100),
    "unknown_km": Bounds(0, 2000, 20),
    "keep": Bounds(0, 10**12, 100_000),
    "tie_break": Bounds(0, 1_000_000, 64),
    "unplaced_days": Bounds(0, 1000, 28),
    "alternative_days": Bounds(1, 365, 7),
    "max_regret": Bounds(0, 10**13, 600_000),
    "expected_percent": Bounds(0, 1000, 100),
    "reseat_loss": Bounds(0, 10**13, 150_000),
    "reseat_moves": Bounds(0, 10, 3),
    "wave_percent": Bounds(0, 100, 50),
    "wave_days": Bounds(1, 1000, 28),
}


def check_weights(given: object, *, field: str = "optimiser") -> list[FieldError]:
    """Everything wrong with the weights of a policy document; an empty list where the optimiser would take them."""
    if not isinstance(given, Mapping):
        return [FieldError(field, "OBJECT", "Weights are an object of names and whole numbers.")]
    faults = [fault for name, value in given.items() for fault in _check_one(f"{field}.{name}", name, value)]
    return faults or _check_together(given, field)


def _check_one(where: str, name: str, value: object) -> list[FieldError]:
    bounds = WEIGHTS.get(name)
    if bounds is None:
        outside = " State it outside the weights." if name in OUTSIDE else ""
        return [FieldError(where, "UNKNOWN_FIELD", f"There is no weight {name!r}.{outside}")]
    words = f"from {bounds.low:,} to {bounds.high:,}"
    if isinstance(bounds.default, tuple):
        if isinstance(value, list | tuple) and len(value) == 3 and all(_within(one, bounds) for one in value):
            return []
        return [FieldError(where, "RANGE", f"Three whole numbers {words}: routine, urgent, two-week-wait.")]
    return [] if _within(value, bounds) else [FieldError(where, "RANGE", f"A whole number {words}.")]


def _within(value: object, bounds: Bounds) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and bounds.low <= value <= bounds.high


def _check_together(given: Mapping[str, object], field: str) -> list[FieldError]:
    number = {name: _number(given.get(name, bounds.default)) for name, bounds in WEIGHTS.items()}
    if number["notice_days"] > number["horizon_days"]:
        return [FieldError(f"{field}.notice_days", "RANGE", "The first day must not be after the horizon.")]
    top = _largest_cost(given)
    if top > LARGEST_COST:
        words = f"Together these weights make a cost of {top:,}; the planner holds {LARGEST_COST:,} at most."
        return [FieldError(field, "TOO_LARGE", words)]
    return []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _largest_cost(given: Mapping[str, object]) -> int:
    """The most that no slot can cost anybody who has waited for up to :data:`LONGEST_WAIT` days."""
    whole = {name: given.get(name, bounds.default) for name, bounds in WEIGHTS.items()}
    weights = Weights.of(whole)
    number = {name: _number(value) for name, value in whole.items()}
    last = number["horizon_days"] + number["unplaced_days"]
    top = 0
    for priority, rank in RANK.items():
        target = DEFAULT_TARGET_DAYS[priority]
        for waited in (0, target, LONGEST_WAIT):
            if weights is not None:
                parts = weights.parts(rank, waited=waited, target=target, day=last, km=number["travel_cap_km"])
                parts["breach"] = _triple(whole["breach"])[rank]
                top = max(top, sum(parts.values()))
    return top + number["keep"] + number["tie_break"]


def _triple(value: object) -> Sequence[int]:
    return [_number(one) for one in value] if isinstance(value, list | tuple) else (0, 0, 0)
