"""Who looked is recorded before anything is shown; what can't be recorded is not shown."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, event, func, select, text, update
from sqlalchemy.exc import DBAPIError

from booking.db import Database
from booking.domain.words import Role
from booking.models import AccessEntry
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region, bearer

API = "/api/v1"
Who = dict[str, dict[str, str]]


@pytest.fixture
def who(work: Work, region: Region) -> Who:
    made = {
        role.lower(): bearer(factories.token(work, region, role))
        for role in (Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN, Role.PROVIDER_CLINICIAN)
    }
    referral = factories.referral(work, region)[0]
    made["patient"] = bearer(factories.patient_token(work, referral))
    made["ubrn"] = {"": referral.ubrn}
    work.session.commit()
    return made


def looks(rows: Rows) -> list[tuple[str, str, str | None]]:
    return [(row.what, row.role, row.organisation) for row in rows(select(AccessEntry).order_by(AccessEntry.id))]


def test_a_referral_read_by_staff_is_recorded(client: FlaskClient, who: Who, region: Region, rows: Rows) -> None:
    ubrn = who["ubrn"][""]
    answer = client.get(f"{API}/referrals/{ubrn}", headers=who["referring_clinician"])
    assert answer.status_code == 200
    (row,) = rows(select(AccessEntry))
    assert (row.what, row.role, row.organisation, row.patient_id) == (
        "referral", Role.REFERRING_CLINICIAN, "P81001", region.patient.id,
    )  # fmt: skip
    assert row.request_id == answer.headers["X-Request-ID"]
    assert row.actor == "Referring_Clinician Person"


def test_a_patient_found_by_number_is_recorded(client: FlaskClient, who: Who, region: Region, rows: Rows) -> None:
    found = client.get(f"{API}/patients?nhs_number={region.patient.nhs_number}", headers=who["referring_admin"])
    assert found.status_code == 200
    client.get(f"{API}/patients/{region.patient.id}", headers=who["referring_admin"])
    assert looks(rows) == [("patient", "REFERRING_ADMIN", "P81001")] * 2


def test_what_was_not_shown_is_not_recorded(client: FlaskClient, who: Who, rows: Rows) -> None:
    ubrn = who["ubrn"][""]
    assert client.get(f"{API}/referrals/{ubrn}", headers=who["provider_clinician"]).status_code == 404
    assert client.get(f"{API}/referrals/{ubrn}").status_code == 401
    assert looks(rows) == []


def test_patients_who_read_their_own_leave_no_entry(client: FlaskClient, who: Who, rows: Rows) -> None:
    assert client.get(f"{API}/referrals/{who['ubrn']['']}", headers=who["patient"]).status_code == 200
    assert looks(rows) == []


def test_a_change_records_the_look_in_its_own_transaction(client: FlaskClient, who: Who, rows: Rows) -> None:
    ubrn = who["ubrn"][""]
    wrong = client.post(
        f"{API}/referrals/{ubrn}/cancel",
        json={"reason": "NO_SUCH"},
        headers=who["referring_admin"] | {"If-Match": '"1"'},
    )
    assert wrong.status_code == 422
    assert looks(rows) == []
    assert client.post(f"{API}/referrals/{ubrn}/offers", headers=who["referring_admin"]).status_code == 200
    assert looks(rows) == [("referral", "REFERRING_ADMIN", "P81001")]


def test_what_cannot_be_recorded_is_not_shown(client: FlaskClient, who: Who, database: Database, rows: Rows) -> None:
    """The table is out of reach: staff get a 503 that holds nothing of the record, the patient reads on."""
    ubrn = who["ubrn"][""]
    with database.unit_of_work() as session:
        session.execute(text("ALTER TABLE access_entry RENAME TO access_entry_away"))
    try:
        answer = client.get(f"{API}/referrals/{ubrn}", headers=who["referring_clinician"])
        assert (answer.status_code, answer.json["code"]) == (503, "NOT_RECORDED")
        assert "mole" not in answer.text
        assert client.get(f"{API}/referrals/{ubrn}", headers=who["patient"]).status_code == 200
    finally:
        with database.unit_of_work() as session:
            session.execute(text("ALTER TABLE access_entry_away RENAME TO access_entry"))
    assert looks(rows) == []
    assert client.get(f"{API}/referrals/{ubrn}", headers=who["referring_clinician"]).status_code == 200


def test_entries_can_be_neither_changed_nor_deleted(
    client: FlaskClient, who: Who, database: Database, rows: Rows
) -> None:
    client.get(f"{API}/referrals/{who['ubrn']['']}", headers=who["referring_clinician"])
    for statement in (update(AccessEntry).values(actor="Nobody"), delete(AccessEntry)):
        with pytest.raises(DBAPIError, match="append_only"), database.unit_of_work() as session:
            session.execute(statement)
    assert rows(select(func.count()).select_from(AccessEntry)) == [1]


def test_recording_costs_a_read_one_insert_and_one_commit(
    client: FlaskClient, who: Who, database: Database, region: Region
) -> None:
    """And nothing of it for the patient. Counted, not timed: a busy machine proves nothing."""
    ubrn = who["ubrn"][""]
    inserts: list[str] = []
    commits: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            inserts.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    event.listen(database.engine, "commit", lambda _connection: commits.append("commit"))
    for name, expected in (("patient", (0, 1)), ("referring_clinician", (1, 2))):
        inserts.clear()
        commits.clear()
        assert client.get(f"{API}/referrals/{ubrn}", headers=who[name]).status_code == 200
        assert (len(inserts), len(commits)) == expected
