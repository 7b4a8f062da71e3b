"""A referral's life: its states, and the one table that says which action leads from which to which."""

from __future__ import annotations

from enum import StrEnum

from booking.domain.errors import IllegalTransition


class ReferralState(StrEnum):
    DRAFT = "DRAFT"
    NOT_BOOKED = "NOT_BOOKED"
    BOOKED = "BOOKED"
    ATTENDED = "ATTENDED"
    CLOSED = "CLOSED"
    AWAITING_TRIAGE = "AWAITING_TRIAGE"
    TRIAGED_PROVIDER_TO_ACTION = "TRIAGED_PROVIDER_TO_ACTION"
    TRIAGE_RESPONSE = "TRIAGE_RESPONSE"
    DEFERRED_TO_PROVIDER = "DEFERRED_TO_PROVIDER"
    REJECTED = "REJECTED"
    APPT_CANCELLED_BY_PATIENT = "APPT_CANCELLED_BY_PATIENT"
    APPT_CANCELLED_BY_PROVIDER = "APPT_CANCELLED_BY_PROVIDER"
    DID_NOT_ATTEND = "DID_NOT_ATTEND"
    ASSESSMENT_RESULT = "ASSESSMENT_RESULT"
    CANCELLED_REFERRAL = "CANCELLED_REFERRAL"


class Action(StrEnum):
    ISSUE = "ISSUE"
    BOOK = "BOOK"
    CANCEL_APPOINTMENT_BY_PATIENT = "CANCEL_APPOINTMENT_BY_PATIENT"
    CANCEL_REFERRAL = "CANCEL_REFERRAL"


S = ReferralState

CHOOSING = frozenset({S.NOT_BOOKED, S.APPT_CANCELLED_BY_PATIENT, S.APPT_CANCELLED_BY_PROVIDER})
"""States in which the patient is choosing: the planner proposes to these, and only to these."""

TERMINAL = frozenset({S.CLOSED, S.CANCELLED_REFERRAL})

TRANSITIONS: dict[tuple[ReferralState, Action], ReferralState] = {
    (S.DRAFT, Action.ISSUE): S.NOT_BOOKED,
    (S.NOT_BOOKED, Action.BOOK): S.BOOKED,
    (S.APPT_CANCELLED_BY_PATIENT, Action.BOOK): S.BOOKED,
    (S.APPT_CANCELLED_BY_PROVIDER, Action.BOOK): S.BOOKED,
    (S.BOOKED, Action.CANCEL_APPOINTMENT_BY_PATIENT): S.APPT_CANCELLED_BY_PATIENT,
    (S.DRAFT, Action.CANCEL_REFERRAL): S.CANCELLED_REFERRAL,
    (S.NOT_BOOKED, Action.CANCEL_REFERRAL): S.CANCELLED_REFERRAL,
    (S.BOOKED, Action.CANCEL_REFERRAL): S.CANCELLED_REFERRAL,
    (S.APPT_CANCELLED_BY_PATIENT, Action.CANCEL_REFERRAL): S.CANCELLED_REFERRAL,
    (S.APPT_CANCELLED_BY_PROVIDER, Action.CANCEL_REFERRAL): S.CANCELLED_REFERRAL,
}


def next_state(state: ReferralState, action: Action) -> ReferralState:
    """The state ``action`` leads to; :class:`IllegalTransition` naming both where the table has no entry."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise IllegalTransition(state, action) from None
