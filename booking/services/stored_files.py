"""Whether every attachment that a row names is in the store as it was put there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Attachment
from booking.services.invariants import BATCH, Fault
from booking.storage import AttachmentStore


def faults(session: Session, store: AttachmentStore) -> Iterator[Fault]:
    """Reads every file once: linear in their bytes."""
    query = select(Attachment.id, Attachment.storage_key, Attachment.sha256).where(Attachment.removed_at.is_(None))
    for row in session.execute(query.order_by(Attachment.id).execution_options(yield_per=BATCH)):
        where = f"attachment {row.id}"
        try:
            data = store.get(row.storage_key)
        except FileNotFoundError:
            yield Fault("files", 3, where, "its file is not in the store")
            continue
        if hashlib.sha256(data).hexdigest() != row.sha256:
            yield Fault("files", 3, where, "its file is not what was put there")
