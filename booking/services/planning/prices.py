"""The last plan's prices, for serving one patient between plans. Standard library and SQL only: web processes use it.

The price of a half-day at a service is what the plan loses if one of its places goes to somebody else. A service
without a row has nothing that anybody else needs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from booking.domain.weights import Weights
from booking.domain.words import PlanRunState
from booking.models import PlanPrice, PlanRequest, PlanRun

HalfDay = tuple[int, date, int]
"""Service, local date, part of the day (0 morning, 1 afternoon, 2 evening)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of half-days, 0 where none is stated, and the weights they were made with (None: no plan yet)."""

    weights: Weights | None = None
    table: Mapping[HalfDay, int] = field(default_factory=dict)

    def of(self, service_id: int, day: date, part: int) -> int:
        return self.table.get((service_id, day, part), 0)


def of_the_region() -> ColumnElement[bool]:
    """SQL: the run planned for everybody. A small plan made on request says nothing of what others need."""
    return ~exists().where(PlanRequest.plan_run_id == PlanRun.id)


def last_prices(session: Session, service_ids: Iterable[int]) -> Prices:
    """Prices of these services by the newest plan for everybody that was applied; short reads by key."""
    run = session.execute(
        select(PlanRun.id, PlanRun.summary)
        .where(PlanRun.state == PlanRunState.APPLIED, of_the_region())
        .order_by(PlanRun.id.desc())
        .limit(1)
    ).first()
    if run is None:
        return Prices()
    rows = session.execute(
        select(PlanPrice.service_id, PlanPrice.prices).where(
            PlanPrice.plan_run_id == run.id, PlanPrice.service_id.in_(list(service_ids))
        )
    )
    found: dict[HalfDay, int] = {}
    for service_id, packed in rows:
        found.update({(service_id, day, part): price for day, part, price in unpack(packed)})
    return Prices(Weights.of(run.summary.get("weights", {})), found)


def pack(prices: Iterable[tuple[date, int, int]]) -> bytes:
    """A service's (local date, part of day, price) as they are stored: JSON, compressed."""
    rows = [[day.isoformat(), part, price] for day, part, price in prices]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode())


def unpack(packed: bytes) -> list[tuple[date, int, int]]:
    return [(date.fromisoformat(day), part, price) for day, part, price in json.loads(zlib.decompress(packed))]
