"""Where a patient's referral stands, in plain words: what was done, who acts next, and by when."""

from __future__ import annotations

from booking.domain.referral import ReferralState
from booking.languages import _
from booking.models import Referral
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
        "We have it that you did not come to your appointment. The clinic or {practice} will be in touch about what "
        "happens next. If you were there, please tell them."
    ),
    S.ASSESSMENT_RESULT: _("The clinic has seen you and has written to {practice} with the result."),
    S.ATTENDED: _("You have been seen. The clinic will tell you what happens next."),
    S.CLOSED: _("This referral is complete. There is nothing to book."),
    S.CANCELLED_REFERRAL: _("This referral was cancelled. There is nothing to book."),
}


def standing(referral: Referral) -> str | None:
    """A sentence or two for the patient; None where choosing or the appointment itself says all."""
    said = WORDS.get(referral.state)
    if said is None:
        return None
    due = whole_day(referral.worklist_due) if referral.worklist_due is not None else gettext("soon")
    return gettext(said).format(practice=referral.practice.name, due=due)
