"""What the next plan would look like under another policy, beside the one in force: two dry runs on one reading.

Nothing is offered, held or booked. Open offers are planned again on both sides, as if nobody had answered yet, so
that the difference is the policy's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from sqlalchemy.exc import DBAPIError

from booking.db import Database
from booking.domain.policy import BookingPolicy
from booking.domain.policy_changes import changes
from booking.services import previews
from booking.services.planning.proposals import in_turn
from booking.services.planning.read import Reading, read_under
from booking.services.planning.run import IN_PROCESS, Planner
from booking.services.planning.workers import default_workers, pool
from booking.services.policy import current_policy
from booking.services.work import HOME_ZONE
from optimiser import Plan, Priority
from optimiser.arrays import I64, find
from optimiser.measure import measures

BEAT_SECONDS = 15.0
SHOWN = ("referrals", "placed", "unplaced", "breaches", "day", "wait")
TARGETS_NOTE = "Targets count for referrals made from then on; those already made keep their due dates."
log = structlog.get_logger("booking.planning")


def make_waiting(planner: Planner, workers: int | None = None) -> int:
    """Make every preview that waits, one after another; returns how many were made or failed."""
    done = 0
    while True:
        with planner.database.unit_of_work() as session:
            taken = previews.take(session, planner.clock())
            found = (taken.id, dict(taken.body)) if taken is not None else None
        if found is None:
            return done
        preview_id, body = found
        with _heartbeat(planner.database, preview_id, planner.clock):
            try:
                result = preview(planner, BookingPolicy.from_document(body, 0), workers)
            except Exception as error:  # whatever it is, whoever asked must see that it failed
                log.error("preview-failed", preview=preview_id, error=type(error).__name__)
                with planner.database.unit_of_work() as session:
                    previews.fail(session, preview_id, planner.clock(), f"{type(error).__name__}: {error}")
            else:
                with planner.database.unit_of_work() as session:
                    previews.finish(session, preview_id, planner.clock(), result=result)
        done += 1


def preview(planner: Planner, proposed: BookingPolicy, workers: int | None = None) -> dict[str, Any]:
    """Both plans in figures, and who would move; ready for JSON."""
    now = planner.clock()
    as_of = now.astimezone(HOME_ZONE).date()
    with planner.database.unit_of_work(write=False) as session:
        current = current_policy(session, as_of)
    sides = read_under(planner.database, (current, proposed), as_of=as_of, now=now)
    if workers is None:
        workers = 0 if len(sides[0].problem.referrals) < IN_PROCESS else default_workers()
    plans: list[Plan] = []
    figures: list[dict[str, Any]] = []
    with pool(workers) as executor:
        for reading in sides:
            plan, trouble = planner.sound_plan(reading.problem, executor)
            plans.append(plan)
            figures.append({**_figures(reading, plan), "trouble": trouble})
    listed = changes(current, proposed)
    return {
        "as_of": as_of.isoformat(),
        "current_version": current.version,
        "current": figures[0],
        "proposed": figures[1],
        "moves": _moves(sides, plans),
        "changes": [change.words for change in listed],
        "notes": [TARGETS_NOTE] if any(change.field.startswith("target_days.") for change in listed) else [],
    }


def _figures(reading: Reading, plan: Plan) -> dict[str, Any]:
    problem = reading.problem
    slot = find(problem.slots.key, plan.slots_for(problem.referrals.key))
    table = measures(problem, slot)
    asked = in_turn(problem, plan, reading.policy.wave)
    return {
        **_part(table),
        "by_priority": {name: _part(group) for name, group in table["by_priority"].items()},
        "asked": len(asked),
        "offers": len(asked) + int(np.diff(plan.alternatives.indptr)[asked].sum()),
        "reserved": int(plan.reserved.sum()),
        "certified": plan.certified,
    }


def _part(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in SHOWN}


def _moves(sides: list[Reading], plans: list[Plan]) -> dict[str, Any]:
    """How many would be seen earlier or later, or gain or lose a time, under the proposed policy; by priority too."""
    refs = sides[0].problem.referrals
    before, after = (_days(reading, plan, refs.key) for reading, plan in zip(sides, plans, strict=True))
    both = (before >= 0) & (after >= 0)
    kinds = {
        "earlier": both & (after < before),
        "later": both & (after > before),
        "same_day": both & (after == before),
        "gain_a_time": (before < 0) & (after >= 0),
        "lose_their_time": (before >= 0) & (after < 0),
    }
    out: dict[str, Any] = {name: int(mask.sum()) for name, mask in kinds.items()}
    out["by_priority"] = {
        priority.name.lower(): {name: int((mask & (refs.priority == priority)).sum()) for name, mask in kinds.items()}
        for priority in Priority
    }
    return out


def _days(reading: Reading, plan: Plan, keys: I64) -> I64:
    """The day of each referral's slot from the plan's day on, -1 for none."""
    slots = reading.problem.slots
    at = find(slots.key, plan.slots_for(keys))
    return np.where(at >= 0, slots.day[at], -1).astype(np.int64) if len(slots) else np.full(len(keys), -1, np.int64)


@contextmanager
def _heartbeat(database: Database, preview_id: int, clock: Callable[[], datetime]) -> Iterator[None]:
    """Say every few seconds that the preview is still being made: one left by a dead process is taken up again."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            try:
                with database.unit_of_work() as session:
                    previews.beat(session, preview_id, clock())
            except DBAPIError as error:
                log.warning("heartbeat-failed", preview=preview_id, error=type(error).__name__)

    thread = threading.Thread(target=beat, name="preview-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=BEAT_SECONDS)
