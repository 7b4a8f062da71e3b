"""One planning run from lock to summary. Start here.

Unlike other services it opens its own units of work, many short ones: the plan of a region takes minutes, and
nobody who books may wait for it. Reading is one consistent snapshot; each chunk of offers is a transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.config import Config
from booking.db import Database
from booking.domain.policy import BookingPolicy
from booking.keys import Keys
from booking.models import PlanRequest
from booking.services.planning import lock
from booking.services.planning.apply import Application, Tally
from booking.services.planning.closing import close
from booking.services.planning.figures import report
from booking.services.planning.progress import Listener, Watch
from booking.services.planning.proposals import Proposer, in_turn
from booking.services.planning.read import Reading, read
from booking.services.planning.workers import Where, default_workers, executor, lost_workers
from booking.services.policy import current_policy
from booking.services.work import HOME_ZONE, PLANNER, Work
from optimiser import OptimiserError, Plan, Problem, certify, check, greedy, solve

Requests = Mapping[int, Sequence[int]]
"""Referrals for whom a plan was asked for, by the request's key."""
IN_PROCESS = 5_000
"""Fewer referrals than this are solved right here: starting processes would take longer."""
log = structlog.get_logger("booking.planning")


class Ending(StrEnum):
    APPLIED = "APPLIED"
    DRY_RUN = "DRY_RUN"
    ANOTHER_AT_WORK = "ANOTHER_AT_WORK"
    NOTHING_REQUESTED = "NOTHING_REQUESTED"


@dataclass(frozen=True, slots=True)
class Options:
    workers: int | None = None
    """Processes to solve in; None is one for each processor, 0 solves in this process."""
    executor: Where = Where.PROCESSES
    scheduler: str | None = None
    """Address of a Dask scheduler; without one ``workers`` processes of a cluster of our own."""
    deadline: float | None = None
    """Seconds after which the best plan so far is taken."""
    dry_run: bool = False
    replan_open: bool = False
    wave: int | None = None
    """Offer to this many only, greatest need first; None is as the policy says, 0 is everybody."""
    reserve: bool = True
    compare: bool = True
    requested: bool = False
    """Plan only for those for whom a plan was asked for, against all that is free."""
    policy: BookingPolicy | None = None
    """Plan under this policy instead of the one in force; a dry run only."""
    take_over_after: timedelta = lock.TAKE_OVER_AFTER

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.executor is not Where.DASK:
            raise ValueError("scheduler: only the dask executor has one")
        if self.executor is Where.DASK and self.workers == 0:
            raise ValueError("workers: the dask executor needs one at least")
        if self.policy is not None and not self.dry_run:
            raise ValueError("a policy that is not in force is for dry runs")


@dataclass(frozen=True, slots=True)
class Outcome:
    ending: Ending
    run_id: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)


class PlanFailed(RuntimeError):
    """No plan passed the check: nothing was written."""


