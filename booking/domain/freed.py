"""A place given back: whom it would help most, and how long each is asked (times in hours and minutes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from booking.domain.weights import RANK
from booking.domain.words import Priority

MOST_ASKED = 10
"""After so many have been asked in turn, the place is open to all."""
OPEN_BEFORE = timedelta(hours=24)
"""So near its start a place is open to all: whoever comes first has little enough time to arrange it."""
SHORTEST_TURN = timedelta(hours=2)
"""A turn shorter than this is none: people sleep, work and ride buses."""
GRACE = timedelta(minutes=5)
"""The place stays kept a little longer than the offer says, so that it passes on without ever being free."""
LATE_WEIGHT = {Priority.ROUTINE: 1, Priority.URGENT: 4, Priority.TWO_WEEK_WAIT: 16}
"""What a day late weighs; the same proportions as between the targets of 126, 42 and 14 days, and a little more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody the place might go to; ``has`` is the day of the time kept for them, None where there is none."""

    referral_id: int
    priority: Priority
    due: date
    has: date | None
    first_in_line: bool

    def need(self, day: date) -> tuple[int, ...]:
        """How much a place on ``day`` would help: the larger, the sooner they are asked.

        In turn: a target that would be met and else missed, the more urgent the more; days late avoided, by
        weight; priority; first in line after a provider's cancellation; days sooner; the nearer target; who
        has been known longer.
        """
        nothing = self.has is None
        now = self.has or max(self.due, day) + timedelta(days=28)  # as the planner counts who is left unplaced
        saved = max(0, (now - self.due).days) - max(0, (day - self.due).days)
        met = day <= self.due and (nothing or now > self.due)
        rank = RANK[self.priority]
        return (
            rank + 1 if met else 0, saved * LATE_WEIGHT[self.priority], rank, int(self.first_in_line),
            (now - day).days, -self.due.toordinal(), -self.referral_id,
        )  # fmt: skip


def in_order_of_need(waiting: list[Waiting], day: date) -> list[Waiting]:
    """Those a place on ``day`` would help, most first: who has a time no later than that is not among them."""
    helped = [one for one in waiting if one.has is None or one.has > day]
    return sorted(helped, key=lambda one: one.need(day), reverse=True)


def turn_ends(now: datetime, starts_at: datetime, hours: int) -> datetime | None:
    """When the turn of somebody asked now is over; None where there is no time left to ask anybody in turn."""
    until = min(now + timedelta(hours=hours), starts_at - OPEN_BEFORE)
    return until if until - now >= min(SHORTEST_TURN, timedelta(hours=hours)) else None
