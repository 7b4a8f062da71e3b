"""An outbox row as messages: to whom, by which ways, in which language, in words that hold nothing clinical."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from booking.domain.ids import show_ubrn
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, Channel, Language, OfferState
from booking.languages import moment, say
from booking.messaging import Message, Undeliverable
from booking.models import Booking, Offer, Organisation, OutboxMessage, Patient, Referral
from booking.services.message_words import (
    BECAUSE,
    CONCERNS_TIME,
    FOR_TIME,
    IS_TIME,
    NEWS,
    NO_ANSWERS,
    PATIENT,
    REASONS,
    SIGN_IN,
    SMS_SIGN_IN,
    STAFF,
    WORK,
)
from booking.services.work import HOME_ZONE


class NoLongerDue(Exception):  # reads better than NoLongerDueError
    """What the message is about has ended: saying it now would be wrong."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a patient is told, before it is known how."""

    patient: Patient
    referral: Referral
    subject: str
    text: str
    sign_in: str
    sms: str


def compose(session: Session, row: OutboxMessage, public_url: str, can: Container[Channel]) -> list[
    tuple[Channel, Message]
]:  # fmt: skip
    """The ways to tell it, the preferred one first, of those that ``can`` be used; none where it must be posted.

    Raises :class:`Undeliverable` where there is nobody to tell, :class:`NoLongerDue` where it is too late to.
    A row with ``to`` or ``organisation_id`` in its payload goes to staff, any other to the referral's patient.
    """
    if (staff := _staff_address(session, row)) is not None:
        return [(Channel.EMAIL, _staff_message(row, staff, public_url))]
    said = patient_words(session, row, public_url)
    patient, language = said.patient, said.patient.language
    mail = "\n\n".join((said.text, said.sign_in, say(language, NO_ANSWERS))) + "\n"
    possible = {
        Channel.EMAIL: Message(row.event_key, patient.email or "", said.subject, mail),
        Channel.SMS: Message(row.event_key, patient.mobile or "", said.subject, said.sms),
    }
    if patient.channel is Channel.LETTER:
        return []
    order = sorted(possible, key=lambda channel: channel is not patient.channel)
    return [(channel, possible[channel]) for channel in order if possible[channel].to and channel in can]


def _staff_address(session: Session, row: OutboxMessage) -> str | None:
    """Where a message to staff goes; None where the row is for a patient."""
    to, organisation = row.payload.get("to"), row.payload.get("organisation_id")
    if isinstance(to, str):
        return to
    if not isinstance(organisation, int):
        return None
    known = session.scalar(select(Organisation.worklist_email).where(Organisation.id == organisation))
    if not known:
        raise Undeliverable("the organisation has no address for notices")
    return known


def _staff_message(row: OutboxMessage, to: str, public_url: str) -> Message:
    """Which list and how many, nothing of any patient: whatever else the payload holds stays here."""
    words = STAFF.get(row.kind, WORK)
    entries = row.payload.get("entries", row.payload.get("count", 1))
    worklist = str(row.payload.get("worklist", "")).replace("_", " ").capitalize()
    many = f"{entries} entries" if entries != 1 else "1 entry"
    text = words.text.format(worklist=worklist, entries=many)
    return Message(row.event_key, to, words.subject, f"{text}\n\nSign in: {public_url}\n")


def patient_words(session: Session, row: OutboxMessage, public_url: str) -> Said:
    """What the row tells its referral's patient, in their language."""
    found = session.execute(
        select(Referral, Patient).join(Patient, Patient.id == Referral.patient_id).where(Referral.id == row.referral_id)
    ).first()
    if found is None:
        raise Undeliverable("the message is about no referral")
    referral, patient = found[0], found[1]
    if patient.pseudonymised_at is not None:
        raise NoLongerDue
    booked, offer = _booking(session, row), _offer(session, row)
    if row.kind in CONCERNS_TIME and not _still_due(booked, offer):
        raise NoLongerDue
    language = patient.language
    kind = "referral-ready:triage" if _reads_first(row, referral) else row.kind
    words = PATIENT.get(kind, NEWS)
    values = {
        "when": _when(booked, language, row.kind),
        "reason": _reason(row, booked, language),
        "until": _moment(offer.expires_at, HOME_ZONE, language) if offer else "",
    }
    text = say(language, words.text, **values)
    shown = {"url": public_url, "reference": show_ubrn(referral.ubrn)}
    return Said(
        patient, referral, say(language, words.subject), text, say(language, SIGN_IN, **shown),
        f"{text} {say(language, SMS_SIGN_IN, **shown)}",
    )  # fmt: skip


def _reads_first(row: OutboxMessage, referral: Referral) -> bool:
    return row.kind == "referral-ready" and referral.state is ReferralState.AWAITING_TRIAGE


def _booking(session: Session, row: OutboxMessage) -> Booking | None:
    reference = row.payload.get("reference")
    if not isinstance(reference, str):
        return None
    query = select(Booking).where(Booking.reference == reference).options(joinedload(Booking.slot))
    return session.scalars(query).first()


def _offer(session: Session, row: OutboxMessage) -> Offer | None:
    key = row.payload.get("offer")
    return session.get(Offer, key) if isinstance(key, int) else None


def _still_due(booked: Booking | None, offer: Offer | None) -> bool:
    if booked is not None:
        return booked.state is BookingState.BOOKED
    return offer is not None and offer.state is OfferState.OPEN


def _when(booked: Booking | None, language: Language, kind: str) -> str:
    """`` for Tuesday 3 March 2026 at 14:30``, or nothing. Not where: the name of a clinic can say too much."""
    if booked is None:
        return ""
    form = IS_TIME if kind == "appointment-changed" else FOR_TIME
    return say(language, form, moment=_moment(booked.starts_at, ZoneInfo(booked.slot.time_zone), language))


def _moment(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    words = moment(instant, zone, language)
    # Welsh writes the names of days small inside a sentence.
    return words[0].lower() + words[1:] if language is Language.WELSH else words


def _reason(row: OutboxMessage, booked: Booking | None, language: Language) -> str:
    code = row.payload.get("reason") or (booked.reason_code if booked else None)
    words = REASONS.get(str(code))
    return say(language, BECAUSE, reason=say(language, words)) if words else ""
