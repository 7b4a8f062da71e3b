"""What the next plan would look like under another policy: two plans side by side, and not a row written for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.db import Database
from booking.domain.policy import BookingPolicy
from booking.domain.words import Priority, Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import PolicyPreview
from booking.services.planning import preview as making
from booking.services.planning.run import Options, Planner
from booking.services.policy import publish_policy
from booking.services.previews import GIVE_UP_AFTER, SILENCE
from booking.services.work import Work
from tests.api.conftest import Headers, fields_at_fault
from tests.conftest import SECRET, Clock, Rows
from tests.factories import Region
from tests.planning.conftest import ROOT, Flask, people, snapshot
from tests.rules.conftest import POLICIES

PREVIEW = f"{POLICIES}/preview"


def ask(client: FlaskClient, headers: Headers, body: dict[str, Any]) -> str:
    answer = client.post(PREVIEW, json={"body": body}, headers=headers)
    assert answer.status_code == 202, answer.json
    assert answer.json["state"] == "WAITING"
    return str(answer.headers["Location"])


def test_two_plans_side_by_side_and_nothing_written(
    client: FlaskClient, work: Work, region: Region, commissioner: Headers, flask: Flask, database: Database
) -> None:
    """Everybody is kept from the first day of the slots: all who had a time move, and offers of some wait."""
    people(work, region, 12)
    flask("plan")
    before = snapshot(database)
    where = ask(client, commissioner, {"wave": 5, "alternatives": 0, "optimiser": {"notice_days": 3}})
    assert "1 previews made" in flask("preview-policies").output
    assert snapshot(database) == before
    answer = client.get(where, headers=commissioner).json
    assert (answer["state"], answer["error"]) == ("DONE", None)
    result = answer["result"]
    now, then, moves = result["current"], result["proposed"], result["moves"]
    assert (now["referrals"], now["placed"], now["asked"], now["certified"]) == (12, 12, 12, True)
    assert (then["placed"], then["asked"], then["offers"], then["certified"]) == (12, 5, 5, True)
    assert now["offers"] > 12
    assert then["by_priority"]["two_week_wait"]["day"]["mean"] >= 3 > now["by_priority"]["two_week_wait"]["day"]["mean"]
    assert {"mean", "p95"} <= set(now["by_priority"]["urgent"]["wait"])
    kinds = ("earlier", "later", "same_day", "gain_a_time", "lose_their_time")
    assert sum(moves[kind] for kind in kinds) == 12
    assert moves["later"] > 0
    assert sum(moves["by_priority"]["urgent"][kind] for kind in kinds) == 4
    assert "How many are offered to by one plan: everybody becomes 5." in result["changes"]
    assert client.get(f"{POLICIES}/current", headers=commissioner).json["version"] == 0


def test_the_policy_in_force_beside_itself_moves_nobody(
    client: FlaskClient, work: Work, region: Region, commissioner: Headers, flask: Flask
) -> None:
    people(work, region, 6)
    publish_policy(work, {"optimiser": {"notice_days": 2}}, effective_from=work.today, explanation="First.")
    work.session.commit()
    where = ask(client, commissioner, {"optimiser": {"notice_days": 2}})
    flask("preview-policies")
    result = client.get(where, headers=commissioner).json["result"]
    assert result["current_version"] == 1
    assert result["current"] == result["proposed"]
    assert (result["moves"]["same_day"], result["changes"]) == (6, [])


def test_new_targets_say_that_they_are_for_new_referrals(
    client: FlaskClient, work: Work, region: Region, commissioner: Headers, flask: Flask
) -> None:
    where = ask(client, commissioner, {"target_days": {"URGENT": 28}})
    flask("preview-policies")
    result = client.get(where, headers=commissioner).json["result"]
    assert result["notes"] == [making.TARGETS_NOTE]
    assert result["current"]["referrals"] == 0


def test_a_dry_run_takes_a_policy_and_a_real_plan_does_not(app: BookingApp, work: Work, region: Region) -> None:
    people(work, region, 3)
    policy = BookingPolicy.from_document({"reserve": False, "optimiser": {"horizon_days": 2}}, 0)
    planner = Planner(app.database, app.settings, app.keys, app.clock)
    assert planner.plan(Options(dry_run=True, policy=policy)).summary["weights"]["horizon_days"] == 2
    assert planner.plan(Options(dry_run=True)).summary["weights"]["horizon_days"] == 91
    with pytest.raises(ValueError, match="dry run"):
        Options(policy=policy)


def test_the_policy_switches_the_reserve_off(app: BookingApp, work: Work, region: Region) -> None:
    for days in range(15):
        people(work, region, 1, priority=Priority.URGENT, rtt_clock_start=work.today - timedelta(days=days))
    planner = Planner(app.database, app.settings, app.keys, app.clock)
    bodies = [{"target_days": {"URGENT": 1}, "reserve": on} for on in (True, False)]  # slots end on the fifth day
    policies = [BookingPolicy.from_document(body, 0) for body in bodies]
    expected = [planner.plan(Options(dry_run=True, policy=one)).summary["expected_arrivals"] for one in policies]
    assert expected[0] > 0
    assert expected[1] == 0


def test_a_document_that_is_wrong_is_refused_at_once(client: FlaskClient, commissioner: Headers, rows: Rows) -> None:
    answer = client.post(PREVIEW, json={"body": {"optimiser": {"breach": 1}}}, headers=commissioner)
    assert fields_at_fault(answer) == {"optimiser.breach"}
    assert rows(select(PolicyPreview)) == []


def test_another_commissioners_preview_is_not_there(
    client: FlaskClient, commissioner: Headers, stranger: dict[Role, Headers]
) -> None:
    where = ask(client, commissioner, {})
    assert client.get(where, headers=stranger[Role.COMMISSIONER]).status_code == 404
    assert client.get(where, headers=commissioner).json["state"] == "WAITING"


def test_only_so_many_wait_at_a_time(client: FlaskClient, commissioner: Headers, flask: Flask) -> None:
    for _ in range(5):
        ask(client, commissioner, {})
    full = client.post(PREVIEW, json={"body": {}}, headers=commissioner)
    assert (full.status_code, full.json["code"]) == (409, "TOO_MANY_PREVIEWS")
    assert "5 previews made" in flask("preview-policies").output
    ask(client, commissioner, {})


def test_a_preview_that_fails_says_so(
    client: FlaskClient, commissioner: Headers, flask: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading fails once, the next preview is made all the same."""
    whole, failing = making.read_under, [True]

    def read(*args: Any, **kwargs: Any) -> Any:
        if failing.pop() if failing else False:
            raise MemoryError("no room")
        return whole(*args, **kwargs)

    monkeypatch.setattr(making, "read_under", read)
    first, second = ask(client, commissioner, {}), ask(client, commissioner, {"offer_days": 3})
    flask("preview-policies")
    failed = client.get(first, headers=commissioner).json
    assert (failed["state"], failed["result"]) == ("FAILED", None)
    assert failed["error"] == "MemoryError: no room"
    assert client.get(second, headers=commissioner).json["state"] == "DONE"


