"""The policy through the API: published, dated, explained, compared, brought back."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import AuditEntry, PolicyVersion
from booking.services.policy import current_policy
from booking.services.work import Work
from tests.api.conftest import Headers, fields_at_fault
from tests.conftest import Rows
from tests.factories import Region
from tests.rules.conftest import POLICIES, signed_in, with_version


def publish(client: FlaskClient, headers: Headers, body: dict[str, Any], **changes: Any) -> Any:
    sent = {"body": body, "effective_from": "2026-03-02", "explanation": "Because.", **changes}
    return client.post(POLICIES, json=sent, headers=with_version(client, headers, POLICIES))


def test_before_anything_is_published_the_defaults_hold(client: FlaskClient, commissioner: Headers) -> None:
    current = client.get(f"{POLICIES}/current", headers=commissioner)
    assert current.headers["ETag"] == '"0"'
    assert (current.json["version"], current.json["in_force"]) == (0, True)
    assert current.json["policy"]["offer_days"] == 7
    assert client.get(POLICIES, headers=commissioner).json == {"versions": [], "newest": 0}
    assert client.get(f"{POLICIES}/0", headers=commissioner).json["policy"]["alternatives"] == 4
    assert client.get(f"{POLICIES}/1", headers=commissioner).status_code == 404


def test_a_version_is_in_force_from_its_day_on(
    client: FlaskClient, work: Work, region: Region, commissioner: Headers, rows: Rows
) -> None:
    first = publish(client, commissioner, {"offer_days": 5})
    assert first.status_code == 201, first.json
    later = publish(client, commissioner, {"offer_days": 3}, effective_from="2026-04-01")
    assert [one.json["in_force"] for one in (first, later)] == [True, False]
    assert client.get(f"{POLICIES}/current", headers=commissioner).json["version"] == 1
    days = [current_policy(work.session, work.today.replace(month=month, day=1)).offer_days for month in (3, 4, 5)]
    assert days == [7, 3, 3]
    entries = rows(select(AuditEntry).where(AuditEntry.action == "policy.publish").order_by(AuditEntry.id))
    assert [one.chain for one in entries] == ["policy:1", "policy:2"]
    assert entries[0].after["explanation"] == "Because."


def test_two_that_publish_at_once(client: FlaskClient, commissioner: Headers) -> None:
    headers = with_version(client, commissioner, POLICIES)
    sent = {"body": {}, "effective_from": "2026-03-02", "explanation": "Mine."}
    assert client.post(POLICIES, json=sent, headers=headers).status_code == 201
    second = client.post(POLICIES, json=sent, headers=headers)
    assert (second.status_code, second.json["code"]) == (409, "STALE_VERSION")
    assert client.post(POLICIES, json=sent, headers=commissioner).status_code == 428


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"body": {"offer_days": 0}}, "offer_days"),
        ({"body": {"optimiser": {"keep": "much"}}}, "optimiser.keep"),
        ({"body": []}, "body"),
        ({"effective_from": "2026-03-01"}, "effective_from"),
        ({"explanation": "  "}, "explanation"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    client: FlaskClient, commissioner: Headers, rows: Rows, changes: dict[str, Any], field: str
) -> None:
    answer = publish(client, commissioner, **{"body": {}, **changes})
    assert answer.status_code == 422, answer.json
    assert field in fields_at_fault(answer)
    assert rows(select(PolicyVersion)) == []


def test_a_revert_is_a_version_of_its_own(client: FlaskClient, commissioner: Headers, rows: Rows) -> None:
    publish(client, commissioner, {"offer_days": 5, "target_days": {"URGENT": 28}})
    publish(client, commissioner, {"offer_days": 3})
    sent = {"effective_from": "2026-03-02", "explanation": "Too short."}
    headers = with_version(client, commissioner, POLICIES)
    back = client.post(f"{POLICIES}/1/revert", json=sent, headers=headers)
    assert back.status_code == 201, back.json
    assert (back.json["version"], back.json["reverts_to"], back.json["in_force"]) == (3, 1, True)
    assert back.json["body"] == {"offer_days": 5, "target_days": {"URGENT": 28}}
    assert client.get(f"{POLICIES}/3/changes?since=1", headers=commissioner).json["changes"] == []
    said = client.get(f"{POLICIES}/3/changes", headers=commissioner).json["changes"]
    assert {one["field"]: (one["before"], one["after"]) for one in said} == {
        "offer_days": (3, 5), "target_days.URGENT": (42, 28)
    }  # fmt: skip
    defaults = client.post(f"{POLICIES}/0/revert", json=sent, headers=with_version(client, commissioner, POLICIES))
    assert (defaults.json["version"], defaults.json["reverts_to"], defaults.json["body"]) == (4, 0, {})
    assert len(rows(select(PolicyVersion))) == 4
    assert rows(select(AuditEntry.action).where(AuditEntry.chain == "policy:3")) == ["policy.revert"]
    gone = client.post(f"{POLICIES}/9/revert", json=sent, headers=with_version(client, commissioner, POLICIES))
    assert gone.status_code == 404


def test_analysts_read_and_do_not_publish(
    client: FlaskClient, work: Work, region: Region, commissioner: Headers
) -> None:
    analyst = signed_in(work, region.account_roles[Role.INFORMATION_ANALYST])
    assert client.get(f"{POLICIES}/current", headers=analyst).status_code == 200
    assert publish(client, analyst, {}).status_code == 403


def test_a_key_sent_twice_publishes_once(client: FlaskClient, commissioner: Headers, rows: Rows) -> None:
    headers = {**with_version(client, commissioner, POLICIES), "Idempotency-Key": "publish-1"}
    sent = {"body": {"offer_days": 4}, "effective_from": "2026-03-02", "explanation": "Once."}
    answers = [client.post(POLICIES, json=sent, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert len(rows(select(PolicyVersion))) == 1
