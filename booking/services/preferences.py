"""How a patient wants to be told things, and where they are reached: set by themselves or by their practice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from booking.domain.errors import Invalid, NotFound, StaleVersion
from booking.domain.words import Channel, Role
from booking.models import Patient, Referral
from booking.services import access_log, audit
from booking.services.patients import own_patient
from booking.services.work import Work

FIELDS = ("channel", "language", "large_print", "email", "mobile")


def contact_of(work: Work, patient_id: int | None = None, *, lock: bool = False) -> Patient:
    """The patient whose preferences these are: the caller, or one of the caller's practice."""
    if work.actor.role is not Role.PATIENT:
        found = own_patient(work, patient_id or 0, lock=lock)
        access_log.note(work, "patient", patient_id=found.id)
        return found
    query = select(Patient).join(Referral, Referral.patient_id == Patient.id)
    query = query.where(Referral.id == work.actor.referral_id)
    if lock:
        query = query.with_for_update(of=Patient).execution_options(populate_existing=True)
    me = work.session.scalars(query).first()
    if me is None:
        raise NotFound("There is no such patient.")
    return me


def change_contact(work: Work, changes: Mapping[str, Any], *, version: int, patient_id: int | None = None) -> Patient:
    """Change some of :data:`FIELDS`; :class:`Invalid` where the channel asked for has no address."""
    patient = contact_of(work, patient_id, lock=True)
    if patient.version != version:
        raise StaleVersion("The preferences have changed since you read them. Read them again and repeat.")
    changed = [name for name in FIELDS if name in changes and changes[name] != getattr(patient, name)]
    for name in changed:
        setattr(patient, name, changes[name])
    for channel, name in ((Channel.EMAIL, "email"), (Channel.SMS, "mobile")):
        if "channel" in changed and patient.channel is channel and not getattr(patient, name):
            raise Invalid.field(name, "REQUIRED", f"To be told by {channel}, give the {name} to use.")
    if changed:
        patient.version += 1
        # Which, not what: an address is no business of the trail's readers.
        audit.record(work, f"patient:{patient.id}", "patient.contact", after={"changed": changed})
        work.session.flush()
    return patient
