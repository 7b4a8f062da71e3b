"""The end of a run: prices for serving one patient between plans, summary, audit entry; all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import repeat
from typing import Any, cast

import numpy as np
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from booking.domain.words import BookingState, OfferState, PlanRunState
from booking.models import Booking, Offer, Pencil, PlanPrice, PlanRequest, PlanRun, Referral, Slot
from booking.services import audit
from booking.services.bulk import insert as insert_many
from booking.services.planning.lock import still_ours
from booking.services.planning.prices import pack
from booking.services.planning.sql import CHUNK, among, batched, table, whole
from booking.services.work import Work
from optimiser import Plan, Problem
from optimiser.arrays import I64
from optimiser.choice import choice

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

    A run for ``requests`` ends them, and has no prices and pencils nothing: it saw a part of the need only. What
    choice the offers written gave goes into the summary.
    """
    still_ours(work.session, run_id, work.now)
    summary["choice"] = offered_choice(work, run_id, problem)
    if not requests:
        pencil(work, run_id, plan)
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


def offered_choice(work: Work, run_id: int, problem: Problem) -> dict[str, float]:
    """How many the run asked, and what shares of them had a choice of provider, of day, of time of day."""
    query = select(Offer.referral_id.label("referral"), Offer.slot_id.label("slot"))
    rows = table(work.session, query.where(Offer.plan_run_id == run_id, Offer.state == OfferState.OPEN))
    return choice(problem, whole(rows["referral"]), whole(rows["slot"]))


def pencil(work: Work, run_id: int, plan: Plan) -> None:
    """Note where the plan would put those it has not asked; what earlier plans pencilled is over.

    Whoever is being changed at this moment, or whose slot is, is left out (or as the plan before had it): a pencil is
    not worth waiting for, and a run that has written its offers must not fail for it.
    """
    session = work.session
    unlocked = select(Pencil.referral_id).with_for_update(skip_locked=True)
    session.execute(delete(Pencil).where(Pencil.referral_id.in_(unlocked)).execution_options(synchronize_session=False))
    query = select(Booking.referral_id.label("referral")).where(
        Booking.state.in_((BookingState.HELD, BookingState.BOOKED))
    )
    left = table(session, select(Pencil.referral_id.label("referral")))
    served = whole(np.concatenate((table(session, query)["referral"], left["referral"])))
    at = np.flatnonzero((plan.slot_key >= 0) & ~np.isin(plan.referral_key, served))
    at = at[np.isin(plan.referral_key[at], _shared(session, Referral.id, plan.referral_key[at]))]
    at = at[np.isin(plan.slot_key[at], _shared(session, Slot.id, plan.slot_key[at]))]
    rows = zip(plan.referral_key[at].tolist(), plan.slot_key[at].tolist(), repeat(run_id), repeat(0))
    columns = ("referral_id", "slot_id", "plan_run_id", "lost")
    insert_many(work.session.connection(), cast(Table, Pencil.__table__), columns, rows)


def _shared(session: Session, key: InstrumentedAttribute[int], wanted: I64) -> I64:
    """Of these keys those that nobody is changing, locked as pointing at them would: so that it waits for nobody."""
    found: list[int] = []
    for keys in batched(np.unique(wanted).tolist(), CHUNK):
        query = select(key).where(among(session, key, keys)).order_by(key)
        found += session.scalars(query.with_for_update(read=True, key_share=True, skip_locked=True))
    return np.array(found, np.int64)


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
