"""Policies, plan runs, what they propose and at what price."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.words import OfferState, PlanRunState
from booking.models.columns import BigKey, Key, enum, fk
from booking.models.slots import Slot


class PolicyVersion(Base):
    """A dated, numbered version of the planning policy: targets, weights, how many offers, how long they hold."""

    __tablename__ = "policy_version"
    id: Mapped[Key]
    version: Mapped[int] = mapped_column(unique=True)
    effective_from: Mapped[date]
    body: Mapped[dict[str, Any]]
    explanation: Mapped[str] = mapped_column(Text, default="")
    reverts_to: Mapped[int | None]
    """The version whose document this one brings back."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))


class PolicyPreview(Base):
    """What the next plan would look like under a policy not yet published, beside today's: asked for, then made."""

    __tablename__ = "policy_preview"
    __table_args__ = (CheckConstraint("result IS NULL OR finished_at IS NOT NULL", name="finished"),)
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    body: Mapped[dict[str, Any]]
    requested_at: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(String(200))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(Text)


class PlanRequest(Base):
    """Referrals that must be offered to at once, such as those of a cancelled clinic: a small plan of their own."""

    __tablename__ = "plan_request"
    id: Mapped[Key]
    reason: Mapped[str] = mapped_column(String(200))
    referral_ids: Mapped[list[Any]]
    requested_at: Mapped[datetime]
    done_at: Mapped[datetime | None] = mapped_column(index=True)
    plan_run_id: Mapped[int | None] = mapped_column(BigKey, fk("plan_run.id"))


class FreedPlace(Base):
    """A place given back, being offered in order of need: held for one patient after another, then open to all."""

    __tablename__ = "freed_place"
    __table_args__ = (
        Index(
            "ix_freed_place_open",
            "slot_id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    slot_id: Mapped[int] = mapped_column(BigKey, fk("slot.id"), index=True)
    freed_at: Mapped[datetime]
    booking_id: Mapped[int | None] = mapped_column(BigKey, fk("booking.id"))
    """The hold of the patient whose turn it is."""
    asked: Mapped[list[Any]] = mapped_column(default=list)
    """Referrals whose turn it has been, in order."""
    ended_at: Mapped[datetime | None]


class PlanRun(Base):
    __tablename__ = "plan_run"
    __table_args__ = (
        CheckConstraint("(state = 'RUNNING') = (finished_at IS NULL)", name="finished"),
        Index(
            "uq_plan_run_running",
            "state",
            unique=True,
            sqlite_where=text("state = 'RUNNING'"),
            postgresql_where=text("state = 'RUNNING'"),
        ),
    )
    id: Mapped[Key]
    state: Mapped[PlanRunState] = mapped_column(enum(PlanRunState))
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    as_of: Mapped[date]
    policy_version: Mapped[int]
    input_digest: Mapped[str | None] = mapped_column(String(64))
    certified: Mapped[bool] = mapped_column(default=False)
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None] = mapped_column(Text)


class Offer(Base):
    """A slot proposed to a referral. Rank 1 is the guaranteed one, held for the patient until it expires."""

    __tablename__ = "offer"
    __table_args__ = (
        Index(
            "uq_offer_open_rank",
            "referral_id",
            "rank",
            unique=True,
            sqlite_where=text("state = 'OPEN'"),
            postgresql_where=text("state = 'OPEN'"),
        ),
        Index(
            "ix_offer_expiry",
            "expires_at",
            sqlite_where=text("state = 'OPEN'"),
            postgresql_where=text("state = 'OPEN'"),
        ),
        CheckConstraint("rank BETWEEN 1 AND 20", name="rank"),
        CheckConstraint("NOT guaranteed OR rank = 1", name="guaranteed_first"),
    )
    id: Mapped[Key]
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"), index=True)
    plan_run_id: Mapped[int | None] = mapped_column(BigKey, fk("plan_run.id"), index=True)
    slot_id: Mapped[int] = mapped_column(BigKey, fk("slot.id"), index=True)
    rank: Mapped[int]
    guaranteed: Mapped[bool]
    state: Mapped[OfferState] = mapped_column(enum(OfferState))
    reasons: Mapped[dict[str, Any]]
    """``{"words": [...], "codes": [...], "cost": {...}}``: for the patient and for the analyst."""
    regret: Mapped[int] = mapped_column(BigKey, default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    slot: Mapped[Slot] = relationship(lazy="raise_on_sql")


class PlanPrice(Base):
    """The dual prices of one plan for one service: a compressed table of (day, part of day, price)."""

    __tablename__ = "plan_price"
    __table_args__ = (UniqueConstraint("plan_run_id", "service_id"),)
    id: Mapped[Key]
    plan_run_id: Mapped[int] = mapped_column(BigKey, fk("plan_run.id"))
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"))
    prices: Mapped[bytes] = mapped_column(LargeBinary)


class Pencil(Base):
    """Where the last plan would put a referral it has not asked yet: nothing is held, and others may take the place.

    Whoever is offered it takes it only if this referral can be moved within its bound. Of use as long as the
    referral is choosing and nothing is kept or booked for it.
    """

    __tablename__ = "pencil"
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"), primary_key=True, autoincrement=False)
    slot_id: Mapped[int] = mapped_column(BigKey, fk("slot.id"), index=True)
    plan_run_id: Mapped[int] = mapped_column(BigKey, fk("plan_run.id"))
    lost: Mapped[int] = mapped_column(BigKey, default=0, server_default="0")
    """What moves since the plan have cost it together, in the plan's units."""
