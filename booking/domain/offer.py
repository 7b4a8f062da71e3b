"""Offers: what makes alternatives differ, and why a slot is proposed, in words a patient understands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from booking.domain.geo import miles

FAR_MILES_PER_WAIT_DAY = 1.0
"""Going a mile further counts like waiting a day longer, where no plan has set a price."""

PENCILLED = "PENCILLED"
"""Reason code of an offer of a place that is pencilled for somebody not asked yet, who would be moved."""


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


def differ(one: Candidate, other: Candidate) -> bool:
    """The published rule: two offers differ by provider, by week, or by both weekday and time of day."""
    if one.provider_id != other.provider_id or one.day.isocalendar()[:2] != other.day.isocalendar()[:2]:
        return True
    return one.day != other.day and one.part != other.part


def choose(candidates: Iterable[Candidate], alternatives: int, first: Candidate | None = None) -> list[Candidate]:
    """``first`` (or the best candidate), then up to ``alternatives`` that differ from it and from each other."""
    chosen = [] if first is None else [first]
    for candidate in sorted(candidates, key=Candidate.order):
        if len(chosen) > alternatives:
            break
        if all(differ(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


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
