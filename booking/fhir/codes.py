"""FHIR R4's required value sets, as far as we use them, and what our own words become in them.

Libraries accept a status that is in no value set, so the sets stand here and a test holds every mapping to them.
"""

from __future__ import annotations

from collections.abc import Mapping

from booking.domain.referral import ReferralState
from booking.domain.words import AttachmentState, BookingState, Priority, Sex

REQUEST_STATUS = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
REQUEST_PRIORITY = frozenset({"routine", "urgent", "asap", "stat"})
APPOINTMENT_STATUS = frozenset(
    {"proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "entered-in-error", "checked-in",
     "waitlist"}
)  # fmt: skip
SLOT_STATUS = frozenset({"busy", "free", "busy-unavailable", "busy-tentative", "entered-in-error"})
PARTICIPATION = frozenset({"accepted", "declined", "tentative", "needs-action"})
EVENT_STATUS = frozenset(
    {"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"}
)
DOCUMENT_STATUS = frozenset({"current", "superseded", "entered-in-error"})
COMPOSITION_STATUS = frozenset({"preliminary", "final", "amended", "entered-in-error"})
GENDER = frozenset({"male", "female", "other", "unknown"})

_S, _B = ReferralState, BookingState
REFERRAL: Mapping[ReferralState, str] = {
    **dict.fromkeys(ReferralState, "active"),
    _S.DRAFT: "draft",
    _S.DEFERRED_TO_PROVIDER: "on-hold",
    _S.CLOSED: "completed",
    _S.CANCELLED_REFERRAL: "revoked",
}
PRIORITY: Mapping[Priority, str] = {
    Priority.ROUTINE: "routine",
    Priority.URGENT: "urgent",
    Priority.TWO_WEEK_WAIT: "asap",
}
BOOKING: Mapping[BookingState, str] = {
    _B.HELD: "proposed",
    _B.BOOKED: "booked",
    _B.ATTENDED: "fulfilled",
    _B.DID_NOT_ATTEND: "noshow",
    _B.CANCELLED: "cancelled",
    _B.EXPIRED: "cancelled",
}
SLOT: Mapping[BookingState, str] = {
    **dict.fromkeys(BookingState, "busy"),
    _B.HELD: "busy-tentative",
    _B.CANCELLED: "free",
    _B.EXPIRED: "free",
}
"""As far as this patient's place goes; others may be on the slot's other places."""
ATTACHMENT: Mapping[AttachmentState, str] = {
    AttachmentState.AVAILABLE: "final",
    AttachmentState.PENDING: "preliminary",
    AttachmentState.THREATS_FOUND: "entered-in-error",
    AttachmentState.VALIDATION_FAILED: "entered-in-error",
}
SEX: Mapping[Sex, str] = {sex: sex.value for sex in Sex}
