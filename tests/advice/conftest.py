"""A service that gives advice, and those on both sides of the conversation, signed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from booking.domain.words import BookingMode, Role
from booking.models import Service, Site
from booking.services.work import Work
from tests import factories
from tests.factories import Region, bearer

API = "/api/v1"
Headers = dict[str, str]


@dataclass
class People:
    """Bearer headers by who they are; ``other_*`` belong to the other practice and the other provider."""

    gp: Headers
    practice_admin: Headers
    clinician: Headers
    provider_admin: Headers
    definer: Headers
    commissioner: Headers
    other_gp: Headers
    other_clinician: Headers


@pytest.fixture
def advisory(work: Work, region: Region) -> Service:
    """A service of the first provider that gives advice only; its clinic (``region.services[0]``) takes referrals."""
    site = work.session.get_one(Site, region.services[0].site_id)
    made = factories.service(
        work, region.provider, site, name="Skin advice", booking_mode=BookingMode.ADVICE_ONLY, clinic_types=[]
    )
    region.provider.worklist_email = "worklist@ra1.example"
    region.practice.worklist_email = "worklist@p81001.example"
    work.session.add_all([region.provider, region.practice])
    work.session.commit()
    return made


@pytest.fixture
def people(work: Work, region: Region) -> People:
    def own(role: Role) -> Headers:
        return bearer(factories.token(work, region, role))

    def other(role: Role, organisation: Any) -> Headers:
        row = factories.account(work, role, organisation)
        stand_in = replace(region, account_roles={role: row})
        return bearer(factories.token(work, stand_in, role))

    made = People(
        own(Role.REFERRING_CLINICIAN), own(Role.REFERRING_ADMIN), own(Role.PROVIDER_CLINICIAN),
        own(Role.PROVIDER_ADMIN), own(Role.SERVICE_DEFINER), own(Role.COMMISSIONER),
        other(Role.REFERRING_CLINICIAN, region.other_practice), other(Role.PROVIDER_CLINICIAN, region.other_provider),
    )  # fmt: skip
    work.session.commit()
    return made


def question(region: Region, advisory: Service, **changes: Any) -> dict[str, Any]:
    return {
        "patient_id": region.patient.id, "service_id": advisory.id, "priority": "ROUTINE", "subject": "A mole",
        "text": "Is this mole one for your clinic? It’s 4 mm 🙂 שלום", "convertible": True, **changes,
    }  # fmt: skip


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(client: FlaskClient, region: Region, advisory: Service, people: People) -> Ask:
    """Ask the advisory service as the GP; answers with the request as the GP sees it."""

    def ask(**changes: Any) -> dict[str, Any]:
        answer = client.post(f"{API}/advice", json=question(region, advisory, **changes), headers=people.gp)
        assert answer.status_code == 201, answer.json
        made: dict[str, Any] = answer.json
        return made

    return ask


@pytest.fixture
def act(client: FlaskClient) -> Callable[..., Any]:
    """Do something to a request at the version it was last read; answers with the response."""

    def do(request: dict[str, Any], what: str, headers: Headers, **body: Any) -> Any:
        path = f"{API}/advice/{request['reference']}/{what}"
        return client.post(path, json=body, headers={**headers, "If-Match": f'"{request["version"]}"'})

    return do
