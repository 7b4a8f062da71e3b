"""What the last plan says to commissioners: who waits longer for it, and where one more session would help most.

The planner leaves both in its run's summary; here they are only named, narrowed and told. No numpy in web processes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from sqlalchemy import select

from booking.models import Organisation, PlanRun, Referral, ReferralService, Service
from booking.services.planning.prices import newest_applied
from booking.services.reports import sql
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, count, statistic, text
from booking.services.work import Work

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_SESSIONS = 100
FENCED = "ring_fenced_fcfs"
LONGER_BY = 1
"""Days; less counts as the same."""


def _summary(work: Work) -> Mapping[str, Any]:
    return work.session.scalar(newest_applied(PlanRun.summary)) or {}


def next_session(work: Work, question: Question) -> list[Row]:
    """The best sessions at services that referrals of the actor's practices list, dearest first."""
    kept = _summary(work).get("next_session") or {"places": 0, "sessions": []}
    services = _services(work, question, {one["service"] for one in kept["sessions"]})
    rows: list[Row] = []
    for one in kept["sessions"]:
        at = services.get(one["service"])
        if at is None or len(rows) == MOST_SESSIONS:
            continue
        day = date.fromisoformat(one["day"])
        rows.append(
            {
                **at, "day": one["day"], "weekday": WEEKDAYS[day.weekday()], "places": str(kept["places"]),
                "people": one["people"], "breaches": one["breaches"],
            }
        )  # fmt: skip
    return rows


def _services(work: Work, question: Question, keys: Collection[int]) -> dict[int, dict[str, str]]:
    """Of these services, by key, those that referrals of the actor's practices list, with their names."""
    listed = (
        select(ReferralService.service_id)
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(ReferralService.service_id == Service.id, Referral.practice_id.in_(sql.own_practices(work)))
    )
    query = (
        select(Service.id, Service.name, Service.specialty_code, Organisation.ods_code)
        .join(Organisation, Organisation.id == Service.organisation_id)
        .where(Service.id.in_(keys), listed.exists())  # the first referral found is enough
    )
    if question.specialty is not None:
        query = query.where(Service.specialty_code == question.specialty)
    if question.provider_id is not None:
        query = query.where(Service.organisation_id == question.provider_id)
    return {
        row.id: {"provider": row.ods_code, "service": row.name, "specialty": row.specialty_code}
        for row in work.session.execute(query)
    }


def fairness(work: Work, _question: Question) -> list[Row]:
    """Every group the planner reported, beside ring-fenced first come, first served; whoever's patients they are."""
    sql.own_practices(work)  # for whom reports are, and nobody else
    return groups(_summary(work))


def groups(summary: Mapping[str, Any]) -> list[Row]:
    """The groups of one run's summary."""
    kept = summary.get("fairness") or {"everybody": [], "breakdowns": {}}
    rows = [_group(sql.ALL, row) for row in kept["everybody"]]
    for name, breakdown in kept["breakdowns"].items():
        rows += [_group(name, row) for row in breakdown["named"]]
    return rows or [{"breakdown": sql.ALL, "group": sql.ALL, "name": "Everything together", **dict.fromkeys(COUNTS, 0)}]


COUNTS = ("people", "breaches", "breaches_fenced", "unplaced")


def _group(breakdown: str, row: Mapping[str, Any]) -> Row:
    ours, theirs = row["methods"]["plan"], row["methods"][FENCED]
    everybody = breakdown == sql.ALL
    return {
        "breakdown": breakdown, "group": sql.ALL if everybody else row["group"],
        "name": "Everything together" if everybody else row["group"].replace("_", " "),
        "people": row["people"], "breaches": ours["breaches"], "breaches_fenced": theirs["breaches"],
        "unplaced": ours["unplaced"], "mean_days": round(ours["mean_wait"]),
        "mean_days_fenced": round(theirs["mean_wait"]), "p95_days": ours["p95"], "p95_days_fenced": theirs["p95"],
        "longest_weeks": ours["longest"] // 7, "they_wait": _verdict(ours["mean_wait"] - theirs["mean_wait"]),
    }  # fmt: skip


def _verdict(days: float) -> str:
    """Of the means as they are: rounded ones may differ by a day more or less."""
    return "longer" if days > LONGER_BY else "shorter" if days < -LONGER_BY else "same"


REPORTS = (
    Report(
        "next-session", "Where the next clinic session helps most",
        "By the last plan: what one more session would bring at most, at services your practices refer to; the best "
        "day of a week each. Each stands alone: a second session brings less.",
        (
            text("provider", "ODS code"), text("service", "The service"), text("specialty", "Treatment function"),
            text("day", "The best day of its week"), text("weekday", "That day's name"),
            text("places", "Places of the session"),
            count("people", "People who would be seen sooner, or at all; at most"),
            count("breaches", "Of these, targets met that would be missed; at most"),
        ),
        next_session, frozenset({"specialty", "provider"}), of_a_period=False,
    ),
    Report(
        "plan-fairness", "Who waits longer for the plan",
        "The last plan beside ring-fenced first come, first served on the same patients and slots, of the whole "
        "region. Waits run from the RTT clock start to the slot; of those without one, to four weeks past the horizon.",
        (
            *BREAKDOWN, count("people", "How many"), count("breaches", "Targets missed by the plan"),
            count("breaches_fenced", "Targets missed with ring-fenced slots"), count("unplaced", "Without a slot"),
            statistic("mean_days", "people", "Mean wait under the plan"),
            statistic("mean_days_fenced", "people", "Mean wait with ring-fenced slots"),
            statistic("p95_days", "people", "95 of 100 wait no longer under the plan", times=4),
            statistic("p95_days_fenced", "people", "95 of 100 wait no longer with ring-fenced slots", times=4),
            statistic("longest_weeks", "people", "Whole weeks of the longest wait under the plan", times=4),
            text(
                "they_wait", "Longer or shorter under the plan, by more than a day on average; else the same. By means "
                "that are not rounded", of="people",
            ),
        ),
        fairness, frozenset(), of_a_period=False,
    ),
)  # fmt: skip
