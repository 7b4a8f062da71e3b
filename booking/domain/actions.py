"""Who may do what to a referral: for each action its roles, its reason list and whether a comment is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from booking.domain.errors import Forbidden, Invalid
from booking.domain.reasons import ReasonList, check_reason
from booking.domain.referral import Action
from booking.domain.words import PROVIDERS, REFERRERS, Role

_PATIENT = frozenset({Role.PATIENT})
_SYSTEM = frozenset({Role.SYSTEM})
_TRIAGERS = frozenset({Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN})


@dataclass(frozen=True, slots=True)
class ActionRule:
    """One action: ``reasons`` None takes no reason code; ``comment_due`` is beside what a reason itself asks for."""

    roles: frozenset[Role]
    reasons: ReasonList | None = None
    comment_due: bool = False


A = Action
RULES: Mapping[Action, ActionRule] = {
    A.ISSUE: ActionRule(REFERRERS),
    A.SEND_FOR_TRIAGE: ActionRule(REFERRERS),
    A.CONVERT_FROM_ADVICE: ActionRule(frozenset({Role.PROVIDER_CLINICIAN})),
    A.CHANGE_SHORTLIST: ActionRule(REFERRERS),
    A.CHANGE_PRIORITY: ActionRule(frozenset({Role.REFERRING_CLINICIAN, Role.PROVIDER_CLINICIAN}), comment_due=True),
    A.BOOK: ActionRule(_PATIENT | REFERRERS | _TRIAGERS),
    A.MOVE_APPOINTMENT: ActionRule(_PATIENT | REFERRERS),
    A.CANCEL_APPOINTMENT_BY_PATIENT: ActionRule(_PATIENT | REFERRERS, ReasonList.APPOINTMENT_BY_PATIENT),
    A.CANCEL_APPOINTMENT_BY_PROVIDER: ActionRule(PROVIDERS, ReasonList.APPOINTMENT_BY_PROVIDER),
    A.CANCEL_AND_ACT_LATER: ActionRule(_TRIAGERS, ReasonList.APPOINTMENT_BY_PROVIDER, comment_due=True),
    A.DEFER_TO_PROVIDER: ActionRule(_PATIENT | REFERRERS, ReasonList.DEFERRAL),
    A.SLOT_FOUND: ActionRule(_SYSTEM),
    A.ACCEPT: ActionRule(_TRIAGERS),
    A.REJECT: ActionRule(frozenset({Role.PROVIDER_CLINICIAN}), ReasonList.REJECTION, comment_due=True),
    A.TRIAGE_ACCEPT: ActionRule(frozenset({Role.PROVIDER_CLINICIAN}), comment_due=True),
    A.TRIAGE_RETURN: ActionRule(frozenset({Role.PROVIDER_CLINICIAN}), comment_due=True),
    A.REDIRECT: ActionRule(_TRIAGERS, comment_due=True),
    A.REDIRECT_FOR_TRIAGE: ActionRule(_TRIAGERS, comment_due=True),
    A.RECORD_ATTENDED: ActionRule(_TRIAGERS),
    A.RECORD_DID_NOT_ATTEND: ActionRule(_TRIAGERS),
    A.REBOOK_AFTER_NON_ATTENDANCE: ActionRule(_TRIAGERS),
    A.ADVISE_REFERRER: ActionRule(_TRIAGERS, comment_due=True),
    A.RECORD_ASSESSMENT_RESULT: ActionRule(frozenset({Role.PROVIDER_CLINICIAN}), comment_due=True),
    A.TRANSFER_PRACTICE: ActionRule(REFERRERS | _SYSTEM),
    A.CLOSE: ActionRule(REFERRERS | _TRIAGERS, ReasonList.CLOSURE),
    A.CANCEL_REFERRAL: ActionRule(REFERRERS | _TRIAGERS, ReasonList.REFERRAL),
}


def check_action(action: Action, *, role: Role, reason: str | None, comment: str | None, on: date) -> None:
    """The role may do this with that reason and comment; else :class:`Forbidden`, or :class:`Invalid` by field."""
    rule = RULES[action]
    if role not in rule.roles:
        raise Forbidden("Your role does not allow this.")
    if rule.reasons is not None:
        check_reason(rule.reasons, reason or "", role=role, comment=comment, on=on)
    if rule.comment_due and not (comment or "").strip():
        raise Invalid.field("comment", "COMMENT_DUE", "Say why: a comment is due.")
