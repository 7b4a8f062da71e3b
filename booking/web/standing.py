"""Where a patient's referral stands, in plain words: what was done, who acts next, and by when."""

from __future__ import annotations

from booking.domain.referral import ReferralState
from booking.languages import _
from booking.models import Referral
from booking.services import escalation
from booking.services.work import Work
from booking.web.say import whole_day
from booking.web.spoken import gettext

S = ReferralState

WORDS = {
    S.DRAFT: _("{practice} is still writing this referral."),
    S.AWAITING_TRIAGE: _(
        "A clinician is reading your referral first, to find the right clinic for you. You will hear by {due}. "
        "There is nothing you need to do."
    ),
    S.TRIAGED_PROVIDER_TO_ACTION: _(
        "A clinician has read your referral and accepted it. The clinic will arrange an appointment with you by {due}."
    ),
    S.DEFERRED_TO_PROVIDER: _(
        "The clinic had no free times, and has been asked to find you one. It will contact you by {due}. As soon as a "
        "time that suits you is free it is kept for you, and you see it here."
    ),
    S.APPT_CANCELLED_BY_PROVIDER: _(
        "The clinic had to cancel your appointment. We are sorry. You are first in line for a new one, and your wait "
        "still counts from when you were referred."
    ),
    S.TRIAGE_RESPONSE: _(
        "The clinic has sent {practice} its advice. {practice} will talk with you about what happens next."
    ),
    S.REJECTED: _(
        "The clinic has sent your referral back to {practice}, who will talk with you about what happens next."
    ),
    S.DID_NOT_ATTEND: _(
        "The clinic recorded that you did not come to your appointment. The clinic or {practice} will be in touch "
        "about what happens next. If you were there, please tell them."
    ),
    S.ASSESSMENT_RESULT: _("The clinic has seen you and has written to {practice} with the result."),
    S.ATTENDED: _("You have been seen. The clinic will tell you what happens next."),
    S.CLOSED: _("This referral is complete. There is nothing to book."),
    S.CANCELLED_REFERRAL: _("This referral was cancelled. There is nothing to book."),
}


LATE = {
    S.AWAITING_TRIAGE: _("A clinician should have read your referral, and you should have heard, by {due}."),
    S.TRIAGED_PROVIDER_TO_ACTION: _(
        "A clinician has read your referral and accepted it. The clinic should have been in touch with you by {due}."
    ),
    S.DEFERRED_TO_PROVIDER: _(
        "The clinic had no free times, and has been asked to find you one. It should have been in touch with you by "
        "{due}. As soon as a time that suits you is free it is kept for you, and you see it here."
    ),
}
"""The same where the day has passed and nothing was done."""
REMINDED = _("The clinic has been reminded.")
RING = _("If you have heard nothing, ring {practice}.")


def standing(work: Work, referral: Referral) -> str | None:
    """Some sentences for the patient; None where choosing or the appointment itself says all."""
    said = WORDS.get(referral.state)
    if said is None:
        return None
    practice, late = referral.practice.name, LATE.get(referral.state)
    if referral.worklist_due is None:
        return gettext(said).format(practice=practice, due=gettext("soon"))
    due = whole_day(referral.worklist_due)
    if late is None or referral.worklist_due >= work.today:
        return gettext(said).format(practice=practice, due=due)
    sentences = [gettext(late).format(due=due)]
    if escalation.was_reminded(work, referral):
        sentences.append(gettext(REMINDED))
    return " ".join([*sentences, gettext(RING).format(practice=practice)])
