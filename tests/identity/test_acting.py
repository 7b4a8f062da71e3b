"""Somebody acts for a patient: said at sign-in or later, recorded with all they do, ended, and forgotten in time."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.errors import Forbidden, Invalid
from booking.domain.words import Relation, Role
from booking.models import ActingPerson, AuditEntry, Referral, ReferralEvent
from booking.services import acting, audit
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region, bearer

API = "/api/v1"
CARER = {"name": "  Zoë   O’Hara 🌿 ", "relation": "CARER"}


def sign_in(client: FlaskClient, ubrn: str, code: str, **more: object) -> dict[str, str]:
    body = {"ubrn": ubrn, "access_code": code, "date_of_birth": "1960-05-17", **more}
    answer = client.post(f"{API}/patient-sessions", json=body)
    assert answer.status_code == 201, answer.json
    return bearer(answer.json["token"])


def book(client: FlaskClient, ubrn: str, headers: dict[str, str], region: Region) -> None:
    slot = region.slots[0]
    body = {"slot_id": slot.id, "starts_at": slot.starts_at.isoformat(), "ends_at": slot.ends_at.isoformat()}
    answer = client.post(f"{API}/referrals/{ubrn}/bookings", json=body, headers=headers)
    assert answer.status_code == 201, answer.json


def test_what_a_carer_does_is_recorded_as_theirs(client: FlaskClient, work: Work, region: Region, rows: Rows) -> None:
    made, code = factories.referral(work, region)
    work.session.commit()
    headers = sign_in(client, made.ubrn, code, acting=CARER)
    book(client, made.ubrn, headers, region)
    person = rows(select(ActingPerson))[0]
    assert (person.name, person.relation, person.ended_at) == ("Zoë O’Hara 🌿", Relation.CARER, None)
    event = rows(select(ReferralEvent).order_by(ReferralEvent.id.desc()))[0]
    known_as = f"carer #{person.id}"
    assert (event.actor, event.role, event.on_behalf_of) == (known_as, Role.PATIENT, "patient")
    entries = rows(select(AuditEntry).where(AuditEntry.actor == known_as).order_by(AuditEntry.id))
    done = [one.action for one in entries]
    assert done[0] == "acting.begin"
    assert "referral.book" in done
    assert {one.on_behalf_of for one in entries} == {"patient"}
    assert all("O’Hara" not in repr((one.before, one.after, one.actor)) for one in entries)
    assert audit.verify(work.session) == []
    told = client.get(f"{API}/referrals/{made.ubrn}/history", headers=headers).json
    assert told["helpers"] == [{"actor": known_as, "name": "Zoë O’Hara 🌿", "relation": "CARER"}]


def test_it_can_be_begun_changed_and_ended_in_the_session(
    client: FlaskClient, work: Work, region: Region, rows: Rows
) -> None:
    made, _ = factories.referral(work, region)
    headers = bearer(factories.patient_token(work, made))
    work.session.commit()
    for _ in range(2):  # the same said twice is one person
        answer = client.put(f"{API}/me/acting", json=CARER, headers=headers)
        assert answer.json == {"name": "Zoë O’Hara 🌿", "relation": "CARER"}
    client.put(f"{API}/me/acting", json={"name": "Bo", "relation": "CHILD"}, headers=headers)
    for _ in range(2):
        assert client.delete(f"{API}/me/acting", headers=headers).status_code == 204
    people = rows(select(ActingPerson).order_by(ActingPerson.id))
    assert [(one.name, one.ended_at is None) for one in people] == [("Zoë O’Hara 🌿", False), ("Bo", False)]
    book(client, made.ubrn, headers, region)
    assert rows(select(ReferralEvent.actor).order_by(ReferralEvent.id.desc()))[0] == "patient"
    done = rows(select(AuditEntry.action).where(AuditEntry.action.like("acting.%")).order_by(AuditEntry.id))
    assert done == ["acting.begin", "acting.begin", "acting.end"]


@pytest.mark.parametrize("body", [{"name": " ", "relation": "CHILD"}, {"name": "Bo"}, {"name": "Bo", "relation": "X"}])
def test_a_name_and_what_they_are_must_be_given(
    client: FlaskClient, work: Work, region: Region, body: dict[str, str]
) -> None:
    made, code = factories.referral(work, region)
    work.session.commit()
    given = {"ubrn": made.ubrn, "access_code": code, "date_of_birth": "1960-05-17", "acting": body}
    assert client.post(f"{API}/patient-sessions", json=given).status_code == 422


def test_staff_act_for_nobody_this_way(work: Work, region: Region) -> None:
    practice = factories.acting(work, Role.REFERRING_ADMIN, region.practice)
    with pytest.raises(Forbidden):
        acting.begin(practice, acting.checked("Bo", Relation.CHILD))
    for name in ("", "x" * 101, "a\u202eb"):
        with pytest.raises(Invalid):
            acting.checked(name, Relation.CHILD)


def test_names_are_found_by_what_the_trail_has_and_nothing_else(work: Work, region: Region) -> None:
    made, _ = factories.referral(work, region)
    token = factories.patient_token(work, made)
    from booking.services import sign_in as service

    session_id = service.actor_for(work.session, work.keys, token, work.now).session_id  # type: ignore[union-attr]
    begun = acting.begin(work, acting.checked("Bo", Relation.FRIEND), session_id=session_id)
    known_as = f"friend #{begun.id}"
    found = acting.names(work.session, ["patient", "Dr #1", known_as, f"friend #{begun.id + 1}", "friend #x"])
    assert found == {known_as: begun}
    acting.forget(work.session, made.id, "Removed")
    assert acting.names(work.session, [known_as])[known_as].name in ("Bo", "Removed")
    work.session.expire_all()
    assert acting.names(work.session, [known_as])[known_as].name == "Removed"


def test_another_session_of_the_same_patient_is_not_theirs(
    client: FlaskClient, work: Work, region: Region, rows: Rows
) -> None:
    made, code = factories.referral(work, region)
    work.session.commit()
    sign_in(client, made.ubrn, code, acting=CARER)
    own = sign_in(client, made.ubrn, code)
    book(client, made.ubrn, own, region)
    assert rows(select(ReferralEvent.actor).order_by(ReferralEvent.id.desc()))[0] == "patient"
    assert rows(select(Referral.state))[0] == "BOOKED"
