"""Patients as practices register them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from booking.domain.errors import Conflict, FieldError, Invalid, NotFound
from booking.domain.geo import KM_PER_MILE
from booking.domain.ids import parse_nhs_number
from booking.domain.words import Sex
from booking.models import Patient, Postcode
from booking.services import access_log, audit
from booking.services.directory import tidy_postcode
from booking.services.refusals import translated
from booking.services.work import Work

OLDEST_YEARS = 130
LONGEST_POSTCODE = 8


@dataclass(frozen=True, slots=True)
class NewPatient:
    nhs_number: str
    given_name: str
    family_name: str
    date_of_birth: date
    sex: Sex
    postcode: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    email: str | None = None
    mobile: str | None = None
    interpreter_language: str | None = None
    step_free: bool = False
    clinician_sex: Sex | None = None
    video_possible: bool = True
    unsuitable_times: int = 0
    farthest_miles: float | None = None


def create_patient(work: Work, new: NewPatient) -> Patient:
    """Register a patient with the caller's practice. A number that is known already is a :class:`Conflict`."""
    number = parse_nhs_number(new.nhs_number, allow_test_numbers=work.config.allow_test_nhs_numbers)
    _check_birth(new.date_of_birth, work.today)
    if (new.latitude is None) != (new.longitude is None):
        raise Invalid(FieldError("longitude", "PAIR_REQUIRED", "Give both latitude and longitude, or neither."))
    if work.session.scalar(select(Patient.id).where(Patient.nhs_number == number)) is not None:
        raise Conflict("A patient with this NHS number is registered already.", code="PATIENT_EXISTS")
    latitude, longitude = new.latitude, new.longitude
    if new.postcode and len(tidy_postcode(new.postcode)) > LONGEST_POSTCODE:
        raise Invalid.field("postcode", "POSTCODE_FORMAT", "A postcode is like SW1A 1AA.")
    postcode = tidy_postcode(new.postcode) if new.postcode else None
    if latitude is None and postcode:
        known = work.session.get(Postcode, postcode)
        latitude, longitude = (known.latitude, known.longitude) if known else (None, None)
    patient = Patient(
        nhs_number=number,
        given_name=new.given_name.strip(),
        family_name=new.family_name.strip(),
        date_of_birth=new.date_of_birth,
        sex=new.sex,
        postcode=postcode,
        latitude=latitude,
        longitude=longitude,
        practice_id=work.actor.organisation_id,
        email=new.email,
        mobile=new.mobile,
        interpreter_language=new.interpreter_language,
        step_free=new.step_free,
        clinician_sex=new.clinician_sex,
        video_possible=new.video_possible,
        unsuitable_times=new.unsuitable_times,
        farthest_km=new.farthest_miles * KM_PER_MILE if new.farthest_miles is not None else None,
        created_at=work.now,
    )
    work.session.add(patient)
    with translated():
        work.session.flush()
    audit.record(work, f"patient:{patient.id}", "patient.create", after={"practice": work.actor.organisation_code})
    return patient


def _check_birth(born: date, today: date) -> None:
    if born > today:
        raise Invalid.field("date_of_birth", "IN_FUTURE", "The date of birth is in the future.")
    if today.year - born.year > OLDEST_YEARS:
        raise Invalid.field(
            "date_of_birth", "TOO_LONG_AGO", f"The date of birth is more than {OLDEST_YEARS} years ago."
        )


def own_patient(work: Work, patient_id: int, *, lock: bool = False, stays: bool = False) -> Patient:
    """A patient of the caller's practice, or :class:`NotFound`.

    ``lock`` is for changing the patient; ``stays`` makes a move to another practice wait for this transaction.
    With either the row is read again: it may have changed since it was read first.
    """
    query = select(Patient).where(Patient.id == patient_id, Patient.practice_id == work.actor.organisation_id)
    if lock or stays:
        query = query.with_for_update(key_share=not lock, read=not lock).execution_options(populate_existing=True)
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound("There is no such patient at your practice.")
    access_log.note(work, "patient", patient_id=found.id)
    return found


def patient_by_nhs_number(work: Work, text: str) -> Patient:
    number = parse_nhs_number(text, allow_test_numbers=work.config.allow_test_nhs_numbers)
    query = select(Patient).where(Patient.nhs_number == number, Patient.practice_id == work.actor.organisation_id)
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound("There is no such patient at your practice.")
    access_log.note(work, "patient", patient_id=found.id)
    return found
