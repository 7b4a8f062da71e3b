"""What the reports' queries share: whose referrals, the bands and groups, one aggregation for all breakdowns."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Select,
    SQLColumnExpression,
    String,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from booking.domain.errors import Forbidden
from booking.domain.geo import EARTH_RADIUS_KM, KM_PER_MILE
from booking.domain.words import OrganisationKind
from booking.models import Organisation, Patient, Referral, Service, Site
from booking.services.reports.period import Period
from booking.services.reports.table import Question
from booking.services.work import Work

Query: TypeAlias = Select[*tuple[Any, ...]]
Expression: TypeAlias = SQLColumnExpression[Any]
ALL = "all"
NOT_KNOWN = "not known"
MILES = (5, 10, 20, 50)
DISTANCE_BANDS = ("under 5 miles", "5 to 10 miles", "10 to 20 miles", "20 to 50 miles", "50 miles or more")
LEAD_DAYS = (7, 14, 28, 56)
LEAD_BANDS = ("under 1 week", "1 to 2 weeks", "2 to 4 weeks", "4 to 8 weeks", "8 weeks or more")

Practice = aliased(Organisation, name="practice")
Commissioner = aliased(Organisation, name="commissioner")
Provider = aliased(Organisation, name="provider")


def own_practices(work: Work) -> Select[int]:
    """SQL: the practices whose referrals the actor's organisation may see counted; :class:`Forbidden` for providers."""
    own = work.session.get(Organisation, work.actor.organisation_id) if work.actor.organisation_id else None
    if own is not None and own.kind is OrganisationKind.COMMISSIONER:
        return select(Organisation.id).where(Organisation.commissioner_id == own.id)
    if own is not None and own.kind is OrganisationKind.PRACTICE:
        return select(Organisation.id).where(Organisation.id == own.id)
    raise Forbidden("Reports are for commissioners, and for practices about themselves.")


def narrowed(query: Query, question: Question, provider: Expression) -> Query:
    """The query with the question's filters on; ``provider`` is the column that says whose it is."""
    if question.specialty is not None:
        query = query.where(Referral.specialty_code == question.specialty)
    if question.priority is not None:
        query = query.where(Referral.priority == question.priority)
    if question.provider_id is not None:
        query = query.where(provider == question.provider_id)
    return query


def month_of(instant: Expression, period: Period) -> ColumnElement[str]:
    """The month, in the country's zone, of an instant within the period."""
    months = period.months
    if len(months) == 1:
        return literal(months[0].name)
    return case(*((instant < month.end, literal(month.name)) for month in months[:-1]), else_=literal(months[-1].name))


def month_of_day(day: Expression, period: Period) -> ColumnElement[str]:
    """The month of a local date within the period."""
    months = period.months
    if len(months) == 1:
        return literal(months[0].name)
    ends = [month.end.date() for month in months]
    return case(
        *((day < end, literal(month.name)) for month, end in zip(months[:-1], ends, strict=False)),
        else_=literal(months[-1].name),
    )


def in_period(instant: Expression, period: Period) -> ColumnElement[bool]:
    return (instant >= period.start) & (instant < period.end)


def days_between(work: Work, start: Expression, end: Expression) -> ColumnElement[int]:
    """Whole days between two dates."""
    if work.postgresql:
        return cast(cast(end, Date) - cast(start, Date), Integer)
    return cast(func.julianday(func.date(end)) - func.julianday(func.date(start)), Integer)


def _banded(value: Expression, limits: Sequence[float], names: Sequence[str]) -> ColumnElement[str]:
    return case(
        (value.is_(None), NOT_KNOWN),
        *((value < limit, name) for limit, name in zip(limits, names, strict=False)),
        else_=names[-1],
    )


def distance_band() -> ColumnElement[str]:
    """From the patient's home to the query's :class:`Site`, in bands of miles.

    On a plane that touches the earth there, with the cosine as a series: right within half a per cent, and both
    databases can do it. Squares are compared, so that no root is needed.
    """
    degree = EARTH_RADIUS_KM * pi / 180 / KM_PER_MILE
    square_of_angle = (Patient.latitude * (pi / 180)) * (Patient.latitude * (pi / 180))
    cosine: Expression = literal(1.0)
    for divisor in (56.0, 30.0, 12.0, 2.0):
        cosine = 1.0 - square_of_angle / divisor * cosine
    north = (Site.latitude - Patient.latitude) * degree
    east = (Site.longitude - Patient.longitude) * degree * cosine
    return _banded(north * north + east * east, [float(limit * limit) for limit in MILES], DISTANCE_BANDS)


def lead_band(days: Expression) -> ColumnElement[str]:
    return _banded(days, LEAD_DAYS, LEAD_BANDS)


def needs() -> list[ColumnElement[Any]]:
    """The patient's access needs and decile of deprivation, as columns to group by."""
    return [
        case((Patient.step_free, "needs step-free access"), else_="no need stated").label("step_free"),
        case((Patient.interpreter_language.is_not(None), "needs an interpreter"), else_="no need stated").label(
            "interpreter"
        ),
        case((Patient.video_possible, "video possible"), else_="video not possible").label("video"),
        func.coalesce(cast(Patient.deprivation_decile, String), NOT_KNOWN).label("deprivation"),
    ]


def referral_groups() -> list[ColumnElement[Any]]:
    """Specialty, priority and organisations of the referral: for a query that joins :func:`with_organisations`."""
    return [
        Referral.specialty_code.label("specialty"), Referral.priority.label("priority"),
        Practice.ods_code.label("practice"), func.coalesce(Commissioner.ods_code, NOT_KNOWN).label("commissioner"),
        func.coalesce(Provider.ods_code, NOT_KNOWN).label("provider"),
    ]  # fmt: skip


def with_organisations(query: Query, practices: Select[int]) -> Query:
    """Join practice, commissioner and provider to a query that has :class:`Referral` and (perhaps null) Service."""
    return (
        query.join(Practice, Practice.id == Referral.practice_id)
        .outerjoin(Commissioner, Commissioner.id == Practice.commissioner_id)
        .outerjoin(Provider, Provider.id == Service.organisation_id)
        .where(Referral.practice_id.in_(practices))
    )


def tally(condition: Expression) -> ColumnElement[int]:
    """How many rows of the group meet it."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def by_each(
    base: CTE,
    breakdowns: Sequence[str],
    measures: Sequence[Expression],
    also_by: Sequence[Expression] = (),
) -> CompoundSelect[Any]:
    """One statement for all breakdowns: the base is read once, and grouped by each of its columns in turn.

    Rows have ``breakdown`` and ``group``, then the columns of ``also_by``, then the measures.
    """
    parts = []
    for name in (ALL, *breakdowns):
        group: ColumnElement[str] = literal(ALL) if name == ALL else cast(base.c[name], String)
        grouped = [] if name == ALL else [group]
        query = select(literal(name).label("breakdown"), group.label("group"), *also_by, *measures)
        parts.append(query.select_from(base).group_by(*grouped, *also_by))
    return union_all(*parts)
