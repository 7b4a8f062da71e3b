"""Your referral so far: what happened, where it stands, and what happens next and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import render_template
from flask.typing import ResponseReturnValue

from booking.domain.referral import CHOOSING, TERMINAL, Action, ReferralState
from booking.domain.words import ClockState
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Booking, Referral, ReferralEvent
from booking.services import history
from booking.services.history import History
from booking.services.work import HOME_ZONE, Work
from booking.web import said_by, say
from booking.web.base import blp, my_referral, patient_only
from booking.web.patient.common import my_appointment
from booking.web.spoken import gettext
from booking.web.standing import standing

A, S = Action, ReferralState

HAPPENED = {
    A.ISSUE: _("Your referral was sent. You could choose a time from then on."),
    A.SEND_FOR_TRIAGE: _("Your referral was sent to a clinician, who reads it first."),
    A.CONVERT_FROM_ADVICE: _("A specialist who was asked for advice accepted you as a patient."),
    A.CHANGE_SHORTLIST: _("The clinics you can choose from were changed."),
    A.CHANGE_PRIORITY: _("How urgent your referral is was changed."),
    A.BOOK: _("An appointment was booked: {appointment}."),
    A.MOVE_APPOINTMENT: _("The appointment was moved to another time: {appointment}."),
    A.CANCEL_APPOINTMENT_BY_PATIENT: _("You asked for this appointment to be cancelled: {appointment}."),
    A.CANCEL_APPOINTMENT_BY_PROVIDER: _("The clinic had to cancel the appointment: {appointment}."),
    A.CANCEL_AND_ACT_LATER: _("The clinic had to put off the appointment: {appointment}."),
    A.DEFER_TO_PROVIDER: _("No time was free. The clinic was asked to find you one."),
    A.SLOT_FOUND: _("A time was found for you."),
    A.ACCEPT: _("The clinic read your referral and accepted it."),
    A.REJECT: _("The clinic sent your referral back to your practice."),
    A.TRIAGE_ACCEPT: _("A clinician read your referral and accepted it."),
    A.TRIAGE_RETURN: _("A clinician read your referral and sent your practice advice."),
    A.REDIRECT: _("The clinic passed your referral to another of its clinics, which suits better."),
    A.REDIRECT_FOR_TRIAGE: _("The clinic passed your referral to a clinician, who reads it first."),
    A.RECORD_ATTENDED: _("You were seen: {appointment}."),
    A.RECORD_DID_NOT_ATTEND: _("It was recorded that you did not come: {appointment}."),
    A.REBOOK_AFTER_NON_ATTENDANCE: _("The clinic offers you another appointment."),
    A.ADVISE_REFERRER: _("The clinic told your practice that you had not come."),
    A.RECORD_ASSESSMENT_RESULT: _("The clinic wrote to your practice with the result."),
    A.TRANSFER_PRACTICE: _("Your referral moved with you to your new practice."),
    A.CLOSE: _("Your referral was completed."),
    A.CANCEL_REFERRAL: _("Your referral was cancelled."),
}
SELF_SAID = frozenset({A.BOOK, A.MOVE_APPOINTMENT, A.CANCEL_APPOINTMENT_BY_PATIENT, A.DEFER_TO_PROVIDER})
"""What the patient does, or somebody else for them: then it is said who did."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: the day in words, what, and who did it where that is worth saying."""

    day: str
    at: str
    what: str
    who: str | None


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next, who does it, and by when."""

    what: str
    by: str | None
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Story:
    steps: list[Step]
    next: list[Next]
    waited: str
    clock_runs: bool
    target: str | None


@blp.get("/referral")
@patient_only
def progress() -> ResponseReturnValue:
    """Everything that happened to the referral so far, and what happens next and by when."""
    referral = my_referral()
    return render_template(
        "patient/progress.html", referral=referral, story=so_far(work(), referral),
        standing=standing(work(), referral), choosing=referral.state in CHOOSING, booked=referral.state is S.BOOKED,
    )  # fmt: skip


def so_far(unit: Work, referral: Referral) -> Story:
    told = history.of(unit, referral)
    booked = history.appointments(unit, referral)
    runs = referral.rtt_clock_state is ClockState.RUNNING
    live = runs and referral.state not in TERMINAL
    return Story(
        [_step(event, told, booked) for event in told.events],
        _next(unit, referral, my_appointment(referral)),
        say.span(((referral.rtt_clock_stopped_on or unit.today) - referral.rtt_clock_start).days),
        runs,
        say.whole_day(referral.due_date) if live and referral.state is not S.BOOKED else None,
    )


def _step(event: ReferralEvent, told: History, booked: dict[str, Booking]) -> Step:
    local = event.at.astimezone(HOME_ZONE)
    one = booked.get(str(event.detail.get("booking", "")))
    what = gettext(HAPPENED[event.action])
    if "{appointment}" in what:
        what = what.format(appointment=_appointment(one)) if one is not None else what.replace(": {appointment}", "")
    return Step(say.whole_day(local), f"{local:%H:%M}", what, _who(event, told))


def _appointment(one: Booking) -> str:
    local: datetime = one.starts_at.astimezone(ZoneInfo(one.slot.time_zone))
    return gettext("{day} at {time}, {place}").format(
        day=say.whole_day(local), time=f"{local:%H:%M}", place=one.slot.site.name
    )


def _who(event: ReferralEvent, told: History) -> str | None:
    """Staff are told of by where they work, not by name."""
    return said_by.of_event(event, told.helpers) if event.action in SELF_SAID else None


def _by(unit: Work, due: date | None) -> str | None:
    if due is None:
        return None
    words = _("By {day}.") if due >= unit.today else _("This should have been done by {day}.")
    return gettext(words).format(day=say.whole_day(due))


def _next(unit: Work, referral: Referral, booked: Booking | None) -> list[Next]:
    """By the referral's state; the day is the one on the worklist of whoever must act."""
    due = _by(unit, referral.worklist_due)
    practice = referral.practice.name
    if booked is not None:
        seen = gettext("You are seen: {appointment}.").format(appointment=_appointment(booked))
        return [Next(seen, None), Next(gettext("The clinic tells you and your practice what it found."), None)]
    by_clinic = {
        S.AWAITING_TRIAGE: _("A clinician reads your referral and decides which clinic is right for you."),
        S.TRIAGED_PROVIDER_TO_ACTION: _("The clinic arranges an appointment with you."),
        S.DEFERRED_TO_PROVIDER: _("The clinic gets in touch with you about a time."),
        S.APPT_CANCELLED_BY_PROVIDER: _("The clinic gets in touch with you about a new time."),
        S.DID_NOT_ATTEND: _("The clinic decides what happens next, and tells you or your practice."),
    }
    if referral.state in by_clinic:
        first = [Next(gettext(by_clinic[referral.state]), due)]
        chooses = [Next(gettext("You can choose a time yourself as soon as one is free."), None)]
        return first + (chooses if referral.state in CHOOSING else [])
    if referral.state in CHOOSING:
        return [Next(gettext("You choose a time, or we propose one as soon as one is free that suits you."), None)]
    if referral.state in (S.REJECTED, S.TRIAGE_RESPONSE, S.ASSESSMENT_RESULT):
        words = gettext("{practice} talks with you about what happens next.").format(practice=practice)
        return [Next(words, due)]
    if referral.state is S.ATTENDED:
        return [Next(gettext("The clinic tells you and your practice what it found."), due)]
    return []
