"""Signed-in callers of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from booking.domain.words import Role
from booking.models import Referral
from booking.services.work import Work
from tests import factories
from tests.factories import Region, bearer

API = "/api/v1"
Headers = dict[str, str]


@pytest.fixture
def gp(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    return headers


@pytest.fixture
def admin(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.REFERRING_ADMIN))
    work.session.commit()
    return headers


@pytest.fixture
def provider(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.PROVIDER_ADMIN))
    work.session.commit()
    return headers


@pytest.fixture
def referral(work: Work, region: Region) -> Referral:
    made, code = factories.referral(work, region)
    made.shown_code = code  # type: ignore[attr-defined]
    work.session.commit()
    return made


@pytest.fixture
def me(work: Work, referral: Referral) -> Headers:
    """The patient of ``referral``, signed in."""
    headers = bearer(factories.patient_token(work, referral))
    work.session.commit()
    return headers


@pytest.fixture
def free(client: FlaskClient, referral: Referral, me: Headers) -> Callable[[], list[dict[str, Any]]]:
    """The free slots the patient sees now."""

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(f"{API}/referrals/{referral.ubrn}/slots?limit=100", headers=me).json[
            "slots"
        ]
        return found

    return read


def choice(slot: dict[str, Any]) -> dict[str, Any]:
    return {name: slot[name] for name in ("slot_id", "starts_at", "ends_at")}


def patient_body(**changes: Any) -> dict[str, Any]:
    return {
        "nhs_number": "943 476 5919", "given_name": "Siân", "family_name": "O’Neill", "date_of_birth": "1948-02-29",
        "sex": "female", "postcode": "am1 1ab", **changes,
    }  # fmt: skip


def referral_body(region: Region, patient_id: int | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "patient_id": patient_id or region.patient.id, "specialty": "330", "clinic_type": "330-SKIN",
        "priority": "ROUTINE", "reason": "A changing mole",
        "shortlist": [service.id for service in region.services], **changes,
    }  # fmt: skip


def fields_at_fault(answer: Any) -> set[str]:
    """The fields a problem document names; checks that it is one."""
    assert answer.content_type == "application/problem+json", answer.data
    assert answer.json["status"] == answer.status_code
    return {error["field"] for error in answer.json.get("errors", [])}
