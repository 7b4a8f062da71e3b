"""One report as a page shows it: one breakdown at a time, as a chart and as a table, with words for codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from booking.services.reports.publish import Published
from booking.services.reports.sql import ALL
from booking.services.reports.table import Column, Kind, Row, Value
from booking.web import say
from booking.web.commissioner import charts
from booking.web.commissioner.asked import month_short, month_words
from booking.web.commissioner.charts import Bars, Line, Point
from booking.web.commissioner.fair import BREAKDOWNS as FAIR_BREAKDOWNS

MOST_ROWS = 150
"""On one page; a file has them all."""
BREAKDOWNS = {
    **FAIR_BREAKDOWNS,
    ALL: "All together",
    "month": "By month",
    "specialty": "By specialty",
    "practice": "By practice",
    "commissioner": "By commissioner",
    "provider": "By provider",
    "service": "By service",
    "distance": "By distance from home",
    "lead_time": "By how long before it was booked",
    "reason": "By reason",
    "kind": "By kind of message",
    "channel": "By way of sending",
}
MEASURES = {"SEEN": "Seen in the period", "WAITING": "Waiting at its end"}
HEADINGS = {
    "people": "People", "breaches": "Past target", "breach_percent": "Past target, %", "mean_days": "Mean wait, days",
    "median_days": "Median wait, days", "p95_days": "95 of 100 within, days", "longest_weeks": "Longest, weeks",
    "booked_percent": "Booked, %", "breaches_fenced": "Past target, first come first served",
    "mean_days_fenced": "Mean wait, first come first served", "p95_days_fenced": "95 of 100, first come first served",
    "oldest_weeks": "Oldest, weeks", "they_wait": "With the plan they wait",
}  # fmt: skip
SPECIAL = frozenset({"breakdown", "group", "measure"})


@dataclass(frozen=True, slots=True)
class Heading:
    name: str
    words: str
    about: str
    number: bool


@dataclass(frozen=True, slots=True)
class View:
    """What of a report is shown."""

    breakdowns: list[tuple[str, str]]
    by: str
    measures: list[tuple[str, str]]
    measure: str
    shows: list[tuple[str, str]]
    show: str
    headings: list[Heading]
    rows: list[list[str]]
    more: int
    line: Line | None
    bars: Bars | None

    @property
    def caption(self) -> str:
        if not self.by:
            return "All there is"
        return BREAKDOWNS.get(self.by, self.by.replace("_", " ").capitalize())


def view_of(published: Published, values: Mapping[str, str]) -> View:
    """The breakdown, measure and figure somebody chose, or the first there are."""
    rows, columns = published.rows, published.report.columns
    names = [column.name for column in columns]
    kinds = _kinds(rows, "breakdown") if "breakdown" in names else []
    order = sorted(kinds, key=lambda one: one == ALL)
    by = _chosen(values.get("by"), order)
    measures = _kinds(rows, "measure") if "measure" in names else []
    measure = _chosen(values.get("measure"), measures)
    numbers = [column for column in columns if column.kind is not Kind.TEXT]
    show = _chosen(values.get("show"), [one.name for one in sorted(numbers, key=lambda one: one.kind != Kind.PERCENT)])
    listed = [
        row for row in rows
        if (not kinds or row["breakdown"] == by) and (not measures or row["measure"] == measure)
    ]  # fmt: skip
    headings = [_heading(column) for column in columns if column.name not in SPECIAL or not kinds]
    line, bars = _chart(listed, by, next(one for one in numbers if one.name == show)) if kinds else (None, None)
    return View(
        breakdowns=[(one, BREAKDOWNS.get(one, one.replace("_", " ").capitalize())) for one in order], by=by,
        measures=[(one, MEASURES.get(one, one)) for one in measures], measure=measure,
        shows=[(one.name, heading(one.name)) for one in numbers], show=show, headings=headings,
        rows=[[_cell(row, one, by) for one in headings] for row in listed[:MOST_ROWS]],
        more=max(0, len(listed) - MOST_ROWS), line=line, bars=bars,
    )  # fmt: skip


def heading(name: str) -> str:
    words = HEADINGS.get(name)
    if words is not None:
        return words
    percent = name.endswith("_percent")
    plain = name.removesuffix("_percent").replace("_", " ").capitalize()
    return f"{plain}, %" if percent else plain


def _heading(column: Column) -> Heading:
    return Heading(column.name, heading(column.name), column.about, column.kind is not Kind.TEXT)


def _kinds(rows: Sequence[Row], name: str) -> list[str]:
    return list(dict.fromkeys(str(row[name]) for row in rows))


def _chosen(wanted: str | None, of: Sequence[str]) -> str:
    if wanted is not None and wanted in of:
        return wanted
    return of[0] if of else ""


def _cell(row: Row, column: Heading, by: str) -> str:
    value = row[column.name]
    if column.name == "name":
        return group_words(row, by)
    if value is None:
        return "*" if column.number else ""
    if isinstance(value, int):
        return f"{value:,}"
    return say.label(value) if column.name == "worklist" and value.isupper() else value


def group_words(row: Row, by: str) -> str:
    """The row's name for people: a month in words, a priority in plain words."""
    name = str(row["name"])
    if by == "month":
        return month_words(name)
    if by in ("priority", "channel", "kind", "reason"):
        return say.label(row["group"]) if str(row["group"]).isupper() else str(row["group"]).replace("-", " ")
    if by == "deprivation" and name.isdigit():
        return f"Tenth {name}" + (" (most deprived)" if name == "1" else " (least deprived)" if name == "10" else "")
    return name


def _chart(rows: Sequence[Row], by: str, column: Column) -> tuple[Line | None, Bars | None]:
    unit = _unit(column)
    title = heading(column.name)
    if by == "month":
        points = [
            Point(month_words(str(row["group"])), month_short(str(row["group"])), _number(row[column.name]))
            for row in rows
        ]
        return charts.line(title, points, unit), None
    if by == ALL:
        return None, None
    return None, charts.bars(title, [(group_words(row, by), _number(row[column.name])) for row in rows], unit)


def _unit(column: Column) -> str:
    if column.kind is Kind.PERCENT:
        return "%"
    return "days" if "days" in column.name else "weeks" if "weeks" in column.name else ""


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int) else None
