"""What is done to a referral beside booking: triage, deferral, review, attendance, return, closing.

:func:`perform` is the one way in: it locks, asks the table of transitions, the action's own rule and whose turn it
is, then lets the action's handler do what goes with it. Booking, moving and cancelling have services of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from booking.domain.actions import RULES
from booking.domain.errors import Conflict
from booking.domain.referral import Action, legal_actions
from booking.domain.words import PROVIDERS, BookingMode
from booking.models import Referral, Service
from booking.services import audit, referrals
from booking.services.life.attendance import attended, did_not_attend, rebook
from booking.services.life.pieces import Given, Handler, see_to_letter, shortlisted, tell
from booking.services.life.provider import accept, cancel_and_act_later, redirect, reject, triage_accept, triage_return
from booking.services.life.referrer import change_priority, change_shortlist, defer, issue, send_for_triage
from booking.services.transitions import permit, relist, transition
from booking.services.work import Work

__all__ = ["HANDLERS", "Done", "Given", "acknowledge", "amend", "available", "perform"]


@dataclass(frozen=True, slots=True)
class Done:
    """The referral after the action, and a fresh access code where the action made one."""

    referral: Referral
    access_code: str | None = None


def perform(work: Work, ubrn: str, action: Action, given: Given, *, version: int | None = None) -> Done:
    """Do ``action``. Refusals are typed: 404 not yours, 409 state and action, 403 role or not the one whose turn it is,
    422 a field; then nothing is written."""
    referral = referrals.lock_referral(work, ubrn, version=version)
    if action is Action.REDIRECT and _mode(work, given.service_id) is BookingMode.TRIAGE:
        action = Action.REDIRECT_FOR_TRIAGE
    permit(work, referral, action, given.why)
    if work.actor.role in PROVIDERS:
        referrals.must_be_responsible(work, referral)
    code = HANDLERS[action](work, referral, given)
    work.session.flush()
    return Done(referrals.own_referral(work, referral.ubrn), code or None)


def available(work: Work, referral: Referral) -> list[Action]:
    """What the actor could do to the referral now, as far as state and role decide (e-RS A029)."""
    if work.actor.role in PROVIDERS and not referrals.responsible(work, referral):
        return []
    return [action for action in legal_actions(referral.state) if work.actor.role in RULES[action].roles]


def _mode(work: Work, service_id: int | None) -> BookingMode | None:
    service = work.session.get(Service, service_id) if service_id is not None else None
    return service.booking_mode if service is not None else None


def amend(
    work: Work, ubrn: str, *, reason: str | None, clinical_information: str | None, version: int | None
) -> Referral:
    """Change what the referrer wrote, while the referral lives."""
    referral = referrals.lock_referral(work, ubrn, version=version)
    if not legal_actions(referral.state):
        raise Conflict(f"A referral that is {referral.state} can't be changed.", code="ILLEGAL_TRANSITION")
    if reason is not None:
        referral.reason = reason.strip()
    if clinical_information is not None:
        referral.clinical_information = clinical_information
    referral.version += 1
    see_to_letter(work, referral, shortlisted(work, referral))
    relist(work, referral)
    changed = [name for name, value in (("reason", reason), ("clinical_information", clinical_information)) if value]
    audit.record(work, f"referral:{referral.id}", "referral.amend", after={"changed": changed})
    work.session.flush()
    return referrals.own_referral(work, referral.ubrn)


def acknowledge(work: Work, ubrn: str) -> Referral:
    """The practice has seen that its referral was cancelled by somebody else: off the list."""
    referral = referrals.lock_referral(work, ubrn)
    if legal_actions(referral.state):
        raise Conflict(f"A referral that is {referral.state} needs more than to be seen.", code="ILLEGAL_TRANSITION")
    referral.worklist = referral.worklist_organisation_id = referral.worklist_since = None
    referral.worklist_due = referral.escalated_at = None
    referral.version += 1
    audit.record(work, f"referral:{referral.id}", "referral.acknowledge")
    work.session.flush()
    return referrals.own_referral(work, referral.ubrn)


def _only(action: Action, news: str) -> Handler:
    """An action that moves the referral, of which the patient hears, and nothing else."""

    def handler(work: Work, referral: Referral, given: Given) -> None:
        transition(work, referral, action, given.why)
        tell(work, referral, news)

    return handler


HANDLERS: Mapping[Action, Handler] = {
    Action.ISSUE: issue,
    Action.SEND_FOR_TRIAGE: send_for_triage,
    Action.CHANGE_SHORTLIST: change_shortlist,
    Action.CHANGE_PRIORITY: change_priority,
    Action.DEFER_TO_PROVIDER: defer,
    Action.ACCEPT: accept,
    Action.REJECT: reject,
    Action.TRIAGE_ACCEPT: triage_accept,
    Action.TRIAGE_RETURN: triage_return,
    Action.REDIRECT: redirect,
    Action.REDIRECT_FOR_TRIAGE: redirect,
    Action.CANCEL_AND_ACT_LATER: cancel_and_act_later,
    Action.RECORD_ATTENDED: attended,
    Action.RECORD_DID_NOT_ATTEND: did_not_attend,
    Action.REBOOK_AFTER_NON_ATTENDANCE: rebook,
    Action.ADVISE_REFERRER: _only(Action.ADVISE_REFERRER, "referral-returned"),
    Action.RECORD_ASSESSMENT_RESULT: _only(Action.RECORD_ASSESSMENT_RESULT, "referral-returned"),
    Action.CLOSE: _only(Action.CLOSE, "referral-closed"),
}
