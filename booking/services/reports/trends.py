"""Month by month: waits, and how the published places were used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import case, func, select

from booking.domain.words import SlotStatus
from booking.models import Booking, Organisation, Service, Slot
from booking.services.reports import sql, waits
from booking.services.reports.named import named
from booking.services.reports.period import Month, Period
from booking.services.reports.slots import TAKEN, used_services
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, count, percent, statistic, text
from booking.services.work import Work

COUNTS = ("published", "withdrawn", "booked", "unused")
USE_GROUPS = ("month", "specialty", "provider")


def waits_by_month(work: Work, question: Question) -> list[Row]:
    """Each month by itself: who was seen in it, and who waited on its last day."""
    by_month = waits.summed(work, waits.seen(work, question), ("month",))
    rows: list[Row] = [{"measure": waits.SEEN, **row} for row in named(work, _each(by_month), ("month",))]
    for month in question.months.months:
        base = waits.waiting(work, _within(question, month))
        at_its_end = waits.summed(work, base, ())[0]
        rows.append(
            {"measure": waits.WAITING, **at_its_end, "breakdown": "month", "group": month.name, "name": month.name}
        )
    return rows


def _each(rows: list[Row]) -> list[Row]:
    """Without the row of all months together: the report ``waits`` has it, of the same people."""
    return [row for row in rows if row["breakdown"] != sql.ALL]


def _within(question: Question, month: Month) -> Question:
    alone = Period(month.start.date(), month.end.date() - timedelta(days=1))
    return replace(question, period=alone)


def slots_by_month(work: Work, question: Question) -> list[Row]:
    """Places by month, specialty and provider, of the services the actor's practices used."""
    totals: dict[tuple[str, str], dict[str, int]] = {(sql.ALL, sql.ALL): dict.fromkeys(COUNTS, 0)}
    for row in work.session.execute(_places(question, used_services(work, question))):
        for key in ((sql.ALL, sql.ALL), *((name, str(getattr(row, name))) for name in USE_GROUPS)):
            into = totals.setdefault(key, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                into[name] += int(getattr(row, name))
    rows: list[Row] = [{"breakdown": kind, "group": group, **sums} for (kind, group), sums in totals.items()]
    return named(work, rows, USE_GROUPS)


def _places(question: Question, used: sql.Query) -> sql.Query:
    """One row a service and month."""
    months = question.months
    wanted: sql.Query = select(Service.id).where(Service.id.in_(used))
    if question.specialty is not None:
        wanted = wanted.where(Service.specialty_code == question.specialty)
    if question.provider_id is not None:
        wanted = wanted.where(Service.organisation_id == question.provider_id)
    here = (Slot.local_date.between(months.first, months.last), Slot.service_id.in_(wanted))
    month = sql.month_of_day(Slot.local_date, months).label("month")
    gone = Slot.status == SlotStatus.WITHDRAWN
    slots = (
        select(
            Slot.service_id, month, func.sum(case((gone, 0), else_=Slot.capacity)).label("published"),
            func.sum(case((gone, Slot.capacity), else_=0)).label("withdrawn"),
        )
        .where(*here)
        .group_by(Slot.service_id, month)
        .subquery("slots")
    )  # fmt: skip
    taken = (
        select(Slot.service_id, month, func.count().label("booked"))
        .join(Booking, Booking.slot_id == Slot.id)
        .where(*here, Booking.state.in_(TAKEN))
        .group_by(Slot.service_id, month)
        .subquery("taken")
    )
    booked = func.coalesce(taken.c.booked, 0)
    return (
        select(
            slots.c.month, Service.specialty_code.label("specialty"), Organisation.ods_code.label("provider"),
            slots.c.published, slots.c.withdrawn, booked.label("booked"),
            case((slots.c.published > booked, slots.c.published - booked), else_=0).label("unused"),
        )
        .select_from(slots)
        .join(Service, Service.id == slots.c.service_id)
        .join(Organisation, Organisation.id == Service.organisation_id)
        .outerjoin(taken, (taken.c.service_id == slots.c.service_id) & (taken.c.month == slots.c.month))
    )  # fmt: skip


REPORTS = (
    Report(
        "waits-by-month", "Waits and breaches by month",
        "As in the report on waits, of each month by itself: SEEN in it, or WAITING on its last day.",
        (
            text("measure", "SEEN in the month, or WAITING at its end"), *BREAKDOWN,
            count("people", "How many"), count("breaches", "Of these, past the day that meets the target"),
            percent("breach_percent", "breaches", "people", "In per cent"),
            statistic("mean_days", "people", "Mean wait"),
            statistic("median_days", "people", "Half were within so many days"),
            statistic("p95_days", "people", "95 of 100 were within so many days", times=4),
            statistic("longest_weeks", "people", "Whole weeks of the longest wait", times=4),
        ),
        waits_by_month,
    ),
    Report(
        "slots-by-month", "Use of published places by month",
        "Places of the period, by month, specialty and provider, of services your patients had appointments at in it; "
        "with everybody's appointments, not only your patients'.",
        (
            *BREAKDOWN, count("published", "Places published, without those withdrawn"),
            count("withdrawn", "Places withdrawn"), count("booked", "Booked, whatever came of it"),
            count("unused", "Published and not booked"),
            percent("booked_percent", "booked", "published", "Booked, in per cent"),
        ),
        slots_by_month, frozenset({"specialty", "provider"}),
    ),
)  # fmt: skip
