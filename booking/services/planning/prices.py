"""The last plan's prices, for serving one patient between plans. Standard library and SQL only: web processes use it.

The price of a half-day at a service is what the plan loses if one of its places goes to somebody else. A service
without a row has nothing that anybody else needs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Select, bindparam, exists, select
from sqlalchemy.orm import Session

from booking.domain.objective import WEIGHTS
from booking.domain.weights import Weights
from booking.domain.words import PlanRunState
from booking.models import PlanPrice, PlanRequest, PlanRun

Table = Mapping[tuple[str, int], int]
"""A service's prices by local date (ISO) and part of the day (0 morning, 1 afternoon, 2 evening)."""


_MOST_SERVICES = 5_000
"""Services whose prices a process remembers; a service's table is about 10 kB."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of half-days, 0 where none is stated, and the weights they were made with (None: no plan yet)."""

    weights: Weights | None = None
    table: Mapping[int, Table] = field(default_factory=dict)
    reseat_loss: int = 0
    """What somebody who is only pencilled may lose by being moved; 0 where nothing has been planned."""
    reseat_moves: int = 0

    def of(self, service_id: int, day: date, part: int) -> int:
        return self.table.get(service_id, {}).get((day.isoformat(), part), 0)


def of_the_region() -> ColumnElement[bool]:
    """SQL: the run planned for everybody. A small plan made on request says nothing of what others need."""
    return ~exists().where(PlanRequest.plan_run_id == PlanRun.id)


def newest_applied(*what: Any) -> Select[Any]:
    """These columns, or the whole row, of the newest plan for everybody that was applied."""
    of = select(*what).where(PlanRun.state == PlanRunState.APPLIED, of_the_region())
    return of.order_by(PlanRun.id.desc()).limit(1)


@dataclass(slots=True)
class _Known:
    """What this process remembers of one database: the newest run, and the services read so far."""

    run: tuple[int, datetime | None]
    weights: Weights | None
    bounds: tuple[int, int]
    table: dict[int, Table] = field(default_factory=dict)


_known: WeakKeyDictionary[object, _Known] = WeakKeyDictionary()
_NEWEST = newest_applied(PlanRun.id, PlanRun.finished_at)
_TABLES = select(PlanPrice.service_id, PlanPrice.prices).where(
    PlanPrice.plan_run_id == bindparam("run_id"), PlanPrice.service_id.in_(bindparam("services", expanding=True))
)


def last_prices(session: Session, service_ids: Iterable[int]) -> Prices:
    """Prices of these services by the newest plan for everybody that was applied; short reads by key.

    What a run says never changes, so a process unpacks a service's prices once for each run.
    """
    session.flush()
    connection = session.connection()
    run = connection.execute(_NEWEST).first()
    if run is None:
        return Prices()
    pool = connection.engine.pool
    known = _known.get(pool)
    if known is None or known.run != (run.id, run.finished_at) or len(known.table) > _MOST_SERVICES:
        known = _known[pool] = _remember(session, run.id, run.finished_at)
    wanted = set(service_ids)
    missing = sorted(wanted - known.table.keys())
    if missing:
        rows = connection.execute(_TABLES, {"run_id": run.id, "services": missing})
        read = {row.service_id: row.prices for row in rows}
        known.table.update({one: _table(read[one]) if one in read else {} for one in missing})
    table = known.table
    loss, moves = known.bounds
    return Prices(known.weights, {one: table.get(one, {}) for one in wanted}, loss, moves)


def _remember(session: Session, run_id: int, finished_at: datetime | None) -> _Known:
    summary = session.scalar(select(PlanRun.summary).where(PlanRun.id == run_id)) or {}
    weights = summary.get("weights", {})
    bounds = tuple(weights.get(name, WEIGHTS[name].default) for name in ("reseat_loss", "reseat_moves"))
    return _Known((run_id, finished_at), Weights.of(weights), (bounds[0], bounds[1]))


def _table(packed: bytes) -> Table:
    return {(day, part): price for day, part, price in json.loads(zlib.decompress(packed))}


def pack(prices: Iterable[tuple[date, int, int]]) -> bytes:
    """A service's (local date, part of day, price) as they are stored: JSON, compressed."""
    rows = [[day.isoformat(), part, price] for day, part, price in prices]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode())


def unpack(packed: bytes) -> list[tuple[date, int, int]]:
    return [(date.fromisoformat(day), part, price) for day, part, price in json.loads(zlib.decompress(packed))]
