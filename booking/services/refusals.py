"""The database's refusals, translated into the domain's words.

PostgreSQL names the constraint or index at fault, SQLite the columns (or the trigger's message): both become
one name here, and the name one typed error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from booking.domain.errors import (
    AlreadyBooked,
    BeingChanged,
    BookingError,
    Conflict,
    Invalid,
    SlotNotAvailable,
    SlotTaken,
)

_SQLITE_UNIQUE = {
    "booking.slot_id, booking.place": "uq_booking_live_place",
    "booking.referral_id": "uq_booking_live_appointment",
    "booking.referral_id, booking.hold_kind": "uq_booking_live_hold",
    "offer.referral_id, offer.rank": "uq_offer_open_rank",
    "patient.nhs_number": "uq_patient_nhs_number",
    "referral.ubrn": "uq_referral_ubrn",
    "plan_run.state": "uq_plan_run_running",
    "audit_entry.chain, audit_entry.sequence": "uq_audit_entry_chain_sequence",
    "referral_event.referral_id, referral_event.sequence": "uq_referral_event_referral_id_sequence",
    "access_code.referral_id": "uq_access_code_live",
    "account.username": "uq_account_username",
    "external_identity.issuer, external_identity.subject": "uq_external_identity_issuer_subject",
    "service.organisation_id, service.name": "uq_service_organisation_id_name",
    "policy_version.version": "uq_policy_version_version",
}
_BEING_CHANGED = {
    "uq_booking_live_hold",
    "uq_offer_open_rank",
    "uq_audit_entry_chain_sequence",
    "uq_referral_event_referral_id_sequence",
    "uq_access_code_live",
    "uq_referral_ubrn",
    "uq_external_identity_issuer_subject",
    "uq_policy_version_version",
}
_LOCK_STATES = {"55P03", "40P01", "40001"}  # lock not available, deadlock, serialisation


def constraint_name(error: DBAPIError) -> str:
    """The name of the constraint, index or trigger that refused, or the driver's words where none is known."""
    diagnostics = getattr(error.orig, "diag", None)
    if diagnostics is not None:
        return diagnostics.constraint_name or str(error.orig)
    text = str(error.orig)
    if match := re.match(r"UNIQUE constraint failed: (.+)", text):
        return _SQLITE_UNIQUE.get(match[1], match[1])
    if match := re.match(r"CHECK constraint failed: (\w+)", text):
        return match[1]
    return text


def translate(error: DBAPIError) -> BookingError | None:
    """The typed error for a refusal we expect, None for any other."""
    if isinstance(error, OperationalError):
        state = getattr(error.orig, "sqlstate", None)
        if state in _LOCK_STATES or "database is locked" in str(error.orig):
            return BeingChanged("Somebody else is changing this at the moment. Please try again.")
        return None
    if isinstance(error, DataError):
        return Invalid(message="A value is too long, or outside what can be stored.")
    return _refused(constraint_name(error)) if isinstance(error, IntegrityError) else None


def _refused(constraint: str) -> BookingError | None:
    """The typed error for a constraint, index or trigger that refused."""
    match constraint:
        case "uq_booking_live_place":
            return SlotTaken("Somebody else has just taken this time.")
        case "uq_booking_live_appointment":
            return AlreadyBooked("This referral has an appointment already.")
        case "patient_in_two_places":
            return AlreadyBooked("The patient has another appointment at that time.", code="PATIENT_ELSEWHERE")
        case "slot_not_open" | "slot_is_booked":
            return SlotNotAvailable("This time can no longer be booked.")
        case "practitioner_in_two_places":
            return Conflict("The clinician has another slot at that time.", code="PRACTITIONER_ELSEWHERE")
        case "uq_patient_nhs_number":
            return Conflict("A patient with this NHS number is registered already.", code="PATIENT_EXISTS")
        case "uq_account_username":
            return Conflict("There is an account of this name already.", code="ACCOUNT_EXISTS")
        case "uq_service_organisation_id_name":
            return Conflict("The provider has a service of this name already.", code="NAME_TAKEN")
        case name if name in _BEING_CHANGED:
            return BeingChanged("This is being changed by somebody else at the moment. Please try again.")
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Around a flush: what the database refuses comes out as the domain's own error."""
    try:
        yield
    except DBAPIError as error:
        known = translate(error)
        if known is None:
            raise
        raise known from error
