"""The audit trail finds what was changed, taken out or cut off; organisations read their own part of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.models import AccessEntry, AuditEntry, AuditSeal, Referral
from booking.services import audit, booking
from booking.services.booking import Choice
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock
from tests.factories import Region, bearer

API = "/api/v1"


@contextmanager
def triggers_asleep(database: Database) -> Iterator[Session]:
    """As somebody who has got at the database itself; committed, and the triggers are back afterwards."""
    with database.unit_of_work() as session:
        if database.is_sqlite:
            found = session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in found:
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        yield session
        if database.is_sqlite:
            session.flush()
            for _, sql in found:
                session.connection().exec_driver_sql(sql)


@pytest.fixture
def sealed(client: FlaskClient, work: Work, region: Region, app: BookingApp, clock: Clock) -> Referral:
    """A referral made, read by its practice over HTTP, booked, and sealed in two seals."""
    made = factories.referral(work, region)[0]
    headers = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    assert client.get(f"{API}/referrals/{made.ubrn}", headers=headers).status_code == 200
    clock.now += timedelta(minutes=5)
    with app.database.unit_of_work() as session:
        assert audit.seal(session, clock.now) is not None
    with app.database.unit_of_work() as session:
        slot = region.slots[0]
        practice = factories.acting(
            Work(session, work.actor, clock.now, work.config, work.keys), Role.REFERRING_CLINICIAN, region.practice
        )
        booking.book(practice, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    clock.now += timedelta(minutes=5)
    with app.database.unit_of_work() as session:
        assert audit.seal(session, clock.now) is not None
    return made


def change_an_entry(session: Session, chain: str) -> None:
    session.execute(update(AuditEntry).where(AuditEntry.chain == chain, AuditEntry.sequence == 1).values(actor="Else"))


def take_one_out(session: Session, chain: str) -> None:
    session.execute(delete(AuditEntry).where(AuditEntry.chain == chain, AuditEntry.sequence == 1))


def cut_off_the_end(session: Session, chain: str) -> None:
    last = session.scalars(
        select(AuditEntry.id).where(AuditEntry.chain == chain).order_by(AuditEntry.id.desc())
    ).first()
    session.execute(delete(AuditEntry).where(AuditEntry.id == last))


def change_a_seal(session: Session, chain: str) -> None:
    session.execute(update(AuditSeal).where(AuditSeal.id == 1).values(entries=AuditSeal.entries + 1))


def move_a_seal_in_time(session: Session, chain: str) -> None:
    seal = session.get_one(AuditSeal, 2)
    seal.at -= timedelta(minutes=1)


def take_a_seal_out(session: Session, chain: str) -> None:
    session.execute(delete(AuditSeal).where(AuditSeal.id == 1))


def hide_who_looked(session: Session, chain: str) -> None:
    session.execute(delete(AccessEntry))


def change_who_looked(session: Session, chain: str) -> None:
    session.execute(update(AccessEntry).values(actor="Somebody Else"))


@pytest.mark.parametrize(
    ("plant", "where", "said"),
    [
        (change_an_entry, "referral:", "entry 1 was changed"),
        (take_one_out, "referral:", "gap: entry 2 follows 0"),
        (cut_off_the_end, "seal 2", "entries"),
        (change_a_seal, "seal 1", "was changed"),
        (move_a_seal_in_time, "seal 2", "was changed"),
        (take_a_seal_out, "seal 2", "does not follow from the seal before"),
        (hide_who_looked, "seal 1", "reads"),
        (change_who_looked, "seal 1", "not what was sealed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found_and_named(
    app: BookingApp, sealed: Referral, plant: Callable[[Session, str], None], where: str, said: str
) -> None:
    runner = app.test_cli_runner()
    whole = runner.invoke(args=["audit", "verify"])
    assert whole.exit_code == 0, whole.output
    assert "Newest seal" in whole.output
    with triggers_asleep(app.database) as session:
        plant(session, f"referral:{sealed.id}")
    found = runner.invoke(args=["audit", "verify"])
    assert found.exit_code == 1
    assert any(line.startswith(where) and said in line for line in found.output.splitlines()), found.output


def test_a_cut_off_end_with_its_seals_is_found_by_a_seal_kept_elsewhere(app: BookingApp, sealed: Referral) -> None:
    with app.database.unit_of_work(write=False) as session:
        newest = audit.newest_seal(session)
        assert newest is not None
    with triggers_asleep(app.database) as session:
        first = session.get_one(AuditSeal, 1)
        session.execute(delete(AuditSeal).where(AuditSeal.id > 1))
        session.execute(delete(AuditEntry).where(AuditEntry.id > first.up_to_entry))
    runner = app.test_cli_runner()
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0  # nothing inside can tell
    found = runner.invoke(args=["audit", "verify", "--expect", newest.hash])
    assert found.exit_code == 1
    assert "the end was cut off" in found.output


def test_a_chain_is_shown_in_order_with_milliseconds_in_utc(app: BookingApp, sealed: Referral) -> None:
    shown = app.test_cli_runner().invoke(args=["audit", "show", "--chain", f"referral:{sealed.id}"])
    lines = [json.loads(line) for line in shown.output.splitlines()]
    assert [line["action"] for line in lines] == ["referral.issue", "referral.book"]
    assert lines[0]["at"] == "2026-03-02T09:00:00.000+00:00"
    assert lines[1]["before"] == {"state": "NOT_BOOKED"}
    missing = app.test_cli_runner().invoke(args=["audit", "show", "--chain", "referral:0"])
    assert missing.exit_code == 1


def headers(work: Work, region: Region, role: Role) -> dict[str, str]:
    made = bearer(factories.token(work, region, role))
    work.session.commit()
    return made


def test_practices_see_what_their_own_people_did(
    client: FlaskClient, work: Work, region: Region, sealed: Referral
) -> None:
    admin = headers(work, region, Role.REFERRING_ADMIN)
    found = client.get(f"{API}/audit?ubrn={sealed.ubrn}", headers=admin).json["entries"]
    assert [entry["action"] for entry in found] == ["referral.book", "referral.issue"]
    assert {entry["organisation"] for entry in found} == {"P81001"}
    assert found[0]["after"]["state"] == "BOOKED"
    one = client.get(f"{API}/audit?action=referral.issue&limit=1", headers=admin).json
    assert len(one["entries"]) == 1
    assert client.get(f"{API}/audit?limit=1&before={one['next']}", headers=admin).status_code == 200
    later = client.get(f"{API}/audit?since=2026-03-02T09:01:00Z&action=referral.issue", headers=admin)
    assert later.json["entries"] == []
    reads = client.get(f"{API}/audit/access", headers=admin).json["entries"]
    assert [(read["what"], read["referral_id"]) for read in reads][-1] == ("referral", sealed.id)


def test_a_provider_does_not_see_what_a_practice_did(
    client: FlaskClient, work: Work, region: Region, sealed: Referral
) -> None:
    provider = headers(work, region, Role.PROVIDER_ADMIN)
    assert client.get(f"{API}/audit", headers=provider).json["entries"] == []


def test_commissioners_see_it_without_identities(
    client: FlaskClient, work: Work, region: Region, sealed: Referral
) -> None:
    for role in (Role.COMMISSIONER, Role.INFORMATION_ANALYST):
        them = headers(work, region, role)
        found = client.get(f"{API}/audit?action=referral.book", headers=them).json["entries"]
        assert [set(entry) for entry in found] == [{"at", "role", "organisation", "action"}]
        reads = client.get(f"{API}/audit/access", headers=them).json["entries"]
        assert [set(entry) for entry in reads[-1:]] == [{"at", "role", "organisation", "what"}]
        for name, value in (("ubrn", sealed.ubrn), ("actor", "Dr Lake")):
            assert client.get(f"{API}/audit?{name}={value}", headers=them).status_code == 403


def test_a_clinician_and_a_patient_may_not_search_it(
    client: FlaskClient, work: Work, region: Region, sealed: Referral
) -> None:
    gp = headers(work, region, Role.REFERRING_CLINICIAN)
    assert client.get(f"{API}/audit", headers=gp).status_code == 403
    assert client.get(f"{API}/audit?limit=0", headers=headers(work, region, Role.PROVIDER_ADMIN)).status_code == 422
