"""Offers: what makes alternatives differ, and why a slot is proposed, in words a patient understands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from booking.domain.geo import miles

FAR_MILES_PER_WAIT_DAY = 1.0
"""Going a mile further counts like waiting a day longer, where no plan has set a price."""

PENCILLED = "PENCILLED"
"""Reason code of an offer of a place that is pencilled for somebody not asked yet, who would be moved."""


class NotThis(StrEnum):
    """Why a patient says no to an offer, if they care to say."""

    TIME = "TIME"
    TOO_SOON = "TOO_SOON"
    TOO_LATE = "TOO_LATE"
    PLACE = "PLACE"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A free slot one patient could be offered."""

    slot_id: int
    provider_id: int
    day: date
    part: int
    """0 morning, 1 afternoon, 2 evening."""
    distance_km: float | None
    wait_days: int
    late_days: int
    """Days after the due date, 0 if in time."""
    price: int = 0
    """What the last plan says others lose if this place goes (in its units); 0 where nobody else needs it."""
    own_cost: int | None = None
    """What it costs this patient by the same plan's weights; None where nothing has been planned yet."""
    pencilled: bool = False
    """Somebody not asked yet is pencilled for it, who would be moved."""

    def order(self) -> tuple[float, ...]:
        """What is best for everybody: the plan's own measure, or days late and then days and miles without one."""
        if self.own_cost is not None:
            return (self.own_cost + self.price, self.slot_id)
        far = miles(self.distance_km) if self.distance_km is not None else 0.0
        return (self.late_days, self.wait_days + far * FAR_MILES_PER_WAIT_DAY, self.slot_id)


class Rule(NamedTuple):
    """The published rule for alternatives, as a policy states it."""

    most: int
    days: int
    """So many days apart is another day."""
    max_regret: int
    """What the plan may lose by an alternative, in its units."""


def difference(one: Candidate, other: Candidate, days: int) -> int:
    """In what two offers differ: 1 by provider, 2 by day, 3 by time of day; 0 if they are alike."""
    if one.provider_id != other.provider_id:
        return 1
    if abs((one.day - other.day).days) >= days:
        return 2
    return 3 if one.part != other.part else 0


def choose(candidates: Iterable[Candidate], rule: Rule, first: Candidate | None = None) -> list[Candidate]:
    """``first`` (or the best candidate), then up to ``rule.most`` that differ from it and from each other.

    The rule of the optimiser (``optimiser.alternatives``): each further one is the best of those that differ, a kind
    of difference from the first that is not shown yet going before others.
    """
    rest = sorted(candidates, key=Candidate.order)
    if first is None:
        if not rest:
            return []
        first = rest.pop(0)
    chosen, shown = [first], {0}
    kinds = [(difference(one, first, rule.days), one) for one in rest if _affordable(one, first, rule.max_regret)]
    kinds = [pair for pair in kinds if pair[0]]
    while kinds and len(chosen) <= rule.most:
        kind, best = next((pair for pair in kinds if pair[0] not in shown), kinds[0])
        chosen.append(best)
        shown.add(kind)
        kinds = [pair for pair in kinds if difference(pair[1], best, rule.days)]
    return chosen


def _affordable(one: Candidate, first: Candidate, max_regret: int) -> bool:
    if one.own_cost is None or first.own_cost is None:
        return True
    return one.own_cost + one.price - first.own_cost - first.price <= max_regret


def words(
    candidate: Candidate, *, guaranteed: bool, nearest_km: float | None, earliest: date, due: date, day: date
) -> list[str]:
    """One or two plain sentences on why this slot is proposed. ``day`` is the day of the proposal."""
    km = candidate.distance_km
    return sentences(
        guaranteed=guaranteed,
        earliest=candidate.day == earliest,
        km=km,
        nearest=km is not None and nearest_km is not None and km <= nearest_km + 0.05,
        spare=(due - candidate.day).days,
    )


def sentences(*, guaranteed: bool, earliest: bool, km: float | None, nearest: bool, spare: int) -> list[str]:
    """The same from what they say: how far, whether any clinic is nearer, days to spare until the target date."""
    said = ["We are keeping this time for you."] if guaranteed else []
    if earliest:
        said.append("This is the earliest time at the clinics your GP chose.")
    if km is not None:
        where = f"It is {miles(km):.1f} miles from you"
        said.append(f"{where}, the nearest of these clinics." if nearest else f"{where}.")
    if spare >= 0:
        said.append(f"It is {_days(spare)} before your target date." if spare else "It is on your target date.")
    else:
        said.append(f"It is {_days(-spare)} after your target date: no earlier time was free for you.")
    return said[:3]


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
