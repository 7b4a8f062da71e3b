"""A request for advice becomes a referral: by the provider's clinician where allowed, or by the referrer."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.domain.words import BookingMode, ClockState, Worklist
from booking.models import (
    AccessCode,
    AdviceRequest,
    ClockEvent,
    OutboxMessage,
    Referral,
    ReferralEvent,
    ReferralService,
    Service,
    Site,
)
from booking.services import audit
from booking.services.work import Work
from tests import factories
from tests.advice.conftest import API, Ask, People
from tests.api.conftest import fields_at_fault
from tests.conftest import NOW, Rows
from tests.factories import Region


def test_the_providers_clinician_converts(
    client: FlaskClient, region: Region, people: People, asked: Ask, act: Any, rows: Rows, work: Work
) -> None:
    made = asked(priority="URGENT")
    clinic = region.services[0]
    done = act(made, "convert", people.clinician, service_id=clinic.id, comment="We should see this.")
    assert done.status_code == 201, done.json
    assert "access_code" not in done.text
    assert (done.json["state"], done.json["worklist"], done.json["ubrn"]) == ("CONVERTED", "ADVICE", made["reference"])
    referral = done.json["referral"]
    assert referral["ubrn"] == made["reference"]  # as in e-RS: the request and its referral have one number
    assert (referral["state"], referral["specialty"], referral["priority"]) == (
        "TRIAGED_PROVIDER_TO_ACTION", "330", "URGENT",
    )  # fmt: skip
    assert [one["service_id"] for one in referral["shortlist"]] == [clinic.id]
    assert "Is this mole one for your clinic?" in referral["clinical_information"]
    assert "We should see this." in referral["clinical_information"]

    row: Referral = rows(select(Referral))[0]
    assert (row.worklist, row.worklist_organisation_id) == (Worklist.APPOINTMENTS_FOR_BOOKING, region.provider.id)
    assert (row.service_id, row.practice_id, row.rtt_clock_start) == (clinic.id, region.practice.id, NOW.date())
    assert (row.rtt_clock_state, len(rows(select(ClockEvent)))) == (ClockState.RUNNING, 1)
    assert [one.comment for one in rows(select(ReferralEvent))] == ["We should see this."]
    assert rows(select(AccessCode)) == []  # the practice's letter makes one
    assert len(rows(select(OutboxMessage).where(OutboxMessage.kind == "referral-ready"))) == 1
    for who in (people.gp, people.clinician):
        assert client.get(f"{API}/referrals/{referral['ubrn']}", headers=who).status_code == 200
    for who in (people.other_gp, people.other_clinician):
        assert client.get(f"{API}/referrals/{referral['ubrn']}", headers=who).status_code == 404

    # The practice reads the answer and puts it aside; nothing else can be done to it any more.
    aside = act(done.json, "close", people.gp)
    assert (aside.json["state"], aside.json["worklist"]) == ("CONVERTED", None)
    for what, who, body in (
        ("messages", people.gp, {"text": "And now?"}),
        ("messages", people.clinician, {"text": "And now?"}),
        ("close", people.gp, {}),
        ("convert", people.clinician, {"service_id": clinic.id, "comment": "Again."}),
    ):
        answer = act(aside.json, what, who, **body)
        assert (answer.status_code, answer.json["state"]) == (409, "CONVERTED"), (what, answer.json)
    assert len(rows(select(Referral))) == 1
    assert audit.verify(work.session) == []


def test_the_patient_gets_their_code_from_the_practice(
    client: FlaskClient, work: Work, region: Region, people: People, asked: Ask, act: Any
) -> None:
    from booking.domain.words import Role
    from booking.services.referrals import reissue_access_code

    done = act(asked(), "convert", people.clinician, service_id=region.services[0].id, comment="Come in.")
    _, code = reissue_access_code(
        factories.acting(work, Role.REFERRING_CLINICIAN, region.practice), done.json["ubrn"]
    )  # fmt: skip
    work.session.commit()
    born = region.patient.date_of_birth.isoformat()
    body = {"ubrn": done.json["ubrn"], "access_code": code, "date_of_birth": born}
    assert client.post(f"{API}/patient-sessions", json=body).status_code == 201


def test_not_where_the_referrer_did_not_allow_it(
    people: People, region: Region, asked: Ask, act: Any, rows: Rows
) -> None:
    made = asked(convertible=False)
    body = {"service_id": region.services[0].id, "comment": "We should see this."}
    refused = act(made, "convert", people.clinician, **body)
    assert (refused.status_code, refused.json["code"]) == (409, "NOT_CONVERTIBLE")
    assert act(made, "convert", people.provider_admin, **body).status_code == 403
    assert act(made, "convert", people.gp, **body).status_code == 403
    assert rows(select(Referral)) == []


def test_only_to_a_service_of_theirs_that_takes_the_patient(
    work: Work, people: People, region: Region, advisory: Service, asked: Ask, act: Any, rows: Rows
) -> None:
    site = work.session.get_one(Site, region.services[0].site_id)
    young = factories.service(work, region.provider, site, max_age=16)
    hidden = factories.service(work, region.provider, site, nationally_visible=False)
    work.session.commit()
    made = asked()
    for service, code in (
        (region.services[1].id, "SERVICE_UNKNOWN"), (99_999, "SERVICE_UNKNOWN"), (advisory.id, "ADVICE_ONLY"),
        (young.id, "AGE"), (hidden.id, "SERVICE_UNKNOWN"),
    ):  # fmt: skip
        answer = act(made, "convert", people.clinician, service_id=service, comment="We should see this.")
        assert answer.status_code == 422, answer.json
        assert fields_at_fault(answer) == {"service_id"}
        assert answer.json["errors"][0]["code"] == code
    blank = act(made, "convert", people.clinician, service_id=young.id, comment=" ")
    assert fields_at_fault(blank) == {"comment"}
    assert rows(select(Referral)) == []
    assert rows(select(AdviceRequest.version)) == [1]


def test_to_a_triage_service(work: Work, people: People, region: Region, asked: Ask, act: Any) -> None:
    site = work.session.get_one(Site, region.services[0].site_id)
    triage = factories.service(work, region.provider, site, booking_mode=BookingMode.TRIAGE)
    work.session.commit()
    body = {"service_id": triage.id, "comment": "For triage.", "priority": "URGENT"}
    done = act(asked(), "convert", people.clinician, **body)
    assert (done.json["referral"]["state"], done.json["referral"]["priority"]) == (
        "TRIAGED_PROVIDER_TO_ACTION", "URGENT",
    )  # fmt: skip


@pytest.mark.parametrize("after", ["question", "answer", "final advice", "final advice put aside"])
def test_the_referrer_refers_on(people: People, region: Region, asked: Ask, act: Any, rows: Rows, after: str) -> None:
    request = asked(convertible=False)
    if after == "answer":
        request = act(request, "messages", people.clinician, text="Refer, please.").json
    elif after.startswith("final"):
        request = act(request, "close", people.clinician, text="Refer, please.").json
    if after.endswith("aside"):
        request = act(request, "close", people.gp).json
    body = {
        "specialty": "330", "clinic_type": "330-SKIN", "priority": "ROUTINE", "reason": "A changing mole",
        "shortlist": [one.id for one in region.services],
    }  # fmt: skip
    faulty = act(request, "refer", people.gp, **{**body, "shortlist": []})
    assert fields_at_fault(faulty) == {"shortlist"}
    assert rows(select(Referral)) == []
    done = act(request, "refer", people.gp, **body)
    assert done.status_code == 201, done.json
    assert (done.json["state"], done.json["worklist"]) == ("CONVERTED", None)
    assert done.json["ubrn"] == done.json["referral"]["ubrn"]
    assert len(done.json["referral"]["access_code"]) == 10
    assert done.json["referral"]["state"] == "NOT_BOOKED"
    twice = act(done.json, "refer", people.gp, **body)
    assert (twice.status_code, twice.json["state"], twice.json["action"]) == (409, "CONVERTED", "REFER_ON")
    assert rows(select(func.count()).select_from(ReferralService)) == [2]


def test_an_admin_refers_on_for_the_referrer_of_the_request(
    people: People, region: Region, asked: Ask, act: Any
) -> None:
    made = asked()
    body = {"specialty": "330", "priority": "ROUTINE", "reason": "A mole", "shortlist": [region.services[0].id]}
    done = act(made, "refer", people.practice_admin, **body)
    assert done.json["referral"]["referrer"] == made["referrer"]
    assert act(made, "refer", people.clinician, **body).status_code == 403
