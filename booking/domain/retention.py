"""How long what people said in a referral is kept (NHS Records Management Code of Practice 2021, appendix II).

Adults' records: eight years after the last thing that happened. Children's: until the 25th birthday, the 26th where
they were 17 at the end, if that is later. A referral that was cancelled before it was ever sent: one year, ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

POLICY = "records-2021-1"
"""Stands in the audit trail beside what was done under it; changed with any of the figures below."""
YEARS = 8
YEARS_NEVER_SENT = 1


@dataclass(frozen=True, slots=True)
class Ended:
    on: date
    born: date
    sent: bool = True


def plus_years(day: date, years: int) -> date:
    """The same day years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def keep_until(ended: Ended) -> date:
    """The first day on which it is due."""
    if not ended.sent:
        return plus_years(ended.on, YEARS_NEVER_SENT)
    adult_on = plus_years(ended.born, 18)
    due = plus_years(ended.on, YEARS)
    if ended.on >= adult_on:
        return due
    seventeen = ended.on >= plus_years(ended.born, 17)
    return max(due, plus_years(ended.born, 26 if seventeen else 25))
