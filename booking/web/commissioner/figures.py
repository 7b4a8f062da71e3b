"""The overview's panels: which figure of which report, as a chart with its table behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from booking.services.reports.publish import Asked, Published
from booking.services.reports.table import Row
from booking.web.commissioner import asked, charts
from booking.web.commissioner.charts import Bars, Line, Point, said

NOT_TOLD = "suppressed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One figure worth a panel."""

    title: str
    about: str
    report: str
    column: str
    unit: str
    measure: str | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    about: str
    line: Line | None = None
    bars: Bars | None = None
    caption: str = ""
    head: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    report: str = ""
    csv: str = ""
    at_hand: bool = True

    @property
    def empty(self) -> bool:
        return self.line is None and self.bars is None


OVER_TIME = (
    Wanted("Waiting", "Whose clock ran on the last day of the month.", "waits-by-month", "people", "", "WAITING"),
    Wanted("Waiting past their target", "Share of those waiting on the last day of the month.", "waits-by-month",
           "breach_percent", "%", "WAITING"),
    Wanted("Seen past their target", "Share of those seen in the month.", "waits-by-month", "breach_percent", "%",
           "SEEN"),
    Wanted("Mean wait of those seen", "From the start of the clock to the appointment.", "waits-by-month",
           "mean_days", "days", "SEEN"),
    Wanted("Offered a choice of providers", "Of those offered anything, offered more than one provider at first.",
           "choice", "more_than_one_provider_percent", "%"),
    Wanted("Met no free time", "Appointment slot issues: referrals deferred to the provider in the month.",
           "deferrals", "deferrals", ""),
    Wanted("Places booked", "Share of the places published for the month, whoever booked them.", "slots-by-month",
           "booked_percent", "%"),
    Wanted("Places unused", "Published for the month and not booked.", "slots-by-month", "unused", ""),
)  # fmt: skip
BY_GROUP = (
    Wanted("Waiting", "Whose clock ran on the last day of the last month.", "waits", "people", "", "WAITING"),
    Wanted("Waiting past their target", "Share of those waiting on the last day of the last month.", "waits",
           "breach_percent", "%", "WAITING"),
    Wanted("Mean wait of those seen", "In the last month, from the start of the clock.", "waits", "mean_days", "days",
           "SEEN"),
    Wanted("95 of 100 have waited at most", "Of those waiting on the last day of the last month.", "waits",
           "p95_days", "days", "WAITING"),
    Wanted("Met no free time", "Appointment slot issues in the twelve months.", "deferrals", "deferrals", ""),
    Wanted("Places booked", "Share of the places published in the twelve months.", "slots-by-month", "booked_percent",
           "%"),
)  # fmt: skip


def over_time(made: Mapping[str, Published | None], questions: Mapping[str, Asked]) -> list[Panel]:
    """A line for each figure, month by month."""
    return [
        _over_time(one, made.get(one.report), questions[one.report]) for one in OVER_TIME if one.report in questions
    ]


def by_group(made: Mapping[str, Published | None], questions: Mapping[str, Asked], by: str) -> list[Panel]:
    """Bars for each figure, by specialty or provider."""
    return [
        _by_group(one, made.get(one.report), questions[one.report], by) for one in BY_GROUP if one.report in questions
    ]


def _over_time(wanted: Wanted, published: Published | None, question: Asked) -> Panel:
    if published is None:
        return Panel(wanted.title, wanted.about, at_hand=False)
    months = [month.name for month in published.period.months] if published.period is not None else []
    told = {str(row["group"]): row[wanted.column] for row in _rows(published, "month", wanted.measure)}
    points = [Point(asked.month_words(one), asked.month_short(one), _number(told.get(one))) for one in months]
    rows = [(point.name, _said(point.value, wanted.unit)) for point in reversed(points)]
    return _panel(wanted, question, "month", rows, "Month", line=charts.line(wanted.title, points, wanted.unit))


def _by_group(wanted: Wanted, published: Published | None, question: Asked, by: str) -> Panel:
    if published is None:
        return Panel(wanted.title, wanted.about, at_hand=False)
    figures = [(str(row["name"]), _number(row[wanted.column])) for row in _rows(published, by, wanted.measure)]
    rows = [(name, _said(value, wanted.unit)) for name, value in figures]
    return _panel(wanted, question, by, rows, by.capitalize(), bars=charts.bars(wanted.title, figures, wanted.unit))


def _panel(
    wanted: Wanted, question: Asked, by: str, rows: Sequence[tuple[str, ...]], head: str, *,
    line: Line | None = None, bars: Bars | None = None,
) -> Panel:  # fmt: skip
    more = {"measure": wanted.measure} if wanted.measure else {}
    return Panel(
        wanted.title, wanted.about, line, bars, f"{wanted.title} by {by}", (head, wanted.title), list(rows),
        asked.address(wanted.report, question, by=by, show=wanted.column, **more),
        asked.csv_address(wanted.report, question),
    )  # fmt: skip


def _rows(published: Published, breakdown: str, measure: str | None) -> list[Row]:
    return [
        row for row in published.rows
        if row["breakdown"] == breakdown and (measure is None or row.get("measure") == measure)
    ]  # fmt: skip


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int) else None


def _said(value: float | None, unit: str) -> str:
    return NOT_TOLD if value is None else said(value, unit)
