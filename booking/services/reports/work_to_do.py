"""What is left undone or went wrong: worklists, messages that did not arrive, clinics cancelled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, cast, func, literal, select, union_all

from booking.domain.words import Worklist
from booking.models import (
    AdviceRequest,
    ClinicCancellation,
    Organisation,
    OutboxMessage,
    Referral,
    ReferralService,
    Service,
)
from booking.services.reports import sql
from booking.services.reports.named import named
from booking.services.reports.slots import used_services
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, count, percent, statistic, text
from booking.services.work import Work


def messages(work: Work, question: Question) -> list[Row]:
    """Messages to patients of the actor's practices."""
    months, by = question.months, ("month", "kind", "channel")
    base = (
        select(
            sql.month_of(OutboxMessage.created_at, months).label("month"), OutboxMessage.kind.label("kind"),
            func.coalesce(cast(OutboxMessage.channel, String), sql.NOT_KNOWN).label("channel"),
            OutboxMessage.delivered_at.label("delivered_at"), OutboxMessage.failed_at.label("failed_at"),
            OutboxMessage.resolved_at.label("resolved_at"),
        )
        .join(Referral, Referral.id == OutboxMessage.referral_id)
        .where(
            sql.in_period(OutboxMessage.created_at, months), Referral.practice_id.in_(sql.own_practices(work))
        )
        .cte("messages")
    )  # fmt: skip
    measures = [
        func.count().label("messages"),
        func.count(base.c.delivered_at).label("delivered"),
        func.count(base.c.failed_at).label("failed"),
        sql.tally(base.c.failed_at.is_not(None) & base.c.resolved_at.is_not(None)).label("resolved"),
        sql.tally(base.c.failed_at.is_(None) & base.c.delivered_at.is_(None)).label("waiting"),
    ]
    found = work.session.execute(sql.by_each(base, by, measures)).mappings()
    return named(work, (dict(row) for row in found), by)


def worklists(work: Work, _question: Question) -> list[Row]:
    """What is on each list now, by the organisation that must act: of the actor's practices' patients only."""
    practices = sql.own_practices(work)
    parts = [
        select(
            thing.worklist.label("worklist"), thing.worklist_organisation_id.label("organisation_id"),
            thing.worklist_since.label("since"), (thing.worklist_due < work.today).label("overdue"),
        ).where(thing.worklist.is_not(None), thing.practice_id.in_(practices))
        for thing in (Referral, AdviceRequest)
    ]  # fmt: skip
    things = union_all(*parts).subquery("things")
    base = (
        select(things, Organisation.ods_code, Organisation.name)
        .join(Organisation, Organisation.id == things.c.organisation_id)
        .cte("listed")
    )
    measures = [
        func.count().label("open"), sql.tally(base.c.overdue).label("overdue"), func.min(base.c.since).label("since"),
    ]  # fmt: skip
    worklist = cast(base.c.worklist, String)
    every = select(
        worklist.label("worklist"), literal(sql.ALL).label("organisation"), literal("").label("name"), *measures
    )
    each = select(worklist, base.c.ods_code, base.c.name, *measures)
    query = union_all(every.group_by(worklist), each.group_by(worklist, base.c.ods_code, base.c.name))
    found: dict[tuple[str, str], Row] = {
        (name, sql.ALL): {"open": 0, "overdue": 0, "oldest_weeks": None, "name": "Everybody together"}
        for name in Worklist
    }
    for row in work.session.execute(query):
        found[row.worklist, row.organisation] = {
            "open": row.open,
            "overdue": int(row.overdue),
            "oldest_weeks": (work.now - row.since).days // 7,
            "name": row.name or "Everybody together",
        }
    place = {name: at for at, name in enumerate(Worklist)}
    order = sorted(found, key=lambda key: (place[Worklist(key[0])], key[1] != sql.ALL, key[1]))
    return [{"worklist": key[0], "organisation": key[1], **found[key]} for key in order]


def cancellations(work: Work, question: Question) -> list[Row]:
    """Clinics cancelled by providers that the actor's practices refer to; whoever's patients were touched."""
    months, by = question.months, ("month", "provider", "reason")
    listed = (
        select(Service.organisation_id)
        .join(ReferralService, ReferralService.service_id == Service.id)
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(Referral.practice_id.in_(sql.own_practices(work)))
    )
    used = select(Service.organisation_id).where(Service.id.in_(used_services(work, question)))
    query: sql.Query = (
        select(
            sql.month_of(ClinicCancellation.cancelled_at, months).label("month"),
            Organisation.ods_code.label("provider"), ClinicCancellation.reason_code.label("reason"),
            ClinicCancellation.slots.label("slots"), ClinicCancellation.appointments.label("appointments"),
        )
        .join(Organisation, Organisation.id == ClinicCancellation.organisation_id)
        .where(
            sql.in_period(ClinicCancellation.cancelled_at, months),
            ClinicCancellation.organisation_id.in_(listed) | ClinicCancellation.organisation_id.in_(used),
        )
    )  # fmt: skip
    if question.provider_id is not None:
        query = query.where(ClinicCancellation.organisation_id == question.provider_id)
    base = query.cte("cancelled")
    measures: list[Any] = [
        func.count().label("clinics"), func.coalesce(func.sum(base.c.slots), 0).label("slots"),
        func.coalesce(func.sum(base.c.appointments), 0).label("appointments"),
    ]  # fmt: skip
    found = work.session.execute(sql.by_each(base, by, measures)).mappings()
    return named(work, (dict(row) for row in found), by)


REPORTS = (
    Report(
        "messages", "Messages to patients", "Messages written in the period, and whether they arrived.",
        (
            *BREAKDOWN, count("messages", "Messages"), count("delivered", "Handed over to be delivered"),
            count("failed", "Failed for good"), count("resolved", "Of these, dealt with by somebody"),
            count("waiting", "Still to be sent"), percent("failed_percent", "failed", "messages", "In per cent"),
        ),
        messages, frozenset(),
    ),
    Report(
        "worklists", "Worklists", "What waits now for somebody to act, by list and organisation.",
        (
            text("worklist", "The list"), text("organisation", "ODS code of whoever must act; 'all' is everybody"),
            text("name", "Its name"), count("open", "Entries"), count("overdue", "Of these, overdue"),
            statistic("oldest_weeks", "open", "Whole weeks on the list of the oldest", times=4),
        ),
        worklists, frozenset(), of_a_period=False,
    ),
    Report(
        "cancellations", "Clinics cancelled",
        "Clinics cancelled in the period by providers you refer to, with all their patients, not only yours.",
        (
            *BREAKDOWN, count("clinics", "Cancellations"), count("slots", "Slots cancelled"),
            count("appointments", "Appointments cancelled with them"),
        ),
        cancellations, frozenset({"provider"}),
    ),
)  # fmt: skip
