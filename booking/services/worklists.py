"""Worklists: what waits for whom, by when; counted, filtered, sorted, paged (domain rules 11 and 13).

A referral's list stands on its own row, so the database itself refuses a live referral that is on none or on two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select

from booking.domain.advice import ANSWERERS
from booking.domain.errors import Forbidden, Invalid
from booking.domain.slot import FIRST_YEAR, LAST_YEAR
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Priority, Worklist
from booking.domain.worklists import PROVIDER_LISTS, REFERRER_LISTS
from booking.models import AdviceRequest, Patient, Referral, Service
from booking.services.work import Work

ADVICE_LISTS = frozenset({Worklist.ADVICE, Worklist.ADVICE_REQUESTS})


class Order(StrEnum):
    DUE = "due"
    """Soonest due first."""
    WAITED = "waited"
    """Longest on the RTT clock first; on the advice lists, longest asked first."""
    NEWEST = "newest"
    """Latest on the list first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    worklist: Worklist
    service_id: int | None = None
    priority: Priority | None = None
    overdue: bool | None = None
    state: str | None = None
    referrer: str | None = None
    """The clinician who referred, or asked."""
    order: Order = Order.DUE
    after: tuple[str, int] | None = None
    """Keyset cursor: the sort key and the row key of the last entry of the page before."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a worklist. ``patient`` is None for a commissioner, who sees no identity."""

    key: int
    reference: str
    """UBRN, or the reference of a request for advice."""
    kind: str
    state: str
    patient: str | None
    nhs_number: str | None
    priority: Priority
    specialty: str
    service: str | None
    since: datetime
    due: date
    overdue: bool
    rtt_clock_start: date | None
    escalated_at: datetime | None
    first_in_line: bool
    cursor: str


@dataclass(frozen=True, slots=True)
class Count:
    worklist: Worklist
    entries: int
    overdue: int
    oldest_due: date | None


def lists_of(work: Work) -> tuple[Worklist, ...]:
    """The lists that people of the actor's role work on."""
    role = work.actor.role
    if role in REFERRERS:
        return REFERRER_LISTS
    if role in ANSWERERS:
        return PROVIDER_LISTS
    if role in PROVIDERS:  # requests for advice name their patients only to those who answer them
        return tuple(one for one in PROVIDER_LISTS if one not in ADVICE_LISTS)
    if role in COMMISSIONERS:  # what a closed practice left behind
        return REFERRER_LISTS
    raise Forbidden("Your role has no worklists.")


def counts(work: Work) -> list[Count]:
    """Every list of the actor's organisation with how much is on it and how much is overdue."""
    found: dict[str, tuple[int, int, date | None]] = {}
    for thing in (Referral, AdviceRequest):
        late = func.count().filter(thing.worklist_due < work.today)
        query = (
            select(thing.worklist, func.count(), late, func.min(thing.worklist_due))
            .where(thing.worklist_organisation_id == work.actor.organisation_id, thing.worklist.is_not(None))
            .group_by(thing.worklist)
        )
        found.update({str(row[0]): (row[1], row[2], row[3]) for row in work.session.execute(query)})
    return [Count(name, *found.get(name, (0, 0, None))) for name in lists_of(work)]


