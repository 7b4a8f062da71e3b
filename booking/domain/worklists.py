"""Which worklist a referral is on, whose it is, and by when (domain rules 4, 11 and 13).

The list follows from the state and what is known beside it; each state has exactly one. Contact-by times are
working days, as e-RS publishes them where it does (deferred 40/10/5, triage 40/5/2); the others are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from booking.domain.errors import FieldError, Invalid
from booking.domain.referral import TERMINAL, Action, ReferralState
from booking.domain.words import Priority, Worklist
from booking.domain.working_days import add_working_days


class Owner(StrEnum):
    PRACTICE = "PRACTICE"
    PROVIDER = "PROVIDER"


REFERRER_LISTS = (
    Worklist.LETTERS_OUTSTANDING, Worklist.AWAITING_BOOKING, Worklist.REJECTED_OR_TRIAGE_RESPONSE,
    Worklist.CANCELLED_OR_DID_NOT_ATTEND, Worklist.ADVICE,
)  # fmt: skip
PROVIDER_LISTS = (
    Worklist.REFERRALS_FOR_REVIEW, Worklist.APPOINTMENT_SLOT_ISSUES, Worklist.APPOINTMENTS_FOR_BOOKING,
    Worklist.CANCELLED_BY_PATIENT, Worklist.ADVICE_REQUESTS, Worklist.APPOINTMENTS_BOOKED,
)  # fmt: skip
OWNER: Mapping[Worklist, Owner] = {
    **dict.fromkeys(REFERRER_LISTS, Owner.PRACTICE),
    **dict.fromkeys(PROVIDER_LISTS, Owner.PROVIDER),
}

_R, _U, _T = Priority.ROUTINE, Priority.URGENT, Priority.TWO_WEEK_WAIT
CONTACT_BY: Mapping[Worklist, Mapping[Priority, int]] = {
    Worklist.APPOINTMENT_SLOT_ISSUES: {_R: 40, _U: 10, _T: 5},
    Worklist.REFERRALS_FOR_REVIEW: {_R: 40, _U: 5, _T: 2},
    Worklist.APPOINTMENTS_FOR_BOOKING: {_R: 40, _U: 5, _T: 2},
    Worklist.CANCELLED_BY_PATIENT: {_R: 10, _U: 5, _T: 2},
    Worklist.APPOINTMENTS_BOOKED: {_R: 2, _U: 2, _T: 2},
    Worklist.LETTERS_OUTSTANDING: {_R: 5, _U: 3, _T: 1},
    Worklist.AWAITING_BOOKING: {_R: 10, _U: 3, _T: 1},
    Worklist.REJECTED_OR_TRIAGE_RESPONSE: {_R: 5, _U: 2, _T: 1},
    Worklist.CANCELLED_OR_DID_NOT_ATTEND: {_R: 5, _U: 2, _T: 1},
    Worklist.ADVICE: {_R: 5, _U: 2, _T: 1},
    Worklist.ADVICE_REQUESTS: {_R: 10, _U: 5, _T: 2},
}
"""Working days until somebody must have acted. A provider may shorten those of its own lists, never lengthen them."""

_PROVIDERS_DUTY = frozenset({Action.REDIRECT, Action.REBOOK_AFTER_NON_ATTENDANCE})
"""What leaves a referral unbooked with the provider as the one who must see to its booking."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides on the list beside the state."""

    letter_outstanding: bool = False
    accepted: bool = False
    """The present appointment was reviewed and accepted by the provider."""
    sent_to_provider: bool = True
    """A provider is known that the referral was sent to."""


