"""Messages that a machine could not deliver, or that must be posted: shown to people until one has dealt with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from booking.domain.errors import Conflict, NotFound
from booking.domain.words import REFERRERS, Channel, OrganisationKind
from booking.models import Organisation, OutboxMessage, Referral
from booking.services import access_log, audit, outbox
from booking.services.delivery import TO_POST
from booking.services.documents import message_letter_pdf
from booking.services.letters import NoLongerDue, patient_words
from booking.services.work import HOME_ZONE, Work

_UNRESOLVED = and_(OutboxMessage.failed_at.is_not(None), OutboxMessage.resolved_at.is_(None))


@dataclass(frozen=True, slots=True)
class Failed:
    """A row of the list. ``ubrn`` is None for a notice to staff; such a row has no letter."""

    id: int
    kind: str
    ubrn: str | None
    channel: Channel | None
    to_post: bool
    why: str
    attempts: int
    created_at: datetime
    failed_at: datetime


def _own(work: Work) -> ColumnElement[bool]:
    """SQL: a message of the actor's organisation: to its patients, or a notice to itself."""
    organisation = work.actor.organisation_id
    address = work.session.scalar(select(Organisation.worklist_email).where(Organisation.id == organisation))
    own = [OutboxMessage.payload["organisation_id"].as_integer() == organisation]
    if address:
        own.append(OutboxMessage.payload["to"].as_string() == address)
    notices = or_(*own)
    if work.actor.role not in REFERRERS:
        return notices
    staff = or_(OutboxMessage.payload["to"].as_string().is_not(None), notices)
    return or_(notices, and_(Referral.practice_id == organisation, ~func.coalesce(staff, False)))


def failed_messages(work: Work, *, before: int | None = None, limit: int = 50) -> list[Failed]:
    """Those of the actor's organisation that nobody has dealt with, the newest first, paged by key."""
    query = (
        select(OutboxMessage, Referral.ubrn, Referral.patient_id)
        .outerjoin(Referral, Referral.id == OutboxMessage.referral_id)
        .where(_UNRESOLVED, _own(work))
    )
    if before is not None:
        query = query.where(OutboxMessage.id < before)
    found = []
    for row in work.session.execute(query.order_by(OutboxMessage.id.desc()).limit(limit)):
        message, staff = row.OutboxMessage, _to_staff(row.OutboxMessage)
        if not staff and row.patient_id is not None:
            access_log.note(work, "messages", patient_id=row.patient_id, referral_id=message.referral_id)
        found.append(
            Failed(
                message.id, message.kind, None if staff else row.ubrn, message.channel, _to_post(message),
                message.last_error or "", message.attempts, message.created_at, message.failed_at,
            )
        )  # fmt: skip
    return found


def count(work: Work) -> tuple[int, int]:
    """How many of the actor's organisation nobody has dealt with: letters to post, and others."""
    post = case((and_(OutboxMessage.channel == Channel.LETTER, OutboxMessage.last_error == TO_POST), 1), else_=0)
    query = (
        select(func.count(), func.coalesce(func.sum(post), 0))
        .select_from(OutboxMessage)
        .outerjoin(Referral, Referral.id == OutboxMessage.referral_id)
        .where(_UNRESOLVED, _own(work))
    )
    every, to_post = work.session.execute(query).one()
    return int(to_post), int(every) - int(to_post)


def _to_staff(message: OutboxMessage) -> bool:
    return "to" in message.payload or "organisation_id" in message.payload


def _to_post(message: OutboxMessage) -> bool:
    return message.channel is Channel.LETTER and message.last_error == TO_POST


def _one(work: Work, message_id: int, *, lock: bool = False) -> OutboxMessage:
    query = (
        select(OutboxMessage)
        .outerjoin(Referral, Referral.id == OutboxMessage.referral_id)
        .where(OutboxMessage.id == message_id, OutboxMessage.failed_at.is_not(None), _own(work))
    )
    if lock:
        query = query.with_for_update(of=OutboxMessage).execution_options(populate_existing=True)
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound("There is no such message, or it is not your organisation's.")
    return found


def must_be_own(work: Work, message_id: int) -> None:
    """:class:`NotFound` unless the message is one of the actor's organisation's."""
    _one(work, message_id)


def letter(work: Work, message_id: int) -> bytes:
    """A message to a patient as a letter to print, in their language and print."""
    row = _one(work, message_id)
    if _to_staff(row):
        raise NotFound("A notice to staff has no letter.")
    try:
        said = patient_words(work.session, row, work.config.public_url, work.now)
    except NoLongerDue:
        raise Conflict("What the message says is no longer so: it needs no letter.", code="NO_LONGER_DUE") from None
    patient = said.patient
    practice = work.session.get_one(Organisation, said.referral.practice_id)
    access_log.note(work, "letter", patient_id=patient.id, referral_id=said.referral.id)
    return message_letter_pdf(
        patient=f"{patient.given_name} {patient.family_name}", practice=practice.name, title=said.subject,
        text=f"{said.text}\n\n{said.sign_in}", language=patient.language, large_print=patient.large_print, now=work.now,
    )  # fmt: skip


def resolve(work: Work, message_id: int, comment: str) -> None:
    """Somebody has dealt with the message: posted it, or told the patient another way."""
    referral_id = _one(work, message_id).referral_id
    if referral_id is not None:  # whoever writes to a referral's audit trail has locked it
        work.session.execute(select(Referral.id).where(Referral.id == referral_id).with_for_update())
    row = _one(work, message_id, lock=True)
    if row.resolved_at is not None:
        raise Conflict("Somebody has dealt with this message before.", code="RESOLVED_BEFORE")
    row.resolved_at, row.resolved_by = work.now, work.actor.name
    if _to_post(row):
        row.delivered_at, row.failed_at = work.now, None
    chain = f"referral:{referral_id}" if referral_id is not None else f"message:{row.id}"
    # Not in the audit trail, which nothing can be taken out of: a comment may say more than retention may keep.
    row.payload = {**row.payload, "resolved": comment}
    audit.record(work, chain, "message.resolve", after={"message": row.id, "kind": row.kind})
    work.session.flush()


def notify(work: Work) -> int:
    """Once a day tell each practice how many messages wait for it; returns how many practices were told."""
    waiting = (
        select(Referral.practice_id, func.count().label("messages"))
        .join(OutboxMessage, OutboxMessage.referral_id == Referral.id)
        .join(Organisation, Organisation.id == Referral.practice_id)
        # A commissioner watches over a closed practice's referrals, and has no list of messages.
        .where(_UNRESOLVED, Organisation.worklist_email.is_not(None), Organisation.kind == OrganisationKind.PRACTICE)
        .group_by(Referral.practice_id)
    )
    today, told = work.now.astimezone(HOME_ZONE).date(), 0
    for row in list(work.session.execute(waiting)):
        key = f"messages-failed:{row.practice_id}:{today}"
        if work.session.scalar(select(OutboxMessage.id).where(OutboxMessage.event_key == key)) is None:
            said = {"organisation_id": row.practice_id, "entries": row.messages}
            outbox.enqueue(work, "messages-failed", key, said)
            told += 1
    work.session.flush()
    return told
