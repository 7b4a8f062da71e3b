"""An outbox row as messages: to whom, by which ways, in which language, in words that hold nothing clinical."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from booking.domain.ids import show_ubrn
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState, Channel, Language, OfferState
from booking.languages import moment, say
from booking.messaging import Message, Undeliverable
from booking.models import AccessCode, Booking, Offer, Organisation, OutboxMessage, Patient, Referral
from booking.services.message_words import (
    BECAUSE,
    CONCERNS_CHOICE,
    CONCERNS_TIME,
    FOR_TIME,
    IS_TIME,
    NEWS,
    NO_ANSWERS,
    PATIENT,
    REASONS,
    SIGN_IN,
    SIGN_IN_NO_CODE,
    SMS_NO_CODE,
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


def compose(
    session: Session, row: OutboxMessage, public_url: str, can: Container[Channel], now: datetime
) -> list[tuple[Channel, Message]]:
    """The ways to tell it, the preferred one first, of those that ``can`` be used; none where it must be posted.

    Raises :class:`Undeliverable` where there is nobody to tell, :class:`NoLongerDue` where it is too late to.
    A row with ``to`` or ``organisation_id`` in its payload goes to staff, any other to the referral's patient.
    """
    if (staff := _staff_address(session, row)) is not None:
        return [(Channel.EMAIL, _staff_message(row, staff, public_url))]
    said = patient_words(session, row, public_url, now)
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


def patient_words(session: Session, row: OutboxMessage, public_url: str, now: datetime) -> Said:
    """What the row tells its referral's patient, in their language, as things stand now: it may be days old."""
    found = session.execute(
        select(Referral, Patient).join(Patient, Patient.id == Referral.patient_id).where(Referral.id == row.referral_id)
    ).first()
    if found is None:
        raise Undeliverable("the message is about no referral")
    referral, patient = found[0], found[1]
    if patient.pseudonymised_at is not None:
        raise NoLongerDue
    booked, offer = _booking(session, row), _offer(session, row)
    if not _still_true(row, referral, booked, offer, now):
        raise NoLongerDue
    language = patient.language
    words = PATIENT.get(_kind(session, row, referral, booked, now), NEWS)
    values = {
        "when": _when(booked, language, row.kind),
        "reason": _reason(row, booked, language),
        "until": _moment(offer.expires_at, HOME_ZONE, language) if offer else "",
    }
    text = say(language, words.text, **values)
    shown = {"url": public_url, "reference": show_ubrn(referral.ubrn)}
    by_mail, by_text = (SIGN_IN, SMS_SIGN_IN) if _has_code(session, referral, now) else (SIGN_IN_NO_CODE, SMS_NO_CODE)
    return Said(
        patient, referral, say(language, words.subject), text, say(language, by_mail, **shown),
        f"{text} {say(language, by_text, **shown)}",
    )  # fmt: skip


def _kind(session: Session, row: OutboxMessage, referral: Referral, booked: Booking | None, now: datetime) -> str:
    """Which words fit: what has come of the referral since the row was written changes them."""
    if row.kind == "referral-ready" and referral.state is ReferralState.AWAITING_TRIAGE:
        return "referral-ready:triage"
    if row.kind == "referral-ready" and referral.state is ReferralState.TRIAGED_PROVIDER_TO_ACTION:
        return "triage-accepted"
    if row.kind in ("referral-returned", "referral-cancelled") and booked is not None:
        return f"{row.kind}:booked"
    if row.kind in ("offers-ready", "slot-found") and not _any_offer(session, referral, now):
        return "offers-changed"  # nothing is being kept any more
    return row.kind


def _any_offer(session: Session, referral: Referral, now: datetime) -> bool:
    query = select(Offer.id).where(
        Offer.referral_id == referral.id, Offer.state == OfferState.OPEN, Offer.expires_at > now
    )
    return session.scalar(query.limit(1)) is not None


def _has_code(session: Session, referral: Referral, now: datetime) -> bool:
    """Whether an access code exists that works: a provider's referral has none before its letter, and codes expire."""
    query = select(AccessCode.id).where(
        AccessCode.referral_id == referral.id, AccessCode.revoked_at.is_(None), AccessCode.expires_at > now
    )
    return session.scalar(query.limit(1)) is not None


def _booking(session: Session, row: OutboxMessage) -> Booking | None:
    reference = row.payload.get("reference")
    if not isinstance(reference, str):
        return None
    query = select(Booking).where(Booking.reference == reference).options(joinedload(Booking.slot))
    return session.scalars(query).first()


def _offer(session: Session, row: OutboxMessage) -> Offer | None:
    key = row.payload.get("offer")
    return session.get(Offer, key) if isinstance(key, int) else None


def _still_true(
    row: OutboxMessage, referral: Referral, booked: Booking | None, offer: Offer | None, now: datetime
) -> bool:
    """An old time must not arrive after a new one, nor a reminder of what is over."""
    if row.kind in CONCERNS_CHOICE:
        return referral.state in CHOOSING
    if row.kind == "did-not-attend":
        return booked is None or booked.state is not BookingState.ATTENDED
    if row.kind not in CONCERNS_TIME:
        return True
    stands = booked is None or (booked.state is BookingState.BOOKED and booked.starts_at > now)
    kept = offer is None or (offer.state is OfferState.OPEN and offer.expires_at > now)
    return stands and kept and (booked is not None or offer is not None)


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
