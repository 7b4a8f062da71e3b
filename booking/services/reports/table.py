"""What a report is: its columns, which filters it takes, and the query that fills its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from booking.domain.words import Priority
from booking.services.reports.period import Period
from booking.services.work import Work

Value = str | int | None
Row = Mapping[str, Value]


class Kind(StrEnum):
    TEXT = "TEXT"
    COUNT = "COUNT"
    """Of people, or of things that tell of people: never told where it is small, else rounded."""
    PERCENT = "PERCENT"
    """Of two counts as they are told."""
    STATISTIC = "STATISTIC"
    """Of the people of one count; told only where they are enough."""


@dataclass(frozen=True, slots=True)
class Column:
    """``of`` names the count a statistic or a text is about, or the two counts (part, whole) of a percentage."""

    name: str
    kind: Kind
    about: str
    of: tuple[str, ...] = ()
    times: int = 1
    """A statistic needs so many times the least number told."""


def text(name: str, about: str, *, of: str | None = None) -> Column:
    """With ``of`` it says something about people, and is told only where their count is."""
    return Column(name, Kind.TEXT, about, () if of is None else (of,))


def count(name: str, about: str) -> Column:
    return Column(name, Kind.COUNT, about)


def percent(name: str, part: str, whole: str, about: str) -> Column:
    return Column(name, Kind.PERCENT, about, (part, whole))


def statistic(name: str, of: str, about: str, *, times: int = 1) -> Column:
    return Column(name, Kind.STATISTIC, about, (of,), times)


BREAKDOWN = (
    text("breakdown", "What the row is a breakdown by; 'all' is everything together"),
    text("group", "The code or the band"),
    text("name", "What the code stands for"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a report. ``period`` is None for one about the present."""

    period: Period | None
    specialty: str | None = None
    priority: Priority | None = None
    provider_id: int | None = None

    @property
    def months(self) -> Period:
        """The period of a report that has one."""
        if self.period is None:
            raise ValueError("this report is about a period")
        return self.period


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    title: str
    about: str
    columns: Sequence[Column]
    rows: Callable[[Work, Question], list[Row]]
    filters: frozenset[str] = frozenset({"specialty", "priority", "provider"})
    of_a_period: bool = True
