"""What an office can decide about a referral, as one form: the decision, what goes with it, and why.

The services know which actions a state and a role allow; here stands how each is put to people and what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.actions import RULES
from booking.domain.errors import Invalid
from booking.domain.reasons import Reason, reasons_for
from booking.domain.referral import Action, ReferralState
from booking.domain.words import Priority
from booking.edge.flask_app import work
from booking.models import Booking, Referral, Service
from booking.services import life, referrals
from booking.services.desk import suggestions
from booking.services.life import Given
from booking.web.forms import Form, read_key

ASK = "ASK_FOR_MORE"
"""Not an action of its own: the referral goes back with a question instead of advice."""
ASKED = "More information needed: "
LONGEST_COMMENT = 2000


@dataclass(frozen=True, slots=True)
class Decision:
    """One way to decide. ``key`` is its shortcut on the triage page."""

    action: Action
    words: str
    hint: str
    key: str = ""
    value: str = ""
    done: str = ""
    """What is said afterwards, before the patient's name."""
    priority: bool = False
    service: bool = False

    @property
    def name(self) -> str:
        return self.value or self.action.value

    @property
    def comment_due(self) -> bool:
        return RULES[self.action].comment_due


A = Action
DECISIONS = (
    Decision(A.TRIAGE_ACCEPT, "Accept: we arrange the appointment",
             "It goes to the list “For booking”. You may change the priority.", "a", done="Accepted",
             priority=True),
    Decision(A.ACCEPT, "Accept the appointment", "It stays booked as it is.", "a", done="Accepted"),
    Decision(A.REDIRECT, "Send to another of our services",
             "The patient chooses a time there, or its clinician reads the referral.", "s", done="Sent on",
             service=True),
    Decision(A.TRIAGE_RETURN, "Return with advice", "The practice gets your advice and acts on it.", "r",
             done="Returned with advice"),
    Decision(A.TRIAGE_RETURN, "Ask for more information",
             "It goes back to the practice with your question; they send it again.", "m", ASK,
             done="Sent back with a question"),
    Decision(A.REJECT, "Reject", "The practice gets your reason. An appointment is cancelled.", "x", done="Rejected"),
    Decision(A.CANCEL_AND_ACT_LATER, "Cancel the appointment, keep the referral",
             "The patient is told; you find another time.", "c", done="Appointment cancelled, referral kept",
             priority=True),
    Decision(A.CHANGE_PRIORITY, "Change the priority", "The time to act by changes with it.", "p",
             done="Priority changed", priority=True),
    Decision(A.RECORD_ATTENDED, "The patient came", "", done="Recorded as attended"),
    Decision(A.RECORD_DID_NOT_ATTEND, "The patient did not come", "They are told that we have it so.",
             done="Recorded as not attended"),
    Decision(A.REBOOK_AFTER_NON_ATTENDANCE, "Offer another appointment", "", done="To be booked again"),
    Decision(A.ADVISE_REFERRER, "Leave it to the practice", "Say what you advise.", done="Left to the practice"),
    Decision(A.RECORD_ASSESSMENT_RESULT, "Send the result to the practice", "", done="Result sent"),
    Decision(A.CLOSE, "Close the referral", "Stops the waiting-time clock.", done="Closed"),
    Decision(A.CANCEL_REFERRAL, "Cancel the whole referral",
             "Everything booked or kept goes. This can’t be undone: the practice would have to refer again.",
             done="Referral cancelled"),
)  # fmt: skip
BY_NAME = {one.name: one for one in DECISIONS}
TRIAGE = (A.TRIAGE_ACCEPT, A.ACCEPT, A.REDIRECT, A.TRIAGE_RETURN, A.REJECT, A.CANCEL_AND_ACT_LATER, A.CHANGE_PRIORITY)
_BEFORE, _AFTER = {A.ACCEPT, A.REJECT, A.CANCEL_AND_ACT_LATER}, {A.RECORD_ATTENDED, A.RECORD_DID_NOT_ATTEND}


@dataclass(frozen=True, slots=True)
class Options:
    """The form of one referral: its decisions, with the services, reasons and priorities they may be given."""

    decisions: list[Decision]
    services: Sequence[Service]
    reasons: dict[str, list[Reason]]

    @property
    def with_priority(self) -> list[str]:
        return [one.name for one in self.decisions if one.priority]


def options(referral: Referral, booked: Booking | None, *, only: Sequence[Action] | None = None) -> Options:
    """What the visitor may decide now."""
    legal = [action for action in life.available(work(), referral) if only is None or action in only]
    if booked is not None and referral.state is ReferralState.BOOKED:
        over = booked.starts_at <= work().now
        legal = [action for action in legal if action not in (_BEFORE if over else _AFTER)]
    found = [one for one in DECISIONS if one.action in legal]
    services = suggestions.taking(work(), referral) if any(one.service for one in found) else []
    if not services:
        found = [one for one in found if not one.service]
    reasons = {
        one.name: reasons_for(listed, work().actor.role, work().today)
        for one in found
        if (listed := RULES[one.action].reasons) is not None
    }
    return Options(found, services, reasons)


def decide(ubrn: str, form: Form, *, only: Sequence[Action] | None = None) -> Decision | None:
    """Do what the form says; None where it is refused, with the faults in the form.

    What has nothing to do with the form is raised: somebody else was quicker, or it is not the visitor's.
    """
    chosen = BY_NAME.get(form.get("decision"))
    if chosen is None or (only is not None and chosen.action not in only):
        form.fail("decision", "Select what you decide")
        return None
    given = _given(form, chosen)
    if form.errors:
        return None
    try:
        with work().session.begin_nested():
            _perform(ubrn, chosen, given, read_key(form.get("version")))
    except Invalid as refused:
        reason = f"reason-{chosen.name}"
        for fault in refused.errors:
            known = {"reason": reason, "service_id": "service_id", "priority": "priority", "comment": "comment"}
            form.fail(known.get(fault.field, "decision"), fault.message)
        return None
    return chosen


def _perform(ubrn: str, chosen: Decision, given: Given, version: int | None) -> None:
    if chosen.action is Action.CANCEL_REFERRAL:
        referrals.cancel_referral(work(), ubrn, reason=given.reason or "", comment=given.comment, version=version)
    else:
        life.perform(work(), ubrn, chosen.action, given, version=version)


def _given(form: Form, chosen: Decision) -> Given:
    needed = "Say why, in a few words: the practice reads it" if chosen.comment_due else None
    comment = form.text("comment", needed, most=LONGEST_COMMENT - len(ASKED))
    if chosen.name == ASK and comment:
        comment = ASKED + comment
    reason = None
    if RULES[chosen.action].reasons is not None:
        reason = form.text(f"reason-{chosen.name}", "Select the reason")
    service_id = read_key(form.get("service_id")) if chosen.service else None
    if chosen.service and service_id is None:
        form.fail("service_id", "Select the service to send it to")
    priority = None
    if chosen.priority and form.get("priority"):
        priority = form.one_of("priority", Priority, "Select the priority")
    return Given(reason or None, comment or None, service_id, priority)
