"""Worklists through HTTP: counted, filtered, sorted, paged, each organisation its own; overdue work is told on."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from booking.domain.referral import TERMINAL, ReferralState
from booking.domain.words import Priority, Role, Worklist
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import OutboxMessage, Referral
from booking.services import escalation, worklists
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import bearer
from tests.life.conftest import Life

S = ReferralState


@pytest.fixture
def everywhere(lives: Life) -> Life:
    """One referral in every state, and sign-ins for practice and provider."""
    for state in ReferralState:
        lives.to(state)
    lives.tokens = {  # type: ignore[attr-defined]
        role: factories.token(lives.work, lives.region, role) for role in lives.region.account_roles
    }
    lives.work.session.commit()
    return lives


def get(client: FlaskClient, lives: Any, role: Role, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", headers=bearer(lives.tokens[role]), query_string=query)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_each_live_referral_is_on_exactly_one_worklist(client: FlaskClient, everywhere: Life, rows: Rows) -> None:
    seen: Counter[str] = Counter()
    for role in (Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN):
        counted = get(client, everywhere, role, "worklists")["worklists"]
        for one in counted:
            entries = get(client, everywhere, role, f"worklists/{one['worklist']}")["entries"]
            assert len(entries) == one["entries"]
            seen.update(entry["reference"] for entry in entries)
    live = {row.ubrn for row in rows(select(Referral)) if row.state not in TERMINAL}
    assert set(seen) == live
    assert set(seen.values()) == {1}
    assert escalation.strays(everywhere.work.session) == []


def test_the_database_itself_refuses_a_live_referral_on_no_list(everywhere: Life) -> None:
    nowhere = {"worklist": None, "worklist_organisation_id": None, "worklist_since": None, "worklist_due": None}
    for change in (nowhere, {"worklist_due": None}, {"worklist_organisation_id": None}):
        with pytest.raises(IntegrityError), everywhere.work.session.begin_nested():
            everywhere.work.session.execute(
                update(Referral).where(Referral.state == S.BOOKED).values(**change)
            )  # fmt: skip


def test_sorted_filtered_and_paged(client: FlaskClient, lives: Life, clock: Clock) -> None:
    lives.tokens = {Role.REFERRING_ADMIN: factories.token(lives.work, lives.region, Role.REFERRING_ADMIN)}  # type: ignore[attr-defined]
    made = []
    for n in range(7):
        priority = list(Priority)[n % 3]
        made.append(lives.refer(priority=priority, rtt_clock_start=lives.work.today - timedelta(days=n)))
    lives.work.session.commit()
    path = f"worklists/{Worklist.AWAITING_BOOKING}"
    for sort, wanted in (
        ("due", lambda one: (one.worklist_due, one.id)),
        ("waited", lambda one: (one.rtt_clock_start, one.id)),
        ("newest", lambda one: (-one.id,)),
    ):
        found, cursor = [], None
        while True:
            query = {"sort": sort, "limit": 3, **({"cursor": cursor} if cursor else {})}
            page = get(client, lives, Role.REFERRING_ADMIN, path, **query)
            found += [entry["reference"] for entry in page["entries"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == [one.ubrn for one in sorted(made, key=wanted)], sort
    urgent = get(client, lives, Role.REFERRING_ADMIN, path, priority="URGENT")["entries"]
    assert {entry["reference"] for entry in urgent} == {one.ubrn for one in made if one.priority is Priority.URGENT}
    assert get(client, lives, Role.REFERRING_ADMIN, path, overdue=True)["entries"] == []


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("worklists/NO_SUCH_LIST", {}, "worklist"),
        ("worklists/ADVICE_REQUESTS", {}, "worklist"),
        ("worklists/AWAITING_BOOKING", {"cursor": "x" * 10}, "cursor"),
        ("worklists/AWAITING_BOOKING", {"cursor": "MjAyNi0wMy0wMnwx", "sort": "newest"}, "cursor"),
        ("worklists/AWAITING_BOOKING", {"limit": 0}, "limit"),
        ("worklists/AWAITING_BOOKING", {"sort": "name"}, "sort"),
    ],
)
def test_bad_questions_name_the_field(
    client: FlaskClient, lives: Life, path: str, query: dict[str, Any], field: str
) -> None:
    token = factories.token(lives.work, lives.region, Role.REFERRING_ADMIN)
    lives.work.session.commit()
    answer = client.get(f"/api/v1/{path}", headers=bearer(token), query_string=query)
    assert answer.status_code == 422
    assert field in answer.json["errors"][0]["field"]


def test_a_commissioner_sees_what_a_closed_practice_left_without_identities(client: FlaskClient, lives: Life) -> None:
    made = lives.refer()
    made.worklist_organisation_id = lives.region.commissioner.id
    lives.tokens = {Role.COMMISSIONER: factories.token(lives.work, lives.region, Role.COMMISSIONER)}  # type: ignore[attr-defined]
    lives.work.session.commit()
    entries = get(client, lives, Role.COMMISSIONER, "worklists/AWAITING_BOOKING")["entries"]
    assert [(one["reference"], one["patient"], one["nhs_number"]) for one in entries] == [(made.ubrn, None, None)]


def test_overdue_work_is_told_on_once_and_stays(app: BookingApp, lives: Life, clock: Clock, rows: Rows) -> None:
    lives.region.practice.worklist_email = "office@example.invalid"
    for _ in range(3):
        lives.refer()
    old = lives.to(S.DEFERRED_TO_PROVIDER)  # its provider gave no address
    lives.work.session.commit()
    assert tasks.escalate(app) == 0
    clock.now += timedelta(days=200)
    assert tasks.escalate(app) == 4
    assert tasks.escalate(app) == 0
    notices = rows(select(OutboxMessage).where(OutboxMessage.kind == "overdue"))
    assert [(one.payload["to"], one.payload["entries"], one.referral_id) for one in notices] == [
        ("office@example.invalid", 3, None)
    ]
    clock.now += timedelta(days=8)
    assert tasks.escalate(app) == 4, "what is still overdue after a week is told on again"
    assert len(rows(select(OutboxMessage).where(OutboxMessage.kind == "overdue"))) == 2
    still = rows(select(Referral).where(Referral.worklist.is_not(None)))
    assert len(still) == 4, "nothing is dropped for its age"
    assert {row.escalated_at for row in still} == {clock.now}
    assert next(row for row in still if row.id == old.id).worklist is Worklist.APPOINTMENT_SLOT_ISSUES


def test_a_count_is_one_query_for_each_kind(lives: Life) -> None:
    for _ in range(3):
        lives.refer()
    counted = {one.worklist: one for one in worklists.counts(lives.gp)}
    assert (counted[Worklist.AWAITING_BOOKING].entries, counted[Worklist.AWAITING_BOOKING].overdue) == (3, 0)
    later = {one.worklist: one for one in worklists.counts(lives.acting(Role.REFERRING_ADMIN))}
    assert later[Worklist.LETTERS_OUTSTANDING].entries == 0
