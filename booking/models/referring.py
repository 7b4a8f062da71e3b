"""Patients, referrals, shortlists and everything that happened to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.referral import Action, ReferralState
from booking.domain.words import Priority, Role, Sex
from booking.models.columns import BigKey, Key, enum, fk
from booking.models.directory import _COORDINATES, Organisation, Service


class Patient(Base):
    __tablename__ = "patient"
    __table_args__ = (
        CheckConstraint("length(nhs_number) = 10", name="nhs_number"),
        CheckConstraint(_COORDINATES, name="coordinates"),
        CheckConstraint("unsuitable_times BETWEEN 0 AND 2097151", name="unsuitable_times"),
        CheckConstraint("farthest_km IS NULL OR farthest_km > 0", name="farthest"),
    )
    id: Mapped[Key]
    nhs_number: Mapped[str] = mapped_column(String(10), unique=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    date_of_birth: Mapped[date]
    sex: Mapped[Sex] = mapped_column(enum(Sex))
    postcode: Mapped[str | None] = mapped_column(String(8))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    practice_id: Mapped[int | None] = mapped_column(BigKey, fk("organisation.id"), index=True)
    """The registered practice; without one a patient can't be referred (domain rule 2)."""
    email: Mapped[str | None] = mapped_column(String(254))
    mobile: Mapped[str | None] = mapped_column(String(20))
    interpreter_language: Mapped[str | None] = mapped_column(String(40))
    step_free: Mapped[bool] = mapped_column(default=False)
    clinician_sex: Mapped[Sex | None] = mapped_column(enum(Sex, "clinician_sex"))
    video_possible: Mapped[bool] = mapped_column(default=True)
    unsuitable_times: Mapped[int] = mapped_column(default=0)
    """Bits over the 21 week parts of :mod:`booking.domain.needs` that never suit."""
    farthest_km: Mapped[float | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    practice: Mapped[Organisation | None] = relationship(lazy="raise_on_sql")


class Referral(Base):
    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint("length(ubrn) = 12", name="ubrn"),
        CheckConstraint("due_date >= rtt_clock_start", name="due_date"),
        Index(
            "ix_referral_planning",
            "specialty_code",
            "id",
            sqlite_where=text("state IN ('NOT_BOOKED', 'APPT_CANCELLED_BY_PATIENT', 'APPT_CANCELLED_BY_PROVIDER')"),
            postgresql_where=text("state IN ('NOT_BOOKED', 'APPT_CANCELLED_BY_PATIENT', 'APPT_CANCELLED_BY_PROVIDER')"),
        ),
        Index("ix_referral_practice", "practice_id", "id"),
    )
    id: Mapped[Key]
    ubrn: Mapped[str] = mapped_column(String(12), unique=True)
    patient_id: Mapped[int] = mapped_column(BigKey, fk("patient.id"), index=True)
    practice_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    """The referring practice: who may see it."""
    referrer: Mapped[str] = mapped_column(String(200))
    """The clinician who refers, by name; an admin must name the clinician acted for."""
    specialty_code: Mapped[str] = mapped_column(fk("specialty.code"))
    clinic_type_code: Mapped[str | None] = mapped_column(fk("clinic_type.code"))
    named_practitioner_id: Mapped[int | None] = mapped_column(BigKey, fk("practitioner.id"))
    priority: Mapped[Priority] = mapped_column(enum(Priority))
    reason: Mapped[str] = mapped_column(String(500))
    clinical_information: Mapped[str] = mapped_column(Text, default="")
    rtt_clock_start: Mapped[date]
    due_date: Mapped[date]
    state: Mapped[ReferralState] = mapped_column(enum(ReferralState))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]

    patient: Mapped[Patient] = relationship(lazy="raise_on_sql")
    practice: Mapped[Organisation] = relationship(lazy="raise_on_sql")
    shortlist: Mapped[list[ReferralService]] = relationship(
        lazy="raise_on_sql", order_by="ReferralService.position", back_populates="referral"
    )


class ReferralService(Base):
    """One service of a referral's shortlist (domain rule 1)."""

    __tablename__ = "referral_service"
    __table_args__ = (
        UniqueConstraint("referral_id", "position"),
        CheckConstraint("position BETWEEN 1 AND 20", name="position"),
    )
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"), primary_key=True)
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), primary_key=True, index=True)
    position: Mapped[int]
    referral: Mapped[Referral] = relationship(lazy="raise_on_sql", back_populates="shortlist")
    service: Mapped[Service] = relationship(lazy="raise_on_sql")


class ReferralEvent(Base):
    """One transition: who did what, when, why. Append-only; a referral's state can be recomputed from it."""

    __tablename__ = "referral_event"
    __table_args__ = (UniqueConstraint("referral_id", "sequence"),)
    id: Mapped[Key]
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"))
    sequence: Mapped[int]
    action: Mapped[Action] = mapped_column(enum(Action))
    from_state: Mapped[ReferralState | None] = mapped_column(enum(ReferralState, "from_state"))
    to_state: Mapped[ReferralState] = mapped_column(enum(ReferralState))
    actor: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(enum(Role))
    at: Mapped[datetime]
    reason_code: Mapped[str | None] = mapped_column(String(40))
    comment: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
