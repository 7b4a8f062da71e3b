"""The same plan wherever it is made: in this process, in several, on a Dask cluster that loses a worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from booking.db import Database
from booking.services.planning import workers
from booking.services.planning.workers import NoExecutor, Where, executor
from booking.services.work import Work
from optimiser import Problem, Progress, certify, check, solve
from optimiser.generate import generate
from optimiser.solve import workers as width
from tests.factories import Region
from tests.planning.conftest import ROOT, Flask, people, snapshot

SHARDS = 16


@cache
def problem() -> Problem:
    return generate(4_000, seed=7, specialties=SHARDS)


@cache
def alone() -> str:
    """The fingerprint of the plan made in this process."""
    plan = solve(problem())
    assert check(problem(), plan) == []
    assert certify(problem(), plan).valid
    return plan.fingerprint()


def shuffled(given: Problem, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    rows, slots = rng.permutation(len(given.referrals)), rng.permutation(len(given.slots))
    return replace(
        given, referrals=given.referrals.take(rows), shortlists=given.shortlists.take(rows),
        slots=given.slots.take(slots),
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_processes_makes_the_same_plan(count: int) -> None:
    with executor(Where.PROCESSES, count) as pool:
        assert solve(shuffled(problem(), count), executor=pool).fingerprint() == alone()


class Assassin:
    """Kills, as soon as the first part of a plan is solved, a worker that is at work on another one."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._pid: dict[str, int] = client.run(os.getpid)
        self.killed: list[int] = []

    def __call__(self, at: Progress) -> None:
        if self.killed or at.stage != "solving":
            return
        assert at.done < at.total
        busy = [address for address, tasks in self._client.processing().items() if tasks]
        self.killed.append(self._pid[busy[0]])
        os.kill(self.killed[0], signal.SIGKILL)


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker_makes_the_same_plan() -> None:
    with executor(Where.DASK, 3) as pool:
        assert width(pool) == 3
        assassin = Assassin(pool._client)  # type: ignore[union-attr]
        plan = solve(shuffled(problem(), 5), executor=pool, progress=assassin)
    assert len(assassin.killed) == 1
    assert plan.fingerprint() == alone()


@contextmanager
def dask_cluster(count: int) -> Iterator[str]:
    """A scheduler and workers of their own, started as the documentation says; the scheduler's address."""
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        cwd=ROOT, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    started: list[subprocess.Popen[Any]] = [scheduler]
    try:
        address = _address(scheduler)
        for _ in range(count):
            worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            started.append(subprocess.Popen(worker, cwd=ROOT, stderr=subprocess.DEVNULL))
        yield address
    finally:
        for process in reversed(started):
            process.kill()
            process.wait(20)
        if scheduler.stderr is not None:
            scheduler.stderr.close()


def _address(scheduler: subprocess.Popen[str]) -> str:
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if match := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
            threading.Thread(target=scheduler.stderr.read, daemon=True).start()  # so that it never waits for a reader
            return match[1]
    raise AssertionError("the scheduler said no address")


@pytest.mark.slow
def test_the_command_plans_on_a_cluster_that_runs_already(
    flask: Flask, work: Work, region: Region, database: Database
) -> None:
    made = people(work, region, 20)
    with dask_cluster(2) as address:
        said = flask("plan", "--executor", "dask", "--scheduler", address).output
    assert "Placed 20" in said
    assert ", certified" in said
    assert [hold[0] for hold in snapshot(database).holds] == [one.id for one in made]


def test_a_scheduler_that_does_not_answer_is_named(
    flask: Flask, work: Work, region: Region, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(work, region, 3)
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    said = flask("plan", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", code=1).output
    assert "No Dask scheduler answers at tcp://127.0.0.1:1" in said
    after = snapshot(database)
    assert (after.holds, [state for _, state in after.runs]) == ([], ["FAILED"])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--scheduler", "tcp://127.0.0.1:8786"), "--scheduler: only the dask executor has one"),
        (("--executor", "dask", "--workers", "0"), "--workers: the dask executor needs one at least"),
        (("--executor", "threads"), "--executor"),
    ],
)
def test_options_that_do_not_go_together_are_named(
    flask: Flask, database: Database, options: tuple[str, ...], named: str
) -> None:
    assert named in flask("plan", *options, code=2).output
    assert snapshot(database).runs == []


def test_without_dask_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NoExecutor, match="pip install dask distributed"), executor(Where.DASK, 1):
        pass


def test_no_executor_is_this_process(flask: Flask, work: Work, region: Region) -> None:
    people(work, region, 5)
    with executor(Where.NONE, 4) as pool:
        assert pool is None
    assert "Placed 5" in flask("plan", "--executor", "none").output
