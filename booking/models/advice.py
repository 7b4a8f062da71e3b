"""Requests for advice, what was said, and files attached to them and to referrals."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.words import AdviceState, AdviceTurn, AttachmentKind, AttachmentState, Priority, Role
from booking.models.columns import BigKey, Key, enum, fk
from booking.models.directory import Organisation, Service
from booking.models.referring import WORKLIST_WHOLE, OnAWorklist, Patient


class AdviceRequest(OnAWorklist, Base):
    """A question to one service about one patient (domain rule 10)."""

    __tablename__ = "advice_request"
    __table_args__ = (
        CheckConstraint("length(reference) = 12", name="reference"),
        CheckConstraint("state IN ('CONVERTED', 'CLOSED') OR worklist IS NOT NULL", name="on_a_worklist"),
        CheckConstraint(WORKLIST_WHOLE, name="worklist_whole"),
        CheckConstraint("(state = 'CONVERTED') = (referral_id IS NOT NULL)", name="converted"),
        Index("ix_advice_request_worklist", "worklist_organisation_id", "worklist", "worklist_due", "id"),
    )
    id: Mapped[Key]
    reference: Mapped[str] = mapped_column(String(12), unique=True)
    """Twelve digits, of the same kind as a UBRN."""
    patient_id: Mapped[int] = mapped_column(BigKey, fk("patient.id"), index=True)
    practice_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), index=True)
    referrer: Mapped[str] = mapped_column(String(200))
    priority: Mapped[Priority] = mapped_column(enum(Priority))
    subject: Mapped[str] = mapped_column(String(300))
    convertible: Mapped[bool] = mapped_column(default=False)
    """The referrer allowed the provider to make a referral of it."""
    state: Mapped[AdviceState] = mapped_column(enum(AdviceState))
    referral_id: Mapped[int | None] = mapped_column(BigKey, fk("referral.id"), unique=True)
    emptied_at: Mapped[datetime | None]
    """As a referral's."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]

    patient: Mapped[Patient] = relationship(lazy="raise_on_sql")
    service: Mapped[Service] = relationship(lazy="raise_on_sql")
    practice: Mapped[Organisation] = relationship(lazy="raise_on_sql", foreign_keys=[practice_id])


class AdviceMessage(Base):
    """One turn of the conversation; append-only."""

    __tablename__ = "advice_message"
    __table_args__ = (UniqueConstraint("advice_id", "sequence"),)
    id: Mapped[Key]
    advice_id: Mapped[int] = mapped_column(BigKey, fk("advice_request.id"))
    sequence: Mapped[int]
    author: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(enum(Role))
    on_behalf_of: Mapped[str | None] = mapped_column(String(200))
    """The clinician an admin wrote for."""
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    turn: Mapped[AdviceTurn] = mapped_column(enum(AdviceTurn), default=AdviceTurn.QUESTION)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Attachment(Base):
    """A file of a referral or of a request for advice. What is in it lies in the attachment store, not here."""

    __tablename__ = "attachment"
    __table_args__ = (
        CheckConstraint("(referral_id IS NULL) <> (advice_id IS NULL)", name="one_owner"),
        CheckConstraint("size > 0", name="size"),
        Index("ix_attachment_referral", "referral_id"),
        Index("ix_attachment_advice", "advice_id"),
        Index("ix_attachment_state", "state", "id"),
    )
    id: Mapped[Key]
    referral_id: Mapped[int | None] = mapped_column(BigKey, fk("referral.id"))
    advice_id: Mapped[int | None] = mapped_column(BigKey, fk("advice_request.id"))
    advice_message_id: Mapped[int | None] = mapped_column(BigKey, fk("advice_message.id"))
    kind: Mapped[AttachmentKind] = mapped_column(enum(AttachmentKind))
    file_name: Mapped[str] = mapped_column(String(200))
    content_type: Mapped[str] = mapped_column(String(100))
    """As told from the bytes, never from the name."""
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(100), unique=True)
    state: Mapped[AttachmentState] = mapped_column(enum(AttachmentState))
    note: Mapped[str | None] = mapped_column(String(300))
    uploaded_by: Mapped[str] = mapped_column(String(200))
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    uploaded_at: Mapped[datetime]
    scanned_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
