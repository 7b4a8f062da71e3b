"""All reports by name."""

from __future__ import annotations

from collections.abc import Mapping

from booking.services.reports import choice, made, plans, slots, trends, waits, work_to_do
from booking.services.reports.table import Report

REPORTS: Mapping[str, Report] = {
    report.name: report
    for module in (made, choice, waits, slots, work_to_do, plans, trends)
    for report in module.REPORTS
}
