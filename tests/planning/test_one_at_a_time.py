"""Planners that meet, die or are told to stop: real processes, real signals, both databases."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from booking.db import Database
from booking.models import PlanRun
from booking.services.work import Work
from tests.conftest import Clock
from tests.factories import Region
from tests.planning.conftest import Flask, PlannerProcess, people, snapshot

PEOPLE = 12


def test_two_planners_at_once_one_works_and_the_other_leaves(
    today: Work, region_today: Region, database: Database
) -> None:
    people(today, region_today, PEOPLE)
    first = PlannerProcess(database, halting=True)
    first.wait_for_chunk()
    code, said = PlannerProcess(database).go_on()
    assert code == 0, said
    assert "Another planner is at work" in said
    code, said = first.go_on()
    assert code == 0, said
    after = snapshot(database)
    assert [state for _, state in after.runs] == ["APPLIED"]
    assert len(after.holds) == PEOPLE


def test_a_planner_killed_midway_leaves_nothing_by_halves_and_the_next_takes_over(
    today: Work, region_today: Region, database: Database, flask: Flask, clock: Clock
) -> None:
    made = people(today, region_today, PEOPLE)
    first = PlannerProcess(database, halting=True)
    first.wait_for_chunk()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    left = snapshot(database)
    offered = {hold[0] for hold in left.holds}
    assert len(offered) == 4
    assert {offer[0] for offer in left.offers} == offered
    assert {offer[:3] for offer in left.offers if offer[3]} == {(key, 1, slot) for key, slot, *_ in left.holds}
    assert len(left.messages) == 4
    assert left.priced == 0
    assert [state for _, state in left.runs] == ["RUNNING"]

    clock.now = datetime.now(UTC)
    assert "Another planner" in flask("plan").output  # it may be alive: its silence is too short yet
    clock.now += timedelta(minutes=6)
    flask("plan")
    after = snapshot(database)
    assert [state for _, state in after.runs] == ["FAILED", "APPLIED"]
    assert {hold[0] for hold in after.holds} == {one.id for one in made}
    assert left.holds == [hold for hold in after.holds if hold[0] in offered]
    assert set(left.messages) < set(after.messages)


def test_a_planner_that_was_only_asleep_stops_when_its_run_was_taken_over(
    today: Work, region_today: Region, database: Database, flask: Flask, clock: Clock
) -> None:
    people(today, region_today, PEOPLE)
    sleeper = PlannerProcess(database, halting=True)
    sleeper.wait_for_chunk()
    clock.now = datetime.now(UTC) + timedelta(minutes=6)
    flask("plan")
    after = snapshot(database)
    code, said = sleeper.go_on()
    assert code == 1
    assert "RunLost" in said
    assert snapshot(database) == after


def test_a_planner_told_to_stop_says_so_in_its_run(today: Work, region_today: Region, database: Database) -> None:
    people(today, region_today, PEOPLE)
    planner = PlannerProcess(database, halting=True)
    planner.wait_for_chunk()
    assert planner.end(signal.SIGTERM) == 143
    with database.unit_of_work(write=False) as session:
        run = session.scalars(select(PlanRun)).one()
        assert (run.state, run.error) == ("FAILED", "SystemExit: 143")
