"""Reason codes for cancelling (domain rule 8): who may use each, from when, and whether a comment is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from booking.domain.errors import FieldError, Invalid
from booking.domain.words import PROVIDERS, REFERRERS, Role


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    text: str
    roles: frozenset[Role]
    comment_due: bool = False
    effective_from: date = date(2005, 1, 1)
    effective_to: date | None = None


_PATIENT = frozenset({Role.PATIENT}) | REFERRERS

APPOINTMENT_REASONS = (
    Reason("UNABLE_TO_ATTEND", "I can't make this time", _PATIENT),
    Reason("WANTS_ANOTHER_PLACE", "I would rather go somewhere else", _PATIENT),
    Reason("NO_LONGER_NEEDED", "I no longer need the appointment", _PATIENT),
    Reason("TOO_UNWELL", "I am too unwell to travel", _PATIENT),
    Reason("OTHER", "Another reason", _PATIENT, comment_due=True),
)

REFERRAL_REASONS = (
    Reason("RAISED_IN_ERROR", "The referral was raised in error", REFERRERS),
    Reason("NO_LONGER_REQUIRED", "The referral is no longer required", REFERRERS | PROVIDERS),
    Reason("PATIENT_REQUESTED", "The patient asked for it", REFERRERS),
    Reason("PATIENT_DECEASED", "The patient has died", REFERRERS | PROVIDERS),
    Reason("OTHER", "Another reason", REFERRERS | PROVIDERS, comment_due=True),
)


def check_reason(reasons: tuple[Reason, ...], code: str, *, role: Role, comment: str | None, on: date) -> Reason:
    """The reason named, if ``role`` may give it on that day with that comment; else :class:`Invalid`."""
    usable = [
        r
        for r in reasons
        if role in r.roles and r.effective_from <= on and (r.effective_to is None or on < r.effective_to)
    ]
    for reason in usable:
        if reason.code == code:
            if reason.comment_due and not (comment or "").strip():
                raise Invalid.field("comment", "COMMENT_DUE", f"Reason {code} needs a comment.")
            return reason
    raise Invalid(FieldError("reason", "REASON_UNKNOWN", f"Reason must be one of {', '.join(r.code for r in usable)}."))
