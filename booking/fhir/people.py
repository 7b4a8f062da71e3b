"""Who and where: patient, organisations, services, places, clinicians."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from booking.fhir import codes
from booking.fhir.parts import NHS_NUMBER, ODS, OUR_CODES, Resource, concept, day, identifier, reference, tidy

Values = Mapping[str, Any]


def patient(one: Values) -> Resource:
    telecom = [("email", one["email"]), ("phone", one["mobile"])]
    languages = [one["language"]]
    return tidy(
        {
            "resourceType": "Patient",
            "identifier": [identifier(NHS_NUMBER, one["nhs_number"])],
            "name": [tidy({"use": "official", "family": one["family_name"], "given": [one["given_name"]]})],
            "gender": codes.SEX[one["sex"]],
            "birthDate": day(one["date_of_birth"]),
            "telecom": [{"system": system, "value": value} for system, value in telecom if value],
            "address": [{"use": "home", "postalCode": one["postcode"]}] if one["postcode"] else None,
            "communication": [{"language": _language(code)} for code in languages]
            + ([{"language": concept(one["interpreter_language"])}] if one["interpreter_language"] else []),
            "generalPractitioner": [_at(one["practice"])] if one["practice"] else None,
        }
    )


def _language(code: str) -> Resource:
    return concept({"en": "English", "cy": "Welsh"}[code], system="urn:ietf:bcp:47", code=code)


def _at(organisation: Values) -> Resource:
    return reference("organisation", organisation["ods_code"], organisation["name"])


def organisation(one: Values) -> Resource:
    return {
        "resourceType": "Organization",
        "identifier": [identifier(ODS, one["ods_code"])],
        "active": True,
        "name": one["name"],
    }


def location(one: Values) -> Resource:
    address = tidy({"text": one["address"], "postalCode": one["postcode"]})
    return tidy(
        {
            "resourceType": "Location",
            "identifier": [identifier(ODS, one["ods_code"])],
            "status": "active",
            "name": one["name"],
            "address": address,
        }
    )


def service(one: Values) -> Resource:
    return tidy(
        {
            "resourceType": "HealthcareService",
            "identifier": [identifier(f"{OUR_CODES}service", str(one["id"]))],
            "active": True,
            "providedBy": _at(one["provider"]),
            "name": one["name"],
            "location": [reference("site", one["site"]["ods_code"], one["site"]["name"])],
            "telecom": [{"system": "phone", "value": one["telephone"]}] if one["telephone"] else None,
        }
    )


def practitioner(one: Values) -> Resource:
    return {
        "resourceType": "Practitioner",
        "identifier": [identifier(f"{OUR_CODES}professional-identifier", one["identifier"])],
        "name": [{"text": one["name"]}],
    }
