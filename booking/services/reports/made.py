"""Referrals made, appointments booked, deferrals to the provider."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CTE, func, select
from sqlalchemy.orm import aliased

from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState
from booking.models import Booking, Referral, ReferralEvent, Service, Slot
from booking.services.reports import sql
from booking.services.reports.named import named
from booking.services.reports.table import BREAKDOWN, Question, Report, Row, count, percent
from booking.services.work import Work

GROUPS = ("month", "specialty", "priority", "practice", "commissioner", "provider")


def _rows(
    work: Work, question: Question, base: CTE, measures: Sequence[sql.Expression], by: tuple[str, ...]
) -> list[Row]:
    found = work.session.execute(sql.by_each(base, by, measures)).mappings()
    return named(work, (dict(row) for row in found), by)


def referrals_made(work: Work, question: Question) -> list[Row]:
    months = question.months
    query: sql.Query = select(
        sql.month_of(Referral.created_at, months).label("month"), Referral.state.label("state"),
        *sql.referral_groups(),
    ).outerjoin(Service, Service.id == Referral.service_id)  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(
        sql.in_period(Referral.created_at, months), Referral.state != ReferralState.DRAFT
    )
    base = sql.narrowed(query, question, Service.organisation_id).cte("made")
    measures = [
        func.count().label("referrals"),
        sql.tally(base.c.state == ReferralState.BOOKED).label("booked_now"),
        sql.tally(base.c.state == ReferralState.CANCELLED_REFERRAL).label("cancelled_since"),
    ]
    return _rows(work, question, base, measures, GROUPS)


def bookings(work: Work, question: Question) -> list[Row]:
    months = question.months
    query: sql.Query = (
        select(
            sql.month_of(Booking.booked_at, months).label("month"), Booking.state.label("state"),
            *sql.referral_groups(),
        )
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
    )  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(sql.in_period(Booking.booked_at, months))
    base = sql.narrowed(query, question, Service.organisation_id).cte("booked")
    measures = [
        func.count().label("bookings"),
        sql.tally(base.c.state == BookingState.CANCELLED).label("cancelled_since"),
        sql.tally(base.c.state == BookingState.ATTENDED).label("attended"),
        sql.tally(base.c.state == BookingState.DID_NOT_ATTEND).label("did_not_attend"),
    ]
    return _rows(work, question, base, measures, GROUPS)


def deferrals(work: Work, question: Question) -> list[Row]:
    """The provider is the one the referral is with now; the reason that of the deferral."""
    months, later = question.months, aliased(Booking)
    booked = (
        select(later.id)
        .where(later.referral_id == Referral.id, later.booked_at > ReferralEvent.at)
        .correlate(Referral, ReferralEvent)
        .exists()
    )
    query: sql.Query = (
        select(
            sql.month_of(ReferralEvent.at, months).label("month"), Referral.id.label("referral_id"),
            func.coalesce(ReferralEvent.reason_code, sql.NOT_KNOWN).label("reason"),
            booked.label("booked"), *sql.referral_groups(),
        )
        .select_from(ReferralEvent)
        .join(Referral, Referral.id == ReferralEvent.referral_id)
        .outerjoin(Service, Service.id == Referral.service_id)
    )  # fmt: skip
    query = sql.with_organisations(query, sql.own_practices(work)).where(
        ReferralEvent.action == Action.DEFER_TO_PROVIDER, sql.in_period(ReferralEvent.at, months)
    )
    base = sql.narrowed(query, question, Service.organisation_id).cte("deferred")
    measures = [
        func.count().label("deferrals"),
        func.count(base.c.referral_id.distinct()).label("referrals"),
        sql.tally(base.c.booked).label("booked_after"),
    ]
    return _rows(work, question, base, measures, (*GROUPS, "reason"))


REPORTS = (
    Report(
        "referrals", "Referrals made", "Referrals made in the period, drafts apart, and what became of them since.",
        (
            *BREAKDOWN, count("referrals", "Referrals made"), count("booked_now", "Of these, booked now"),
            count("cancelled_since", "Of these, cancelled since"),
        ),
        referrals_made,
    ),
    Report(
        "bookings", "Appointments booked", "Appointments booked in the period, and what became of them since.",
        (
            *BREAKDOWN, count("bookings", "Appointments booked"), count("cancelled_since", "Of these, cancelled since"),
            count("attended", "Of these, attended"), count("did_not_attend", "Of these, not attended"),
            percent("cancelled_percent", "cancelled_since", "bookings", "Cancelled, in per cent"),
        ),
        bookings,
    ),
    Report(
        "deferrals", "Deferrals to the provider (appointment slot issues)",
        "Times a patient met no slot and the referral was deferred to its provider in the period.",
        (
            *BREAKDOWN, count("deferrals", "Deferrals"), count("referrals", "Referrals deferred at least once"),
            count("booked_after", "Deferrals after which an appointment was booked"),
            percent("booked_after_percent", "booked_after", "deferrals", "Booked after, in per cent"),
        ),
        deferrals,
    ),
)  # fmt: skip
