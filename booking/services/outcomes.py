"""What became of a practice's referrals: where each stands, when the patient is seen, how long they have waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, and_, func, select

from booking.domain.clock import weeks_waited
from booking.domain.referral import CHOOSING, TERMINAL, ReferralState
from booking.domain.words import BookingState, Priority
from booking.models import Booking, Patient, Referral, Service, Slot, Specialty
from booking.services.work import Work


class Group(StrEnum):
    """The states as a referrer thinks of them."""

    DRAFT = "DRAFT"
    WAITING = "WAITING"
    TRIAGE = "TRIAGE"
    BOOKED = "BOOKED"
    SEEN = "SEEN"
    RETURNED = "RETURNED"
    ENDED = "ENDED"


_S = ReferralState
STATES: Mapping[Group, Sequence[ReferralState]] = {
    Group.DRAFT: (_S.DRAFT,),
    Group.WAITING: tuple(sorted(CHOOSING)),
    Group.TRIAGE: (_S.AWAITING_TRIAGE,),
    Group.BOOKED: (_S.BOOKED,),
    Group.SEEN: (_S.ATTENDED, _S.ASSESSMENT_RESULT),
    Group.RETURNED: (_S.REJECTED, _S.TRIAGE_RESPONSE, _S.DID_NOT_ATTEND),
    Group.ENDED: tuple(sorted(TERMINAL)),
}
GROUP = {state: group for group, states in STATES.items() for state in states}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One referral and what has come of it."""

    key: int
    ubrn: str
    patient: str
    referrer: str
    specialty: str
    priority: Priority
    state: ReferralState
    group: Group
    referred_at: datetime
    due: date
    overdue: bool
    """Somebody still waits, and the target has gone by."""
    appointment: datetime | None
    """The last one that was booked and not cancelled, on the clock of its site."""
    service: str | None
    """Where that appointment is."""
    weeks_waited: int


@dataclass(frozen=True, slots=True)
class Wanted:
    group: Group | None = None
    referrer: str | None = None
    priority: Priority | None = None
    specialty: str | None = None
    before: int | None = None
    """Keyset cursor: the key of the last row of the page before."""
    limit: int = 30


def counts(work: Work, referrer: str | None = None) -> dict[Group, int]:
    """How many of the practice's referrals stand where; of one clinician's alone if one is named."""
    query = select(Referral.state, func.count()).where(Referral.practice_id == work.actor.organisation_id)
    if referrer is not None:
        query = query.where(Referral.referrer == referrer)
    found = dict.fromkeys(Group, 0)
    for state, number in work.session.execute(query.group_by(Referral.state)):
        found[GROUP[state]] += number
    return found


def referrers(work: Work) -> list[str]:
    """The clinicians in whose names the practice has referred."""
    query = select(Referral.referrer).where(Referral.practice_id == work.actor.organisation_id).distinct()
    return sorted(work.session.scalars(query))


def specialties(work: Work) -> list[tuple[str, str]]:
    """Code and name of the specialties that the practice has referred to."""
    used = select(Referral.specialty_code).where(Referral.practice_id == work.actor.organisation_id)
    rows = work.session.execute(
        select(Specialty.code, Specialty.name).where(Specialty.code.in_(used)).order_by(Specialty.name)
    )
    return [(row.code, row.name) for row in rows]


def outcomes(work: Work, wanted: Wanted) -> list[Outcome]:
    """A page of the practice's referrals, newest first."""
    query = _rows().where(Referral.practice_id == work.actor.organisation_id)
    if wanted.group is not None:
        query = query.where(Referral.state.in_(STATES[wanted.group]))
    if wanted.referrer is not None:
        query = query.where(Referral.referrer == wanted.referrer)
    if wanted.priority is not None:
        query = query.where(Referral.priority == wanted.priority)
    if wanted.specialty is not None:
        query = query.where(Referral.specialty_code == wanted.specialty)
    if wanted.before is not None:
        query = query.where(Referral.id < wanted.before)
    rows = work.session.execute(query.order_by(Referral.id.desc()).limit(wanted.limit))
    return [_outcome(work, row) for row in rows]


def of_patient(work: Work, patient_id: int, limit: int = 50) -> list[Outcome]:
    """The referrals of one patient of the practice, newest first."""
    query = _rows().where(Referral.practice_id == work.actor.organisation_id, Referral.patient_id == patient_id)
    return [_outcome(work, row) for row in work.session.execute(query.order_by(Referral.id.desc()).limit(limit))]


def _rows() -> Select[*tuple[Any, ...]]:
    latest = (
        select(func.max(Booking.id))
        .where(
            Booking.referral_id == Referral.id,
            Booking.state.in_((BookingState.BOOKED, BookingState.ATTENDED, BookingState.DID_NOT_ATTEND)),
        )
        .correlate(Referral)
        .scalar_subquery()
    )
    query: Select[*tuple[Any, ...]] = (
        select(
            Referral, Patient, Specialty.name.label("specialty"), Booking, Slot.time_zone, Service.name.label("service")
        )
        .join(Patient, Patient.id == Referral.patient_id)
        .join(Specialty, Specialty.code == Referral.specialty_code)
        .outerjoin(Booking, and_(Booking.id == latest, Booking.referral_id == Referral.id))
        .outerjoin(Slot, Slot.id == Booking.slot_id)
        .outerjoin(Service, Service.id == Slot.service_id)
    )
    return query


def _outcome(work: Work, row: Row[*tuple[Any, ...]]) -> Outcome:
    referral: Referral = row.Referral
    patient: Patient = row.Patient
    booked: Booking | None = row.Booking
    zone: str | None = row.time_zone
    return Outcome(
        key=referral.id, ubrn=referral.ubrn, patient=f"{patient.given_name} {patient.family_name}",
        referrer=referral.referrer, specialty=row.specialty, priority=referral.priority, state=referral.state,
        group=GROUP[referral.state], referred_at=referral.created_at, due=referral.due_date,
        overdue=referral.state in CHOOSING and referral.due_date < work.today,
        appointment=booked.starts_at.astimezone(ZoneInfo(zone)) if booked is not None and zone else None,
        service=row.service,
        weeks_waited=weeks_waited(
            referral.rtt_clock_start, referral.rtt_clock_state, referral.rtt_clock_stopped_on, work.today
        ),
    )  # fmt: skip
