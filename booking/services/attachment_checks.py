"""What a job does with attachments: have them looked into, and sweep out of the store what nobody points to.

No transaction is open while the scanner or the store is asked; each file is a unit of work of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.config import Config
from booking.db import Database
from booking.domain.words import AttachmentKind, AttachmentState
from booking.keys import Keys
from booking.models import AdviceRequest, Attachment, Referral
from booking.scanning import ScanFailed, threat_in
from booking.services import outbox
from booking.services.attachments import REFERRERS_KINDS, SCAN_OVERDUE, Damaged, record, settle_letter, stored
from booking.services.work import SYSTEM, Work
from booking.storage import AttachmentStore, StoreUnavailable, attachment_store

BATCH = 100
ORPHANED_AFTER = timedelta(hours=1)
"""Longer than any transaction: bytes this old without a row belong to one that failed."""
log = structlog.get_logger("booking.attachments")


def scan_pending(database: Database, config: Config, keys: Keys, clock: Callable[[], datetime]) -> int:
    """Have a batch of waiting files looked into; returns how many were settled. Those it can't settle stay waiting.

    Where no scanner is set any more, what waits is let through, as it would be if it came now.
    """
    settled, store = 0, attachment_store(config)
    with database.unit_of_work(write=False) as session:
        waiting = _pending(session)
    for row in waiting:
        try:
            state, note = _verdict(store, row, config)
        except (OSError, ScanFailed, StoreUnavailable) as error:
            log.warning("scan-postponed", attachment=row.id, error=type(error).__name__)
            if isinstance(error, ScanFailed):
                continue
            break  # nobody is there to ask: the others would wait for the same time-out
        with database.unit_of_work() as session:
            _conclude(Work(session, SYSTEM, clock(), config, keys), row.id, state, note)
        settled += 1
    _tell_overdue(database, clock())
    return settled


def _verdict(store: AttachmentStore, row: Attachment, config: Config) -> tuple[AttachmentState, str | None]:
    try:
        threat = threat_in(config.clamd, stored(store, row)) if config.clamd else None
    except Damaged:
        return AttachmentState.VALIDATION_FAILED, "what is stored is not what was sent"
    return (AttachmentState.THREATS_FOUND, threat) if threat else (AttachmentState.AVAILABLE, None)


def _pending(session: Session) -> list[Attachment]:
    waiting = select(Attachment).where(Attachment.state == AttachmentState.PENDING, Attachment.removed_at.is_(None))
    return list(session.scalars(waiting.order_by(Attachment.id).limit(BATCH)))


def _tell_overdue(database: Database, now: datetime) -> None:
    overdue = select(func.count(Attachment.id)).where(
        Attachment.state == AttachmentState.PENDING, Attachment.removed_at.is_(None),
        Attachment.uploaded_at < now - SCAN_OVERDUE,
    )  # fmt: skip
    with database.unit_of_work(write=False) as session:
        count = session.scalar(overdue) or 0
    if count:
        log.error("scans-overdue", files=count)


def _conclude(work: Work, attachment_id: int, state: AttachmentState, note: str | None) -> None:
    """Write what looking into a file came to; its referral's letter may be there now, or outstanding again."""
    row = work.session.get_one(Attachment, attachment_id)
    referral = _lock_owner(work, row)
    work.session.refresh(row)
    if row.state is not AttachmentState.PENDING or row.removed_at is not None:
        return
    row.state, row.note, row.scanned_at = state, note and note[:300], work.now
    record(work, row, "attachment.scan", state=state)
    work.session.flush()
    if referral is not None and row.kind is AttachmentKind.REFERRAL_LETTER:
        settle_letter(work, referral)
    if state is not AttachmentState.AVAILABLE:
        # The patient may have moved while the file waited: their practice of today must attach it anew.
        to = row.organisation_id
        if referral is not None and row.kind in REFERRERS_KINDS:
            to = referral.practice_id
        outbox.enqueue(
            work, "attachment-refused", f"attachment:{row.id}:refused", {"organisation_id": to},
            referral_id=row.referral_id,
        )  # fmt: skip


def _lock_owner(work: Work, row: Attachment) -> Referral | None:
    """Lock what the file belongs to; returns it if it is a referral."""
    if row.referral_id is None:
        work.session.scalars(select(AdviceRequest).where(AdviceRequest.id == row.advice_id).with_for_update()).one()
        return None
    locked = select(Referral).where(Referral.id == row.referral_id).with_for_update()
    return work.session.scalars(locked.execution_options(populate_existing=True)).one()


def sweep(database: Database, config: Config) -> int:
    """Delete from the store what no row points to: a failed transaction's files, and those taken away."""
    store, swept = attachment_store(config), 0
    keys = store.older_than(ORPHANED_AFTER)
    while batch := list(islice(keys, BATCH)):
        with database.unit_of_work(write=False) as session:
            wanted = _in_use(session, batch)
        for key in batch:
            if key not in wanted:
                store.delete(key)
                swept += 1
    if swept:
        log.info("attachments-swept", files=swept)
    return swept


def _in_use(session: Session, keys: Iterable[str]) -> set[str]:
    query = select(Attachment.storage_key).where(
        Attachment.storage_key.in_(list(keys)), Attachment.removed_at.is_(None)
    )
    return set(session.scalars(query))
