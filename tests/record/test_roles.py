"""The application as a PostgreSQL role of its own: the journey works, and the record can't be changed by privilege."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from app import create_app
from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.keys import Keys
from booking.services.grants import APPEND_ONLY, DELETABLE, statements
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, choice, patient_body, referral_body
from tests.conftest import NOW, SECRET, SYSTEM, Clock, create_database
from tests.factories import bearer

APPLICATION = "choose and book's app"
"""A name that needs quoting."""


def settings(url: str) -> Config:
    return Config(database_url=url, secret_key=SECRET, cookie_secure=False, testing=True, messages="console")


@pytest.fixture(scope="module")
def owner(postgresql_prefix: str) -> Iterator[BookingApp]:
    """The application as the owner of a database, which has granted the role what it needs."""
    create_database(postgresql_prefix, "booking_roles")
    made = create_app(settings(f"{postgresql_prefix}/booking_roles"))
    made.clock = Clock()
    migrate.upgrade(made.database)
    with made.database.engine.begin() as connection:
        quoted = '"' + APPLICATION + '"'
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS {quoted}")
        connection.exec_driver_sql(f"CREATE ROLE {quoted} LOGIN")
    done = made.test_cli_runner().invoke(args=["db", "grant", APPLICATION, "--execute"])
    assert done.exit_code == 0, done.output
    yield made
    with made.database.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {quoted}")
        connection.exec_driver_sql(f"DROP ROLE {quoted}")
    made.database.dispose()


@pytest.fixture(scope="module")
def application(owner: BookingApp) -> Iterator[BookingApp]:
    """The application connected as the role, and not as the owner."""
    url = make_url(owner.settings.database_url).set(username=APPLICATION)
    made = create_app(settings(url.render_as_string(hide_password=False)))
    made.clock = Clock()
    yield made
    made.database.dispose()


def test_the_whole_journey_works_as_the_role_and_the_record_is_out_of_its_reach(
    owner: BookingApp, application: BookingApp
) -> None:
    with owner.database.unit_of_work() as session, factories.using(session):
        work = Work(session, SYSTEM, NOW, owner.settings, Keys(SECRET))
        region = factories.region(work)
        gp = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    client = application.test_client()
    patient = client.post(f"{API}/patients", json=patient_body(), headers=gp)
    assert patient.status_code == 201, patient.json
    key = gp | {"Idempotency-Key": "one"}
    made = client.post(f"{API}/referrals", json=referral_body(region, patient.json["id"]), headers=key)
    assert made.status_code == 201, made.json
    ubrn = made.json["ubrn"]
    signed = client.post(
        f"{API}/patient-sessions",
        json={"ubrn": ubrn, "access_code": made.json["access_code"], "date_of_birth": "1948-02-29"},
    )
    me = bearer(signed.json["token"])
    offers = client.post(f"{API}/referrals/{ubrn}/offers", headers=me).json["offers"]
    held = client.post(f"{API}/referrals/{ubrn}/holds", json=choice(offers[1]), headers=me)
    assert held.status_code == 201, held.json
    booked = client.post(f"{API}/referrals/{ubrn}/bookings", json=choice(offers[1]), headers=me)
    assert booked.status_code == 201, booked.json
    assert client.get(f"{API}/referrals/{ubrn}", headers=gp).status_code == 200
    done = client.post(
        f"{API}/bookings/{booked.json['reference']}/cancel", json={"reason": "UNABLE_TO_ATTEND"}, headers=me
    )
    assert done.status_code == 200, done.json
    for _ in range(2):  # the second rewrites what the first pencilled
        planned = application.test_cli_runner().invoke(args=["plan"])
        assert planned.exit_code == 0, planned.output
    application.clock = Clock(NOW + timedelta(days=8))
    tasks.expire(application)
    tasks.seal_audit(application)
    assert tasks.purge(application) > 0  # of what is kept for a while only

    for table in sorted(APPEND_ONLY):
        for verb in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            _denied(application.database, verb, f"permission denied for table {table}")
    _denied(application.database, "DELETE FROM booking", "permission denied")
    _denied(application.database, "UPDATE alembic_version SET version_num = 'x'", "permission denied")
    _denied(application.database, "ALTER TABLE audit_entry DISABLE TRIGGER ALL", "must be owner")
    _denied(application.database, "SET session_replication_role = replica", "permission denied")
    with application.database.unit_of_work(write=False) as session:
        assert session.scalar(text("SELECT count(*) FROM audit_entry")) > 3
        assert session.scalar(text("SELECT count(*) FROM access_entry")) > 0


def _denied(database: Database, statement: str, by: str) -> None:
    with pytest.raises(ProgrammingError, match=by), database.unit_of_work() as session:
        session.execute(text(statement))


def test_the_grants_are_printed_to_be_read_first(owner: BookingApp) -> None:
    printed = owner.test_cli_runner().invoke(args=["db", "grant", "somebody"]).output
    lines = [line.rstrip(";") for line in printed.splitlines()]
    assert lines == statements("somebody")
    granted = {line.split(".")[1].split('"')[1]: line for line in lines if line.startswith("GRANT SELECT, INSERT")}
    for table in APPEND_ONLY:
        assert granted[table].startswith("GRANT SELECT, INSERT ON")
    assert {name for name, line in granted.items() if "DELETE" in line} == DELETABLE
    assert not any("TRUNCATE" in line or "ALL PRIVILEGES" in line for line in lines)


def test_a_role_that_is_not_there_is_a_plain_message(owner: BookingApp) -> None:
    done = owner.test_cli_runner().invoke(args=["db", "grant", "nobody at all", "--execute"])
    assert done.exit_code == 1
    assert 'role "nobody at all" does not exist' in done.output


def test_the_embedded_database_has_no_roles(tmp_path: Path) -> None:
    app = create_app(settings(f"sqlite:///{tmp_path / 'x.db'}"))
    done = app.test_cli_runner().invoke(args=["db", "grant", "somebody"])
    assert done.exit_code == 1
    assert "no roles" in done.output
    app.database.dispose()
