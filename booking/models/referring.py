"""Patients, referrals, shortlists and everything that happened to them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.referral import CHOOSING, Action, ReferralState
from booking.domain.words import Channel, ClockChange, ClockState, Language, Priority, Role, Sex, Worklist
from booking.models.columns import BigKey, Key, enum, fk
from booking.models.directory import _COORDINATES, Organisation, Service


class Patient(Base):
    __tablename__ = "patient"
    __table_args__ = (
        CheckConstraint("length(nhs_number) = 10", name="nhs_number"),
        CheckConstraint(_COORDINATES, name="coordinates"),
        CheckConstraint("unsuitable_times BETWEEN 0 AND 2097151", name="unsuitable_times"),
        CheckConstraint("farthest_km IS NULL OR farthest_km > 0", name="farthest"),
        CheckConstraint("deprivation_decile IS NULL OR deprivation_decile BETWEEN 1 AND 10", name="deprivation_decile"),
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
    channel: Mapped[Channel] = mapped_column(enum(Channel), default=Channel.EMAIL)
    language: Mapped[Language] = mapped_column(enum(Language), default=Language.ENGLISH)
    """Of messages and letters."""
    large_print: Mapped[bool] = mapped_column(default=False)
    deprivation_decile: Mapped[int | None]
    """Index of Multiple Deprivation, 1 the most deprived tenth; for reports without identities."""
    pseudonymised_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    practice: Mapped[Organisation | None] = relationship(lazy="raise_on_sql")


CHOOSING_SQL = "state IN ({})".format(", ".join(f"'{state}'" for state in sorted(CHOOSING)))
WORKLIST_WHOLE = (
    "(worklist IS NULL) = (worklist_organisation_id IS NULL) AND (worklist IS NULL) = (worklist_since IS NULL) "
    "AND (worklist IS NULL) = (worklist_due IS NULL)"
)


class OnAWorklist:
    """What waits for somebody: on one list, with an owner and a due date, since when, and told when overdue."""

    worklist: Mapped[Worklist | None] = mapped_column(enum(Worklist))
    worklist_organisation_id: Mapped[int | None] = mapped_column(BigKey, fk("organisation.id"))
    """The organisation that must act."""
    worklist_since: Mapped[datetime | None]
    worklist_due: Mapped[date | None]
    escalated_at: Mapped[datetime | None]


class Referral(OnAWorklist, Base):
    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint("length(ubrn) = 12", name="ubrn"),
        CheckConstraint("due_date >= rtt_clock_start", name="due_date"),
        Index(
            "ix_referral_planning",
            "specialty_code",
            "id",
            sqlite_where=text(CHOOSING_SQL),
            postgresql_where=text(CHOOSING_SQL),
        ),
        CheckConstraint("state IN ('CLOSED', 'CANCELLED_REFERRAL') OR worklist IS NOT NULL", name="on_a_worklist"),
        CheckConstraint(WORKLIST_WHOLE, name="worklist_whole"),
        CheckConstraint("(rtt_clock_state = 'RUNNING') = (rtt_clock_stopped_on IS NULL)", name="rtt_clock"),
        Index("ix_referral_worklist", "worklist_organisation_id", "worklist", "worklist_due", "id"),
        Index(
            "ix_referral_overdue",
            "worklist_due",
            sqlite_where=text("worklist IS NOT NULL"),
            postgresql_where=text("worklist IS NOT NULL"),
        ),
        Index("ix_referral_service", "service_id"),
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
    rtt_clock_state: Mapped[ClockState] = mapped_column(enum(ClockState), default=ClockState.RUNNING)
    rtt_clock_stopped_on: Mapped[date | None]
    due_date: Mapped[date]
    """The last day that meets the target: the breach date is the day after."""
    service_id: Mapped[int | None] = mapped_column(BigKey, fk("service.id"))
    """The service it was last sent to: booked at, deferred to, triaged by. None while the patient only chooses."""
    letter_outstanding: Mapped[bool] = mapped_column(default=False)
    accepted_at: Mapped[datetime | None]
    """When the provider reviewed and accepted the present appointment."""
    first_in_line_since: Mapped[datetime | None]
    """Set while this patient is offered to before all others of equal need: a provider cancelled their appointment, or
    a place pencilled for them went to somebody else."""
    state: Mapped[ReferralState] = mapped_column(enum(ReferralState))
    emptied_at: Mapped[datetime | None]
    """When its time of keeping was over and what was said in it was removed; see ``services/retention``."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]

    patient: Mapped[Patient] = relationship(lazy="raise_on_sql")
    practice: Mapped[Organisation] = relationship(lazy="raise_on_sql", foreign_keys=[practice_id])
    service: Mapped[Service | None] = relationship(lazy="raise_on_sql", foreign_keys=[service_id])
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


class ClockEvent(Base):
    """Every change of a referral's RTT clock with its reason; append-only."""

    __tablename__ = "clock_event"
    __table_args__ = (UniqueConstraint("referral_id", "sequence"),)
    id: Mapped[Key]
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"))
    sequence: Mapped[int]
    change: Mapped[ClockChange] = mapped_column(enum(ClockChange))
    on_date: Mapped[date]
    reason: Mapped[str] = mapped_column(String(200))
    event_sequence: Mapped[int]
    """The referral event that moved it."""
    at: Mapped[datetime]


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
    on_behalf_of: Mapped[str | None] = mapped_column(String(200))
    at: Mapped[datetime]
    reason_code: Mapped[str | None] = mapped_column(String(40))
    comment: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
