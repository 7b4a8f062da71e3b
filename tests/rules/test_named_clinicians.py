"""Referring to a clinician by name: found by it, refused where they are not offered, kept to when planning."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from booking.models import Practitioner, ServicePractitioner
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, fields_at_fault, referral_body
from tests.factories import Region


@pytest.fixture
def doctors(work: Work, region: Region) -> tuple[Practitioner, Practitioner, Practitioner]:
    """Two of the first provider, of whom only the one is offered by name at its service; one of the second."""
    named, other = (factories.PractitionerFactory(organisation_id=region.provider.id) for _ in range(2))
    elsewhere = factories.PractitionerFactory(organisation_id=region.other_provider.id)
    work.session.add(ServicePractitioner(service_id=region.services[0].id, practitioner_id=named.id))
    work.session.commit()
    return named, other, elsewhere


def test_a_search_by_name_needs_nothing_else(
    client: FlaskClient, region: Region, gp: Headers, doctors: tuple[Practitioner, ...]
) -> None:
    found = []
    for doctor in doctors:
        answer = client.get(f"{API}/services?practitioner={doctor.identifier.lower()}", headers=gp)
        found.append([one["id"] for one in answer.json["services"]])
    assert found == [[region.services[0].id], [], [region.services[1].id]]
    both = client.get(f"{API}/services?practitioner={doctors[0].identifier}&specialty=320", headers=gp)
    assert both.json["services"] == []


def test_an_unknown_name_and_no_criterion_at_all_are_refused(client: FlaskClient, region: Region, gp: Headers) -> None:
    assert fields_at_fault(client.get(f"{API}/services?practitioner=C999", headers=gp)) == {"practitioner"}
    assert fields_at_fault(client.get(f"{API}/services", headers=gp)) == {"specialty"}


@pytest.mark.parametrize(
    ("doctor", "shortlist", "fine"),
    [(0, [0], True), (1, [0], False), (2, [1], True), (0, [0, 1], False), (2, [0, 1], False)],
)
def test_a_clinician_must_be_offered_at_every_service_of_the_shortlist(
    client: FlaskClient, region: Region, gp: Headers, doctors: tuple[Practitioner, ...], doctor: int,
    shortlist: list[int], fine: bool,
) -> None:  # fmt: skip
    body = referral_body(
        region, named_practitioner=doctors[doctor].identifier, shortlist=[region.services[at].id for at in shortlist]
    )
    answer = client.post(f"{API}/referrals", json=body, headers=gp)
    assert answer.status_code == (201 if fine else 422), answer.json
    if not fine:
        assert fields_at_fault(answer) == {"named_practitioner"}
        assert answer.json["errors"][0]["code"] == "NOT_OFFERED_BY_NAME"


def test_a_changed_shortlist_is_held_to_the_name_too(
    client: FlaskClient, region: Region, gp: Headers, doctors: tuple[Practitioner, ...]
) -> None:
    body = referral_body(region, named_practitioner=doctors[0].identifier, shortlist=[region.services[0].id])
    made = client.post(f"{API}/referrals", json=body, headers=gp)
    path = f"{API}/referrals/{made.json['ubrn']}"
    answer = client.post(
        f"{path}/actions/change-shortlist", json={"shortlist": [region.services[1].id]},
        headers={**gp, "If-Match": made.headers["ETag"]},
    )  # fmt: skip
    assert answer.status_code == 422, answer.json
    assert fields_at_fault(answer) == {"named_practitioner"}
