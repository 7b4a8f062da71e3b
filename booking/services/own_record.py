"""All that is held about a patient, as plain values: what they read and download, in whichever form.

Whose session may see how much: an access code opens one referral. It is printed in a letter, which others in the
house may find, so a session opened by it is shown the patient's own details and that referral in full, and of
everything else only how much there is. Who has proved who they are (``patient_id`` on the session) gets all of it.
Staff appear as role and organisation, not by name, except the clinicians the patient was referred by or to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from booking.domain.errors import NotFound
from booking.domain.ids import show_ubrn
from booking.domain.needs import PARTS, WEEK_PARTS, WEEKDAYS
from booking.models import (
    AccessEntry,
    AdviceMessage,
    AdviceRequest,
    Attachment,
    Booking,
    ClockEvent,
    Offer,
    Organisation,
    OutboxMessage,
    Patient,
    Referral,
    ReferralEvent,
    ReferralService,
    Service,
    Slot,
    Specialty,
)
from booking.services import access_log, acting
from booking.services.work import Acting, Work

Values = dict[str, Any]
_SERVICE = (joinedload(Service.organisation), joinedload(Service.site))
_SLOT = (
    joinedload(Slot.site),
    joinedload(Slot.practitioner),
    joinedload(Slot.service).options(*_SERVICE),
)


def own_record(work: Work) -> Values:
    """What is held about whoever is signed in as a patient, as far as their session may see it."""
    session, patient = work.session, _own_patient(work)
    proved = work.actor.patient_id is not None
    theirs = Referral.patient_id == patient.id
    shown = theirs if proved else Referral.id == work.actor.referral_id
    referrals = list(
        session.scalars(
            select(Referral).where(shown).order_by(Referral.id).options(
                joinedload(Referral.practice),
                selectinload(Referral.shortlist).joinedload(ReferralService.service).options(*_SERVICE),
            )
        )
    )  # fmt: skip
    asked = AdviceRequest.patient_id == patient.id
    of_these = AdviceRequest.referral_id.in_([one.id for one in referrals])
    advice = list(session.scalars(_advice(asked if proved else asked & of_these)))
    return {
        "made_at": work.now,
        "whole": proved,
        "patient": _patient(patient),
        "referrals": [_referral(session, one) for one in referrals],
        "advice": [_advice_request(session, one) for one in advice],
        "elsewhere": {
            "referrals": _count(session, select(func.count(Referral.id)).where(theirs)) - len(referrals),
            "advice": _count(session, select(func.count(AdviceRequest.id)).where(asked)) - len(advice),
        },
    }


def who_looked(work: Work, *, before: int | None = None, limit: int = 100) -> list[tuple[AccessEntry, str | None]]:
    """Who read the record, with the organisation's name, newest first; of other referrals only to who is proved."""
    patient = _own_patient(work)
    only = None if work.actor.patient_id is not None else work.actor.referral_id
    found = access_log.of_patient(work.session, patient.id, referral_id=only, before=before, limit=limit)
    codes = {entry.organisation for entry in found}
    rows = work.session.execute(
        select(Organisation.ods_code, Organisation.name).where(Organisation.ods_code.in_(codes))
    )
    names = {row.ods_code: row.name for row in rows}
    return [(entry, names.get(entry.organisation or "")) for entry in found]


def _own_patient(work: Work) -> Patient:
    query = (
        select(Patient)
        .join(Referral, Referral.patient_id == Patient.id)
        .where(Referral.id == work.actor.referral_id)
        .options(joinedload(Patient.practice))
    )
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound("There is no record of yours.")
    return found


def _count(session: Session, query: Any) -> int:
    return session.scalar(query) or 0


def _organisation(one: Organisation | None) -> Values | None:
    return None if one is None else {"ods_code": one.ods_code, "name": one.name}


def _pick(of: object, *names: str) -> Values:
    return {name: getattr(of, name) for name in names}


def _patient(one: Patient) -> Values:
    return {
        **_pick(
            one, "nhs_number", "given_name", "family_name", "date_of_birth", "sex", "postcode", "latitude", "longitude",
            "email", "mobile", "channel", "language", "large_print", "interpreter_language", "step_free",
            "clinician_sex", "video_possible", "farthest_km", "deprivation_decile", "created_at",
        ),
        "unsuitable_times": [
            f"{WEEKDAYS[part // 3]} {PARTS[part % 3]}"
            for part in range(WEEK_PARTS)
            if one.unsuitable_times >> part & 1
        ],
        "practice": _organisation(one.practice),
    }  # fmt: skip


def _service(one: Service) -> Values:
    return {
        **_pick(one, "id", "name", "specialty_code", "telephone"),
        "provider": _organisation(one.organisation),
        "site": _pick(one.site, "ods_code", "name", "address", "postcode"),
    }


