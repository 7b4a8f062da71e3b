"""A referral's life: its states, and the one table that says which action leads from which to which."""

from __future__ import annotations

from collections.abc import Iterable
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
    """What is done to a referral. Who may do each, with which reasons, stands in :mod:`booking.domain.actions`."""

    ISSUE = "ISSUE"
    SEND_FOR_TRIAGE = "SEND_FOR_TRIAGE"
    CONVERT_FROM_ADVICE = "CONVERT_FROM_ADVICE"
    CHANGE_SHORTLIST = "CHANGE_SHORTLIST"
    CHANGE_PRIORITY = "CHANGE_PRIORITY"
    BOOK = "BOOK"
    MOVE_APPOINTMENT = "MOVE_APPOINTMENT"
    CANCEL_APPOINTMENT_BY_PATIENT = "CANCEL_APPOINTMENT_BY_PATIENT"
    CANCEL_APPOINTMENT_BY_PROVIDER = "CANCEL_APPOINTMENT_BY_PROVIDER"
    CANCEL_AND_ACT_LATER = "CANCEL_AND_ACT_LATER"
    DEFER_TO_PROVIDER = "DEFER_TO_PROVIDER"
    SLOT_FOUND = "SLOT_FOUND"
    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    TRIAGE_ACCEPT = "TRIAGE_ACCEPT"
    TRIAGE_RETURN = "TRIAGE_RETURN"
    REDIRECT = "REDIRECT"
    REDIRECT_FOR_TRIAGE = "REDIRECT_FOR_TRIAGE"
    RECORD_ATTENDED = "RECORD_ATTENDED"
    RECORD_DID_NOT_ATTEND = "RECORD_DID_NOT_ATTEND"
    REBOOK_AFTER_NON_ATTENDANCE = "REBOOK_AFTER_NON_ATTENDANCE"
    ADVISE_REFERRER = "ADVISE_REFERRER"
    RECORD_ASSESSMENT_RESULT = "RECORD_ASSESSMENT_RESULT"
    TRANSFER_PRACTICE = "TRANSFER_PRACTICE"
    CLOSE = "CLOSE"
    CANCEL_REFERRAL = "CANCEL_REFERRAL"


S = ReferralState

CHOOSING = frozenset(
    {
        S.NOT_BOOKED, S.APPT_CANCELLED_BY_PATIENT, S.APPT_CANCELLED_BY_PROVIDER, S.DEFERRED_TO_PROVIDER,
        S.TRIAGED_PROVIDER_TO_ACTION,
    }
)  # fmt: skip
"""States in which an appointment may be chosen: the planner proposes to these, and only to these."""

TERMINAL = frozenset({S.CLOSED, S.CANCELLED_REFERRAL})
LIVE = frozenset(ReferralState) - TERMINAL
_RETURNED = frozenset({S.REJECTED, S.TRIAGE_RESPONSE, S.DID_NOT_ATTEND, S.ASSESSMENT_RESULT})
"""Back with the referrer, who refers on, closes or cancels."""


def _from(states: Iterable[ReferralState], action: Action, to: ReferralState) -> dict[tuple[S, Action], S]:
    return {(state, action): to for state in states}


def _stay(states: Iterable[ReferralState], action: Action) -> dict[tuple[S, Action], S]:
    return {(state, action): state for state in states}


A = Action

