"""What a slot costs a referral by the weights of a plan: the published formula, for one pair at a time.

The same formula as the optimiser's for whole arrays, so that a patient served between plans is measured by the
plan's own yardstick. One unit is 1/10,000 of one routine patient waiting one day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from booking.domain.words import Priority

RANK = {Priority.ROUTINE: 0, Priority.URGENT: 1, Priority.TWO_WEEK_WAIT: 2}
UNITS_PER_DAY = 10_000


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a plan that price one pair; triples are routine, urgent, two-week-wait."""

    breach: Sequence[int]
    late_day: Sequence[int]
    late_square: Sequence[int]
    late_cap_days: int
    wait_day: Sequence[int]
    wait_square: Sequence[int]
    travel_km: int
    travel_cap_km: int
    unknown_km: int

    @classmethod
    def of(cls, policy: Mapping[str, Any]) -> Weights | None:
        """From the policy a plan was made with; None if it lacks any of them."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: policy[name] for name in names}) if all(name in policy for name in names) else None

    def parts(self, rank: int, *, waited: int, target: int, day: int, km: float | None) -> dict[str, int]:
        """Cost in its parts of a slot ``day`` days ahead and ``km`` away, for a referral that has waited so long."""
        wait = waited + day
        late, now = max(wait - target, 0), max(waited - target, 0)
        lateness = self.late_day[rank] * (late - now)
        lateness += self.late_square[rank] * (self._square(late) - self._square(now))
        far = min(self.unknown_km if km is None else km, self.travel_cap_km)
        square = self.wait_square[rank] * (wait * wait - waited * waited) // max(target, 1)
        return {
            "breach": self.breach[rank] if waited <= target < wait else 0,
            "lateness": lateness,
            "wait": self.wait_day[rank] * day + square,
            "travel": round(far * self.travel_km),
        }

    def _square(self, late: int) -> int:
        cap = self.late_cap_days
        return late * late if late <= cap else cap * cap + 2 * cap * (late - cap)