def _referral(session: Session, one: Referral) -> Values:
    specialty = session.get(Specialty, one.specialty_code)
    return {
        **_pick(
            one, "ubrn", "state", "priority", "referrer", "reason", "clinical_information", "created_at", "due_date",
            "rtt_clock_start", "rtt_clock_state", "rtt_clock_stopped_on", "accepted_at", "letter_outstanding",
        ),
        "ubrn_shown": show_ubrn(one.ubrn),
        "practice": _organisation(one.practice),
        "specialty": {"code": one.specialty_code, "name": specialty.name if specialty else one.specialty_code},
        "clinic_type": one.clinic_type_code,
        "shortlist": [_service(row.service) for row in one.shortlist],
        "events": _events(session, one),
        "clock": [
            _pick(tick, "at", "change", "on_date", "reason")
            for tick in _of(session, select(ClockEvent), ClockEvent.referral_id == one.id, ClockEvent.sequence)
        ],
        "bookings": [_booking(row) for row in session.scalars(_bookings(one.id))],
        "offers": [
            {
                **_pick(row, "rank", "guaranteed", "state", "created_at", "expires_at"),
                "starts_at": row.slot.starts_at, "time_zone": row.slot.time_zone, "service": row.slot.service.name,
                "reasons": list(row.reasons.get("words", [])),
            }
            for row in session.scalars(_offers(one.id))
        ],
        "attachments": _attachments(session, Attachment.referral_id == one.id),
        "messages": [
            _pick(row, "kind", "channel", "created_at", "delivered_at", "failed_at")
            for row in _of(session, select(OutboxMessage), OutboxMessage.referral_id == one.id, OutboxMessage.id)
            if "to" not in row.payload and "organisation_id" not in row.payload  # those go to staff
        ],
    }  # fmt: skip


def _of(session: Session, query: Any, where: ColumnElement[bool], order: Any) -> Iterable[Any]:
    found: Iterable[Any] = session.scalars(query.where(where).order_by(order))
    return found


def _events(session: Session, one: Referral) -> list[Values]:
    query = _of(session, select(ReferralEvent), ReferralEvent.referral_id == one.id, ReferralEvent.sequence)
    names = ("sequence", "action", "from_state", "to_state", "role", "at", "comment")
    events = list(query)
    helpers = acting.names(session, {event.actor for event in events})
    return [
        {**_pick(event, *names), "reason": event.reason_code, "acting": _helper(helpers.get(event.actor))}
        for event in events
    ]


def _helper(one: Acting | None) -> Values | None:
    """Who did it for the patient: they, or whoever they let in, gave the name."""
    return None if one is None else {"name": one.name, "relation": one.relation}


def _bookings(referral_id: int) -> Any:
    return (
        select(Booking).where(Booking.referral_id == referral_id).order_by(Booking.id)
        .options(joinedload(Booking.slot).options(*_SLOT))
    )  # fmt: skip


def _offers(referral_id: int) -> Any:
    return (
        select(Offer).where(Offer.referral_id == referral_id).order_by(Offer.id)
        .options(joinedload(Offer.slot).joinedload(Slot.service))
    )  # fmt: skip


def _booking(row: Booking) -> Values:
    slot = row.slot
    return {
        **_pick(
            row, "reference", "state", "starts_at", "ends_at", "hold_kind", "held_until", "created_at", "booked_at",
            "released_at", "comment",
        ),
        "reason": row.reason_code,
        "slot_id": row.slot_id,
        "time_zone": slot.time_zone,
        "mode": slot.mode,
        "service": _service(slot.service),
        "site": _pick(slot.site, "ods_code", "name", "address", "postcode"),
        "practitioner": _pick(slot.practitioner, "identifier", "name") if slot.practitioner else None,
    }  # fmt: skip


def _attachments(session: Session, where: ColumnElement[bool]) -> list[Values]:
    query = (
        select(Attachment, Organisation)
        .join(Organisation, Organisation.id == Attachment.organisation_id)
        .where(where, Attachment.removed_at.is_(None))
        .order_by(Attachment.id)
    )
    names = ("id", "kind", "file_name", "content_type", "size", "state", "uploaded_at")
    return [{**_pick(row[0], *names), "from": _organisation(row[1])} for row in session.execute(query)]


def _advice(where: ColumnElement[bool]) -> Any:
    return select(AdviceRequest).where(where).order_by(AdviceRequest.id).options(
        joinedload(AdviceRequest.practice), joinedload(AdviceRequest.service).options(*_SERVICE)
    )  # fmt: skip


def _advice_request(session: Session, one: AdviceRequest) -> Values:
    query = (
        select(AdviceMessage, Organisation)
        .join(Organisation, Organisation.id == AdviceMessage.organisation_id)
        .where(AdviceMessage.advice_id == one.id)
        .order_by(AdviceMessage.sequence)
    )
    return {
        **_pick(one, "reference", "state", "priority", "subject", "referrer", "created_at"),
        "practice": _organisation(one.practice),
        "service": _service(one.service),
        "messages": [
            {**_pick(row[0], "at", "role", "turn", "text"), "organisation": _organisation(row[1])}
            for row in session.execute(query)
        ],
        "attachments": _attachments(session, Attachment.advice_id == one.id),
    }


def plain(value: Any) -> Any:
    """The same for JSON: instants and dates as ISO 8601, enumerations as their values."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if hasattr(value, "isoformat") else value
