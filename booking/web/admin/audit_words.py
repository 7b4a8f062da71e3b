"""The audit trail in words: what was done, to what, and what about it changed."""

from __future__ import annotations

from typing import Any

GROUPS: dict[str, dict[str, str]] = {
    "Referrals": {
        "referral.draft": "Began a referral",
        "referral.save": "Changed a draft",
        "referral.issue": "Sent a referral",
        "referral.send_for_triage": "Sent a referral to be read first",
        "referral.convert_from_advice": "Made a referral of a request for advice",
        "referral.amend": "Changed what a referral says",
        "referral.change_shortlist": "Changed the clinics of a referral",
        "referral.change_priority": "Changed how urgent a referral is",
        "referral.triage_accept": "Read and accepted a referral",
        "referral.triage_return": "Read a referral and returned it with advice",
        "referral.accept": "Accepted a booked referral",
        "referral.reject": "Returned a referral",
        "referral.redirect": "Sent a referral on to another clinic",
        "referral.redirect_for_triage": "Sent a referral on to be read elsewhere",
        "referral.acknowledge": "Took note of what came back",
        "referral.advise_referrer": "Wrote to the referrer after a visit",
        "referral.record_assessment_result": "Recorded the result of a visit",
        "referral.reissue_access_code": "Gave a patient a new access code",
        "referral.print_letter": "Printed the patient’s letter",
        "referral.transfer_practice": "A referral moved practice with its patient",
        "referral.close": "Closed a referral",
        "referral.cancel_referral": "Cancelled a referral",
        "referral.shortlist_unusable": "Gave back a referral that no clinic would book",
    },
    "Appointments": {
        "referral.book": "Booked an appointment",
        "referral.move_appointment": "Moved an appointment",
        "referral.cancel_appointment_by_patient": "Cancelled an appointment for the patient",
        "referral.cancel_appointment_by_provider": "Cancelled an appointment as the clinic",
        "referral.cancel_and_act_later": "Cancelled an appointment, to act later",
        "referral.defer_to_provider": "Said that no time suits or is free",
        "referral.slot_found": "Found a time for somebody who waited",
        "referral.record_attended": "Recorded that the patient came",
        "referral.record_did_not_attend": "Recorded that the patient did not come",
        "referral.rebook_after_non_attendance": "Let somebody who did not come book again",
        "referral.decline_offer": "Said no to a time",
        "referral.propose_move": "Proposed an earlier time",
        "referral.offer_freed_place": "Passed a freed place on",
        "freed.open_to_all": "Opened a freed place to everybody",
        "referral.offers_withdrawn": "Took offered times back: the service changed",
        "referral.outranked": "Gave a pencilled time to somebody with greater need",
        "clinic.cancel": "Called a clinic off",
    },
    "Patients": {
        "patient.create": "Registered a patient",
        "patient.contact": "Changed how a patient is told things",
        "patient.needs": "Changed what a patient needs",
        "patient.correct": "Corrected a patient’s details",
        "patient.transfer": "Took a patient over from another practice",
        "patient.practice_closed": "A patient’s practice closed",
        "patient.link": "Linked a patient to their health account",
    },
    "Requests for advice and files": {
        "advice.ask": "Asked for advice",
        "advice.ask_back": "Asked the practice something back",
        "advice.reply": "Replied for the practice",
        "advice.answer": "Gave advice",
        "advice.final_advice": "Gave advice and ended the request",
        "advice.refer_on": "Advised to refer",
        "advice.close": "Closed a request for advice",
        "advice.convert": "Made a request for advice a referral",
        "advice.transfer_practice": "A request for advice moved practice with its patient",
        "attachment.add": "Attached a file",
        "attachment.remove": "Took a file away",
        "attachment.scan": "Looked into a file",
    },
    "Keeping records": {
        "retention.apply": "Looked for records past their time",
        "retention.empty": "Emptied a record past its time",
        "retention.pseudonymise": "Took a patient’s name from a record past its time",
    },
    "Services and rules": {
        "service.create": "Made a service",
        "service.change": "Changed a service",
        "commissioning_rule.create": "Opened a service by a rule",
        "commissioning_rule.change": "Changed a rule",
        "commissioning_rule.end": "Ended a rule",
        "policy.publish": "Published a planning policy",
        "policy.revert": "Brought an earlier planning policy back",
        "policy_preview.request": "Asked for a preview of a policy",
        "plan.apply": "Applied a plan",
        "publish": "Published times",
        "session-template.save": "Kept a session to use again",
        "session-template.delete": "Deleted a kept session",
        "import": "Loaded a table",
    },
    "People and access": {
        "account.create": "Made an account",
        "account.grant": "Gave a role",
        "account.withdraw": "Withdrew a role",
        "account.deactivate": "Shut an account out",
        "account.reactivate": "Let an account in again",
        "account.password": "Changed their password",
        "account.first_password": "Gave somebody a first password",
        "account.link": "Linked an account to its OpenID sign-in",
        "account.revoke_sessions": "Signed somebody out everywhere",
        "token.issue": "Made a token for a system",
        "token.revoke": "Ended a system’s token",
        "session.end": "Ended sessions",
        "acting.begin": "Began to act for a patient",
        "acting.end": "Stopped acting for a patient",
        "organisation.change": "Changed the organisation’s settings",
        "message.resolve": "Dealt with a message that did not arrive",
        "practice.close": "Closed a practice",
    },
}
WORDS = {code: words for group in GROUPS.values() for code, words in group.items()}
READS = {
    "patient": "Patient’s details",
    "referral": "Referral",
    "summary": "Referral on paper",
    "letter": "Letter to the patient",
    "messages": "Messages that did not arrive",
    "record": "Whole record",
    "audit": "Audit trail of the patient",
}
MOST_CHARACTERS = 80


def action(code: str) -> str:
    return WORDS.get(code, code.replace(".", ": ").replace("_", " ").capitalize())


def read(what: str) -> str:
    kind, _, number = what.partition(" ")
    return f"{kind.capitalize()} {number}" if number else READS.get(what, what.replace("_", " ").capitalize())


def details(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """What changed, in short lines: ``state: NOT_BOOKED → BOOKED``."""
    old, new = before or {}, after or {}
    found = []
    for name in [*old, *(name for name in new if name not in old)]:
        words = name.replace("_", " ")
        if name in old and name in new:
            found.append(f"{words}: {_short(old[name])} → {_short(new[name])}")
        elif name in new:
            found.append(f"{words}: {_short(new[name])}")
        else:
            found.append(f"{words} was {_short(old[name])}")
    return found


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if value in (None, "", []):
        return "nothing"
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
