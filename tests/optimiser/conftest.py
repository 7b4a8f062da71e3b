"""Small problems, and a brute force that shares nothing with the planner but the checker's cost formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimiser import Policy, Problem, Referrals, Shortlists, Slots
from optimiser.generate import AS_OF, generate

EPOCH_DAYS = AS_OF.toordinal() - 719_163
SMALL = Policy(horizon_days=28, tie_break=64)


def minute(day: int, hour: int) -> int:
    """Epoch minute of an hour of a day from the plan's."""
    return (EPOCH_DAYS + day) * 1440 + hour * 60


def slots(*rows: tuple[int, int, int, int], **columns: Any) -> Slots:
    """Slots from (key, service, day, hour); the service is its own provider, the specialty 1."""
    key, service, day, hour = (np.array(c) for c in zip(*rows, strict=True))
    start = np.array([minute(d, h) for d, h in zip(day, hour, strict=True)])
    part = day % 7 * 3 + np.where(hour < 12, 0, np.where(hour < 17, 1, 2))
    given = {
        "key": key, "service": service, "specialty": 1, "provider": service, "day": day, "part": part,
        "start_minute": start, "end_minute": start + 30, **columns,
    }  # fmt: skip
    return Slots.build(**given)


def shortlists(*lists: list[int] | list[tuple[int, float]]) -> Shortlists:
    """Shortlists from lists of services, or of (service, km)."""
    pairs = [[p if isinstance(p, tuple) else (p, 1.0) for p in one] for one in lists]
    flat = [p for one in pairs for p in one]
    n = len(flat)
    return Shortlists(
        np.cumsum([0, *map(len, pairs)]).astype(np.int64), np.array([s for s, _ in flat], np.int64),
        np.array([km for _, km in flat], np.float32), np.zeros(n, np.int32), np.full(n, 10_000, np.int32),
    )  # fmt: skip


def problem(refs: dict[str, Any], lists: Shortlists, free: Slots, policy: Policy = SMALL, **more: Any) -> Problem:
    """A problem of specialty 1."""
    return Problem(AS_OF, Referrals.build(**{"specialty": 1, **refs}), lists, free, policy, **more)


def shuffle(given: Problem, seed: int) -> Problem:
    """The same problem in another order, shortlists included."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(given.referrals))
    lists = given.shortlists.take(rows)
    order = np.lexsort((rng.random(len(lists.service)), np.repeat(np.arange(len(rows)), np.diff(lists.indptr))))
    lists = Shortlists(
        lists.indptr, lists.service[order], lists.distance_km[order], lists.first_day[order], lists.last_day[order]
    )
    return replace(
        given, referrals=given.referrals.take(rows), shortlists=lists,
        slots=given.slots.take(rng.permutation(len(given.slots))),
    )  # fmt: skip


@pytest.fixture(scope="session")
def medium() -> Problem:
    """A few hundred referrals with every kind of limit."""
    return generate(400, seed=3)


def given_keys(given: Problem, slot: np.ndarray) -> list[int]:
    """Slot keys of the referrals in order of key, from slot indices of the canonical problem."""
    keys = given.canonical().slots.key
    return [int(keys[s]) if s >= 0 else -1 for s in slot.tolist()]
