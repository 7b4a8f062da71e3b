"""The record: audit entries and their seals, outbox, idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from booking.db import Base
from booking.domain.words import Channel, Role
from booking.models.columns import BigKey, Key, enum, fk


class AuditEntry(Base):
    """Who did what to what, with a hash that covers the entry before it in the same chain.

    There is one chain for each thing (a referral, a patient, a publication), and whoever writes to it has
    locked that thing already: so writers of different things never wait for each other. A seal at
    intervals covers the heads of all chains, so that a chain that loses its end is found out too.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("chain", "sequence"),
        CheckConstraint("sequence >= 1", name="sequence"),
        Index("ix_audit_entry_organisation", "organisation", "id"),
    )
    id: Mapped[Key]
    chain: Mapped[str] = mapped_column(String(60))
    sequence: Mapped[int]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(enum(Role))
    organisation: Mapped[str | None] = mapped_column(String(12))
    on_behalf_of: Mapped[str | None] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(60))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AccessEntry(Base):
    """Somebody on the staff looked at a patient's record; append-only.

    No chain, so that readers never wait for each other: the seals cover these rows themselves.
    """

    __tablename__ = "access_entry"
    __table_args__ = (
        Index("ix_access_entry_patient", "patient_id", "id"),
        Index("ix_access_entry_organisation", "organisation", "id"),
    )
    id: Mapped[Key]
    at: Mapped[datetime]
    patient_id: Mapped[int] = mapped_column(BigKey, fk("patient.id"))
    referral_id: Mapped[int | None] = mapped_column(BigKey, fk("referral.id"))
    what: Mapped[str] = mapped_column(String(60))
    """``patient``, ``referral``, ``attachment 12``, ``summary`` …"""
    actor: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(enum(Role))
    organisation: Mapped[str | None] = mapped_column(String(12))
    on_behalf_of: Mapped[str | None] = mapped_column(String(200))
    request_id: Mapped[str | None] = mapped_column(String(64))


class AuditSeal(Base):
    """At intervals: a hash over the heads of the chains that grew since the last seal, over what was read
    since, and over that seal."""

    __tablename__ = "audit_seal"
    id: Mapped[Key]
    at: Mapped[datetime]
    up_to_entry: Mapped[int] = mapped_column(BigKey)
    entries: Mapped[int]
    up_to_access: Mapped[int] = mapped_column(BigKey)
    accesses: Mapped[int]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class OutboxMessage(Base):
    """A message that must leave, written with the change that causes it and delivered by a job."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "next_attempt_at",
            sqlite_where=text("delivered_at IS NULL AND failed_at IS NULL"),
            postgresql_where=text("delivered_at IS NULL AND failed_at IS NULL"),
        ),
        Index(
            "ix_outbox_failed",
            "referral_id",
            "id",
            sqlite_where=text("failed_at IS NOT NULL AND resolved_at IS NULL"),
            postgresql_where=text("failed_at IS NOT NULL AND resolved_at IS NULL"),
        ),
        CheckConstraint("delivered_at IS NULL OR failed_at IS NULL", name="one_end"),
    )
    id: Mapped[Key]
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    """Stable for one event and recipient: writing it twice is refused."""
    kind: Mapped[str] = mapped_column(String(40))
    referral_id: Mapped[int | None] = mapped_column(BigKey)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    channel: Mapped[Channel | None] = mapped_column(enum(Channel))
    """How it left, or was last tried."""
    resolved_at: Mapped[datetime | None]
    """When a person dealt with a message that could not be delivered."""
    resolved_by: Mapped[str | None] = mapped_column(String(200))


class IdempotencyRecord(Base):
    """An answered POST: the same key and body get the same answer again, without a second effect."""

    __tablename__ = "idempotency_record"
    principal: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Headers and body, encrypted: some answers hold a secret that is shown once."""
    created_at: Mapped[datetime] = mapped_column(index=True)
