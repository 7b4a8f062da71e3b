"""A practice's own patients: found by name, number or reference, and put right where their record is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, or_, select

from booking.domain.errors import Invalid, StaleVersion
from booking.models import AdviceRequest, OutboxMessage, Patient, Postcode, Referral
from booking.services import access_log, audit
from booking.services.directory import tidy_postcode
from booking.services.patients import LONGEST_POSTCODE, own_patient
from booking.services.work import Work

MOST = 25
FIELDS = ("given_name", "family_name", "postcode")


def find(work: Work, text: str) -> tuple[list[Patient], bool]:
    """Patients of the practice whose name has every word of ``text``, or whose NHS number or referral's reference it
    is: :data:`MOST` at most, and whether there are more. That each was shown is recorded."""
    digits = "".join(c for c in text if c.isdigit())
    query = select(Patient).where(Patient.practice_id == work.actor.organisation_id)
    if digits and not any(c.isalpha() for c in text):
        query = query.where(_numbered(digits))
    else:
        for word in text.split():
            query = query.where(_named(word))
    query = query.order_by(Patient.family_name, Patient.given_name, Patient.id).limit(MOST + 1)
    found = list(work.session.scalars(query))
    for one in found[:MOST]:
        access_log.note(work, "patient", patient_id=one.id)
    return found[:MOST], len(found) > MOST


def _numbered(digits: str) -> ColumnElement[bool]:
    referred = select(Referral.patient_id).where(Referral.ubrn == digits)
    asked = select(AdviceRequest.patient_id).where(AdviceRequest.reference == digits)
    return or_(Patient.nhs_number == digits, Patient.id.in_(referred), Patient.id.in_(asked))


def _named(word: str) -> ColumnElement[bool]:
    return or_(
        Patient.given_name.icontains(word, autoescape=True), Patient.family_name.icontains(word, autoescape=True)
    )


def correct(work: Work, patient_id: int, changes: Mapping[str, str | None], *, version: int) -> Patient:
    """Put a name or the postcode right. Distances follow the postcode; what it was is not kept in the trail."""
    patient = own_patient(work, patient_id, lock=True)
    if patient.version != version:
        raise StaleVersion("The patient’s record has changed since you read it. Read it again and repeat.")
    wanted = {name: (changes[name] or "").strip() or None for name in FIELDS if name in changes}
    for name in ("given_name", "family_name"):
        if name in wanted and wanted[name] is None:
            raise Invalid.field(name, "REQUIRED", "A patient has a name.")
    if given := wanted.get("postcode"):
        wanted["postcode"] = postcode = tidy_postcode(given)
        if len(postcode) > LONGEST_POSTCODE:
            raise Invalid.field("postcode", "POSTCODE_FORMAT", "A postcode is like SW1A 1AA.")
    changed = [name for name, value in wanted.items() if value != getattr(patient, name)]
    if not changed:
        return patient
    for name in changed:
        setattr(patient, name, wanted[name])
    if "postcode" in changed:
        known = work.session.get(Postcode, patient.postcode) if patient.postcode else None
        patient.latitude, patient.longitude = (known.latitude, known.longitude) if known else (None, None)
    patient.version += 1
    audit.record(work, f"patient:{patient.id}", "patient.correct", after={"changed": changed})
    work.session.flush()
    return patient


def told_of(work: Work, referral: Referral) -> OutboxMessage | None:
    """The message that told the patient of the referral, if one was written."""
    query = select(OutboxMessage).where(OutboxMessage.event_key == f"referral:{referral.id}:ready")
    return work.session.scalars(query).first()