TRANSITIONS: dict[tuple[ReferralState, Action], ReferralState] = {
    (S.DRAFT, A.ISSUE): S.NOT_BOOKED,
    (S.DRAFT, A.CONVERT_FROM_ADVICE): S.TRIAGED_PROVIDER_TO_ACTION,
    **_from({S.DRAFT, S.NOT_BOOKED, S.APPT_CANCELLED_BY_PATIENT, *_RETURNED}, A.SEND_FOR_TRIAGE, S.AWAITING_TRIAGE),
    (S.DRAFT, A.CHANGE_SHORTLIST): S.DRAFT,
    **_from(
        {
            S.NOT_BOOKED,
            S.APPT_CANCELLED_BY_PATIENT,
            S.APPT_CANCELLED_BY_PROVIDER,
            S.DEFERRED_TO_PROVIDER,
            *_RETURNED,
        },
        A.CHANGE_SHORTLIST,
        S.NOT_BOOKED,
    ),
    **_stay({S.DRAFT, S.AWAITING_TRIAGE, *CHOOSING, *_RETURNED}, A.CHANGE_PRIORITY),
    **_from(CHOOSING, A.BOOK, S.BOOKED),
    (S.BOOKED, A.MOVE_APPOINTMENT): S.BOOKED,
    (S.BOOKED, A.CANCEL_APPOINTMENT_BY_PATIENT): S.APPT_CANCELLED_BY_PATIENT,
    (S.BOOKED, A.CANCEL_APPOINTMENT_BY_PROVIDER): S.APPT_CANCELLED_BY_PROVIDER,
    (S.BOOKED, A.CANCEL_AND_ACT_LATER): S.TRIAGED_PROVIDER_TO_ACTION,
    **_from(
        {S.NOT_BOOKED, S.APPT_CANCELLED_BY_PATIENT, S.APPT_CANCELLED_BY_PROVIDER},
        A.DEFER_TO_PROVIDER,
        S.DEFERRED_TO_PROVIDER,
    ),
    (S.DEFERRED_TO_PROVIDER, A.SLOT_FOUND): S.NOT_BOOKED,
    (S.BOOKED, A.ACCEPT): S.BOOKED,
    **_from({S.BOOKED, S.DEFERRED_TO_PROVIDER}, A.REJECT, S.REJECTED),
    **_from({S.AWAITING_TRIAGE, S.DEFERRED_TO_PROVIDER}, A.TRIAGE_ACCEPT, S.TRIAGED_PROVIDER_TO_ACTION),
    **_from({S.AWAITING_TRIAGE, S.DEFERRED_TO_PROVIDER}, A.TRIAGE_RETURN, S.TRIAGE_RESPONSE),
    **_from(
        {S.AWAITING_TRIAGE, S.TRIAGED_PROVIDER_TO_ACTION, S.DEFERRED_TO_PROVIDER, S.APPT_CANCELLED_BY_PROVIDER},
        A.REDIRECT,
        S.NOT_BOOKED,
    ),
    **_from(
        {S.AWAITING_TRIAGE, S.TRIAGED_PROVIDER_TO_ACTION, S.APPT_CANCELLED_BY_PROVIDER},
        A.REDIRECT_FOR_TRIAGE,
        S.AWAITING_TRIAGE,
    ),
    **_from({S.BOOKED, S.DID_NOT_ATTEND}, A.RECORD_ATTENDED, S.ATTENDED),
    **_from({S.BOOKED, S.ATTENDED}, A.RECORD_DID_NOT_ATTEND, S.DID_NOT_ATTEND),
    (S.DID_NOT_ATTEND, A.REBOOK_AFTER_NON_ATTENDANCE): S.NOT_BOOKED,
    (S.DID_NOT_ATTEND, A.ADVISE_REFERRER): S.DID_NOT_ATTEND,
    (S.ATTENDED, A.RECORD_ASSESSMENT_RESULT): S.ASSESSMENT_RESULT,
    **_stay(LIVE, A.TRANSFER_PRACTICE),
    **_from({S.ATTENDED, *_RETURNED}, A.CLOSE, S.CLOSED),
    **_from(LIVE, A.CANCEL_REFERRAL, S.CANCELLED_REFERRAL),
}


def next_state(state: ReferralState, action: Action) -> ReferralState:
    """The state ``action`` leads to; :class:`IllegalTransition` naming both where the table has no entry."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise IllegalTransition(state, action) from None


def recompute(actions: Iterable[Action]) -> ReferralState:
    """The state that a referral's history leads to, from its draft on."""
    state = ReferralState.DRAFT
    for action in actions:
        state = next_state(state, action)
    return state


def legal_actions(state: ReferralState) -> list[Action]:
    return [action for action in Action if (state, action) in TRANSITIONS]
