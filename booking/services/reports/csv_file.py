"""A report as CSV (RFC 4180) that a spreadsheet reads as it is meant: numbers as numbers, and nothing as a formula."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

from booking.domain.times import in_words
from booking.services.reports.publish import Published
from booking.services.reports.table import Kind, Value
from booking.services.work import HOME_ZONE

NOT_TOLD = "*"
BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe(value: Value) -> str | int:
    """A cell. Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


def csv_of(published: Published, *, bom: bool = False) -> str:
    """Lines about the report, one with the columns' names, then the rows; all lines have as many cells."""
    columns = published.report.columns
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for line in _about(published):
        writer.writerow([*map(safe, line), *[""] * (len(columns) - len(line))])
    writer.writerow([column.name for column in columns])
    for row in published.rows:
        cells = []
        for column in columns:
            value = row[column.name]
            hidden = value is None and (column.kind is not Kind.TEXT or bool(column.of))
            cells.append(NOT_TOLD if hidden else safe(value))
        writer.writerow(cells)
    return (BOM if bom else "") + out.getvalue()


def _about(published: Published) -> list[tuple[str, str]]:
    zone: ZoneInfo = HOME_ZONE
    period = published.period
    made = in_words(published.made_at, zone)
    shown = f"{period.first.isoformat()} to {period.last.isoformat()}" if period else f"as things stood on {made}"
    lines = [
        ("Report", published.report.title),
        ("Period", shown),
        ("Made", made),
        ("Small numbers", f"{published.rule} {NOT_TOLD} stands for a suppressed figure."),
    ]
    lines += [("Only", f"{name} {value}") for name, value in published.filters.items()]
    return lines
