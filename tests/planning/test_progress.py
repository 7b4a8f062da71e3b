"""What is said while a plan is made, and of one that had to stop early."""

from __future__ import annotations

import re

from booking.db import Database
from booking.edge.flask_app import BookingApp
from booking.services.planning.progress import Watch
from booking.services.planning.run import Ending, Options, Planner
from booking.services.work import Work
from optimiser import Progress
from tests.factories import Region
from tests.planning.conftest import Flask, people, snapshot


def said(deadline: float | None, *told: tuple[str, int, float]) -> list[str]:
    heard: list[str] = []
    watch = Watch(lambda stage, done, total, note: heard.append(f"{stage} {done}/{total} {note}"), deadline)
    for stage, done, seconds in told:
        watch(Progress(stage, done, 4, 1_500 * done, 1_000 * done, seconds))
    return heard


def test_progress_tells_the_gap_and_the_time_left() -> None:
    assert said(None, ("solving", 1, 100.0), ("solving", 2, 120.0), ("solving", 4, 130.0)) == [
        "solving 1/4 cost 1,500, bound 1,000, gap 500, about 5 min left",
        "solving 2/4 cost 3,000, bound 2,000, gap 1,000, about 2 min left",
        "solving 4/4 cost 6,000, bound 4,000, gap 2,000",
    ]


def test_the_time_left_of_a_stage_is_its_own_and_ends_with_the_deadline() -> None:
    heard = said(None, ("solving", 4, 100.0), ("mending", 1, 110.0), ("mending", 2, 112.0))
    assert [line.rpartition(", ")[2] for line in heard[1:]] == ["about 30 s left", "about 12 s left"]
    assert said(50.0, ("solving", 1, 40.0))[0].endswith("about 10 s left")


def test_a_plan_stopped_by_its_deadline_says_so_and_is_sound(
    app: BookingApp, flask: Flask, work: Work, region: Region, database: Database
) -> None:
    from booking.cli.plan import _proof

    people(work, region, 30)
    planner = Planner(app.database, app.settings, app.keys, app.clock)
    outcome = planner.plan(Options(workers=0, deadline=1e-6, compare=False))
    assert outcome.ending is Ending.APPLIED
    assert outcome.summary["finished"] is False
    assert outcome.summary["certified"] is False
    told = _proof(outcome.summary)
    assert "the deadline came first: this is the best plan so far" in told
    assert re.search(r"gap [\d,]+ \(\d+\.\d\d% of the cost at most\)", told)
    assert len(snapshot(database).holds) == outcome.summary["offered"] == outcome.summary["placed"]
    assert ", certified" in flask("plan", "--deadline", "60").output
