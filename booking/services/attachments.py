"""Files of referrals and of requests for advice (domain rule 7): taken in, looked into, read, taken away.

What is in a file lies in the attachment store; the row says what it is and whether it may be read. The bytes are in
the store before the row is committed, so a row never points to nothing; bytes whose row was not committed, or was
taken away, are swept out of the store later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import func, select

from booking.domain.errors import BookingError, Conflict, Forbidden, Invalid, NotFound
from booking.domain.referral import TERMINAL
from booking.domain.words import PROVIDERS, REFERRERS, AttachmentKind, AttachmentState, BookingState, Role
from booking.models import (
    AccessEntry,
    AdviceMessage,
    AdviceRequest,
    Attachment,
    Booking,
    Organisation,
    Referral,
    ReferralService,
    Service,
    Slot,
)
from booking.services import access_log, audit
from booking.services.file_types import FIELD, safe_name, type_of
from booking.services.referrals import lock_referral, must_be_responsible, own_referral
from booking.services.shortlists import letter_due
from booking.services.transitions import relist
from booking.services.work import Work
from booking.storage import AttachmentStore, attachment_store, new_key

MOST_FILES = 30
"""Of one referral or one request for advice, without those taken away."""
SCAN_OVERDUE = timedelta(hours=1)
REFERRERS_KINDS = frozenset({AttachmentKind.REFERRAL_LETTER, AttachmentKind.CLINICAL})
_KINDS = {**dict.fromkeys(REFERRERS, REFERRERS_KINDS), **dict.fromkeys(PROVIDERS, frozenset({AttachmentKind.TRIAGE}))}
log = structlog.get_logger("booking.attachments")


class Damaged(BookingError):
    """What the store has is not what was put there."""

    code = "FILE_DAMAGED"
    status = 503

    def __init__(self) -> None:
        super().__init__("The file can't be read as it was stored. It has been reported; please ask for it again.")


class Unreadable(BookingError):
    """The file is there, and may not be read now."""

    code = "ATTACHMENT_NOT_AVAILABLE"
    status = 422

    def __init__(self, message: str, row: Attachment) -> None:
        super().__init__(f"{message} Its state is {row.state}.")


@dataclass(frozen=True, slots=True)
class Content:
    row: Attachment
    data: bytes


def attach(
    work: Work,
    *,
    referral: Referral | None = None,
    advice: AdviceRequest | None = None,
    message: AdviceMessage | None = None,
    kind: AttachmentKind,
    file_name: str,
    data: bytes,
) -> Attachment:
    """Take a file in for a locked referral or request for advice; who may is the caller's to have checked.

    :class:`Invalid` names the field ``file`` where it is too large, of no kind we take, or one too many.
    """
    if (referral is None) == (advice is None):
        raise ValueError("a file belongs to a referral or to a request for advice")
    if work.actor.organisation_id is None:
        raise Forbidden("Only staff attach files.")
    found = type_of(data)
    owner = Attachment.referral_id == referral.id if referral else Attachment.advice_id == (advice.id if advice else 0)
    count = select(func.count(Attachment.id)).where(owner, Attachment.removed_at.is_(None))
    if (work.session.scalar(count) or 0) >= MOST_FILES:
        raise Invalid.field(FIELD, "TOO_MANY_FILES", f"There are {MOST_FILES} files already: take one away first.")
    scanned = bool(work.config.clamd)
    made = Attachment(
        referral_id=referral.id if referral else None,
        advice_id=advice.id if advice else None,
        advice_message_id=message.id if message else None,
        kind=kind,
        file_name=safe_name(file_name, found),
        content_type=found.content_type,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        storage_key=new_key(),
        state=AttachmentState.PENDING if scanned else AttachmentState.AVAILABLE,
        uploaded_by=work.actor.name,
        organisation_id=work.actor.organisation_id,
        uploaded_at=work.now,
    )
    work.session.add(made)
    work.session.flush()
    record(work, made, "attachment.add", kind=kind, sha256=made.sha256, size=made.size)
    attachment_store(work.config).put(made.storage_key, data)
    if referral is not None and kind is AttachmentKind.REFERRAL_LETTER:
        settle_letter(work, referral)
    return made


def record(work: Work, row: Attachment, action: str, **after: object) -> None:
    """Write to the audit trail of what the file belongs to, which the caller has locked."""
    chain = f"referral:{row.referral_id}" if row.referral_id is not None else f"advice:{row.advice_id}"
    audit.record(work, chain, action, after={"attachment": row.id, **after})


def settle_letter(work: Work, referral: Referral) -> None:
    """A locked referral's letter is outstanding, or not any more: its worklist follows."""
    here = select(Attachment.id).where(
        Attachment.referral_id == referral.id, Attachment.kind == AttachmentKind.REFERRAL_LETTER,
        Attachment.state == AttachmentState.AVAILABLE, Attachment.removed_at.is_(None),
    )  # fmt: skip
    outstanding = False
    if work.session.scalar(here.limit(1)) is None:
        listed = (
            select(Service)
            .join(ReferralService, ReferralService.service_id == Service.id)
            .where(ReferralService.referral_id == referral.id)
        )
        outstanding = letter_due(list(work.session.scalars(listed)), referral.clinical_information)
    if outstanding == referral.letter_outstanding or referral.state in TERMINAL:
        return
    referral.letter_outstanding = outstanding
    booked = (
        select(Slot.local_date)
        .join(Booking, Booking.slot_id == Slot.id)
        .where(Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED)
    )
    relist(work, referral, appointment=work.session.scalar(booked))


