"""Small pieces that all resources are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

Resource = dict[str, Any]
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
UBRN = "https://fhir.nhs.uk/Id/UBRN"
SPECIALTY = "https://www.datadictionary.nhs.uk/attributes/treatment_function_code.html"
OUR_CODES = "urn:choose-and-book:"
"""Namespaces of our own: actions, reasons, booking references, kinds of messages."""


def uuid_of(kind: str, key: object) -> UUID:
    """The same thing has the same identifier in every bundle."""
    return uuid5(NAMESPACE_URL, f"{OUR_CODES}{kind}:{key}")


def reference(kind: str, key: object, display: str | None = None) -> Resource:
    return tidy({"reference": f"urn:uuid:{uuid_of(kind, key)}", "display": display})


def identifier(system: str, value: str) -> Resource:
    return {"system": system, "value": value}


def concept(text: str, *, system: str | None = None, code: str | None = None) -> Resource:
    coding = [{"system": system, "code": code, "display": text}] if system and code else None
    return tidy({"coding": coding, "text": text})


def instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(on: date | datetime) -> str:
    return on.isoformat() if not isinstance(on, datetime) else on.date().isoformat()


def words(code: str) -> str:
    """``CANCELLED_BY_PATIENT`` and ``referral-ready`` as people read them."""
    return code.replace("_", " ").replace("-", " ").capitalize()


def tidy(values: Mapping[str, Any]) -> Resource:
    """Without what is empty: FHIR knows no null and no empty string."""
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}
