"""Commissioning rules: who may use a service, from when, until when; ending one takes nothing from anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import AuditEntry, Booking, Offer, Organisation, Service, Site
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, fields_at_fault, referral_body
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.planning.conftest import Flask
from tests.rules.conftest import RULES, signed_in, with_version


@pytest.fixture
def restricted(work: Work, region: Region) -> Service:
    """A service that nobody may use until a commissioner opens it, with free slots."""
    provider, site = (
        work.session.get_one(Organisation, region.provider.id),
        work.session.get_one(Site, region.services[0].site_id),
    )
    made = factories.service(work, provider, site, name="Nurse-led clinic", nationally_visible=False)
    factories.slots(work, made, region.slots[0].starts_at + timedelta(days=7), 6)
    work.session.commit()
    return made


@pytest.fixture
def other_gp(work: Work, region: Region) -> Headers:
    return signed_in(work, factories.account(work, Role.REFERRING_CLINICIAN, region.other_practice))


def rule(service: Service, **changes: Any) -> dict[str, Any]:
    return {"service_id": service.id, "starts_on": "2026-03-02", "explanation": "A pilot.", **changes}


def seen(client: FlaskClient, headers: Headers) -> set[str]:
    found = client.get(f"{API}/services?specialty=330", headers=headers).json["services"]
    return {one["name"] for one in found if one["name"] != "Dermatology clinic"}


def test_a_service_is_opened_to_all_practices_or_to_one(
    client: FlaskClient, region: Region, restricted: Service, commissioner: Headers, gp: Headers, other_gp: Headers
) -> None:
    assert (seen(client, gp), seen(client, other_gp)) == (set(), set())
    offered = client.get(f"{RULES}/services?term=nurse", headers=commissioner).json["services"]
    assert [one["id"] for one in offered] == [restricted.id]
    one = client.post(RULES, json=rule(restricted, organisation="P81001"), headers=commissioner)
    assert one.status_code == 201, one.json
    assert (seen(client, gp), seen(client, other_gp)) == ({"Nurse-led clinic"}, set())
    everybody = client.post(RULES, json=rule(restricted), headers=commissioner)
    assert everybody.json["organisation"] == "00X"
    assert (seen(client, gp), seen(client, other_gp)) == ({"Nurse-led clinic"},) * 2
    listed = client.get(RULES, headers=commissioner).json["rules"]
    assert {found["id"] for found in listed} == {one.json["id"], everybody.json["id"]}


def test_a_rule_holds_from_its_first_day_to_its_last(
    client: FlaskClient, clock: Clock, restricted: Service, commissioner: Headers, work: Work, region: Region
) -> None:
    body = rule(restricted, starts_on="2026-03-03", ends_on="2026-03-04")
    assert client.post(RULES, json=body, headers=commissioner).status_code == 201
    visible = []
    for day in (2, 3, 4, 5):
        clock.now = clock.now.replace(day=day)
        headers = signed_in(replace(work, now=clock.now), region.account_roles[Role.REFERRING_CLINICIAN])
        visible.append(bool(seen(client, headers)))
    assert visible == [False, True, True, False]


def test_ending_a_rule_leaves_referrals_already_made_as_they_are(
    client: FlaskClient, clock: Clock, work: Work, region: Region, restricted: Service, commissioner: Headers,
    gp: Headers, flask: Flask, rows: Rows,
) -> None:  # fmt: skip
    """They are planned to that very service, and no new one can be made."""
    made = client.post(RULES, json=rule(restricted), headers=commissioner).json
    refer = referral_body(region, shortlist=[restricted.id])
    assert client.post(f"{API}/referrals", json=refer, headers=gp).status_code == 201
    path = f"{RULES}/{made['id']}"
    ending = {"last_day": "2026-03-02", "explanation": "The pilot is over."}
    ended = client.post(f"{path}/end", json=ending, headers=with_version(client, commissioner, path))
    assert ended.status_code == 200, ended.json
    assert (ended.json["ends_on"], ended.json["open_referrals"]) == ("2026-03-02", None)  # one: too few to be told
    clock.now = clock.now.replace(day=3, hour=2)
    work = replace(work, now=clock.now)
    gp = signed_in(work, region.account_roles[Role.REFERRING_CLINICIAN])
    refused = client.post(f"{API}/referrals", json=refer, headers=gp)
    assert fields_at_fault(refused) == {"shortlist.0"}
    flask("plan")
    assert [one.guaranteed for one in rows(select(Offer))][:1] == [True]
    assert len(rows(select(Booking.id))) == 1


def test_every_change_is_in_the_audit_trail(
    client: FlaskClient, restricted: Service, commissioner: Headers, rows: Rows
) -> None:
    made = client.post(RULES, json=rule(restricted, ends_on="2026-06-30"), headers=commissioner).json
    path = f"{RULES}/{made['id']}"
    changed = client.patch(
        path,
        json={"ends_on": None, "explanation": "For good’s sake."},
        headers=with_version(client, commissioner, path),
    )
    assert (changed.json["ends_on"], changed.json["version"]) == (None, 2)
    entries = rows(select(AuditEntry).where(AuditEntry.chain == f"commissioning-rule:{made['id']}"))
    assert [(one.action, one.organisation) for one in entries] == [
        ("commissioning_rule.create", "00X"), ("commissioning_rule.change", "00X"),
    ]  # fmt: skip
    assert (entries[1].before["ends_on"], entries[1].after["ends_on"]) == ("2026-06-30", None)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"service_id": 999_999}, {"service_id"}),
        ({"organisation": "RA1"}, {"organisation"}),
        ({"organisation": "P99999"}, {"organisation"}),
        ({"organisation": "💥"}, {"organisation"}),
        ({"starts_on": "2026-03-01"}, {"starts_on"}),
        ({"ends_on": "2026-03-01"}, {"ends_on"}),
        ({"explanation": " "}, {"explanation"}),
        ({"service_id": 2**63}, {"service_id"}),
    ],
)
def test_what_is_wrong_is_named(
    client: FlaskClient, restricted: Service, commissioner: Headers, changes: dict[str, Any], fields: set[str]
) -> None:
    answer = client.post(RULES, json=rule(restricted, **changes), headers=commissioner)
    assert answer.status_code == 422
    assert fields_at_fault(answer) == fields


def test_two_rules_for_the_same_time_are_refused(
    client: FlaskClient, restricted: Service, commissioner: Headers
) -> None:
    first = client.post(RULES, json=rule(restricted, ends_on="2026-03-31"), headers=commissioner)
    again = client.post(RULES, json=rule(restricted, starts_on="2026-03-31"), headers=commissioner)
    assert (again.status_code, again.json["code"]) == (409, "OVERLAPS")
    after = client.post(RULES, json=rule(restricted, starts_on="2026-04-01"), headers=commissioner)
    assert after.status_code == 201
    path = f"{RULES}/{first.json['id']}"
    longer = client.patch(path, json={"ends_on": None}, headers=with_version(client, commissioner, path))
    assert (longer.status_code, longer.json["code"]) == (409, "OVERLAPS")
    assert client.get(path, headers=commissioner).json["ends_on"] == "2026-03-31"


def test_a_rule_that_has_begun_keeps_its_first_day(
    client: FlaskClient, restricted: Service, commissioner: Headers
) -> None:
    made = client.post(RULES, json=rule(restricted), headers=commissioner).json
    path = f"{RULES}/{made['id']}"
    moved = client.patch(path, json={"starts_on": "2026-04-01"}, headers=with_version(client, commissioner, path))
    assert fields_at_fault(moved) == {"starts_on"}
    stale = client.patch(path, json={"explanation": "x"}, headers={**commissioner, "If-Match": '"7"'})
    assert stale.json["code"] == "STALE_VERSION"


def test_another_commissioners_rule_is_not_there(
    client: FlaskClient, restricted: Service, commissioner: Headers, stranger: dict[Role, Headers]
) -> None:
    made = client.post(RULES, json=rule(restricted, organisation="P81001"), headers=commissioner).json
    headers = {**stranger[Role.COMMISSIONER], "If-Match": '"1"'}
    path = f"{RULES}/{made['id']}"
    assert client.get(path, headers=headers).status_code == 404
    assert client.patch(path, json={"explanation": "mine"}, headers=headers).status_code == 404
    ending = {"last_day": "2026-03-09", "explanation": "mine"}
    assert client.post(f"{path}/end", json=ending, headers=headers).status_code == 404
    assert client.get(RULES, headers=headers).json["rules"] == []
    own = client.post(RULES, json=rule(restricted, organisation="P81001"), headers=headers)
    assert fields_at_fault(own) == {"organisation"}