@dataclass(frozen=True, slots=True)
class Planner:
    """What a planning run needs of its surroundings."""

    database: Database
    config: Config
    keys: Keys
    clock: Callable[[], datetime]
    tell: Listener = lambda _stage, _done, _total, _note: None

    def plan(self, options: Options) -> Outcome:
        """Plan once. Leaves at once if another planner is at work; raises :class:`PlanFailed` if no plan is sound."""
        now = self.clock()
        as_of = now.astimezone(HOME_ZONE).date()
        with self.database.unit_of_work(write=False) as session:
            version = current_policy(session, as_of).version
            requests = open_requests(session) if options.requested else {}
        if options.requested and not requests:
            return Outcome(Ending.NOTHING_REQUESTED)
        if options.dry_run:
            return Outcome(Ending.DRY_RUN, None, self._make(as_of, now, options, requests).summary())
        run_id = lock.take(
            self.database, now, as_of=as_of, policy_version=version, take_over_after=options.take_over_after
        )
        if run_id is None:
            return Outcome(Ending.ANOTHER_AT_WORK)
        try:
            with lock.Heartbeat(self.database, run_id, self.clock):
                made = self._make(as_of, now, options, requests)
                summary = self._apply(run_id, made, options, requests)
        except BaseException as error:
            lock.fail(self.database, run_id, self.clock(), f"{type(error).__name__}: {error}")
            raise
        return Outcome(Ending.APPLIED, run_id, summary)

    def _make(self, as_of: date, now: datetime, options: Options, requests: Requests | None = None) -> _Made:
        stages: dict[str, float] = {}
        with _timed(stages, "read"):
            self.tell("reading", 0, 1, "")
            reading = read(
                self.database, as_of=as_of, now=now, replan_open=options.replan_open and not requests,
                reserve=options.reserve, only=asked_for(requests) if requests else None,
                policy=options.policy,
            )  # fmt: skip
        problem = reading.problem
        where, workers = options.executor, default_workers() if options.workers is None else options.workers
        if where is Where.PROCESSES and options.workers is None and len(problem.referrals) < IN_PROCESS:
            where = Where.NONE
        with executor(where, workers, options.scheduler) as pool:
            with _timed(stages, "solve"):
                plan, trouble = self._solve(problem, pool, options.deadline)
            with _timed(stages, "check"):
                plan, trouble, valid = self._sound(problem, plan, trouble)
            figures: dict[str, Any] = {"comparison": {}, "fairness": {}, "next_session": None}
            if options.compare and not requests:
                with _timed(stages, "compare"):
                    self.tell("comparing", 0, 1, "with first come, first served")
                    figures = report(self.database, problem, plan)
        return _Made(reading, plan, valid, trouble, figures, stages)

    def sound_plan(self, problem: Problem, pool: Executor | None) -> tuple[Plan, str | None]:
        """A plan that the checker finds nothing wrong with, and what trouble there was; else :class:`PlanFailed`."""
        plan, trouble, _ = self._sound(problem, *self._solve(problem, pool, None))
        return plan, trouble

    def _solve(self, problem: Problem, pool: Executor | None, deadline: float | None) -> tuple[Plan, str | None]:
        failures: tuple[type[BaseException], ...] = (
            OptimiserError,
            MemoryError,
            RuntimeError,
            ArithmeticError,
            *lost_workers(),
        )
        try:
            return solve(problem, executor=pool, progress=Watch(self.tell, deadline), deadline=deadline), None
        except failures as error:  # a broken pool of processes is a RuntimeError
            log.error("solver-failed", error=f"{type(error).__name__}: {error}")
            return greedy(problem), f"solver failed ({type(error).__name__}: {error}); greedy plan instead"

    def _sound(self, problem: Problem, plan: Plan, trouble: str | None) -> tuple[Plan, str | None, bool]:
        """The plan if the independent checker finds nothing wrong with it, else the greedy one, else nothing.

        Last, whether it is proved that no plan costs less. A plan that claims so and can't prove it is not sound.
        """
        self.tell("checking", 0, 1, "")
        faults, proved = _faults(problem, plan)
        if faults and trouble is None:
            log.error("plan-unsound", faults=len(faults), first=faults[0])
            plan, trouble = greedy(problem), f"the plan broke {len(faults)} rules; greedy plan instead"
            faults, proved = _faults(problem, plan)
        if faults:
            raise PlanFailed(f"The plan breaks {len(faults)} rules ({faults[0]}).")
        return plan, trouble, proved

    def _apply(self, run_id: int, made: _Made, options: Options, requests: Requests) -> dict[str, Any]:
        problem, plan, policy = made.reading.problem, made.plan, made.reading.policy
        if requests:
            rows = in_turn(problem, plan, 0)
            rows = rows[np.isin(plan.referral_key[rows], sorted(asked_for(requests)))]
        else:
            rows = in_turn(problem, plan, policy.wave if options.wave is None else options.wave)
        seats = dict(zip(plan.referral_key[rows].tolist(), plan.slot_key[rows].tolist(), strict=True))
        application = Application(
            self.database, run_id, plan.as_of, policy.offer_days, self.clock, self.config, self.keys
        )
        with _timed(made.stages, "apply"):
            if options.replan_open and not requests:
                application.release(seats)
            tally = application.write(
                Proposer(problem, plan, made.reading.days_left).proposals(rows),
                lambda done: self.tell("offering", done, len(rows), ""),
            )
        summary = made.summary(tally, pencilled=int((plan.slot_key >= 0).sum()) - len(rows))
        if requests:
            summary["requested"] = len(asked_for(requests))
        with _timed(made.stages, "prices"), self.database.unit_of_work() as session:
            work = Work(session, PLANNER, self.clock(), self.config, self.keys)
            close(work, run_id, problem, plan, summary, certified=made.certified, requests=sorted(requests))
        return summary


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    reading: Reading
    plan: Plan
    certified: bool
    trouble: str | None
    figures: dict[str, Any]
    stages: dict[str, float]

    def summary(self, tally: Tally | None = None, *, pencilled: int = 0) -> dict[str, Any]:
        """The figures of the run, ready for JSON."""
        problem, plan = self.reading.problem, self.plan
        return {
            **plan.summary(),
            "certified": self.certified,
            "slots": len(problem.slots),
            "free_places": int(problem.slots.capacity.sum()),
            "left_out": dict(self.reading.left_out),
            "expected_arrivals": int(problem.expected.count.sum()),
            "trouble": self.trouble,
            **self.figures,
            "offered": tally.offered if tally else 0,
            "offers": tally.offers if tally else 0,
            "kept": tally.kept if tally else 0,
            "pencilled": pencilled,
            "conflicts": dict(+tally.conflicts) if tally else {},
            "stages": self.stages,
            "weights": plan.policy.to_dict(),
        }


def _faults(problem: Problem, plan: Plan) -> tuple[list[str], bool]:
    """What is wrong with a plan, in words, and whether its claim to be the best one holds."""
    faults = [f"{fault.rule}: {fault.message}" for fault in check(problem, plan)]
    if faults or not plan.certified:
        return faults, False
    try:
        proved = certify(problem, plan).valid
    except OptimiserError as error:
        return [f"certificate: {error}"], False
    return ([] if proved else ["certificate: the prices do not prove that no plan costs less"]), proved


def open_requests(session: Session) -> Requests:
    """Requests for a small plan that are not done yet, oldest first."""
    query = select(PlanRequest.id, PlanRequest.referral_ids).where(PlanRequest.done_at.is_(None))
    return {row.id: row.referral_ids for row in session.execute(query.order_by(PlanRequest.id))}


def asked_for(requests: Requests) -> set[int]:
    return {referral_id for ids in requests.values() for referral_id in ids}


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = round(time.perf_counter() - began, 3)
