"""What helps a provider to publish: sessions kept to be used again, and files looked at before they are taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from booking.db import Base
from booking.models.columns import BigKey, Key, fk


class SessionTemplate(Base):
    """A session as it was filled in, without its dates. It holds nothing about patients."""

    __tablename__ = "session_template"
    __table_args__ = (UniqueConstraint("service_id", "name"),)
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"))
    name: Mapped[str] = mapped_column(String(100))
    fields: Mapped[dict[str, Any]]
    """Of the form, by name: a text, or a list where several may be chosen."""
    saved_at: Mapped[datetime]
    saved_by: Mapped[str] = mapped_column(String(200))


class SlotUpload(Base):
    """A file of slots as it was sent, with what was found in it, until it is taken or a day has passed."""

    __tablename__ = "slot_upload"
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    service_id: Mapped[int | None] = mapped_column(BigKey, fk("service.id"))
    name: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    """Compressed."""
    found: Mapped[dict[str, Any]]
    bad_rows: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The rows at fault with what is wrong in each, as a file; compressed."""
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[str] = mapped_column(String(200))
    taken_at: Mapped[datetime | None]
