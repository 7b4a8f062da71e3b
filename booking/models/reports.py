"""Reports that take the database a while: asked for, made by the scheduler, kept until they are made anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from booking.db import Base
from booking.models.columns import BigKey, Key, fk


class ReportCopy(Base):
    """One report as one organisation may see it, for one question. Asking again overwrites it."""

    __tablename__ = "report_copy"
    __table_args__ = (
        UniqueConstraint("organisation_id", "name", "question"),
        CheckConstraint("(document IS NULL) = (made_at IS NULL)", name="made"),
    )
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    name: Mapped[str] = mapped_column(String(40))
    question: Mapped[str] = mapped_column(String(200))
    """Period and filters, like an address's query."""
    requested_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    """When it was made, or failed; None while it waits to be made."""
    made_at: Mapped[datetime | None]
    document: Mapped[dict[str, Any] | None]
    """The rows as they may be told; those of the last time it could be made."""
    error: Mapped[str | None] = mapped_column(Text)
