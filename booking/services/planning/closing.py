"""The end of a run: prices for serving one patient between plans, summary, audit entry; all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import insert, update

from booking.domain.words import PlanRunState
from booking.models import PlanPrice, PlanRequest, PlanRun
from booking.services import audit
from booking.services.planning.lock import still_ours
from booking.services.planning.prices import pack
from booking.services.work import Work
from optimiser import Plan, Problem

AUDITED = (
    "method",
    "referrals",
    "placed",
    "offered",
    "kept",
    "certified",
    "objective",
    "bound",
    "conflicts",
    "trouble",
)


def close(
    work: Work,
    run_id: int,
    problem: Problem,
    plan: Plan,
    summary: dict[str, Any],
    *,
    certified: bool,
    requests: Sequence[int] = (),
) -> None:
    """Mark the run as applied; only from now on are its prices used. Raises ``RunLost`` if it was taken over.

    A run for ``requests`` ends them, and has no prices: it saw a part of the need only.
    """
    still_ours(work.session, run_id, work.now)
    if requests:
        work.session.execute(
            update(PlanRequest).where(PlanRequest.id.in_(requests)).values(done_at=work.now, plan_run_id=run_id)
        )
    rows = (
        []
        if requests
        else [
            {"plan_run_id": run_id, "service_id": service, "prices": packed}
            for service, packed in packed_prices(problem, plan)
        ]
    )
    if rows:
        work.session.execute(insert(PlanPrice), rows)
    work.session.execute(
        update(PlanRun)
        .where(PlanRun.id == run_id)
        .values(
            state=PlanRunState.APPLIED, finished_at=work.now, certified=certified, summary=summary,
            input_digest=plan.digest,
        )
    )  # fmt: skip
    audit.record(work, f"plan:{run_id}", "plan.apply", after={name: summary[name] for name in AUDITED})


def packed_prices(problem: Problem, plan: Plan) -> list[tuple[int, bytes]]:
    """For each service that has any: prices above 0 by local date and part of day, the dearest kind of slot each."""
    slots = problem.slots
    priced = np.flatnonzero(plan.slot_price > 0)
    part = slots.part[priced] % 3
    order = np.lexsort((-plan.slot_price[priced], part, slots.day[priced], slots.service[priced]))
    at, part = priced[order], part[order]
    columns = (slots.service[at], slots.day[at], part)
    fresh = np.ones(len(at), np.bool_)
    fresh[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0) if len(at) else False
    at, part = at[fresh], part[fresh]
    table: dict[int, list[tuple[int, int, int]]] = {}
    rows = (slots.service[at], slots.day[at], part, plan.slot_price[at])
    for service, day, which, price in zip(*(row.tolist() for row in rows), strict=True):
        table.setdefault(service, []).append((day, which, price))
    return [
        (service, pack((problem.as_of + timedelta(days=day), which, price) for day, which, price in prices))
        for service, prices in table.items()
    ]
