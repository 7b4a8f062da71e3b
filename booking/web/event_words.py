"""What has happened to a referral, in the words of staff on both sides."""

from __future__ import annotations

from collections.abc import Mapping

from booking.domain.referral import Action

EVENTS: Mapping[Action, str] = {
    Action.ISSUE: "Sent, for the patient to choose",
    Action.SEND_FOR_TRIAGE: "Sent for a clinician to read first",
    Action.CONVERT_FROM_ADVICE: "Made of a request for advice",
    Action.CHANGE_SHORTLIST: "Referred on with another shortlist",
    Action.CHANGE_PRIORITY: "Priority changed",
    Action.BOOK: "Appointment booked",
    Action.MOVE_APPOINTMENT: "Appointment changed",
    Action.CANCEL_APPOINTMENT_BY_PATIENT: "Appointment given back by the patient",
    Action.CANCEL_APPOINTMENT_BY_PROVIDER: "Appointment cancelled by the clinic",
    Action.CANCEL_AND_ACT_LATER: "Appointment cancelled by the clinic, which will act later",
    Action.DEFER_TO_PROVIDER: "Left to the clinic to find a time",
    Action.SLOT_FOUND: "A time was found and is kept for the patient",
    Action.ACCEPT: "Appointment accepted by the clinic",
    Action.REJECT: "Sent back by the clinic",
    Action.TRIAGE_ACCEPT: "Accepted after reading",
    Action.TRIAGE_RETURN: "Returned with advice",
    Action.REDIRECT: "Sent to another service of the clinic",
    Action.REDIRECT_FOR_TRIAGE: "Sent to another service of the clinic to be read",
    Action.RECORD_ATTENDED: "The patient came",
    Action.RECORD_DID_NOT_ATTEND: "The patient did not come",
    Action.REBOOK_AFTER_NON_ATTENDANCE: "To be booked again after not coming",
    Action.ADVISE_REFERRER: "Left to the practice after not coming",
    Action.RECORD_ASSESSMENT_RESULT: "Result sent to the practice",
    Action.TRANSFER_PRACTICE: "Came with the patient from another practice",
    Action.CLOSE: "Closed",
    Action.CANCEL_REFERRAL: "Referral cancelled",
}
