"""The published policy: every weight the planner uses, as integers, with its unit.

One *unit* of cost is 1/10,000 of one routine patient waiting one day. For a referral that has waited ``w``
days, a slot ``d`` days ahead gives a wait of ``W = w + d`` and a lateness of ``L = max(0, W - target)``; it costs

====================  =====================================================================
breach                ``breach[p]`` if ``w <= target < W`` (those already late are not counted twice)
lateness (convex)     ``late_day[p] * (L - L0) + late_square[p] * (q(L) - q(L0))``, ``L0`` being L at d = 0
wait                  ``wait_day[p] * d + wait_square[p] * (W*W - w*w) // target``
travel                ``travel_km * min(km, travel_cap_km)``
keep bonus            ``- keep`` on the half-day held or offered before
tie-break             0 to ``tie_break - 1``, a hash of referral, service and day
====================  =====================================================================

``q(L)`` is ``L*L`` up to ``late_cap_days`` and goes on straight from there. No slot costs as much as a slot
``unplaced_days`` after the horizon at ``travel_cap_km``, and a breach whether already late or not: so an eligible
free slot is always worth taking.

The ``wait_square`` term is the generalised c-mu rule (Van Mieghem, 1995): a day costs more the nearer the
target is, so waits are ordered by the share of the target used up rather than by taking days from one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from optimiser.errors import PolicyError

_TOP = 10**13
_RANGES: dict[str, tuple[int, int]] = {
    "notice_days": (0, 365),
    "horizon_days": (1, 1000),
    "target_days": (1, 1000),
    "unplaced_days": (0, 1000),
    "late_cap_days": (1, 10_000),
    "travel_cap_km": (0, 2000),
    "unknown_km": (0, 2000),
    "alternatives": (0, 20),
    "alternative_days": (1, 365),
    "tie_break": (0, 1_000_000),
    "expected_percent": (0, 1000),
    "reseat_moves": (0, 10),
    "wave_percent": (0, 100),
    "wave_days": (1, 1000),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Weights and limits, dated by ``version``; triples go by ``Priority`` (routine, urgent, two-week-wait)."""

    version: str = "2026-11"
    notice_days: int = 1  # first day a slot may be given, from the plan's day
    horizon_days: int = 91  # last day
    target_days: tuple[int, int, int] = (126, 42, 14)  # defaults for callers; each referral carries its own
    breach: tuple[int, int, int] = (100_000_000, 1_000_000_000, 10_000_000_000)
    late_day: tuple[int, int, int] = (100_000, 200_000, 400_000)
    late_square: tuple[int, int, int] = (500, 1_000, 2_000)
    late_cap_days: int = 365
    wait_day: tuple[int, int, int] = (10_000, 0, 0)
    wait_square: tuple[int, int, int] = (5_000, 15_000, 80_000)
    travel_km: int = 500
    travel_cap_km: int = 100
    unknown_km: int = 20  # distance assumed where it is not known
    keep: int = 100_000
    tie_break: int = 64
    unplaced_days: int = 28
    alternatives: int = 4
    alternative_days: int = 7  # two offers differ by day if at least so many days apart
    max_regret: int = 600_000  # an alternative may cost the plan at most this
    expected_percent: int = 100  # forecast arrivals are multiplied by this
    reseat_loss: int = (
        150_000  # somebody only pencilled may be moved where it costs them at most this more, never a breach
    )
    reseat_moves: int = 3  # so many people at most are moved to make room for one
    wave_percent: int = 50  # an automatic wave leaves this share of a service's places not asked for, in each period
    wave_days: int = 28  # of so many days

    def __post_init__(self) -> None:
        for field in fields(self):
            _validate(field.name, getattr(self, field.name), field.default)
        if self.notice_days > self.horizon_days:
            raise PolicyError("policy.notice_days", "is after horizon_days")

    @classmethod
    def balanced(cls) -> Policy:
        """Breaches traded against waiting, rather than above it: a routine breach is worth 50 routine days.

        More routine breaches than by the default, for shorter waits of others. It keeps no group's mean wait within a
        day of ring-fenced first come, first served by itself: docs/fairness.md has both policies measured.
        """
        return cls(
            version="2026-01-balanced",
            breach=(500_000, 1_000_000_000, 10_000_000_000),
            wait_day=(10_000, 10_000, 100_000),
            wait_square=(5_000, 6_000, 100_000),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Policy:
        """Make a policy from JSON-able values; fields left out keep their default.

        Raises PolicyError naming an unknown field, a wrong type or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise PolicyError(f"policy.{name}", "unknown field")
        given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; ``from_dict`` reads them back."""
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}


def _validate(name: str, value: object, default: object) -> None:
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise PolicyError(f"policy.{name}", "must be a non-empty text")
        return
    low, high = _RANGES.get(name, (0, _TOP))
    if isinstance(default, tuple):
        if not isinstance(value, tuple) or len(value) != 3:
            raise PolicyError(f"policy.{name}", "must be three integers: routine, urgent, two-week-wait")
        for item in value:
            _integer(name, item, low, high)
        return
    _integer(name, value, low, high)


def _integer(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PolicyError(f"policy.{name}", f"must be an integer, not {value!r}")
    if not low <= value <= high:
        raise PolicyError(f"policy.{name}", f"must be from {low} to {high}, not {value}")
