"""The RTT clock (national rules for consultant-led waiting times): what starts, nullifies and stops it.

It starts with the referral and runs on through ordinary choice and through any cancellation, the provider's
above all. Not attending the first appointment nullifies it; a new one starts when that patient is booked again.
It stops with treatment or discharge to the GP. A rejection or advice returned while the referrer decides
does not stop it: a wait is never hidden by sending the letter back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from booking.domain.referral import TERMINAL, Action, ReferralState
from booking.domain.words import ClockChange, ClockState

_STOPS = {
    Action.CLOSE: "The pathway ended",
    Action.CANCEL_REFERRAL: "The referral was cancelled",
    Action.RECORD_ASSESSMENT_RESULT: "Discharged to the referrer with the result of the assessment",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """One change of the clock and why."""

    change: ClockChange
    reason: str


def clock_change(action: Action, to: ReferralState, clock: ClockState, *, first_appointment: bool) -> Tick | None:
    """What ``action``, which led to ``to``, does to a clock in that state; None where it runs, or stands, on."""
    if action in _STOPS:
        return Tick(ClockChange.STOP, _STOPS[action]) if clock is not ClockState.STOPPED else None
    if action is Action.RECORD_DID_NOT_ATTEND:
        if first_appointment and clock is ClockState.RUNNING:
            return Tick(ClockChange.NULLIFY, "The first appointment was not attended")
        return None
    if action is Action.RECORD_ATTENDED and clock is ClockState.NULLIFIED:
        return Tick(ClockChange.START, "The appointment was attended after all: the first clock counts")
    if clock is ClockState.NULLIFIED and action is Action.BOOK:
        return Tick(ClockChange.START, "Booked again after not attending")
    if (
        clock is ClockState.STOPPED
        and to not in TERMINAL
        and action in (Action.CHANGE_SHORTLIST, Action.SEND_FOR_TRIAGE)
    ):
        return Tick(ClockChange.START, "Referred on after the result of the assessment")
    return None


def weeks_waited(start: date, state: ClockState, stopped_on: date | None, today: date) -> int:
    """Whole weeks on the clock: to today while it runs, to the day it stopped; none where it was nullified."""
    if state is ClockState.NULLIFIED:
        return 0
    return max(0, ((stopped_on or today) - start).days // 7)


def breach_date(due: date) -> date:
    """The first day on which the target is missed."""
    return due + timedelta(days=1)
