"""A patient's record as one FHIR R4 bundle: a collection in which every reference leads to an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from booking.fhir import events, people
from booking.fhir.parts import Resource, instant, reference, uuid_of

CONTENT_TYPE = "application/fhir+json"


def bundle(record: Mapping[str, Any]) -> Resource:
    """Of the values of ``booking.services.own_record``. Nothing else is read, so the same record gives the same."""
    entries: dict[str, Resource] = {}
    for kind, key, resource in _resources(record):
        number = str(uuid_of(kind, key))
        entries.setdefault(number, {"fullUrl": f"urn:uuid:{number}", "resource": {"id": number, **resource}})
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": instant(record["made_at"]),
        "entry": list(entries.values()),
    }


def _resources(record: Mapping[str, Any]) -> Iterator[events.Keyed]:
    person = record["patient"]
    about = reference("patient", person["nhs_number"])
    yield "patient", person["nhs_number"], people.patient(person)
    if person["practice"]:
        yield _organisation(person["practice"])
    for one in record["referrals"]:
        yield _organisation(one["practice"])
        for service in one["shortlist"]:
            yield from _service(service)
        for booking in one["bookings"]:
            yield from _service(booking["service"])
            yield "site", booking["site"]["ods_code"], people.location(booking["site"])
            if booking["practitioner"]:
                clinician = booking["practitioner"]
                yield "practitioner", clinician["identifier"], people.practitioner(clinician)
        for attachment in one["attachments"]:
            yield _organisation(attachment["from"])
        yield from events.referral(one, about)
    for asked in record["advice"]:
        for turn in (*asked["messages"], *({"organisation": row["from"]} for row in asked["attachments"])):
            yield _organisation(turn["organisation"])
        yield from events.advice(asked, about)


def _organisation(one: Mapping[str, Any]) -> events.Keyed:
    return "organisation", one["ods_code"], people.organisation(one)


def _service(one: Mapping[str, Any]) -> Iterator[events.Keyed]:
    yield _organisation(one["provider"])
    yield "site", one["site"]["ods_code"], people.location(one["site"])
    yield "service", one["id"], people.service(one)
