"""The choice patients were actually offered: providers and days in the first offers of each referral."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from booking.domain.referral import ReferralState
from booking.models import Offer, Referral, Service, Slot
from booking.services.reports import sql
from booking.services.reports.named import named
from booking.services.reports.table import BREAKDOWN, Column, Question, Report, Row, count, percent
from booking.services.work import Work

GROUPS = ("month", "specialty", "priority", "practice", "commissioner")
MOST = 5
"""Providers (or days) from which on they are counted together."""


def choice_offered(work: Work, question: Question) -> list[Row]:
    """Referrals made in the period by what was offered first: all offers of one plan, or of one look between plans."""
    months, practices = question.months, sql.own_practices(work)
    mine = select(Referral.id).where(
        Referral.practice_id.in_(practices), sql.in_period(Referral.created_at, months),
        Referral.state != ReferralState.DRAFT,
    )  # fmt: skip
    first = (
        select(Offer.referral_id, func.min(Offer.created_at).label("at"))
        .where(Offer.referral_id.in_(mine))
        .group_by(Offer.referral_id)
        .subquery("first")
    )
    offered = (
        select(
            Offer.referral_id, func.count(Service.organisation_id.distinct()).label("providers"),
            func.count(Slot.local_date.distinct()).label("days"),
        )
        .join(first, (first.c.referral_id == Offer.referral_id) & (first.c.at == Offer.created_at))
        .join(Slot, Slot.id == Offer.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .group_by(Offer.referral_id)
        .subquery("offered")
    )  # fmt: skip
    query: sql.Query = (
        select(
            sql.month_of(Referral.created_at, months).label("month"),
            func.coalesce(offered.c.providers, 0).label("providers"), func.coalesce(offered.c.days, 0).label("days"),
            *sql.referral_groups(),
        )
        .outerjoin(offered, offered.c.referral_id == Referral.id)
        .outerjoin(Service, Service.id == Referral.service_id)
    )  # fmt: skip
    query = sql.with_organisations(query, practices).where(
        sql.in_period(Referral.created_at, months), Referral.state != ReferralState.DRAFT
    )
    base = sql.narrowed(query, question, Service.organisation_id).cte("choice")
    measures: list[Any] = [
        func.count().label("referrals"),
        sql.tally(base.c.providers > 0).label("offered"),
        sql.tally(base.c.providers > 1).label("more_than_one_provider"),
        sql.tally(base.c.days > 1).label("more_than_one_day"),
    ]
    for what in ("providers", "days"):
        measures += [sql.tally(base.c[what] == number).label(f"{what}_{number}") for number in range(1, MOST)]
        measures.append(sql.tally(base.c[what] >= MOST).label(f"{what}_{MOST}_or_more"))
    found = work.session.execute(sql.by_each(base, GROUPS, measures)).mappings()
    return named(work, (dict(row) for row in found), GROUPS)


def _distribution(what: str) -> list[Column]:
    some = [count(f"{what}_{number}", f"Offered exactly {number} {what}") for number in range(1, MOST)]
    return [*some, count(f"{what}_{MOST}_or_more", f"Offered {MOST} {what} or more")]


REPORTS = (
    Report(
        "choice", "Choice offered",
        "Referrals made in the period, and how many different providers and days their first offers had.",
        (
            *BREAKDOWN, count("referrals", "Referrals made"), count("offered", "Of these, offered anything yet"),
            *_distribution("providers"), *_distribution("days"),
            count("more_than_one_provider", "Offered more than one provider"),
            percent("more_than_one_provider_percent", "more_than_one_provider", "offered", "Of those offered anything"),
            count("more_than_one_day", "Offered more than one day"),
            percent("more_than_one_day_percent", "more_than_one_day", "offered", "Of those offered anything"),
        ),
        choice_offered, frozenset({"specialty", "priority"}),
    ),
)  # fmt: skip
