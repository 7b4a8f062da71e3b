"""What messages say. Nothing clinical, ever; and to staff nothing that identifies a patient.

A message tells that there is something to read and where, not what it is: e-mail and texts are read over shoulders.
Patients' texts are in the catalogues of :mod:`booking.languages`; staff are written to in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from booking.languages import _


@dataclass(frozen=True, slots=True)
class Words:
    """``{when}`` is the appointment's time, `` for …`` or nothing; ``{reason}`` a sentence or nothing."""

    subject: str
    text: str


PATIENT: Mapping[str, Words] = {
    "referral-ready": Words(
        _("Choose your hospital appointment"),
        _("You have been referred to a hospital or clinic and can choose where and when you are seen."),
    ),
    "referral-ready:triage": Words(
        _("You have been referred"),
        _("You have been referred to a hospital or clinic. A specialist will read your referral first and then tell "
          "you, or your practice, what is best for you."),
    ),
    "offers-ready": Words(
        _("Appointment times for you to choose from"),
        _("There are appointment times for you to choose from. One of them is being kept for you for a few days."),
    ),
    "offers-changed": Words(
        _("Your appointment times have changed"),
        _("The appointment times you can choose from have changed. Please look at them again."),
    ),
    "offer-expiring": Words(
        _("A time is kept for you until tomorrow"),
        _("The appointment time that is being kept for you is kept until {until}. If it suits you, please book it. "
          "If it doesn't, you can choose another."),
    ),
    "slot-found": Words(
        _("An appointment has become free for you"),
        _("An appointment has become free and is being kept for you for a short time."),
    ),
    "move-proposed": Words(
        _("Another time for your appointment"),
        _("The hospital or clinic proposes another time for your appointment{when}. Nothing changes unless you agree."),
    ),
    "appointment-booked": Words(_("Your appointment is booked"), _("Your appointment is booked{when}.")),
    "appointment-changed": Words(
        _("Your appointment has changed"), _("Your appointment has changed{when}.")
    ),
    "appointment-cancelled": Words(_("Your appointment is cancelled"), _("Your appointment{when} is cancelled.")),
    "appointment-cancelled-by-provider": Words(
        _("The hospital has cancelled your appointment"),
        _("We are sorry: the hospital or clinic has cancelled your appointment{when}.{reason} You will be offered "
          "other times before others are. Your waiting time goes on counting from your referral."),
    ),
    "reminder": Words(
        _("Your appointment is soon"),
        _("This is to remind you of your appointment{when}. If you can't come, please cancel it or choose another "
          "time, so that somebody else can have it."),
    ),
    "did-not-attend": Words(
        _("You missed your appointment"),
        _("We understand that you did not come to your appointment{when}. The hospital or clinic, or your practice, "
          "will tell you what happens next."),
    ),
    "deferred": Words(
        _("We are looking for an appointment for you"),
        _("There was no appointment for you to book. The hospital or clinic has been told and must find one for you. "
          "As soon as a time is free, you are offered it."),
    ),
    "triage-accepted": Words(
        _("Your referral has been accepted"),
        _("A specialist has read your referral and accepted it. The hospital or clinic will arrange an appointment "
          "with you."),
    ),
    "referral-returned": Words(
        _("News about your referral"),
        _("The hospital or clinic has written to your practice about your referral. Your practice will tell you what "
          "happens next."),
    ),
    "referral-returned:booked": Words(
        _("Your appointment is cancelled"),
        _("Your appointment{when} is cancelled. The hospital or clinic has written to your practice about your "
          "referral. Your practice will tell you what happens next."),
    ),
    "referral-cancelled": Words(_("Your referral is cancelled"), _("Your referral has been cancelled.")),
    "referral-cancelled:booked": Words(
        _("Your referral is cancelled"),
        _("Your referral has been cancelled. Your appointment{when} is cancelled with it."),
    ),
    "referral-closed": Words(
        _("Your referral is closed"),
        _("Your referral is closed. If you think that you still need to be seen, please ask your practice."),
    ),
    "transferred": Words(
        _("Your referral has moved"),
        _("Your referral has moved to another hospital or clinic. You need do nothing now."),
    ),
    "practice-changed": Words(
        _("Your practice has changed"),
        _("Your referral has moved with you to your new practice. It stays as it is: you need do nothing."),
    ),
    "practice-closed": Words(
        _("Your practice has closed"),
        _("Your practice has closed. Your referral stays as it is, and so does your place in the queue. Please "
          "register with another practice, which will then look after it."),
    ),
}  # fmt: skip
NEWS = Words(_("News about your referral"), _("There is news about your referral."))
"""For kinds that have no words of their own."""
FOR_TIME = _(" for {moment}")
IS_TIME = _(": {moment}")
BECAUSE = _(" The reason: {reason}.")
REASONS: Mapping[str, str] = {
    "CLINICIAN_UNAVAILABLE": _("the clinician can't be there"),
    "CLINIC_CANCELLED": _("the clinic can't take place"),
    "ROOM_OR_EQUIPMENT": _("the room or the equipment can't be used"),
    "WRONG_CLINIC": _("you need to be seen in another clinic"),
    "BOOKED_IN_ERROR": _("it was booked by mistake"),
    "OTHER": _("another one, which the hospital or clinic can tell you"),
}
"""In the patient's words; the codes are those of a provider's cancellation in :mod:`booking.domain.reasons`."""
SIGN_IN = _("Sign in at {url} with your booking reference {reference}, your access code and your date of birth.")
NO_ANSWERS = _("Please don't answer this message: nobody reads the answers.")
SMS_SIGN_IN = _("Sign in at {url} with reference {reference}.")
SIGN_IN_NO_CODE = _(
    "To sign in at {url} you need your booking reference {reference}, your date of birth and an access code. If you "
    "have no code, or it no longer works, please ask your practice for a letter with a new one."
)
SMS_NO_CODE = _("Ask your practice for a new access code, then sign in at {url} with reference {reference}.")
"""Where no code was made yet, or the last one has expired."""
CONCERNS_TIME = frozenset({"reminder", "offer-expiring", "appointment-booked", "appointment-changed", "move-proposed"})
"""Kinds that are about something to come: once it is gone, over or another, they no longer leave."""
CONCERNS_CHOICE = frozenset({"offers-ready", "slot-found", "deferred"})
"""Kinds for those who are choosing: once they are booked, or the referral has ended, they no longer leave."""

STAFF: Mapping[str, Words] = {
    "overdue": Words("Overdue work", "On your worklist “{worklist}”, {entries} more is or are overdue."),
    "advice": Words("A request for advice", "A request for advice waits for you on your worklist “{worklist}”."),
    "shortlist-unusable": Words(
        "Referrals that can no longer be booked",
        "{entries} on your worklist “{worklist}” can no longer be booked anywhere on the shortlist.",
    ),
    "attachment-refused": Words(
        "A file was refused", "A file that your organisation attached was refused and can't be read. Attach it anew."
    ),
    "messages-failed": Words(
        "Messages that did not arrive",
        "{entries} to your patients could not be sent, or must be posted. They are on the list of failed messages.",
    ),
}
WORK = Words("Work for you", "There is work for you on your worklist.")
