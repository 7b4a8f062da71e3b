"""Reference data: what may be chosen, by whom, and from when."""

from __future__ import annotations

from flask.testing import FlaskClient

from booking.domain.reasons import REASONS, ReasonList
from booking.domain.worklists import CONTACT_BY
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers
from tests.factories import Region, bearer

REFERENCE = f"{API}/reference"


def codes(client: FlaskClient, headers: Headers, query: str = "") -> dict[str, list[str]]:
    lists = client.get(f"{REFERENCE}/reasons{query}", headers=headers).json["lists"]
    return {one["list"]: [reason["code"] for reason in one["reasons"]] for one in lists}


def test_everybody_sees_the_reasons_they_may_give(
    client: FlaskClient, work: Work, region: Region, gp: Headers, definer: Headers
) -> None:
    referral, _ = factories.referral(work, region)
    patient = bearer(factories.patient_token(work, referral))
    work.session.commit()
    assert set(codes(client, patient)) == {"APPOINTMENT_BY_PATIENT", "DEFERRAL"}
    assert "RAISED_IN_ERROR" in codes(client, gp)["REFERRAL"]
    assert "RAISED_IN_ERROR" not in codes(client, definer)["REFERRAL"]
    assert codes(client, gp, "?list=REJECTION") == {"REJECTION": []}


def test_all_of_them_with_roles_dates_and_whether_a_comment_is_due(client: FlaskClient, gp: Headers) -> None:
    assert codes(client, gp, "?all=true") == {
        str(name): [reason.code for reason in REASONS[name]] for name in ReasonList
    }
    lists = client.get(f"{REFERENCE}/reasons?all=true&list=REJECTION", headers=gp).json["lists"]
    assert lists[0]["reasons"][0] == {
        "code": "INAPPROPRIATE_SERVICE", "text": "The referral is not for this service", "comment_due": False,
        "roles": ["PROVIDER_ADMIN", "PROVIDER_CLINICIAN", "SERVICE_DEFINER"], "effective_from": "2005-01-01",
        "effective_to": None,
    }  # fmt: skip
    assert client.get(f"{REFERENCE}/reasons?list=NONE", headers=gp).status_code == 422


def test_specialties_and_their_clinic_types(client: FlaskClient, region: Region, gp: Headers) -> None:
    found = client.get(f"{REFERENCE}/specialties", headers=gp).json["specialties"]
    assert found == [{"code": "320", "name": "Cardiology"}, {"code": "330", "name": "Dermatology"}]
    kinds = client.get(f"{REFERENCE}/clinic-types?specialty=330", headers=gp).json["clinic_types"]
    assert kinds == [{"code": "330-SKIN", "specialty": "330", "name": "Skin lesions"}]
    assert client.get(f"{REFERENCE}/clinic-types?specialty=320", headers=gp).json["clinic_types"] == []


def test_contact_by_times_are_the_published_ones_or_a_services_shorter(
    client: FlaskClient, work: Work, region: Region, gp: Headers
) -> None:
    published = client.get(f"{REFERENCE}/contact-by", headers=gp).json["times"]
    assert {(one["worklist"], one["priority"]): one["working_days"] for one in published} == {
        (worklist, priority): days for worklist, by in CONTACT_BY.items() for priority, days in by.items()
    }
    service = work.session.merge(region.services[0])
    service.contact_by = {"REFERRALS_FOR_REVIEW": {"URGENT": 3}}
    work.session.commit()
    own = client.get(f"{REFERENCE}/contact-by?service_id={service.id}", headers=gp).json["times"]
    shortened = [one for one in own if one["shortened"]]
    assert shortened == [
        {"worklist": "REFERRALS_FOR_REVIEW", "owner": "PROVIDER", "priority": "URGENT", "working_days": 3,
         "shortened": True}
    ]  # fmt: skip


def test_the_times_of_a_service_that_is_not_open_to_you_are_not_there(
    client: FlaskClient, work: Work, region: Region, gp: Headers, definer: Headers
) -> None:
    service = work.session.merge(region.services[0])
    service.nationally_visible = False
    work.session.commit()
    path = f"{REFERENCE}/contact-by?service_id={service.id}"
    assert client.get(path, headers=gp).status_code == 404
    assert client.get(path, headers=definer).status_code == 200
    assert client.get(f"{REFERENCE}/contact-by?service_id=999999", headers=gp).status_code == 404


def test_every_worklist_has_a_name_and_an_owner(client: FlaskClient, gp: Headers) -> None:
    found = client.get(f"{REFERENCE}/worklists", headers=gp).json["worklists"]
    assert {one["worklist"] for one in found} == {str(worklist) for worklist in CONTACT_BY}
    assert {one["owner"] for one in found} == {"PRACTICE", "PROVIDER"}
