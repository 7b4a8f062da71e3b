"""Reason codes (domain rule 8): lists as data, with who may use each, from when, and whether a comment is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from booking.domain.errors import FieldError, Invalid
from booking.domain.words import PROVIDERS, REFERRERS, Role


class ReasonList(StrEnum):
    APPOINTMENT_BY_PATIENT = "APPOINTMENT_BY_PATIENT"
    APPOINTMENT_BY_PROVIDER = "APPOINTMENT_BY_PROVIDER"
    REFERRAL = "REFERRAL"
    REJECTION = "REJECTION"
    DEFERRAL = "DEFERRAL"
    CLOSURE = "CLOSURE"


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    text: str
    roles: frozenset[Role]
    comment_due: bool = False
    effective_from: date = date(2005, 1, 1)
    effective_to: date | None = None
    """The first day on which it can no longer be given."""

    def usable(self, role: Role, on: date) -> bool:
        effective = self.effective_from <= on and (self.effective_to is None or on < self.effective_to)
        return role in self.roles and effective


WRONG_CLINIC = "WRONG_CLINIC"
"""Given for a cancellation, it takes the service off the shortlist: it is not proposed again."""

_PATIENT = frozenset({Role.PATIENT}) | REFERRERS
_EITHER = REFERRERS | PROVIDERS

REASONS: Mapping[ReasonList, tuple[Reason, ...]] = {
    ReasonList.APPOINTMENT_BY_PATIENT: (
        Reason("UNABLE_TO_ATTEND", "I can't make this time", _PATIENT),
        Reason("WANTS_ANOTHER_PLACE", "I would rather go somewhere else", _PATIENT),
        Reason("NO_LONGER_NEEDED", "I no longer need the appointment", _PATIENT),
        Reason("TOO_UNWELL", "I am too unwell to travel", _PATIENT),
        Reason("OTHER", "Another reason", _PATIENT, comment_due=True),
    ),
    ReasonList.APPOINTMENT_BY_PROVIDER: (
        Reason("CLINICIAN_UNAVAILABLE", "The clinician can't be there", PROVIDERS),
        Reason("CLINIC_CANCELLED", "The clinic can't take place", PROVIDERS),
        Reason("ROOM_OR_EQUIPMENT", "The room or the equipment can't be used", PROVIDERS),
        Reason(WRONG_CLINIC, "The patient needs another clinic", PROVIDERS),
        Reason("BOOKED_IN_ERROR", "The appointment was booked by mistake", PROVIDERS),
        Reason("OTHER", "Another reason", PROVIDERS, comment_due=True),
    ),
    ReasonList.REFERRAL: (
        Reason("RAISED_IN_ERROR", "The referral was raised in error", REFERRERS),
        Reason("NO_LONGER_REQUIRED", "The referral is no longer required", _EITHER),
        Reason("PATIENT_REQUESTED", "The patient asked for it", _EITHER),
        Reason("PATIENT_DECEASED", "The patient has died", _EITHER),
        Reason("OTHER", "Another reason", _EITHER, comment_due=True),
    ),
    ReasonList.REJECTION: (
        Reason("INAPPROPRIATE_SERVICE", "The referral is not for this service", PROVIDERS),
        Reason("INSUFFICIENT_INFORMATION", "The referral does not say enough", PROVIDERS),
        Reason("CRITERIA_NOT_MET", "The service's criteria are not met", PROVIDERS),
        Reason("DUPLICATE", "The patient has been referred for this already", PROVIDERS),
        Reason("OTHER", "Another reason", PROVIDERS),
    ),
    ReasonList.DEFERRAL: (  # domain rule 6: these and no others
        Reason("NO_SLOTS", "There are no appointments at the service", _PATIENT),
        Reason("SLOT_NOT_AVAILABLE", "The appointment shown could not be had", _PATIENT),
        Reason("BOOKING_ATTEMPT_PROBLEM", "Booking did not work", _PATIENT),
    ),
    ReasonList.CLOSURE: (
        Reason("TREATMENT_STARTED", "First treatment has started", PROVIDERS),
        Reason("DISCHARGED_TO_GP", "Discharged to the GP", PROVIDERS),
        Reason("NO_TREATMENT_NEEDED", "A decision was made not to treat", PROVIDERS),
        Reason("TREATMENT_DECLINED", "The patient declined treatment", PROVIDERS),
        Reason("ADVICE_FOLLOWED", "The advice is being followed in primary care", REFERRERS),
        Reason("REFERRED_ELSEWHERE", "The patient is referred another way", REFERRERS),
        Reason("OTHER", "Another reason", _EITHER, comment_due=True),
    ),
}


def reasons_for(reasons: ReasonList, role: Role, on: date) -> list[Reason]:
    """What a person in this role may give on that day, in the order to show."""
    return [reason for reason in REASONS[reasons] if reason.usable(role, on)]


def check_reason(reasons: ReasonList, code: str, *, role: Role, comment: str | None, on: date) -> Reason:
    """The reason named, if ``role`` may give it on that day with that comment; else :class:`Invalid`."""
    usable = reasons_for(reasons, role, on)
    for reason in usable:
        if reason.code == code:
            if reason.comment_due and not (comment or "").strip():
                raise Invalid.field("comment", "COMMENT_DUE", f"Reason {code} needs a comment.")
            return reason
    raise Invalid(FieldError("reason", "REASON_UNKNOWN", f"Reason must be one of {', '.join(r.code for r in usable)}."))
