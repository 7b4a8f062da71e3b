"""The field's standard terms as enumerations. Values are stored and sent as they stand here."""

from __future__ import annotations

from enum import StrEnum


class OrganisationKind(StrEnum):
    PRACTICE = "PRACTICE"
    PROVIDER = "PROVIDER"
    COMMISSIONER = "COMMISSIONER"


class Priority(StrEnum):
    """e-RS referral priorities (domain rule 3)."""

    ROUTINE = "ROUTINE"
    URGENT = "URGENT"
    TWO_WEEK_WAIT = "TWO_WEEK_WAIT"


class Sex(StrEnum):
    """FHIR administrative gender."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class BookingMode(StrEnum):
    """How a service is booked."""

    DIRECTLY_BOOKABLE = "DIRECTLY_BOOKABLE"
    INDIRECTLY_BOOKABLE = "INDIRECTLY_BOOKABLE"
    TRIAGE = "TRIAGE"
    ADVICE_ONLY = "ADVICE_ONLY"


class ConsultationMode(StrEnum):
    IN_PERSON = "IN_PERSON"
    VIDEO = "VIDEO"
    TELEPHONE = "TELEPHONE"


class SlotStatus(StrEnum):
    PUBLISHED = "PUBLISHED"
    CLOSED = "CLOSED"
    """Withdrawn by the provider while booked: takes nobody new, keeps whom it has."""
    WITHDRAWN = "WITHDRAWN"


class BookingState(StrEnum):
    """A referral on a place of a slot. ``HELD`` is not a booking yet (FHIR: busy-tentative)."""

    HELD = "HELD"
    BOOKED = "BOOKED"
    ATTENDED = "ATTENDED"
    DID_NOT_ATTEND = "DID_NOT_ATTEND"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class HoldKind(StrEnum):
    OFFER = "OFFER"
    """Kept for a patient because the plan guarantees it to them."""
    CHOICE = "CHOICE"
    """Kept for a few minutes while the patient confirms."""


class OfferState(StrEnum):
    OPEN = "OPEN"
    TAKEN = "TAKEN"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


class Role(StrEnum):
    REFERRING_CLINICIAN = "REFERRING_CLINICIAN"
    REFERRING_ADMIN = "REFERRING_ADMIN"
    PROVIDER_CLINICIAN = "PROVIDER_CLINICIAN"
    PROVIDER_ADMIN = "PROVIDER_ADMIN"
    SERVICE_DEFINER = "SERVICE_DEFINER"
    COMMISSIONER = "COMMISSIONER"
    INFORMATION_ANALYST = "INFORMATION_ANALYST"
    PATIENT = "PATIENT"
    SYSTEM = "SYSTEM"


REFERRERS = frozenset({Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN})
PROVIDERS = frozenset({Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, Role.SERVICE_DEFINER})
COMMISSIONERS = frozenset({Role.COMMISSIONER, Role.INFORMATION_ANALYST})


class PlanRunState(StrEnum):
    RUNNING = "RUNNING"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
