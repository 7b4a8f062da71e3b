"""Patients move practice, practices close: what is open goes along, and who loses a patient sees nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.referral import Action, ReferralState
from booking.domain.words import AdviceState, OrganisationKind, Priority, Role, Worklist
from booking.models import (
    AccountRole,
    AdviceRequest,
    AuditEntry,
    Organisation,
    OutboxMessage,
    Patient,
    Referral,
    ReferralEvent,
)
from booking.services import audit, practices, referrals
from booking.services.work import Work
from tests import factories
from tests.changes.conftest import API, Flask, Headers, booked, somebody
from tests.conftest import Rows
from tests.factories import Region, bearer

Post = Callable[..., Any]


@pytest.fixture
def old_gp(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    return headers


@pytest.fixture
def new_gp(work: Work, region: Region) -> Headers:
    region.account_roles[Role.REFERRING_CLINICIAN] = factories.account(
        work, Role.REFERRING_CLINICIAN, region.other_practice
    )
    headers = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    return headers


@pytest.fixture
def commissioner(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.COMMISSIONER))
    work.session.commit()
    return headers


def advice(work: Work, region: Region, patient: Patient) -> AdviceRequest:
    made = AdviceRequest(
        reference="100000000001", patient_id=patient.id, practice_id=region.practice.id,
        service_id=region.services[0].id, referrer="Dr A", priority=Priority.ROUTINE, subject="A rash",
        state=AdviceState.AWAITING_REFERRER, created_at=work.now, worklist=Worklist.ADVICE,
        worklist_organisation_id=region.practice.id, worklist_since=work.now, worklist_due=work.today,
    )  # fmt: skip
    work.session.add(made)
    return made


def who(patient: Patient, **changes: Any) -> dict[str, Any]:
    return {"nhs_number": patient.nhs_number, "date_of_birth": patient.date_of_birth.isoformat(), **changes}


def patient_of(work: Work, referral: Referral) -> Patient:
    return work.session.get_one(Patient, referral.patient_id)


def test_open_referrals_move_with_the_patient_and_the_old_practice_sees_nothing_more(
    work: Work, region: Region, old_gp: Headers, new_gp: Headers, post: Post, client: FlaskClient, rows: Rows
) -> None:
    choosing = somebody(work, region)
    patient = patient_of(work, choosing)
    appointed = factories.referral(work, region, patient=patient)[0]
    ended = factories.referral(work, region, patient=patient)[0]
    gp = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    referrals.cancel_referral(gp, ended.ubrn, reason="RAISED_IN_ERROR", comment=None)
    from tests.changes.conftest import book

    reference = book(work, appointed, region.slots[0]).reference
    asked = advice(work, region, patient)
    other = somebody(work, region)
    work.session.commit()
    done = post("/patients/transfer", new_gp, 200, **who(patient))
    assert (done["open_referrals"], done["ended_referrals"], done["advice_requests"]) == (2, 1, 1)
    for path in (
        *(f"/referrals/{one.ubrn}" for one in (choosing, appointed, ended)), f"/bookings/{reference}",
        f"/patients?nhs_number={patient.nhs_number}",
    ):  # fmt: skip
        assert client.get(API + path, headers=old_gp).status_code == 404, path
        assert client.get(API + path, headers=new_gp).status_code == 200, path
    assert client.get(f"{API}/referrals/{other.ubrn}", headers=old_gp).status_code == 200
    now = {one.id: one for one in rows(select(Referral))}
    assert now[choosing.id].worklist_organisation_id == region.other_practice.id
    assert now[appointed.id].state is ReferralState.BOOKED
    moved = rows(select(ReferralEvent.referral_id).where(ReferralEvent.action == Action.TRANSFER_PRACTICE))
    assert sorted(moved) == sorted([choosing.id, appointed.id])
    request = rows(select(AdviceRequest).where(AdviceRequest.id == asked.id))[0]
    assert (request.practice_id, request.worklist_organisation_id) == (region.other_practice.id,) * 2
    told = rows(select(OutboxMessage.referral_id).where(OutboxMessage.kind == "practice-changed"))
    assert told == [choosing.id]
    entry = rows(select(AuditEntry).where(AuditEntry.action == "patient.transfer"))[0]
    assert (entry.before, entry.after["practice"]) == ({"practice": "P81001"}, "P81002")
    with work.session.begin():
        assert audit.verify(work.session) == []
    post("/patients/transfer", new_gp, 409, **who(patient))


def test_number_and_birth_must_match_and_neither_is_given_away(
    work: Work, region: Region, new_gp: Headers, post: Post, rows: Rows
) -> None:
    wrong = post("/patients/transfer", new_gp, 404, **who(region.patient, date_of_birth="1960-05-18"))
    unknown = post("/patients/transfer", new_gp, 404, **who(region.patient, nhs_number="943 476 5919"))
    assert wrong["detail"] == unknown["detail"]
    said = post("/patients/transfer", new_gp, 422, **who(region.patient, nhs_number="9190000000"))
    assert [error["field"] for error in said["errors"]] == ["nhs_number"]
    assert rows(select(Patient.practice_id)) == [region.practice.id]


def test_only_practices_take_patients_over(
    region: Region, post: Post, provider: Headers, commissioner: Headers
) -> None:
    for headers in (provider, commissioner):
        post("/patients/transfer", headers, 403, **who(region.patient))


def test_a_practice_closes_and_everything_goes_to_its_successor(
    work: Work, region: Region, commissioner: Headers, old_gp: Headers, new_gp: Headers, post: Post,
    client: FlaskClient, rows: Rows,
) -> None:  # fmt: skip
    made = [somebody(work, region) for _ in range(3)]
    booked(work, region, region.slots[0])
    work.session.commit()
    seen = client.get(f"{API}/practices/p81001/closing?successor=P81002", headers=commissioner).json
    assert (seen["patients"], seen["open_referrals"], seen["staff_roles"]) == (5, 4, 2)
    assert rows(select(Organisation.closed_on).where(Organisation.ods_code == "P81001")) == [None]
    done = post("/practices/P81001/close", commissioner, 200, successor="P81002")
    assert done == seen
    assert set(rows(select(Patient.practice_id))) == {region.other_practice.id}
    assert set(rows(select(Referral.practice_id))) == {region.other_practice.id}
    assert rows(select(Organisation.closed_on).where(Organisation.ods_code == "P81001")) == [work.today]
    assert client.get(f"{API}/referrals/{made[0].ubrn}", headers=old_gp).status_code == 401
    assert client.get(f"{API}/referrals/{made[0].ubrn}", headers=new_gp).status_code == 200
    signed = client.post(
        f"{API}/sessions", json={"username": "referring_clinician@p81001", "password": factories.PASSWORD}
    )
    assert signed.status_code == 401
    roles = select(AccountRole.withdrawn_at).where(AccountRole.organisation_id == region.practice.id)
    assert None not in rows(roles)
    assert len(rows(select(OutboxMessage).where(OutboxMessage.kind == "practice-changed"))) == 4
    post("/practices/P81001/close", commissioner, 409, successor="P81002")
    with work.session.begin():
        assert audit.verify(work.session) == []


def test_without_a_successor_the_commissioner_watches_and_sees_no_identity(
    work: Work, region: Region, commissioner: Headers, new_gp: Headers, post: Post, client: FlaskClient, rows: Rows
) -> None:
    waits = somebody(work, region, patient={"given_name": "Zebedee", "family_name": "O’Canary"})
    appointed, _ = booked(work, region, region.slots[0])
    work.session.commit()
    post("/practices/P81001/close", commissioner, 200)
    assert set(rows(select(Patient.practice_id))) == {None}
    now = {one.id: one for one in rows(select(Referral))}
    assert now[waits.id].worklist_organisation_id == region.commissioner.id
    assert now[appointed.id].worklist is not None
    answer = client.get(f"{API}/worklists/{now[waits.id].worklist}", headers=commissioner)
    assert waits.ubrn in {one["reference"] for one in answer.json["entries"]}
    assert "Canary" not in answer.text
    assert "Zebedee" not in answer.text
    assert client.get(f"{API}/referrals/{waits.ubrn}", headers=commissioner).status_code == 403
    post("/patients/transfer", new_gp, 200, **who(patient_of(work, waits)))
    work.session.rollback()
    taken = rows(select(Referral).where(Referral.id == waits.id))[0]
    assert (taken.practice_id, taken.worklist_organisation_id) == (region.other_practice.id,) * 2


def test_who_may_close_what(
    work: Work, region: Region, commissioner: Headers, old_gp: Headers, post: Post, provider: Headers
) -> None:
    factories.OrganisationFactory(ods_code="P99999")
    rival = factories.OrganisationFactory(ods_code="00Y", kind=OrganisationKind.COMMISSIONER)
    factories.OrganisationFactory(ods_code="P88888", commissioner_id=rival.id)
    work.session.commit()
    for headers in (old_gp, provider):
        post("/practices/P81001/close", headers, 403)
    for code in ("P88888", "P99999", "RA1", "NOWHERE"):
        post(f"/practices/{code}/close", commissioner, 404)
    for successor in ("P81001", "P88888", "RA1", "nobody"):
        said = post("/practices/P81001/close", commissioner, 422, successor=successor)
        assert [error["field"] for error in said["errors"]] == ["successor"]


def test_half_a_closing_is_none(work: Work, region: Region, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody(work, region)
    work.session.commit()

    def fail(*_given: Any, **_named: Any) -> None:
        raise OSError("pulled the plug")

    monkeypatch.setattr(practices, "transition", fail)
    with pytest.raises(OSError, match="plug"):
        practices.close(work, "P81001", "P81002")
    work.session.rollback()
    assert set(rows(select(Patient.practice_id))) == {region.practice.id}
    assert set(rows(select(AccountRole.withdrawn_at))) == {None}


def test_the_command_says_what_it_would_do_and_does_it(work: Work, region: Region, flask: Flask, rows: Rows) -> None:
    somebody(work, region)
    work.session.commit()
    said = flask("practice", "close", "P81001", "--successor", "P81002", "--dry-run").output
    assert "would close: 2 patients to P81002, 1 open referrals" in said
    assert set(rows(select(Patient.practice_id))) == {region.practice.id}
    assert "is closed: 2 patients to P81002" in flask("practice", "close", "P81001", "--successor", "P81002").output
    assert set(rows(select(Patient.practice_id))) == {region.other_practice.id}
    assert "closed already" in flask("practice", "close", "P81001", code=1).output