HALTING = """
import sys
from booking.services.planning import preview
whole = preview.read_under
def read(*args, **kwargs):
    print("reading", flush=True)
    sys.stdin.readline()
    return whole(*args, **kwargs)
preview.read_under = read
from flask.cli import main
main()
"""


def test_a_preview_left_by_a_killed_process_is_taken_up_again(
    client: FlaskClient, clock: Clock, commissioner: Headers, flask: Flask, database: Database, rows: Rows
) -> None:
    """``flask preview-policies`` in a process of its own, killed while it works."""
    where = ask(client, commissioner, {"offer_days": 3})
    with database.unit_of_work() as session:
        session.get_one(PolicyPreview, 1).requested_at = datetime.now(UTC)  # other processes go by their own clocks
    environment = {**os.environ, "DATABASE_URL": database.url, "SECRET_KEY": SECRET, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", HALTING, "--app", "app", "preview-policies"],
        cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    assert client.get(where, headers=commissioner).json["state"] == "RUNNING"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    left = rows(select(PolicyPreview.started_at))[0]
    clock.now = left + SILENCE - timedelta(seconds=1)
    assert "No preview is waiting" in flask("preview-policies").output
    clock.now = left + SILENCE + timedelta(seconds=1)
    assert "1 previews made" in flask("preview-policies").output
    assert rows(select(PolicyPreview.result))[0]["changes"] == ["How long an offer holds: 7 days becomes 3 days."]


def test_a_preview_that_nobody_can_make_ends_at_last(
    client: FlaskClient, clock: Clock, commissioner: Headers, flask: Flask, rows: Rows
) -> None:
    ask(client, commissioner, {})
    clock.now += GIVE_UP_AFTER
    assert "No preview is waiting" in flask("preview-policies").output
    assert rows(select(PolicyPreview.error))[0] is not None


def test_the_scheduler_starts_a_process_only_when_there_is_something_to_do(
    app: BookingApp, client: FlaskClient, commissioner: Headers, monkeypatch: pytest.MonkeyPatch, rows: Rows,
    database: Database,
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    started: list[list[str]] = []
    whole = subprocess.Popen

    def popen(command: list[str], **kwargs: Any) -> Any:
        started.append(command)
        return whole(command, **kwargs)

    monkeypatch.setattr(tasks.subprocess, "Popen", popen)
    assert tasks.preview_policies(app, threading.Event()) is None
    assert started == []
    ask(client, commissioner, {})
    with database.unit_of_work() as session:
        session.get_one(PolicyPreview, 1).requested_at += timedelta(days=3650)
    assert tasks.preview_policies(app, threading.Event()) == 0
    assert [command[-1] for command in started] == ["preview-policies"]
    assert rows(select(PolicyPreview.error)) == [None]
    assert rows(select(PolicyPreview.result))[0]["current"]["placed"] == 0
