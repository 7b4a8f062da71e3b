"""Plan runs for those who look at them: a page of them without their long summaries, or one whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import exists, select

from booking.domain.errors import NotFound
from booking.domain.words import PlanRunState
from booking.models import PlanRequest, PlanRun
from booking.services.planning.prices import newest_applied
from booking.services.work import Work

PAGE = 15


@dataclass(frozen=True, slots=True)
class RunLine:
    id: int
    state: PlanRunState
    started_at: datetime
    finished_at: datetime | None
    as_of: date
    policy_version: int
    certified: bool
    referrals: int | None
    placed: int | None
    trouble: str | None
    """What went wrong although a plan was applied: the solver failed and the simple way was taken."""
    on_request: bool
    """A small plan for some, between the plans for everybody."""


def latest(work: Work) -> PlanRun | None:
    """The newest plan for everybody that was applied."""
    return work.session.scalars(newest_applied(PlanRun)).first()


def page(work: Work, *, before: int | None = None, everything: bool = False) -> tuple[list[RunLine], bool]:
    """The newest runs, of those older than ``before``; and whether there are more. Small plans if ``everything``."""
    summary = PlanRun.summary
    small = exists().where(PlanRequest.plan_run_id == PlanRun.id)
    query = select(
        PlanRun.id, PlanRun.state, PlanRun.started_at, PlanRun.finished_at, PlanRun.as_of, PlanRun.policy_version,
        PlanRun.certified, summary["referrals"].as_integer().label("referrals"),
        summary["placed"].as_integer().label("placed"), summary["trouble"].as_string().label("trouble"),
        small.label("on_request"),
    )  # fmt: skip
    if before is not None:
        query = query.where(PlanRun.id < before)
    if not everything:
        query = query.where(~small)
    rows = work.session.execute(query.order_by(PlanRun.id.desc()).limit(PAGE + 1)).all()
    return [RunLine(**row._mapping) for row in rows[:PAGE]], len(rows) > PAGE


def one(work: Work, run_id: int) -> PlanRun:
    found = work.session.get(PlanRun, run_id)
    if found is None:
        raise NotFound("There is no such plan.")
    return found


def on_request(work: Work, run_id: int) -> bool:
    """Whether it was a small plan for some."""
    return work.session.scalar(select(PlanRequest.id).where(PlanRequest.plan_run_id == run_id).limit(1)) is not None