_S = ReferralState
_BY_STATE: Mapping[ReferralState, Worklist] = {
    _S.DRAFT: Worklist.AWAITING_BOOKING,
    _S.BOOKED: Worklist.REFERRALS_FOR_REVIEW,
    _S.AWAITING_TRIAGE: Worklist.REFERRALS_FOR_REVIEW,
    _S.ATTENDED: Worklist.APPOINTMENTS_BOOKED,
    _S.DEFERRED_TO_PROVIDER: Worklist.APPOINTMENT_SLOT_ISSUES,
    _S.TRIAGED_PROVIDER_TO_ACTION: Worklist.APPOINTMENTS_FOR_BOOKING,
    _S.APPT_CANCELLED_BY_PROVIDER: Worklist.APPOINTMENTS_FOR_BOOKING,
    _S.APPT_CANCELLED_BY_PATIENT: Worklist.CANCELLED_BY_PATIENT,
    _S.REJECTED: Worklist.REJECTED_OR_TRIAGE_RESPONSE,
    _S.TRIAGE_RESPONSE: Worklist.REJECTED_OR_TRIAGE_RESPONSE,
    _S.ASSESSMENT_RESULT: Worklist.CANCELLED_OR_DID_NOT_ATTEND,
}
"""The list of each state where nothing else decides."""


def worklist_of(state: ReferralState, action: Action | None, now_on: Worklist | None, facts: Facts) -> Worklist | None:
    """The list a referral is on after ``action`` (None where only facts changed) has led to ``state``."""
    if state in TERMINAL:
        return None
    match state:
        case ReferralState.NOT_BOOKED:
            return _not_booked(action, now_on, facts)
        case ReferralState.DID_NOT_ATTEND:
            return _did_not_attend(action, now_on)
        case ReferralState.BOOKED | ReferralState.AWAITING_TRIAGE if facts.letter_outstanding:
            return Worklist.LETTERS_OUTSTANDING
        case ReferralState.BOOKED if facts.accepted:
            return Worklist.APPOINTMENTS_BOOKED
    return _BY_STATE[state]


def _not_booked(action: Action | None, now_on: Worklist | None, facts: Facts) -> Worklist:
    keeps = action in (None, Action.CHANGE_PRIORITY, Action.TRANSFER_PRACTICE)
    if action in _PROVIDERS_DUTY or (keeps and now_on is Worklist.APPOINTMENTS_FOR_BOOKING):
        return Worklist.APPOINTMENTS_FOR_BOOKING
    return Worklist.LETTERS_OUTSTANDING if facts.letter_outstanding else Worklist.AWAITING_BOOKING


def _did_not_attend(action: Action | None, now_on: Worklist | None) -> Worklist:
    """First with the provider, who decides; with the referrer once advised (domain rule 9)."""
    if action is Action.ADVISE_REFERRER:
        return Worklist.CANCELLED_OR_DID_NOT_ATTEND
    if action is Action.RECORD_DID_NOT_ATTEND or now_on is None:
        return Worklist.APPOINTMENTS_BOOKED
    return now_on


def contact_by(
    worklist: Worklist, priority: Priority, since: date, holidays: Set[date], shortened: Mapping[str, Any] | None = None
) -> date:
    """The day by which somebody must have acted, from the published times or a service's shorter ones."""
    days = CONTACT_BY[worklist][priority]
    own = (shortened or {}).get(worklist, {}).get(priority)
    return add_working_days(since, min(days, own) if isinstance(own, int) else days, holidays)


def check_shortened(given: Mapping[str, Any], *, field: str = "contact_by") -> dict[str, dict[str, int]]:
    """A service's own contact-by times, if each is of a provider's list and no longer than the published one."""
    faults: list[FieldError] = []
    for name, by_priority in given.items():
        if name not in PROVIDER_LISTS:
            faults.append(FieldError(f"{field}.{name}", "WORKLIST", f"{name!r} is not a provider's worklist."))
            continue
        for priority, days in by_priority.items():
            where = f"{field}.{name}.{priority}"
            if priority not in Priority.__members__:
                faults.append(FieldError(where, "PRIORITY", f"{priority!r} is not a priority."))
            elif (
                isinstance(days, bool)
                or not isinstance(days, int)
                or not 0 <= days <= (most := CONTACT_BY[Worklist(name)][Priority(priority)])
            ):
                most = CONTACT_BY[Worklist(name)][Priority(priority)]
                faults.append(FieldError(where, "RANGE", f"At most {most} working days, the published time."))
    if faults:
        raise Invalid(*faults)
    return {name: dict(by_priority) for name, by_priority in given.items()}
