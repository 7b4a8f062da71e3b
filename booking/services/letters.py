"""What messages say. Nothing clinical, ever; and to staff nothing that identifies a patient.

A message tells that there is something to read and where, not what it is: e-mail and texts are read over shoulders.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from booking.domain.ids import show_ubrn
from booking.domain.times import in_words
from booking.messaging import Message, Undeliverable
from booking.models import Booking, OutboxMessage, Patient, Referral

PATIENT = {
    "referral-ready": (
        "Choose your hospital appointment",
        "You have been referred to a hospital or clinic and can choose where and when you are seen.",
    ),
    "offers-ready": (
        "Appointment times for you to choose from",
        "There are appointment times for you to choose from. One of them is being kept for you for a few days.",
    ),
    "appointment-booked": ("Your appointment is booked", "Your appointment is booked{when}."),
    "appointment-cancelled": ("Your appointment is cancelled", "Your appointment{when} is cancelled."),
    "referral-cancelled": ("Your referral is cancelled", "Your referral has been cancelled."),
}
NEWS = ("News about your referral", "There is news about your referral.")
"""For kinds that have no words of their own."""
STAFF = ("Work for you", "There is work for you on your worklist.")


def compose(session: Session, row: OutboxMessage, public_url: str) -> Message:
    """The message of an outbox row; :class:`Undeliverable` where there is nobody to send it to.

    A row with ``to`` in its payload goes to a member of staff there, any other to the referral's patient.
    """
    staff = row.payload.get("to")
    if isinstance(staff, str):
        return Message(row.event_key, staff, STAFF[0], f"{STAFF[1]}\n\nSign in: {public_url}\n")
    found = session.execute(
        select(Referral.ubrn, Patient.email)
        .join(Patient, Patient.id == Referral.patient_id)
        .where(Referral.id == row.referral_id)
    ).first()
    if found is None:
        raise Undeliverable("the message is about no referral")
    if not found.email:
        raise Undeliverable("the patient gave no e-mail address")
    subject, said = PATIENT.get(row.kind, NEWS)
    said = said.format(when=_when(session, row.payload.get("reference")))
    text = (
        f"{said}\n\nSign in at {public_url} with your booking reference {show_ubrn(found.ubrn)}, "
        "your access code and your date of birth.\n\nPlease don't answer this message: nobody reads the answers.\n"
    )
    return Message(row.event_key, found.email, subject, text)


def _when(session: Session, reference: object) -> str:
    """`` for Tuesday 3 March 2026 at 14:30``, or nothing. Not where: the name of a clinic can say too much."""
    if not isinstance(reference, str):
        return ""
    query = select(Booking).where(Booking.reference == reference).options(joinedload(Booking.slot))
    booked = session.scalars(query).first()
    return f" for {in_words(booked.starts_at, ZoneInfo(booked.slot.time_zone))}" if booked is not None else ""
