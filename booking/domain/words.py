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
    FREED = "FREED"
    """A place somebody gave back, kept for each in turn of those it would help most."""


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


class Worklist(StrEnum):
    """Where a live referral, or a request for advice, waits for somebody (domain rules 11 and 13).

    The ten of e-RS and one of ours, :attr:`APPOINTMENTS_BOOKED`: an accepted appointment is still somebody's,
    who must record what came of it.
    """

    LETTERS_OUTSTANDING = "LETTERS_OUTSTANDING"
    AWAITING_BOOKING = "AWAITING_BOOKING"
    REJECTED_OR_TRIAGE_RESPONSE = "REJECTED_OR_TRIAGE_RESPONSE"
    CANCELLED_OR_DID_NOT_ATTEND = "CANCELLED_OR_DID_NOT_ATTEND"
    ADVICE = "ADVICE"
    REFERRALS_FOR_REVIEW = "REFERRALS_FOR_REVIEW"
    APPOINTMENT_SLOT_ISSUES = "APPOINTMENT_SLOT_ISSUES"
    APPOINTMENTS_FOR_BOOKING = "APPOINTMENTS_FOR_BOOKING"
    CANCELLED_BY_PATIENT = "CANCELLED_BY_PATIENT"
    ADVICE_REQUESTS = "ADVICE_REQUESTS"
    APPOINTMENTS_BOOKED = "APPOINTMENTS_BOOKED"


class ClockState(StrEnum):
    """The RTT clock: running, made void by not attending the first appointment, or stopped."""

    RUNNING = "RUNNING"
    NULLIFIED = "NULLIFIED"
    STOPPED = "STOPPED"


class ClockChange(StrEnum):
    START = "START"
    NULLIFY = "NULLIFY"
    STOP = "STOP"


class AttachmentKind(StrEnum):
    REFERRAL_LETTER = "REFERRAL_LETTER"
    CLINICAL = "CLINICAL"
    TRIAGE = "TRIAGE"
    ADVICE = "ADVICE"


class AttachmentState(StrEnum):
    """e-RS availability status (domain rule 7)."""

    PENDING = "PENDING"
    AVAILABLE = "AVAILABLE"
    THREATS_FOUND = "THREATS_FOUND"
    VALIDATION_FAILED = "VALIDATION_FAILED"


class AdviceState(StrEnum):
    AWAITING_PROVIDER = "AWAITING_PROVIDER"
    AWAITING_REFERRER = "AWAITING_REFERRER"
    CONVERTED = "CONVERTED"
    CLOSED = "CLOSED"


class AdviceTurn(StrEnum):
    """What one message of a request for advice is."""

    QUESTION = "QUESTION"
    REPLY = "REPLY"
    ANSWER = "ANSWER"
    MORE_INFORMATION = "MORE_INFORMATION"
    """The provider asks back."""
    FINAL_ADVICE = "FINAL_ADVICE"
    CONVERSION = "CONVERSION"
    """The provider's words as they make a referral of it."""
    CLOSING = "CLOSING"


class Channel(StrEnum):
    """How a patient wants to be told things."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    LETTER = "LETTER"


class Language(StrEnum):
    ENGLISH = "en"
    WELSH = "cy"


class Relation(StrEnum):
    """What somebody who acts for a patient is to them."""

    PARTNER = "PARTNER"
    CHILD = "CHILD"
    PARENT = "PARENT"
    FAMILY = "FAMILY"
    FRIEND = "FRIEND"
    CARER = "CARER"
    """Paid, or of a care home."""
    STAFF = "STAFF"
    """Of a practice, a clinic, a library: whoever helps at a desk."""
    OTHER = "OTHER"


class PlanRunState(StrEnum):
    RUNNING = "RUNNING"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
