"""Who comes to a clinic, what they need, and what may be recorded of them now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, func, select

from booking.domain.errors import NotFound
from booking.domain.referral import Action, ReferralState, legal_actions
from booking.domain.targets import age_on
from booking.domain.words import BookingState, Priority, Role, Sex, Worklist
from booking.models import Booking, Patient, Referral, Service, Slot
from booking.services import access_log
from booking.services.clinic_calendar import DaySlot, Scope, of_day
from booking.services.places import occupying
from booking.services.work import Work

MOST_PRINTED = 400
"""Slots on one printed list: a hall full of people. More are printed clinic by clinic."""
RECORDING = frozenset({Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN})


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody on a place of a slot."""

    booking_id: int
    patient_id: int
    referral_id: int
    reference: str
    slot_id: int
    place: int
    state: BookingState
    ubrn: str
    name: str
    born: date
    age: int
    sex: Sex
    nhs_number: str
    priority: Priority
    specialty: str
    reason: str
    step_free: bool
    interpreter_language: str | None
    clinician_sex: Sex | None
    video_possible: bool
    may: frozenset[Action]
    """What may be done to the referral now, as far as state, role and whose it is decide."""
    with_referrer: bool
    """They did not attend and the referrer has it now, or it is with another provider."""


def guests(work: Work, slots: Sequence[DaySlot]) -> dict[int, list[Guest]]:
    """Who is booked on these slots, or was seen there, by place. Whom a place is only kept for stays unknown."""
    found: dict[int, list[Guest]] = {}
    ids = [slot.id for slot in slots]
    if not ids:
        return found
    began = {slot.id for slot in slots if slot.past}
    query = (
        select(*_SHOWN)
        .select_from(Booking)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Booking.patient_id)
        .outerjoin(Service, Service.id == Referral.service_id)
        .where(Booking.slot_id.in_(ids), Booking.state != BookingState.HELD, Booking.released_at.is_(None))
        .order_by(Booking.slot_id, Booking.place)
    )
    for row in work.session.execute(query):
        found.setdefault(row.slot_id, []).append(_guest(work, row, began=row.slot_id in began))
    return found


def held(work: Work, slots: Sequence[DaySlot]) -> dict[int, int]:
    """How many places of these slots are kept for somebody."""
    rows = work.session.execute(
        select(Booking.slot_id, func.count())
        .where(Booking.slot_id.in_([slot.id for slot in slots]), Booking.state == BookingState.HELD,
               occupying(work.now))
        .group_by(Booking.slot_id)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def note(work: Work, shown: Iterable[Guest], what: str) -> None:
    """Say that these people's details are shown: with birth date, NHS number and reason they are more than a list."""
    for guest in shown:
        access_log.note(work, what, patient_id=guest.patient_id, referral_id=guest.referral_id)


def printed(work: Work, wanted: Scope, day: date) -> tuple[list[DaySlot], dict[int, list[Guest]], bool]:
    """A day's times and who comes, all details: the list that lies on the desk. Last, whether there are more."""
    slots = of_day(work, wanted, day, limit=MOST_PRINTED + 1)
    more, slots = len(slots) > MOST_PRINTED, slots[:MOST_PRINTED]
    come = guests(work, slots)
    note(work, (guest for row in come.values() for guest in row), "clinic list")
    return slots, come, more


def own_slot(work: Work, slot_id: int) -> Slot:
    """One of the caller's slots; :class:`NotFound` for any other."""
    query = select(Slot).join(Service, Service.id == Slot.service_id)
    found = work.session.scalars(
        query.where(Slot.id == slot_id, Service.organisation_id == work.actor.organisation_id)
    ).first()
    if found is None:
        raise NotFound("There is no such slot, or it is not yours.")
    return found


_SHOWN = (
    Booking.id.label("booking_id"), Booking.patient_id, Booking.referral_id, Booking.reference, Booking.slot_id,
    Booking.place, Booking.state, Referral.ubrn, Referral.priority, Referral.specialty_code, Referral.reason,
    Referral.state.label("referral_state"), Referral.worklist, Service.organisation_id.label("holder"),
    Patient.given_name, Patient.family_name, Patient.date_of_birth, Patient.sex, Patient.nhs_number,
    Patient.interpreter_language, Patient.step_free, Patient.clinician_sex, Patient.video_possible,
)  # fmt: skip
"""Columns, not rows of the model: a printed list has hundreds of people."""


def _guest(work: Work, row: Row[*tuple[Any, ...]], *, began: bool) -> Guest:
    mine = row.holder == work.actor.organisation_id
    return Guest(
        row.booking_id, row.patient_id, row.referral_id, row.reference or "", row.slot_id, row.place, row.state,
        row.ubrn, f"{row.given_name} {row.family_name}", row.date_of_birth, age_on(row.date_of_birth, work.today),
        row.sex, row.nhs_number, row.priority, row.specialty_code, row.reason,
        row.step_free, row.interpreter_language, row.clinician_sex, row.video_possible,
        _may(work, row, mine=mine, began=began),
        with_referrer=row.state is BookingState.DID_NOT_ATTEND
        and (not mine or row.worklist is Worklist.CANCELLED_OR_DID_NOT_ATTEND),
    )  # fmt: skip


def _may(work: Work, row: Row[*tuple[Any, ...]], *, mine: bool, began: bool) -> frozenset[Action]:
    if not (mine and began) or work.actor.role not in RECORDING:
        return frozenset()
    wanted = {
        BookingState.BOOKED: {Action.RECORD_ATTENDED, Action.RECORD_DID_NOT_ATTEND},
        BookingState.ATTENDED: {Action.RECORD_DID_NOT_ATTEND},
        BookingState.DID_NOT_ATTEND: {
            Action.RECORD_ATTENDED, Action.REBOOK_AFTER_NON_ATTENDANCE, Action.ADVISE_REFERRER,
        },
    }.get(row.state, set())  # fmt: skip
    if row.state is not BookingState.BOOKED and row.referral_state != ReferralState(row.state):
        return frozenset()  # the referral has gone on since
    return frozenset(wanted & set(legal_actions(row.referral_state)))
