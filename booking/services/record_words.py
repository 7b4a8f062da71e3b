"""The field's codes as a patient reads them in their own record; marked for the catalogue of letters and messages."""

from __future__ import annotations

from booking.domain.reasons import REASONS
from booking.domain.words import Language
from booking.languages import _, say
from booking.services.message_words import PATIENT

WORDS = {
    "ROUTINE": _("Routine"), "URGENT": _("Urgent"), "TWO_WEEK_WAIT": _("Urgent: to be seen within two weeks"),
    # States of a referral
    "DRAFT": _("Being written"), "NOT_BOOKED": _("Waiting for you to choose a time"), "BOOKED": _("Booked"),
    "ATTENDED": _("You came"), "CLOSED": _("Complete"), "AWAITING_TRIAGE": _("Being read by a clinician"),
    "TRIAGED_PROVIDER_TO_ACTION": _("Accepted: the clinic is to book"), "TRIAGE_RESPONSE": _("Returned with advice"),
    "DEFERRED_TO_PROVIDER": _("No times free: the clinic is to find one"), "REJECTED": _("Returned by the clinic"),
    "APPT_CANCELLED_BY_PATIENT": _("Cancelled by you: you may choose again"),
    "APPT_CANCELLED_BY_PROVIDER": _("Cancelled by the clinic: new times are due"),
    "DID_NOT_ATTEND": _("You did not come"), "ASSESSMENT_RESULT": _("You were seen: the result is with your practice"),
    "CANCELLED_REFERRAL": _("Referral cancelled"),
    # What was done
    "ISSUE": _("Referral sent"), "SEND_FOR_TRIAGE": _("Sent for a clinician to read"),
    "CONVERT_FROM_ADVICE": _("Made a referral after advice"), "CHANGE_SHORTLIST": _("Clinics to choose from changed"),
    "CHANGE_PRIORITY": _("Urgency changed"), "BOOK": _("Appointment booked"),
    "MOVE_APPOINTMENT": _("Appointment moved"), "CANCEL_APPOINTMENT_BY_PATIENT": _("Appointment cancelled by you"),
    "CANCEL_APPOINTMENT_BY_PROVIDER": _("Appointment cancelled by the clinic"),
    "CANCEL_AND_ACT_LATER": _("Appointment cancelled: the clinic will act later"),
    "DEFER_TO_PROVIDER": _("Put on the clinic's list, as no time was free"), "SLOT_FOUND": _("A time was found"),
    "ACCEPT": _("Accepted by the clinic"), "REJECT": _("Sent back by the clinic"),
    "TRIAGE_ACCEPT": _("Read and accepted"), "TRIAGE_RETURN": _("Read and sent back with advice"),
    "REDIRECT": _("Passed on to another clinic"), "REDIRECT_FOR_TRIAGE": _("Passed on for another clinician to read"),
    "RECORD_ATTENDED": _("Recorded that you came"), "RECORD_DID_NOT_ATTEND": _("Recorded that you did not come"),
    "REBOOK_AFTER_NON_ATTENDANCE": _("To be booked again"), "ADVISE_REFERRER": _("Advice sent to your practice"),
    "RECORD_ASSESSMENT_RESULT": _("Result sent to your practice"),
    "TRANSFER_PRACTICE": _("You changed your practice"), "CLOSE": _("Completed"),
    "CANCEL_REFERRAL": _("Referral cancelled"),
    # Holds, bookings, offers
    "HELD": _("Kept for a short time"), "CANCELLED": _("Cancelled"), "EXPIRED": _("Ran out"), "OPEN": _("Open"),
    "TAKEN": _("Taken"), "DECLINED": _("Declined by you"), "SUPERSEDED": _("Replaced by others"),
    "MOVED": _("Moved to another time"),
    # The waiting time clock
    "RUNNING": _("Running"), "NULLIFIED": _("Void"), "STOPPED": _("Stopped"), "START": _("Started"),
    "NULLIFY": _("Made void"), "STOP": _("Stopped"),
    # Files, messages
    "REFERRAL_LETTER": _("Referral letter"), "CLINICAL": _("Clinical document"), "TRIAGE": _("From a clinician"),
    "ADVICE": _("Advice"), "EMAIL": _("By e-mail"), "SMS": _("By text message"), "LETTER": _("By letter"),
    # Requests for advice
    "AWAITING_PROVIDER": _("With the specialist"), "AWAITING_REFERRER": _("With your practice"),
    "CONVERTED": _("Made a referral"),
    # Who
    "PATIENT": _("You"), "REFERRING_CLINICIAN": _("A clinician of your practice"),
    "REFERRING_ADMIN": _("Your practice's office"), "PROVIDER_CLINICIAN": _("A clinician of the clinic"),
    "PROVIDER_ADMIN": _("The clinic's office"), "SERVICE_DEFINER": _("The clinic's office"),
    "COMMISSIONER": _("The commissioner"), "INFORMATION_ANALYST": _("The commissioner"),
    "SYSTEM": _("The booking system"),
    "female": _("Female"), "male": _("Male"), "other": _("Other"), "unknown": _("Not known"),
    "en": "English", "cy": "Cymraeg",
    # What somebody is to the patient for whom they act
    "PARTNER": _("wife, husband or partner"), "CHILD": _("daughter or son"), "PARENT": _("mother or father"),
    "FAMILY": _("somebody of the family"), "FRIEND": _("friend or neighbour"), "CARER": _("carer or support worker"),
    "STAFF": _("works at a practice or service"), "SOMEBODY": _("somebody else"),
}  # fmt: skip
_REASONS = {reason.code: reason.text for reasons in REASONS.values() for reason in reasons}
MARKED_REASONS = (
    _("I can't make this time"), _("I would rather go somewhere else"), _("I no longer need the appointment"),
    _("I am too unwell to travel"), _("Another reason"),
    _("The clinician can't be there"), _("The clinic can't take place"),
    _("The room or the equipment can't be used"), _("The patient needs another clinic"),
    _("The appointment was booked by mistake"), _("The referral was raised in error"),
    _("The referral is no longer required"), _("The patient asked for it"), _("The patient has died"),
    _("The referral is not for this service"), _("The referral does not say enough"),
    _("The service's criteria are not met"), _("The patient has been referred for this already"),
    _("There are no appointments at the service"), _("The appointment shown could not be had"),
    _("Booking did not work"), _("First treatment has started"), _("Discharged to the GP"),
    _("A decision was made not to treat"), _("The patient declined treatment"),
    _("The advice is being followed in primary care"), _("The patient is referred another way"),
)  # fmt: skip


def in_words(value: object, language: Language) -> str:
    """A code of the record in the reader's words; what has none is said plainly as it stands, nothing as nothing."""
    if value is None or value == "":
        return ""
    text = str(value)
    said = WORDS.get(text) or _REASONS.get(text) or (PATIENT[text].subject if text in PATIENT else None)
    return say(language, said) if said else text.replace("_", " ").replace("-", " ").capitalize()
