"""What a booking office's day needs: referrals to read, patients for whom nothing was free, one cancelled appointment.

Made through the services, like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from booking.demo.directory import OPEN_SINCE, Directory
from booking.demo.region import WINDOWS
from booking.domain.eligibility import Window
from booking.domain.referral import Action, ReferralState
from booking.domain.service_definition import Definition
from booking.domain.words import BookingMode, BookingState, Priority, Role
from booking.models import Booking, Organisation, Patient, Referral, Service, Slot
from booking.services import clinics, life, service_definitions
from booking.services.life import Given
from booking.services.referrals import NewReferral, create_referral
from booking.services.work import Actor, Work

PROVIDER = "ZZH01"
TO_READ = (
    ("A mole that has changed", "Six millimetres, two colours, first seen in spring. Photographs on request.",
     Priority.URGENT),
    ("A sore patch that does not heal", "On the temple for four months. Bleeds when shaved. Works outdoors.",
     Priority.ROUTINE),
    ("A new dark spot on the back", "Found by the partner. Flat, even, five millimetres. Worried: father had melanoma.",
     Priority.ROUTINE),
    ("A growing lump on the forearm", "Doubled in eight weeks, firm, with a crust. Immunosuppressed.",
     Priority.TWO_WEEK_WAIT),
    ("Many moles, one itching", "Itches for a month. No change that I can see. Please advise.", Priority.ROUTINE),
)  # fmt: skip
WITHOUT_TIMES = ("A thumb that locks", "Numb fingers at night", "A painful wrist after a fall")


def fill(work: Work, directory: Directory) -> None:
    """Add it to one of the region's providers."""
    provider = directory.providers[PROVIDER]
    people = _people(work, [one.id for one in directory.practices.values()], len(TO_READ) + len(WITHOUT_TIMES))
    triage = work.session.scalars(
        select(Service)
        .where(Service.organisation_id == provider.id, Service.booking_mode == BookingMode.TRIAGE)
        .limit(1)
    ).first() or _described(work, provider, "ZZH0101", "Skin assessment", "330", "330-SKIN", BookingMode.TRIAGE)
    for person, (reason, letter, priority) in zip(people, TO_READ, strict=False):
        _refer(work, directory, person, triage, reason, letter, priority)
    hand = _described(
        work, provider, "ZZH0102", "Evening hand clinic", "110", "110-HAND", BookingMode.DIRECTLY_BOOKABLE
    )
    for person, reason in zip(people[len(TO_READ) :], WITHOUT_TIMES, strict=False):
        made = _refer(work, directory, person, hand, reason, "Months, and worse at night.", Priority.ROUTINE)
        gp = _as_gp(work, directory, person)
        life.perform(gp, made.ubrn, Action.DEFER_TO_PROVIDER, Given(reason="NO_SLOTS", service_id=hand.id))
    _cancel_one(work, provider)


def _people(work: Work, practices: Sequence[int], number: int) -> list[Patient]:
    """Grown-up people of the region; who comes last in the register is in no story."""
    grown_up = Patient.date_of_birth < work.today.replace(year=work.today.year - 20, day=1)
    query = select(Patient).where(Patient.practice_id.in_(practices), grown_up)
    return list(work.session.scalars(query.order_by(Patient.id.desc()).limit(number)))


def _described(
    work: Work, provider: Organisation, site: str, name: str, specialty: str, kind: str, mode: BookingMode
) -> Service:
    """A service as its definer describes it."""
    definer = replace(work, actor=Actor("Sorrel Penhallow", Role.SERVICE_DEFINER, provider.id, provider.ods_code))
    windows = {priority: Window(*WINDOWS[priority]) for priority in Priority}
    given = Definition(
        name=name, site=site, specialty=specialty, operational_from=OPEN_SINCE, booking_mode=mode, clinic_types=(kind,),
        windows=windows, min_age=16, indicative_wait_days=45,
    )  # fmt: skip
    return service_definitions.create_service(definer, given).service


def _as_gp(work: Work, directory: Directory, person: Patient) -> Work:
    practice = next(one for one in directory.practices.values() if one.id == person.practice_id)
    return replace(work, actor=Actor("Dr Beatrix Holm", Role.REFERRING_CLINICIAN, practice.id, practice.ods_code))


def _refer(
    work: Work, directory: Directory, person: Patient, to: Service, reason: str, letter: str, priority: Priority
) -> Referral:
    new = NewReferral(
        patient_id=person.id, specialty=to.specialty_code, priority=priority, reason=reason, shortlist=[to.id],
        clinical_information=letter,
    )  # fmt: skip
    return create_referral(_as_gp(work, directory, person), new)[0]


def _cancel_one(work: Work, provider: Organisation) -> None:
    """Somebody booked whose clinician fell ill: first in line for another time."""
    office = replace(work, actor=Actor("Barnaby Frost", Role.PROVIDER_ADMIN, provider.id, provider.ods_code))
    booked = (
        select(Booking.reference)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .join(Referral, Referral.id == Booking.referral_id)
        .where(
            Service.organisation_id == provider.id, Booking.state == BookingState.BOOKED,
            Booking.starts_at > work.now, Referral.state == ReferralState.BOOKED,
        )
        .order_by(Booking.id.desc())  # whoever came last: those of the stories came first
    )  # fmt: skip
    reference = work.session.scalar(booked.limit(1))
    if reference is not None:
        clinics.cancel_one(office, reference, reason="CLINICIAN_UNAVAILABLE", comment=None, withdraw_slot=True)