def attach_to_referral(work: Work, ubrn: str, *, kind: AttachmentKind, file_name: str, data: bytes) -> Attachment:
    """The referrer adds letters and clinical files, the provider what belongs to its triage."""
    if kind not in _KINDS.get(work.actor.role, frozenset()):
        usable = ", ".join(sorted(_KINDS.get(work.actor.role, frozenset())))
        raise Invalid.field("kind", "KIND", f"You can attach files of kind {usable}.")
    referral = lock_referral(work, ubrn)
    if referral.state in TERMINAL:
        raise Conflict("The referral is closed: nothing can be attached to it.", code="REFERRAL_ENDED")
    if work.actor.role in PROVIDERS:
        must_be_responsible(work, referral)
    return attach(work, referral=referral, kind=kind, file_name=file_name, data=data)


def attachments_of(work: Work, referral: Referral) -> Sequence[Attachment]:
    """What is attached and was not taken away, in the order it came."""
    query = select(Attachment).where(Attachment.referral_id == referral.id, Attachment.removed_at.is_(None))
    return list(work.session.scalars(query.order_by(Attachment.id)))


def scan_overdue(work: Work, row: Attachment) -> bool:
    """Whether the file has waited too long to be looked into."""
    return row.state is AttachmentState.PENDING and row.uploaded_at < work.now - SCAN_OVERDUE


def own_attachment(work: Work, attachment_id: int, *, lock: bool = False) -> tuple[Attachment, int]:
    """A file of a referral or request that the actor may see, with its patient; else :class:`NotFound`.

    ``lock`` locks the referral, or the request, too: then the audit trail of it may be written.
    """
    missing = NotFound("There is no such attachment, or it is not yours.")
    row = work.session.get(Attachment, attachment_id)
    if row is None or row.removed_at is not None:
        raise missing
    if row.referral_id is None:
        return row, _advice_patient(work, row, missing, lock=lock)
    ubrn = work.session.scalar(select(Referral.ubrn).where(Referral.id == row.referral_id)) or ""
    try:
        found = lock_referral(work, ubrn) if lock else own_referral(work, ubrn)
    except NotFound:
        raise missing from None
    if lock:
        work.session.refresh(row)
    return row, found.patient_id


def _advice_patient(work: Work, row: Attachment, missing: NotFound, *, lock: bool) -> int:
    """The patient of the request for advice, whose two sides see its files."""
    query = (
        select(AdviceRequest)
        .join(Service, Service.id == AdviceRequest.service_id)
        .where(AdviceRequest.id == row.advice_id)
    )
    if work.actor.role in REFERRERS:
        query = query.where(AdviceRequest.practice_id == work.actor.organisation_id)
    elif work.actor.role in (Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN):  # as the request itself
        query = query.where(Service.organisation_id == work.actor.organisation_id)
    else:
        raise missing
    if lock:
        query = query.with_for_update(of=AdviceRequest).execution_options(populate_existing=True)
    advice = work.session.scalars(query).first()
    if advice is None:
        raise missing
    return advice.patient_id


def read(work: Work, attachment_id: int) -> Content:
    """The file itself, if it may be read yet (e-RS A006: 422 else); the reading of it is recorded."""
    row, patient_id = own_attachment(work, attachment_id)
    if row.state is not AttachmentState.AVAILABLE:
        words = {
            AttachmentState.PENDING: "The file is still being looked into. Please try again in a few minutes.",
            AttachmentState.THREATS_FOUND: "The file holds malware and can't be downloaded.",
        }
        raise Unreadable(words.get(row.state, "The file could not be checked and can't be downloaded."), row)
    data = stored(attachment_store(work.config), row)
    access_log.note(work, f"attachment {row.id}", patient_id=patient_id, referral_id=row.referral_id)
    return Content(row, data)


def stored(store: AttachmentStore, row: Attachment) -> bytes:
    """The bytes of a row, if they are those that were put there."""
    try:
        data = store.get(row.storage_key)
    except FileNotFoundError:
        log.error("attachment-missing", attachment=row.id)
        raise Damaged from None
    if hashlib.sha256(data).hexdigest() != row.sha256:
        log.error("attachment-changed", attachment=row.id)
        raise Damaged
    return data


def remove(work: Work, attachment_id: int) -> None:
    """Take a file away: by the organisation that added it, and not once the other side has read it."""
    row, _patient = own_attachment(work, attachment_id, lock=True)
    if row.removed_at is not None:
        raise NotFound("There is no such attachment, or it is not yours.")
    if row.organisation_id != work.actor.organisation_id or work.actor.role is Role.PATIENT:
        raise Forbidden("Only the organisation that added the file takes it away.")
    own = select(Organisation.ods_code).where(Organisation.id == row.organisation_id).scalar_subquery()
    others = select(AccessEntry.id).where(AccessEntry.what == f"attachment {row.id}", AccessEntry.organisation != own)
    if work.session.scalar(others.limit(1)) is not None:
        raise Conflict("The file has been read by the other side and stays.", code="ATTACHMENT_WAS_READ")
    row.removed_at = work.now
    record(work, row, "attachment.remove")
    work.session.flush()
    if row.referral_id is not None and row.kind is AttachmentKind.REFERRAL_LETTER:
        settle_letter(work, work.session.get_one(Referral, row.referral_id))