def entries(work: Work, wanted: Wanted) -> list[Entry]:
    """A page of one list of the actor's organisation."""
    if wanted.worklist not in lists_of(work):
        raise Invalid.field("worklist", "WORKLIST", "That is not one of your organisation's worklists.")
    query = _advice() if wanted.worklist in ADVICE_LISTS else _referrals()
    thing: Any = AdviceRequest if wanted.worklist in ADVICE_LISTS else Referral
    query = query.where(thing.worklist == wanted.worklist, thing.worklist_organisation_id == work.actor.organisation_id)
    if wanted.service_id is not None:
        query = query.where(thing.service_id == wanted.service_id)
    if wanted.priority is not None:
        query = query.where(thing.priority == wanted.priority)
    if wanted.overdue is not None:
        late = thing.worklist_due < work.today
        query = query.where(late if wanted.overdue else ~late)
    if wanted.state is not None:
        query = query.where(thing.state == wanted.state)
    if wanted.referrer is not None:
        query = query.where(thing.referrer == wanted.referrer)
    column = _sorted_by(thing, wanted.order)
    if wanted.after is not None:
        query = query.where(_beyond(thing, column, wanted.order, wanted.after))
    down = wanted.order is Order.NEWEST
    query = query.order_by(column.desc() if down else column, thing.id.desc() if down else thing.id)
    anonymous = work.actor.role in COMMISSIONERS
    rows = work.session.execute(query.limit(wanted.limit))
    return [_entry(row, work.today, wanted.order, anonymous=anonymous) for row in rows]


def _referrals() -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(
            Referral.id, Referral.ubrn.label("reference"), literal("referral").label("kind"), Referral.state,
            Patient.given_name, Patient.family_name, Patient.nhs_number, Referral.priority,
            Referral.specialty_code.label("specialty"), Service.name.label("service"), Referral.worklist_since,
            Referral.worklist_due, Referral.rtt_clock_start, Referral.escalated_at, Referral.first_in_line_since,
        )
        .join(Patient, Patient.id == Referral.patient_id)
        .outerjoin(Service, Service.id == Referral.service_id)
    )  # fmt: skip
    return query


def _advice() -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(
            AdviceRequest.id, AdviceRequest.reference, literal("advice").label("kind"), AdviceRequest.state,
            Patient.given_name, Patient.family_name, Patient.nhs_number, AdviceRequest.priority,
            Service.specialty_code.label("specialty"), Service.name.label("service"), AdviceRequest.worklist_since,
            AdviceRequest.worklist_due, literal(None).label("rtt_clock_start"), AdviceRequest.escalated_at,
            literal(None).label("first_in_line_since"),
        )
        .join(Patient, Patient.id == AdviceRequest.patient_id)
        .join(Service, Service.id == AdviceRequest.service_id)
    )  # fmt: skip
    return query


def _sorted_by(thing: Any, order: Order) -> Any:
    if order is Order.DUE:
        return thing.worklist_due
    if order is Order.WAITED and thing is Referral:
        return Referral.rtt_clock_start
    return thing.worklist_since


def _beyond(thing: Any, column: Any, order: Order, after: tuple[str, int]) -> ColumnElement[bool]:
    text, key = after
    try:
        moment: date | datetime = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:
        raise Invalid.field("cursor", "CURSOR", "This cursor is not one we gave out.") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise Invalid.field("cursor", "CURSOR", "This cursor is not one we gave out.")
    if isinstance(moment, datetime) != (column.key == "worklist_since") or (
        isinstance(moment, datetime) and moment.tzinfo is None
    ):
        raise Invalid.field("cursor", "CURSOR", "This cursor belongs to another order.")
    if order is Order.NEWEST:
        return or_(column < moment, and_(column == moment, thing.id < key))
    return or_(column > moment, and_(column == moment, thing.id > key))


def _entry(row: Any, today: date, order: Order, *, anonymous: bool) -> Entry:
    sorted_by = {
        Order.DUE: row.worklist_due,
        Order.WAITED: row.rtt_clock_start or row.worklist_since,
        Order.NEWEST: row.worklist_since,
    }[order]
    return Entry(
        key=row.id, reference=row.reference, kind=row.kind, state=row.state,
        patient=None if anonymous else f"{row.given_name} {row.family_name}",
        nhs_number=None if anonymous else row.nhs_number, priority=row.priority, specialty=row.specialty,
        service=row.service, since=row.worklist_since, due=row.worklist_due, overdue=row.worklist_due < today,
        rtt_clock_start=row.rtt_clock_start, escalated_at=row.escalated_at,
        first_in_line=row.first_in_line_since is not None, cursor=sorted_by.isoformat(),
    )  # fmt: skip
