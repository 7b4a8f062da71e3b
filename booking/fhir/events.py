"""What was asked, booked, sent, attached and done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from booking.domain.words import BookingState, Priority, Role
from booking.fhir import codes
from booking.fhir.parts import (
    OUR_CODES,
    SPECIALTY,
    UBRN,
    Resource,
    concept,
    day,
    identifier,
    instant,
    reference,
    tidy,
    words,
)

Values = Mapping[str, Any]
Keyed = tuple[str, object, Resource]
"""Kind, key and resource: kind and key make its identifier."""


def referral(one: Values, patient: Resource) -> Iterator[Keyed]:
    """A referral and everything about it. ``patient`` is the reference to whom it is about."""
    ubrn = one["ubrn"]
    about = reference("referral", ubrn)
    yield "referral", ubrn, _request(one, patient)
    for number, row in enumerate(one["bookings"], 1):
        yield from _booking(row, f"{ubrn}:{number}", about, patient)
    for row in one["attachments"]:
        yield "attachment", row["id"], _document(row, patient, about)
    for number, row in enumerate(one["messages"], 1):
        yield "message", f"{ubrn}:{number}", _communication(row, patient, about)
    for row in one["events"]:
        yield "event", f"{ubrn}:{row['sequence']}", _provenance(row, patient, about)


def _request(one: Values, patient: Resource) -> Resource:
    specialty = one["specialty"]
    two_weeks = one["priority"] == Priority.TWO_WEEK_WAIT
    return tidy(
        {
            "resourceType": "ServiceRequest",
            "identifier": [identifier(UBRN, one["ubrn"])],
            "status": codes.REFERRAL[one["state"]],
            "intent": "order",
            "category": [concept("Two-week wait")] if two_weeks else None,
            "priority": codes.PRIORITY[one["priority"]],
            "code": concept(specialty["name"], system=SPECIALTY, code=specialty["code"]),
            "subject": patient,
            "occurrencePeriod": {"start": day(one["rtt_clock_start"]), "end": day(one["due_date"])},
            "authoredOn": instant(one["created_at"]),
            "requester": reference("organisation", one["practice"]["ods_code"], f"{one['referrer']}, for the practice"),
            "performer": [reference("service", row["id"], row["name"]) for row in one["shortlist"]],
            "reasonCode": [concept(one["reason"])] if one["reason"] else None,
            "supportingInfo": [reference("attachment", row["id"], row["file_name"]) for row in one["attachments"]],
            "note": [{"text": one["clinical_information"]}] if one["clinical_information"] else None,
        }
    )


def _booking(row: Values, key: str, about: Resource, patient: Resource) -> Iterator[Keyed]:
    service, site = row["service"], row["site"]
    actors = [reference("service", service["id"], service["name"]), reference("site", site["ods_code"], site["name"])]
    person = row["practitioner"]
    if person:
        actors.append(reference("practitioner", person["identifier"], person["name"]))
    yield (
        "schedule", key, {"resourceType": "Schedule", "active": True, "actor": actors},
    )  # fmt: skip
    times = {"start": instant(row["starts_at"]), "end": instant(row["ends_at"])}
    slot = {"resourceType": "Slot", "schedule": reference("schedule", key), "status": codes.SLOT[row["state"]], **times}
    yield "slot", key, slot
    ended = row["state"] in (BookingState.CANCELLED, BookingState.EXPIRED)
    reason = words(row["reason"] or ("HOLD_ENDED" if row["state"] == BookingState.EXPIRED else "CANCELLED"))
    yield (
        "booking",
        key,
        tidy(
            {
                "resourceType": "Appointment",
                "identifier": [identifier(f"{OUR_CODES}booking-reference", row["reference"])]
                if row["reference"]
                else None,
                "status": codes.BOOKING[row["state"]],
                "cancelationReason": concept(reason) if ended else None,
                "comment": row["comment"],
                **times,
                "slot": [reference("slot", key)],
                "created": instant(row["created_at"]),
                "basedOn": [about],
                "participant": [
                    {"actor": patient, "status": "declined" if ended else "accepted"},
                    *({"actor": actor, "status": "accepted"} for actor in actors),
                ],
            }
        ),
    )


def _document(row: Values, patient: Resource, about: Resource | None) -> Resource:
    size = row["size"]
    return tidy(
        {
            "resourceType": "DocumentReference",
            "identifier": [identifier(f"{OUR_CODES}attachment", str(row["id"]))],
            "status": "current",
            "docStatus": codes.ATTACHMENT[row["state"]],
            "type": concept(words(row["kind"]), system=f"{OUR_CODES}attachment-kind", code=row["kind"]),
            "subject": patient,
            "date": instant(row["uploaded_at"]),
            "author": [reference("organisation", row["from"]["ods_code"], row["from"]["name"])],
            "content": [
                {
                    "attachment": {
                        "contentType": row["content_type"], "size": size, "title": row["file_name"],
                        "url": f"/api/v1/attachments/{row['id']}/content", "creation": instant(row["uploaded_at"]),
                    }
                }
            ],
            "context": {"related": [about]} if about else None,
        }
    )  # fmt: skip


def _communication(row: Values, patient: Resource, about: Resource) -> Resource:
    left, failed = row["delivered_at"], row["failed_at"]
    return tidy(
        {
            "resourceType": "Communication",
            "basedOn": [about],
            "status": "completed" if left else "stopped" if failed else "preparation",
            "topic": concept(words(row["kind"]), system=f"{OUR_CODES}message", code=row["kind"]),
            "medium": [concept(words(row["channel"]))] if row["channel"] else None,
            "subject": patient,
            "recipient": [patient],
            "sent": instant(left) if left else None,
        }
    )


def _provenance(row: Values, patient: Resource, about: Resource) -> Resource:
    role = row["role"]
    return tidy(
        {
            "resourceType": "Provenance",
            "target": [about],
            "recorded": instant(row["at"]),
            "reason": [concept(words(row["reason"]), system=f"{OUR_CODES}reason", code=row["reason"])]
            if row["reason"]
            else None,
            "activity": concept(words(row["action"]), system=f"{OUR_CODES}action", code=row["action"]),
            "agent": [
                {
                    "type": concept(words(role), system=f"{OUR_CODES}role", code=role),
                    "who": patient if role == Role.PATIENT else {"display": words(role)},
                }
            ],
        }
    )


def advice(one: Values, patient: Resource) -> Iterator[Keyed]:
    """A request for advice: every turn of the conversation a communication, its files documents."""
    for number, row in enumerate(one["messages"], 1):
        sender = row["organisation"]
        yield (
            "advice",
            f"{one['reference']}:{number}",
            tidy(
                {
                    "resourceType": "Communication",
                    "identifier": [identifier(f"{OUR_CODES}advice", f"{one['reference']}-{number}")],
                    "status": "completed",
                    "topic": concept(one["subject"]) if one["subject"] else None,
                    "subject": patient,
                    "sent": instant(row["at"]),
                    "sender": reference("organisation", sender["ods_code"], sender["name"]),
                    "payload": [{"contentString": row["text"]}] if row["text"] else None,
                }
            ),
        )
    for row in one["attachments"]:
        yield "attachment", row["id"], _document(row, patient, None)
