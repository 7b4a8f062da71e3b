"""A publication tried out: exactly what publishing would do, slot by slot, and then taken back.

It is the publishing itself in a savepoint that is rolled back, so that the preview says what
happens and nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from booking.domain.errors import Invalid
from booking.domain.slot import Outcome, Result
from booking.services import publishing
from booking.services.publication_input import NewPublication, own_service, read
from booking.services.work import Work

MOST_SLOTS = 2000
"""In one go from a page: half a year of a busy clinic. More is published in parts, or by a file."""


class Keep(StrEnum):
    """What of a publication is to stand."""

    NOTHING = "nothing"
    ALL = "all"
    """All of it, or nothing where a slot is refused."""
    GOOD = "good"
    """Whatever is not refused."""


@dataclass(frozen=True, slots=True)
class Line:
    """One slot and what becomes of it."""

    local: datetime
    local_end: datetime
    outcome: Outcome

    @property
    def refused(self) -> bool:
        return self.outcome.result is Result.REFUSED


@dataclass(frozen=True, slots=True)
class Tried:
    lines: list[Line]
    kept: bool

    @property
    def counts(self) -> Counter[Result]:
        return Counter(line.outcome.result for line in self.lines)

    @property
    def refused(self) -> int:
        return self.counts[Result.REFUSED]

    @property
    def good(self) -> int:
        return len(self.lines) - self.refused

    @property
    def first_day(self) -> date | None:
        return next((line.local.date() for line in self.lines if not line.refused), None)


def publish(work: Work, new: NewPublication, keep: Keep) -> Tried:
    """Publish, and let stand what ``keep`` says. Raises as :func:`publishing.publish` does."""
    service = own_service(work, new.service_id)
    slots = read(work, service, new)
    if len(slots) > MOST_SLOTS:
        message = f"These are {len(slots)} times: publish at most {MOST_SLOTS} at once, or send a file."
        raise Invalid.field("last", "TOO_MANY_SLOTS", message)
    attempt = work.session.begin_nested()
    try:
        outcomes = publishing.publish(work, new).outcomes
    except BaseException:
        attempt.rollback()
        raise
    lines = [
        Line(slot.starts_at.astimezone(service.zone), slot.ends_at.astimezone(service.zone), outcome)
        for slot, outcome in zip(slots, outcomes, strict=True)
    ]
    refused = any(line.refused for line in lines)
    kept = keep is Keep.GOOD or (keep is Keep.ALL and not refused)
    if kept:
        attempt.commit()
    else:
        attempt.rollback()
    return Tried(sorted(lines, key=lambda line: line.local), kept)
