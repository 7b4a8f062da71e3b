"""Asking, answering, closing: whose turn it is, on whose list, and what stays as it was said."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from booking.domain.advice import ROLES, STEPS, AdviceAction, AdviceNotAllowed, next_step
from booking.domain.words import AdviceState, BookingMode, Priority, Role, Worklist
from booking.models import AdviceMessage, AdviceRequest, AuditEntry, Organisation, OutboxMessage, Service, Site
from booking.services import audit
from booking.services.work import Work
from tests import factories
from tests.advice.conftest import API, Ask, Headers, People, question
from tests.api.conftest import fields_at_fault
from tests.conftest import Rows
from tests.factories import Region


def on_list(client: FlaskClient, worklist: str, headers: Headers) -> list[str]:
    answer = client.get(f"{API}/worklists/{worklist}", headers=headers)
    assert answer.status_code == 200, answer.json
    return [entry["reference"] for entry in answer.json["entries"]]


def test_a_question_and_its_answer(client: FlaskClient, people: People, asked: Ask, act: Any) -> None:
    made = asked()
    assert len(made["reference"]) == 12
    assert (made["state"], made["worklist"], made["worklist_due"]) == (
        "AWAITING_PROVIDER",
        "ADVICE_REQUESTS",
        "2026-03-16",
    )
    assert on_list(client, "ADVICE_REQUESTS", people.clinician) == [made["reference"]]

    asks = act(made, "messages", people.clinician, text="How long has it been there?", asks_back=True)
    assert (asks.status_code, asks.json["state"], asks.json["worklist"]) == (201, "AWAITING_REFERRER", "ADVICE")
    assert on_list(client, "ADVICE_REQUESTS", people.clinician) == []
    assert on_list(client, "ADVICE", people.gp) == [made["reference"]]

    replied = act(asks.json, "messages", people.gp, text="Two years.")
    assert (replied.json["state"], replied.json["worklist"]) == ("AWAITING_PROVIDER", "ADVICE_REQUESTS")
    final = act(replied.json, "close", people.clinician, text="Watch it for six months.")
    assert (final.json["state"], final.json["worklist"]) == ("CLOSED", "ADVICE")
    read = act(final.json, "close", people.gp)
    assert (read.json["state"], read.json["worklist"], read.json["worklist_due"]) == ("CLOSED", None, None)
    assert on_list(client, "ADVICE", people.gp) == []

    whole = client.get(f"{API}/advice/{made['reference']}", headers=people.clinician)
    said = [(one["turn"], one["role"], one["text"]) for one in whole.json["messages"]]
    assert said == [
        ("QUESTION", "REFERRING_CLINICIAN", "Is this mole one for your clinic? It’s 4 mm 🙂 שלום"),
        ("MORE_INFORMATION", "PROVIDER_CLINICIAN", "How long has it been there?"),
        ("REPLY", "REFERRING_CLINICIAN", "Two years."),
        ("FINAL_ADVICE", "PROVIDER_CLINICIAN", "Watch it for six months."),
    ]
    again = client.get(
        f"{API}/advice/{made['reference']}", headers={**people.gp, "If-None-Match": whole.headers["ETag"]}
    )
    assert again.status_code == 304


def test_the_providers_own_shorter_time(
    client: FlaskClient, work: Work, region: Region, people: People, advisory: Service, asked: Ask, act: Any
) -> None:
    work.session.merge(advisory).contact_by = {"ADVICE_REQUESTS": {"ROUTINE": 3}}
    work.session.commit()
    made = asked()
    assert made["worklist_due"] == "2026-03-05"
    urgent = asked(priority="TWO_WEEK_WAIT")
    assert urgent["worklist_due"] == "2026-03-04"
    # More said before the answer comes does not put the answer off.
    more = act(made, "messages", people.gp, text="It has grown.")
    assert more.json["worklist_due"] == "2026-03-05"


def test_notices_name_nobody(people: People, asked: Ask, act: Any, rows: Rows, region: Region) -> None:
    made = asked()
    act(made, "messages", people.clinician, text="No need.")
    notices = rows(select(OutboxMessage).where(OutboxMessage.kind == "advice").order_by(OutboxMessage.id))
    assert [one.payload["to"] for one in notices] == ["worklist@ra1.example", "worklist@p81001.example"]
    for one in notices:
        assert one.referral_id is None
        assert set(one.payload) == {"to", "worklist", "entries"}


def test_no_address_no_notice_and_still_on_the_list(
    client: FlaskClient, work: Work, people: People, asked: Ask, rows: Rows
) -> None:
    work.session.execute(update(Organisation).values(worklist_email=None))
    work.session.commit()
    made = asked()
    assert rows(select(OutboxMessage)) == []
    assert on_list(client, "ADVICE_REQUESTS", people.clinician) == [made["reference"]]


def test_strangers_see_no_such_request(client: FlaskClient, people: People, asked: Ask, act: Any) -> None:
    made = asked()
    path = f"{API}/advice/{made['reference']}"
    for who in (people.other_gp, people.other_clinician):
        assert client.get(path, headers=who).status_code == 404
        assert act(made, "messages", who, text="Let me see.").status_code == 404
        assert act(made, "close", who, text="Done.").status_code == 404
        assert client.get(f"{API}/advice", headers=who).json["advice"] == []
    convert = act(made, "convert", people.other_clinician, service_id=1, comment="Mine.")
    assert convert.status_code == 404
    refer = act(
        made, "refer", people.other_gp, specialty="330", priority="ROUTINE", reason="A mole", shortlist=[1]
    )  # fmt: skip
    assert refer.status_code == 404
    for who in (people.definer, people.commissioner):
        assert client.get(path, headers=who).status_code == 403
    for who in (people.gp, people.practice_admin, people.clinician, people.provider_admin):
        assert client.get(path, headers=who).status_code == 200
        assert [one["reference"] for one in client.get(f"{API}/advice", headers=who).json["advice"]] == [
            made["reference"]
        ]


def test_a_stale_version_and_a_missing_one(client: FlaskClient, people: People, asked: Ask, act: Any) -> None:
    made = asked()
    assert act(made, "messages", people.clinician, text="No need.").status_code == 201
    stale = act(made, "messages", people.clinician, text="Or rather, yes.")
    assert (stale.status_code, stale.json["code"]) == (409, "STALE_VERSION")
    missing = client.post(f"{API}/advice/{made['reference']}/messages", json={"text": "x"}, headers=people.gp)
    assert missing.status_code == 428


def test_one_key_one_message(client: FlaskClient, people: People, asked: Ask, rows: Rows) -> None:
    made = asked()
    headers = {**people.gp, "If-Match": '"1"', "Idempotency-Key": "say-once"}
    path = f"{API}/advice/{made['reference']}/messages"
    first, second = (client.post(path, json={"text": "More."}, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert len(rows(select(AdviceMessage))) == 2


def test_admins_write_for_a_clinician(
    client: FlaskClient, region: Region, advisory: Service, people: People, act: Any, rows: Rows
) -> None:
    nobody = client.post(f"{API}/advice", json=question(region, advisory), headers=people.practice_admin)
    assert fields_at_fault(nobody) == {"referrer"}
    body = question(region, advisory, referrer="Dr Siân O’Neill")
    made = client.post(f"{API}/advice", json=body, headers=people.practice_admin).json
    assert made["referrer"] == "Dr Siân O’Neill"
    unnamed = act(made, "messages", people.provider_admin, text="Watch it.")
    assert fields_at_fault(unnamed) == {"on_behalf_of"}
    named = act(made, "messages", people.provider_admin, text="Watch it.", on_behalf_of="Dr Ada Lake")
    assert [one["on_behalf_of"] for one in named.json["messages"]] == ["Dr Siân O’Neill", "Dr Ada Lake"]
    # The practice's admin writes for the referrer of the request, unless they name another.
    replied = act(named.json, "messages", people.practice_admin, text="We will.")
    assert replied.json["messages"][-1]["on_behalf_of"] == "Dr Siân O’Neill"
    entries = rows(select(AuditEntry).where(AuditEntry.chain.like("advice:%")).order_by(AuditEntry.sequence))
    assert [(one.action, one.on_behalf_of) for one in entries] == [
        ("advice.ask", "Dr Siân O’Neill"), ("advice.answer", "Dr Ada Lake"), ("advice.reply", "Dr Siân O’Neill"),
    ]  # fmt: skip


def test_what_was_said_stays(asked: Ask, work: Work) -> None:
    asked()
    with pytest.raises(DBAPIError, match="append_only"):
        work.session.execute(text("UPDATE advice_message SET text = 'never said'"))
    work.session.rollback()
    with pytest.raises(DBAPIError, match="append_only"):
        work.session.execute(text("DELETE FROM advice_message"))
    work.session.rollback()
    assert audit.verify(work.session) == []


def test_final_advice_needs_words_closing_does_not(people: People, asked: Ask, act: Any) -> None:
    made = asked()
    assert fields_at_fault(act(made, "close", people.clinician)) == {"text"}
    assert act(made, "close", people.gp).json["worklist"] is None
    late = act({**made, "version": 2}, "messages", people.clinician, text="But wait.")
    assert (late.status_code, late.json["state"], late.json["action"]) == (409, "CLOSED", "ANSWER")
    assert "request for advice" in late.json["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": "  "}, "text"),
        ({"text": "x" * 8001}, "text"),
        ({"subject": ""}, "subject"),
        ({"subject": "bad\x00"}, "subject"),
        ({"priority": "SOON"}, "priority"),
        ({"convertible": "perhaps"}, "convertible"),
        ({"service_id": 99_999}, "service_id"),
        ({"service_id": "1"}, "service_id"),
        ({"service_id": 2**63}, "service_id"),
        ({"specialty": "320"}, "service_id"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_a_question_with_a_fault(
    client: FlaskClient, region: Region, advisory: Service, people: People, rows: Rows, changes: dict[str, Any],
    field: str,
) -> None:  # fmt: skip
    answer = client.post(f"{API}/advice", json=question(region, advisory, **changes), headers=people.gp)
    assert answer.status_code == 422, answer.json
    assert fields_at_fault(answer) == {field}
    assert rows(select(AdviceRequest)) == []


def test_services_that_can_not_be_asked(client: FlaskClient, work: Work, region: Region, people: People) -> None:
    site = work.session.get_one(Site, region.services[0].site_id)
    advises: dict[str, Any] = {"booking_mode": BookingMode.ADVICE_ONLY}
    cases = {
        "NO_ADVICE": region.services[0],
        "PRIORITY": factories.service(work, region.provider, site, windows={Priority.URGENT: (0, 9)}, **advises),
        "AGE": factories.service(work, region.provider, site, max_age=16, **advises),
        "CLOSED": factories.service(work, region.provider, site, operational_to=date(2025, 1, 1), **advises),
        "NOT_OPEN_YET": factories.service(work, region.provider, site, operational_from=date(2027, 1, 1), **advises),
        "SERVICE_UNKNOWN": factories.service(work, region.provider, site, nationally_visible=False, **advises),
    }
    both = factories.service(work, region.provider, site, gives_advice=True)
    work.session.commit()
    for code, service in cases.items():
        answer = client.post(f"{API}/advice", json=question(region, service), headers=people.gp)
        assert answer.status_code == 422, (code, answer.json)
        assert [error["code"] for error in answer.json["errors"]] == [code]
    assert client.post(f"{API}/advice", json=question(region, both), headers=people.gp).status_code == 201


def test_services_that_give_advice_are_found(
    client: FlaskClient, work: Work, region: Region, advisory: Service, people: People
) -> None:
    site = work.session.get_one(Site, region.services[0].site_id)
    both = factories.service(work, region.provider, site, gives_advice=True)
    work.session.commit()
    found = client.get(f"{API}/services?specialty=330&advice=true", headers=people.gp).json["services"]
    assert {one["id"] for one in found} == {advisory.id, both.id}
    everything = client.get(f"{API}/services?specialty=330", headers=people.gp).json["services"]
    assert {one["id"] for one in everything if one["gives_advice"]} == {advisory.id, both.id}
    assert len(everything) == 4


def test_another_practices_patient(
    client: FlaskClient, work: Work, region: Region, advisory: Service, people: People
) -> None:
    theirs = factories.PatientFactory(practice_id=region.other_practice.id)
    work.session.commit()
    body = question(region, advisory, patient_id=theirs.id)
    assert client.post(f"{API}/advice", json=body, headers=people.gp).status_code == 404


def test_pages_and_states(client: FlaskClient, people: People, asked: Ask, act: Any) -> None:
    made = [asked(subject=f"Mole {n}") for n in range(3)]
    act(made[0], "messages", people.clinician, text="No need.")
    first = client.get(f"{API}/advice?limit=2", headers=people.gp).json
    rest = client.get(f"{API}/advice?limit=2&before={first['next']}", headers=people.gp).json
    assert [one["subject"] for one in first["advice"] + rest["advice"]] == ["Mole 2", "Mole 1", "Mole 0"]
    assert rest["next"] is None
    answered = client.get(f"{API}/advice?state=AWAITING_REFERRER", headers=people.gp).json["advice"]
    assert [one["reference"] for one in answered] == [made[0]["reference"]]


def test_every_state_and_action() -> None:
    """The table: where it leads on somebody's list; nothing after the practice has put a conversion aside."""
    legal = refused = 0
    for state in AdviceState:
        for action in AdviceAction:
            for listed in (True, False):
                if not listed and state not in (AdviceState.CLOSED, AdviceState.CONVERTED):
                    continue
                try:
                    step = next_step(state, action, listed=listed)
                except AdviceNotAllowed:
                    refused += 1
                    continue
                legal += 1
                assert step == STEPS[state, action]
                ended = step.to in (AdviceState.CLOSED, AdviceState.CONVERTED)
                assert ended or step.worklist is not None
                assert step.worklist in (None, Worklist.ADVICE, Worklist.ADVICE_REQUESTS)
    assert (legal, refused) == (19, 23)
    assert all(Role.SERVICE_DEFINER not in roles for roles in ROLES.values())
