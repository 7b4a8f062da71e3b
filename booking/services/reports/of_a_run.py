"""The fairness report of one plan run, not only of the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from booking.services.reports import plans, sql
from booking.services.reports.publish import Asked, Published, make, report_named
from booking.services.reports.table import Question
from booking.services.work import Work


def fairness_of(work: Work, summary: Mapping[str, Any]) -> Published:
    """By the run's summary; small numbers are kept back as in any report."""
    sql.own_practices(work)  # for whom reports are, and nobody else
    report = replace(report_named("plan-fairness"), rows=lambda _work, _question: plans.groups(summary))
    return make(work, report, Question(None), Asked())
