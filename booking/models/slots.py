"""Slots, and who is on their places."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.words import BookingState, ConsultationMode, HoldKind, SlotStatus
from booking.models.columns import BigKey, Key, enum, fk
from booking.models.directory import Practitioner, Service, Site

if TYPE_CHECKING:
    from booking.models.referring import Referral

LIVE = "released_at IS NULL"


class Publication(Base):
    """One act of publishing: who sent slots, from where, and what became of them."""

    __tablename__ = "publication"
    id: Mapped[Key]
    organisation_id: Mapped[int | None] = mapped_column(BigKey, fk("organisation.id"), index=True)
    source: Mapped[str] = mapped_column(String(300))
    received_at: Mapped[datetime]
    added: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    withdrawn: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)


class ClinicCancellation(Base):
    """A clinic, a day or a list of slots cancelled by the provider, all or nothing."""

    __tablename__ = "clinic_cancellation"
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    reason_code: Mapped[str] = mapped_column(String(40))
    comment: Mapped[str | None] = mapped_column(Text)
    cancelled_at: Mapped[datetime]
    cancelled_by: Mapped[str] = mapped_column(String(200))
    slots: Mapped[int]
    appointments: Mapped[int]
    plan_request_id: Mapped[int | None] = mapped_column(BigKey, fk("plan_request.id"))


class Slot(Base):
    """A time at a service that can be booked, with numbered places 1 … ``capacity``.

    Whether a place is free is derived from ``booking``, never stored. The database refuses to change the
    time, place or clinician of a slot that somebody holds or has booked (trigger ``slot_guard``), and a
    practitioner in two slots at once.
    """

    __tablename__ = "slot"
    __table_args__ = (
        UniqueConstraint("service_id", "provider_slot_id"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
        CheckConstraint("overbooked_places >= 0 AND overbooked_places < capacity", name="overbooked_places"),
        Index(
            "ix_slot_search",
            "service_id",
            "starts_at",
            "id",
            sqlite_where=text("status = 'PUBLISHED'"),
            postgresql_where=text("status = 'PUBLISHED'"),
        ),
        Index(
            "ix_slot_closed",
            "service_id",
            "starts_at",
            sqlite_where=text("status = 'CLOSED'"),
            postgresql_where=text("status = 'CLOSED'"),
        ),
        Index(
            "ix_slot_practitioner",
            "practitioner_id",
            "starts_at",
            sqlite_where=text("practitioner_id IS NOT NULL"),
            postgresql_where=text("practitioner_id IS NOT NULL"),
        ),
    )
    id: Mapped[Key]
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"))
    site_id: Mapped[int] = mapped_column(BigKey, fk("site.id"))
    practitioner_id: Mapped[int | None] = mapped_column(BigKey, fk("practitioner.id"))
    provider_slot_id: Mapped[str] = mapped_column(String(80))
    """The provider's own identifier: publishing it again changes this slot, not adds one."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    local_date: Mapped[date]
    """The day at the site, derived from ``starts_at`` and the zone when published: what people call the date."""
    time_zone: Mapped[str] = mapped_column(String(60))
    appointment_type: Mapped[str] = mapped_column(String(80), default="New appointment")
    mode: Mapped[ConsultationMode] = mapped_column(enum(ConsultationMode), default=ConsultationMode.IN_PERSON)
    priorities: Mapped[int] = mapped_column(default=7)
    """Bits: 1 routine, 2 urgent, 4 two-week-wait. Providers may keep a slot for some."""
    capacity: Mapped[int] = mapped_column(default=1)
    overbooked_places: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Of the places, those beyond what the provider sent: extra ones against missed appointments."""
    status: Mapped[SlotStatus] = mapped_column(enum(SlotStatus), default=SlotStatus.PUBLISHED)
    publication_id: Mapped[int | None] = mapped_column(BigKey, fk("publication.id"), index=True)
    version: Mapped[int] = mapped_column(default=1)

    service: Mapped[Service] = relationship(lazy="raise_on_sql")
    site: Mapped[Site] = relationship(lazy="raise_on_sql")
    practitioner: Mapped[Practitioner | None] = relationship(lazy="raise_on_sql")


class Booking(Base):
    """A referral on a place of a slot: first held, then booked, then attended, or let go.

    A hold and a booking are the same row, so that one unique index guards both and a hold becomes a
    booking without the place ever being free in between. ``released_at`` is when the place became free.
    """

    __tablename__ = "booking"
    __table_args__ = (
        Index(
            "uq_booking_live_place",
            "slot_id",
            "place",
            unique=True,
            sqlite_where=text(LIVE),
            postgresql_where=text(LIVE),
        ),
        Index(
            "uq_booking_live_appointment",
            "referral_id",
            unique=True,
            sqlite_where=text("state = 'BOOKED'"),
            postgresql_where=text("state = 'BOOKED'"),
        ),
        Index(
            "uq_booking_live_hold",
            "referral_id",
            "hold_kind",
            unique=True,
            sqlite_where=text("state = 'HELD'"),
            postgresql_where=text("state = 'HELD'"),
        ),
        Index(
            "ix_booking_held_until",
            "held_until",
            sqlite_where=text("state = 'HELD'"),
            postgresql_where=text("state = 'HELD'"),
        ),
        Index(
            "ix_booking_to_come",
            "starts_at",
            sqlite_where=text("state = 'BOOKED'"),
            postgresql_where=text("state = 'BOOKED'"),
        ),
        Index("ix_booking_patient", "patient_id", "starts_at"),
        Index("ix_booking_referral", "referral_id"),
        CheckConstraint("place >= 1", name="place"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("(state IN ('CANCELLED', 'EXPIRED')) = (released_at IS NOT NULL)", name="released"),
        CheckConstraint("(state = 'HELD') <= (held_until IS NOT NULL AND hold_kind IS NOT NULL)", name="held"),
        CheckConstraint("(state IN ('HELD', 'EXPIRED')) <> (booked_at IS NOT NULL)", name="booked"),
        CheckConstraint("(booked_at IS NOT NULL) <= (reference IS NOT NULL)", name="reference"),
    )
    id: Mapped[Key]
    reference: Mapped[str | None] = mapped_column(String(12), unique=True)
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"))
    patient_id: Mapped[int] = mapped_column(BigKey, fk("patient.id"))
    slot_id: Mapped[int] = mapped_column(BigKey, fk("slot.id"))
    place: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[BookingState] = mapped_column(enum(BookingState))
    hold_kind: Mapped[HoldKind | None] = mapped_column(enum(HoldKind))
    held_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    booked_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    reason_code: Mapped[str | None] = mapped_column(String(40))
    comment: Mapped[str | None] = mapped_column(Text)
    slot: Mapped[Slot] = relationship(lazy="raise_on_sql")
    referral: Mapped[Referral] = relationship(lazy="raise_on_sql")
