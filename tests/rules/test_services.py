"""Service definitions through the API: made, read, changed, closed; what is wrong is named; others' are a 404."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import AuditEntry, Service
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, fields_at_fault, referral_body
from tests.conftest import Rows
from tests.factories import Region
from tests.rules.conftest import SERVICES, definition, with_version


def test_a_service_is_defined_found_and_referred_to(
    client: FlaskClient, work: Work, region: Region, definer: Headers, gp: Headers, rows: Rows
) -> None:
    doctor = factories.PractitionerFactory(organisation_id=region.provider.id)
    work.session.commit()
    body = definition(
        name="Clinic d’été 🌞 عيادة", practitioners=[doctor.identifier], letter_required=False, min_age=16,
        contact_by={"REFERRALS_FOR_REVIEW": {"URGENT": 3}}, instructions="Come early.",
    )  # fmt: skip
    made = client.post(SERVICES, json=body, headers=definer)
    assert made.status_code == 201, made.json
    assert made.headers["Location"].endswith(f"/{made.json['id']}")
    read = client.get(f"{SERVICES}/{made.json['id']}", headers=definer)
    assert read.json == made.json
    assert {name: read.json[name] for name in body} == body
    assert read.json["polling_range_days"] == 182
    found = client.get(f"{API}/services?specialty=330&clinic_type=330-SKIN", headers=gp).json["services"]
    assert body["name"] in {one["name"] for one in found}
    refer = referral_body(region, shortlist=[made.json["id"]])
    assert client.post(f"{API}/referrals", json=refer, headers=gp).status_code == 201
    listed = client.get(SERVICES, headers=definer).json["services"]
    assert {one["name"] for one in listed} == {body["name"], "Dermatology clinic"}
    entries = rows(select(AuditEntry).where(AuditEntry.chain == f"service:{made.json['id']}"))
    assert [(entry.action, entry.after["name"]) for entry in entries] == [("service.create", body["name"])]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Dermatology clinic"}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"site": "RA201"}, "site"),
        ({"site": "no code!"}, "site"),
        ({"specialty": "999"}, "specialty"),
        ({"specialty": "320"}, "clinic_types"),
        ({"clinic_types": ["NONE"]}, "clinic_types"),
        ({"clinic_types": ["330-SKIN", "330-SKIN"]}, "clinic_types"),
        ({"priorities": []}, "priorities"),
        ({"priorities": [{"priority": "ROUTINE", "window_to_days": 9}] * 2}, "priorities"),
        (
            {"priorities": [{"priority": "URGENT", "window_from_days": 9, "window_to_days": 3}]},
            "priorities.URGENT",
        ),
        ({"min_age": 50, "max_age": 16}, "max_age"),
        ({"operational_to": "2026-03-01"}, "operational_to"),
        ({"booking_mode": "INDIRECTLY_BOOKABLE"}, "telephone"),
        ({"telephone": "ring us"}, "telephone"),
        ({"contact_by": {"REFERRALS_FOR_REVIEW": {"URGENT": 6}}}, "contact_by.REFERRALS_FOR_REVIEW.URGENT"),
        ({"contact_by": {"AWAITING_BOOKING": {"URGENT": 1}}}, "contact_by.AWAITING_BOOKING"),
        ({"contact_by": {"REFERRALS_FOR_REVIEW": 3}}, "contact_by.REFERRALS_FOR_REVIEW.value"),
        ({"practitioners": ["C-unknown"]}, "practitioners.0"),
        ({"polling_range_days": 0}, "polling_range_days"),
        ({"indicative_wait_days": -1}, "indicative_wait_days"),
        ({"instructions": "a\x00b"}, "instructions"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(
    client: FlaskClient, region: Region, definer: Headers, rows: Rows, changes: dict[str, Any], field: str
) -> None:
    before = len(rows(select(Service.id)))
    answer = client.post(SERVICES, json=definition(**changes), headers=definer)
    assert answer.status_code == 422, answer.json
    assert field in fields_at_fault(answer)
    assert len(rows(select(Service.id))) == before


def test_a_clinician_of_another_provider_is_not_offered(
    client: FlaskClient, work: Work, region: Region, definer: Headers
) -> None:
    doctor = factories.PractitionerFactory(organisation_id=region.other_provider.id)
    work.session.commit()
    answer = client.post(SERVICES, json=definition(practitioners=[doctor.identifier]), headers=definer)
    assert fields_at_fault(answer) == {"practitioners.0"}


def test_a_change_names_only_what_changed_in_the_audit_trail(
    client: FlaskClient, region: Region, definer: Headers, rows: Rows
) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    headers = with_version(client, definer, path)
    body = {"instructions": "Bring your medicines.", "sex": "female", "clinic_types": []}
    changed = client.patch(path, json=body, headers=headers)
    assert changed.status_code == 200, changed.json
    assert changed.json["version"] == 2
    assert changed.headers["ETag"] == '"2"'
    assert {name: changed.json[name] for name in body} == body
    entry = rows(select(AuditEntry).where(AuditEntry.action == "service.change"))[0]
    assert entry.before == {"instructions": "", "sex": None, "clinic_types": ["330-SKIN"]}
    assert entry.after == body
    assert entry.organisation == "RA1"


def test_changing_nothing_changes_nothing(client: FlaskClient, region: Region, definer: Headers, rows: Rows) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    same = client.patch(path, json={"min_age": 0}, headers=with_version(client, definer, path))
    assert same.json["version"] == 1
    assert rows(select(AuditEntry).where(AuditEntry.action == "service.change")) == []


def test_two_that_change_a_service_at_once(client: FlaskClient, region: Region, definer: Headers) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    headers = with_version(client, definer, path)
    assert client.patch(path, json={"min_age": 5}, headers=headers).status_code == 200
    stale = client.patch(path, json={"max_age": 80}, headers=headers)
    assert (stale.status_code, stale.json["code"]) == (409, "STALE_VERSION")
    assert client.patch(path, json={"max_age": 80}, headers=definer).status_code == 428
    assert client.get(path, headers=definer).json["max_age"] == 150


def test_another_providers_service_is_not_there(
    client: FlaskClient, region: Region, stranger: dict[Role, Headers]
) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    headers = {**stranger[Role.SERVICE_DEFINER], "If-Match": '"1"'}
    assert client.get(path, headers=headers).status_code == 404
    assert client.patch(path, json={"min_age": 5}, headers=headers).status_code == 404
    assert client.post(f"{path}/effects", json={"min_age": 5}, headers=headers).status_code == 404
    assert client.post(f"{path}/close", json={"last_day": "2026-03-09"}, headers=headers).status_code == 404
    listed = client.get(SERVICES, headers=headers).json["services"]
    assert {one["id"] for one in listed} == {region.services[1].id}


def test_a_closed_service_is_listed_only_on_request(
    client: FlaskClient, work: Work, region: Region, definer: Headers
) -> None:
    region.services[0].operational_to = work.today.replace(month=2, day=1)
    work.session.merge(region.services[0])
    work.session.commit()
    assert client.get(SERVICES, headers=definer).json["services"] == []
    assert len(client.get(f"{SERVICES}?closed=true", headers=definer).json["services"]) == 1
