"""Who there is and what they offer: organisations, sites, practitioners, services."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.db import Base
from booking.domain.words import BookingMode, OrganisationKind, Priority, Sex
from booking.models.columns import BigKey, Key, enum, fk

_COORDINATES = (
    "(latitude IS NULL) = (longitude IS NULL) AND (latitude IS NULL OR "
    "(latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180))"
)


class Specialty(Base):
    """A treatment function of the NHS data dictionary (``100`` General Surgery …)."""

    __tablename__ = "specialty"
    code: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


class ClinicType(Base):
    __tablename__ = "clinic_type"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    specialty_code: Mapped[str] = mapped_column(fk("specialty.code"), index=True)
    name: Mapped[str] = mapped_column(String(200))


class Postcode(Base):
    """A gazetteer of the postcodes we know coordinates of: those of practices and sites."""

    __tablename__ = "postcode"
    __table_args__ = (CheckConstraint(_COORDINATES, name="coordinates"),)
    postcode: Mapped[str] = mapped_column(String(8), primary_key=True)
    latitude: Mapped[float]
    longitude: Mapped[float]


class Organisation(Base):
    """A GP practice, a provider (trust or company) or a commissioner."""

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint(_COORDINATES, name="coordinates"),
        CheckConstraint("closed_on IS NULL OR opened_on IS NULL OR closed_on >= opened_on", name="dates"),
    )
    id: Mapped[Key]
    ods_code: Mapped[str] = mapped_column(String(12), unique=True)
    kind: Mapped[OrganisationKind] = mapped_column(enum(OrganisationKind))
    name: Mapped[str] = mapped_column(String(200))
    postcode: Mapped[str | None] = mapped_column(String(8))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    commissioner_id: Mapped[int | None] = mapped_column(BigKey, fk("organisation.id"), index=True)
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    worklist_email: Mapped[str | None] = mapped_column(String(254))
    """Where notices of overdue work go; they carry nothing that identifies a patient."""
    version: Mapped[int] = mapped_column(default=1)


class Site(Base):
    """Where people go: a hospital or clinic run by a provider."""

    __tablename__ = "site"
    __table_args__ = (CheckConstraint(_COORDINATES, name="coordinates"),)
    id: Mapped[Key]
    ods_code: Mapped[str] = mapped_column(String(12), unique=True)
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    sector: Mapped[str | None] = mapped_column(String(40))
    address: Mapped[str | None] = mapped_column(String(300))
    postcode: Mapped[str | None] = mapped_column(String(8))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    time_zone: Mapped[str] = mapped_column(String(60), default="Europe/London")
    step_free: Mapped[bool] = mapped_column(default=True)
    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")


class Practitioner(Base):
    __tablename__ = "practitioner"
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    identifier: Mapped[str] = mapped_column(String(40), unique=True)
    """The professional registration, such as a GMC number."""
    name: Mapped[str] = mapped_column(String(200))
    sex: Mapped[Sex | None] = mapped_column(enum(Sex))


class Service(Base):
    """What a provider offers at a site: the thing a GP shortlists."""

    __tablename__ = "service"
    __table_args__ = (
        UniqueConstraint("organisation_id", "name"),
        CheckConstraint("min_age >= 0 AND max_age >= min_age", name="ages"),
        CheckConstraint("operational_to IS NULL OR operational_to >= operational_from", name="dates"),
        CheckConstraint("polling_range_days BETWEEN 1 AND 730", name="polling_range"),
        CheckConstraint("overbooking_percent BETWEEN 0 AND 30", name="overbooking"),
        Index("ix_service_search", "specialty_code", "booking_mode"),
    )
    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    site_id: Mapped[int] = mapped_column(BigKey, fk("site.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    specialty_code: Mapped[str] = mapped_column(fk("specialty.code"))
    booking_mode: Mapped[BookingMode] = mapped_column(enum(BookingMode), default=BookingMode.DIRECTLY_BOOKABLE)
    min_age: Mapped[int] = mapped_column(default=0)
    max_age: Mapped[int] = mapped_column(default=150)
    """Whole years on the day of the appointment; both limits are included."""
    sex: Mapped[Sex | None] = mapped_column(enum(Sex))
    """Only patients of this sex; None takes everybody."""
    operational_from: Mapped[date]
    operational_to: Mapped[date | None]
    polling_range_days: Mapped[int] = mapped_column(default=182)
    """How many days ahead slots may be shown and booked."""
    indicative_wait_days: Mapped[int | None]
    interpreters: Mapped[bool] = mapped_column(default=True)
    letter_required: Mapped[bool] = mapped_column(default=True)
    gives_advice: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Takes requests for advice beside referrals; one that is ``ADVICE_ONLY`` takes nothing else."""
    instructions: Mapped[str] = mapped_column(Text, default="")
    telephone: Mapped[str | None] = mapped_column(String(20))
    """For patients; an indirectly bookable service is booked there."""
    contact_by: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Shortened contact-by times in working days, ``{worklist: {priority: days}}`` (domain rule 4)."""
    nationally_visible: Mapped[bool] = mapped_column(default=True)
    overbooking_percent: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Extra places for slots published from now on, against missed appointments (``domain.overbooking``)."""
    version: Mapped[int] = mapped_column(default=1)

    organisation: Mapped[Organisation] = relationship(lazy="raise_on_sql")
    site: Mapped[Site] = relationship(lazy="raise_on_sql")
    priorities: Mapped[list[ServicePriority]] = relationship(lazy="raise_on_sql")
    clinic_types: Mapped[list[ServiceClinicType]] = relationship(lazy="raise_on_sql")


class ServicePriority(Base):
    """A priority the service takes, and its booking window: from so many to so many days ahead."""

    __tablename__ = "service_priority"
    __table_args__ = (
        CheckConstraint("window_from_days >= 0 AND window_to_days >= window_from_days", name="booking_window"),
    )
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), primary_key=True)
    priority: Mapped[Priority] = mapped_column(enum(Priority), primary_key=True)
    window_from_days: Mapped[int] = mapped_column(default=0)
    window_to_days: Mapped[int] = mapped_column(default=182)


class ServicePractitioner(Base):
    """A clinician whom patients may be referred to by name at the service."""

    __tablename__ = "service_practitioner"
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), primary_key=True)
    practitioner_id: Mapped[int] = mapped_column(BigKey, fk("practitioner.id"), primary_key=True, index=True)


class ServiceClinicType(Base):
    __tablename__ = "service_clinic_type"
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), primary_key=True)
    clinic_type_code: Mapped[str] = mapped_column(fk("clinic_type.code"), primary_key=True)


class CommissioningRule(Base):
    """Lets the practices of a commissioner, or one practice, use a service that is not nationally visible."""

    __tablename__ = "commissioning_rule"
    __table_args__ = (CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="dates"),)
    id: Mapped[Key]
    service_id: Mapped[int] = mapped_column(BigKey, fk("service.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    explanation: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=1)
