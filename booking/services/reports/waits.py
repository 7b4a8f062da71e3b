"""Waits and breaches: of those seen in the period, and of those still waiting at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Date, cast, func, literal, or_, select

from booking.domain.referral import ReferralState
from booking.domain.words import BookingState
from booking.models import Booking, Patient, Referral, ReferralService, Service, Site, Slot
from booking.services.reports import sql
from booking.services.reports.histogram import Histogram, statistics
from booking.services.reports.named import named
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, count, percent, statistic, text
from booking.services.work import Work

GROUPS = (
    "specialty", "priority", "practice", "commissioner", "provider", "distance", "step_free", "interpreter", "video",
    "deprivation",
)  # fmt: skip
SEEN, WAITING = "SEEN", "WAITING"


def seen(work: Work, question: Question) -> CTE:
    months = question.months
    query: sql.Query = (
        select(
            sql.days_between(work, Referral.rtt_clock_start, Slot.local_date).label("days"),
            (Slot.local_date > Referral.due_date).label("late"), sql.distance_band().label("distance"),
            sql.month_of_day(Slot.local_date, months).label("month"),
            *sql.needs(), *sql.referral_groups(),
        )
        .select_from(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .join(Site, Site.id == Slot.site_id)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Referral.patient_id)
    )  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(
        Booking.state.in_([BookingState.BOOKED, BookingState.ATTENDED]),
        Slot.local_date.between(months.first, months.last),
    )
    return sql.narrowed(query, question, Service.organisation_id).cte("seen")


def waiting(work: Work, question: Question) -> CTE:
    """Whose clock ran on the last day. Those not yet sent to a service count as far as its first choice is."""
    months = question.months
    last = cast(literal(months.last, Date), Date) if work.postgresql else literal(months.last, Date)
    query: sql.Query = (
        select(
            sql.days_between(work, Referral.rtt_clock_start, last).label("days"),
            (Referral.due_date < last).label("late"), sql.distance_band().label("distance"),
            *sql.needs(), *sql.referral_groups(),
        )
        .select_from(Referral)
        .join(Patient, Patient.id == Referral.patient_id)
        .outerjoin(ReferralService, (ReferralService.referral_id == Referral.id) & (ReferralService.position == 1))
        .outerjoin(Service, Service.id == func.coalesce(Referral.service_id, ReferralService.service_id))
        .outerjoin(Site, Site.id == Service.site_id)
    )  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(
        Referral.created_at < months.end, Referral.rtt_clock_start <= months.last,
        Referral.state != ReferralState.DRAFT,
        or_(Referral.rtt_clock_stopped_on.is_(None), Referral.rtt_clock_stopped_on > months.last),
    )  # fmt: skip
    return sql.narrowed(query, question, Service.organisation_id).cte("waiting")


def waits(work: Work, question: Question) -> list[Row]:
    made: list[Row] = []
    for measure, base in ((SEEN, seen(work, question)), (WAITING, waiting(work, question))):
        rows = named(work, summed(work, base), GROUPS)
        made += [{"measure": measure, **row} for row in rows]
    return made


def summed(work: Work, base: CTE, groups: Sequence[str] = GROUPS) -> list[Row]:
    """From people by group and days to one row a group."""
    histograms: dict[tuple[str, str], Histogram] = {(sql.ALL, sql.ALL): Histogram()}
    late: dict[tuple[str, str], int] = {}
    measures: list[Any] = [func.count().label("people"), sql.tally(base.c.late).label("late")]
    for row in work.session.execute(sql.by_each(base, groups, measures, [base.c.days])):
        key = (row.breakdown, row.group)
        histograms.setdefault(key, Histogram()).add(row.days, row.people)
        late[key] = late.get(key, 0) + int(row.late)
    return [
        {
            "breakdown": key[0], "group": key[1], "people": histogram.people, "breaches": late.get(key, 0),
            **statistics(histogram),
        }
        for key, histogram in histograms.items()
    ]  # fmt: skip


REPORTS = (
    Report(
        "waits", "Waits and breaches",
        "Days from the RTT clock start: SEEN, to an appointment in the period that was attended, or whose attendance "
        "is not recorded; WAITING, to the last day of the period, of those whose clock ran then.",
        (
            text("measure", "SEEN in the period, or still WAITING at its end"), *BREAKDOWN,
            count("people", "How many"), count("breaches", "Of these, past the day that meets the target"),
            percent("breach_percent", "breaches", "people", "In per cent"),
            statistic("mean_days", "people", "Mean wait"),
            statistic("median_days", "people", "Half were within so many days"),
            statistic("p95_days", "people", "95 of 100 were within so many days", times=4),
            statistic("longest_weeks", "people", "Whole weeks of the longest wait", times=4),
        ),
        waits,
    ),
)  # fmt: skip
