"""How published slots were used, and who did not attend."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Select, case, func, or_, select

from booking.domain.words import BookingState, SlotStatus
from booking.models import Booking, Organisation, Patient, Referral, Service, Slot
from booking.services.reports import sql
from booking.services.reports.named import named
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, Value, count, percent, text
from booking.services.work import Work

COUNTS = ("published", "withdrawn", "booked", "attended", "did_not_attend", "unused")
TAKEN = (BookingState.BOOKED, BookingState.ATTENDED, BookingState.DID_NOT_ATTEND)
DNA_GROUPS = ("lead_time", "month", "specialty", "priority", "provider", "deprivation")


def used_services(work: Work, question: Question) -> Select[int]:
    """SQL: services at which a referral of the actor's practices had an appointment in the period."""
    months = question.months
    return (
        select(Slot.service_id)
        .join(Booking, Booking.slot_id == Slot.id)
        .join(Referral, Referral.id == Booking.referral_id)
        .where(
            Slot.local_date.between(months.first, months.last), Booking.booked_at.is_not(None),
            Referral.practice_id.in_(sql.own_practices(work)),
        )
    )  # fmt: skip


def slot_use(work: Work, question: Question) -> list[Row]:
    """Places by provider and by service, of the services the actor's practices used; whoever's patients were there."""
    services = _services(work, question)
    totals: dict[tuple[str, str], dict[str, int]] = {(sql.ALL, sql.ALL): dict.fromkeys(COUNTS, 0)}
    labels: dict[tuple[str, str], str] = {}
    for row in services:
        keys = (
            (sql.ALL, sql.ALL),
            ("provider", str(row["provider"])),
            ("service", f"{row['provider']}/{row['service_id']}"),
        )
        labels[keys[2]] = f"{row['provider_name']}: {row['service']}"
        for key in keys:
            into = totals.setdefault(key, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                into[name] += int(row[name] or 0)
    rows: list[Row] = [{"breakdown": kind, "group": group, **sums} for (kind, group), sums in totals.items()]
    found = named(work, rows, ("provider", "service"))
    return [{**row, "name": labels.get((str(row["breakdown"]), str(row["group"])), row["name"])} for row in found]


def _services(work: Work, question: Question) -> list[Mapping[str, Value]]:
    months = question.months
    when = Slot.local_date.between(months.first, months.last)
    wanted = select(Service.id).where(Service.id.in_(used_services(work, question)))
    if question.specialty is not None:
        wanted = wanted.where(Service.specialty_code == question.specialty)
    if question.provider_id is not None:
        wanted = wanted.where(Service.organisation_id == question.provider_id)
    gone = Slot.status == SlotStatus.WITHDRAWN
    places = (
        select(
            Slot.service_id, func.sum(case((gone, 0), else_=Slot.capacity)).label("published"),
            func.sum(case((gone, Slot.capacity), else_=0)).label("withdrawn"),
        )
        .where(when, Slot.service_id.in_(wanted))
        .group_by(Slot.service_id)
        .subquery("places")
    )  # fmt: skip
    taken = (
        select(
            Slot.service_id, func.count().label("booked"),
            sql.tally(Booking.state == BookingState.ATTENDED).label("attended"),
            sql.tally(Booking.state == BookingState.DID_NOT_ATTEND).label("did_not_attend"),
        )
        .join(Booking, Booking.slot_id == Slot.id)
        .where(when, Slot.service_id.in_(wanted), Booking.state.in_(TAKEN))
        .group_by(Slot.service_id)
        .subquery("taken")
    )  # fmt: skip
    booked = func.coalesce(taken.c.booked, 0)
    query: sql.Query = (
        select(
            Service.id.label("service_id"), Service.name.label("service"), Organisation.ods_code.label("provider"),
            Organisation.name.label("provider_name"), places.c.published, places.c.withdrawn, booked.label("booked"),
            func.coalesce(taken.c.attended, 0).label("attended"),
            func.coalesce(taken.c.did_not_attend, 0).label("did_not_attend"),
            case((places.c.published > booked, places.c.published - booked), else_=0).label("unused"),
        )
        .join(Organisation, Organisation.id == Service.organisation_id)
        .join(places, places.c.service_id == Service.id)
        .outerjoin(taken, taken.c.service_id == Service.id)
    )  # fmt: skip
    return [dict(row) for row in work.session.execute(query).mappings()]


def attendance(work: Work, question: Question) -> list[Row]:
    """Appointments of the period whose outcome is recorded, by how long before they were booked."""
    months = question.months
    lead = sql.days_between(work, Booking.booked_at, Slot.local_date)
    needs = {one.name: one for one in sql.needs()}
    query: sql.Query = (
        select(
            sql.lead_band(lead).label("lead_time"), sql.month_of(Booking.starts_at, months).label("month"),
            Booking.state.label("state"), needs["deprivation"], *sql.referral_groups(),
        )
        .select_from(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Referral.patient_id)
    )  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(
        sql.in_period(Booking.starts_at, months),
        or_(Booking.state == BookingState.ATTENDED, Booking.state == BookingState.DID_NOT_ATTEND),
    )
    base = sql.narrowed(query, question, Service.organisation_id).cte("outcomes")
    measures = [
        func.count().label("recorded"),
        sql.tally(base.c.state == BookingState.ATTENDED).label("attended"),
        sql.tally(base.c.state == BookingState.DID_NOT_ATTEND).label("did_not_attend"),
    ]
    found = work.session.execute(sql.by_each(base, DNA_GROUPS, measures)).mappings()
    return named(work, (dict(row) for row in found), DNA_GROUPS)


REPORTS = (
    Report(
        "slots", "Slot use",
        "Places with a time in the period, at services where patients of yours had an appointment then.",
        (
            text("breakdown", "All, one provider or one service"), text("group", "ODS code, and the service's key"),
            text("name", "Provider and service"), count("published", "Places published and not withdrawn"),
            count("withdrawn", "Places withdrawn"), count("booked", "Places booked and not given back"),
            count("attended", "Of these, attended"), count("did_not_attend", "Of these, not attended"),
            count("unused", "Places that nobody had"),
            percent("used_percent", "booked", "published", "Booked of those published"),
        ),
        slot_use, frozenset({"specialty", "provider"}),
    ),
    Report(
        "attendance", "Did not attend",
        "Appointments of the period that were attended or not, by how long before they had been booked.",
        (
            *BREAKDOWN, count("recorded", "Appointments with a recorded outcome"), count("attended", "Attended"),
            count("did_not_attend", "Not attended"),
            percent("did_not_attend_percent", "did_not_attend", "recorded", "Not attended, in per cent"),
        ),
        attendance,
    ),
)  # fmt: skip
