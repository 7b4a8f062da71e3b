"""Synthetic problems of any size, the same for the same seed: for tests and benchmarks, never for claims."""

from __future__ import annotations

from datetime import date

import numpy as np

from optimiser.arrays import I64, indptr_of
from optimiser.policy import Policy
from optimiser.problem import NO_LIMIT, Busy, Problem, Referrals, Shortlists, Slots

AS_OF = date(2025, 1, 6)  # a Monday
_EPOCH_DAYS = (AS_OF - date(1970, 1, 1)).days
_STARTS = (540, 600, 660, 780, 840, 900, 1020)  # minutes of the day
_PARTS = (0, 0, 0, 1, 1, 1, 2)


def generate(
    referrals: int,
    *,
    seed: int = 0,
    specialties: int = 4,
    services: int = 6,
    load: float = 1.0,
    horizon_days: int = 91,
    limits: bool = True,
    policy: Policy | None = None,
) -> Problem:
    """A problem with ``referrals`` referrals and about ``referrals / load`` places.

    ``services`` per specialty, each of its own provider; ``limits`` adds needs, unsuitable times, windows, busy times,
    named clinicians, and patients with two referrals to a few.
    """
    rng = np.random.default_rng(seed)
    policy = policy or Policy(horizon_days=horizon_days)
    slots = _slots(rng, max(1, round(referrals / load)), specialties, services, policy.horizon_days, limits)
    specialty = rng.integers(0, specialties, referrals)
    waited = np.minimum(rng.exponential(50, referrals), 400).astype(np.int64)
    priority = np.where(waited < 14, rng.choice(3, referrals, p=(0.73, 0.15, 0.12)), 0)
    priority = np.where((waited >= 14) & (waited < 42) & (rng.random(referrals) < 0.1), 1, priority)
    extra = _limits(rng, slots, referrals, specialty) if limits else {}
    busy = _busy(rng, referrals, policy.horizon_days) if limits else None
    refs = Referrals.build(
        busy=busy, policy=policy, key=rng.permutation(referrals) + 1000, specialty=specialty, priority=priority,
        waited_days=waited, **extra,
    )  # fmt: skip
    return Problem(AS_OF, refs, _shortlists(rng, specialty, services, limits), slots, policy)


def _slots(rng: np.random.Generator, places: int, specialties: int, services: int, horizon: int, limits: bool) -> Slots:
    specialty = rng.integers(0, specialties, places)
    service = specialty * services + rng.integers(0, services, places)
    working = np.array([d for d in range(horizon + 1) if d % 7 < 5], np.int64)
    day = rng.choice(working, places)
    at = rng.integers(0, len(_STARTS), places)
    start = (_EPOCH_DAYS + day) * 1440 + np.asarray(_STARTS)[at]
    return Slots.build(
        key=rng.permutation(places) + 5000, service=service, specialty=specialty, provider=service, day=day,
        part=day % 7 * 3 + np.asarray(_PARTS)[at], start_minute=start, end_minute=start + 30,
        capacity=np.where(rng.random(places) < 0.1, 2, 1),
        offers=np.where(rng.random(places) < 0.7, 3, 1) if limits else 0,
        priorities=rng.choice((7, 7, 7, 1, 6), places) if limits else 7,
        practitioner=np.where(rng.random(places) < 0.3, service * 10, -1) if limits else -1,
    )  # fmt: skip


def _limits(rng: np.random.Generator, slots: Slots, n: int, specialty: I64) -> dict[str, I64]:
    def some(share: float, yes: I64 | int, no: I64 | int) -> I64:
        return np.asarray(np.where(rng.random(n) < share, yes, no), np.int64)

    return {
        "patient": some(0.1, rng.integers(0, max(n // 4, 1), n), np.arange(n) + n),
        "needs": some(0.1, 2, some(0.2, 1, 0)),
        "unsuitable": some(0.2, rng.integers(0, 2**21, n), 0),
        "practitioner": some(0.02, specialty * 60, -1),
        "earliest_day": some(0.05, 14, 0),
        "latest_day": some(0.05, 70, NO_LIMIT),
        "previous_slot": some(0.2, rng.choice(slots.key, n), -1),
    }


def _busy(rng: np.random.Generator, n: int, horizon: int) -> Busy:
    count = (rng.random(n) < 0.1).astype(np.int64) * 2
    start = (_EPOCH_DAYS + rng.integers(1, horizon + 1, int(count.sum()))) * 1440 + 570
    return Busy(indptr_of(count), start, start + 120)


def _shortlists(rng: np.random.Generator, specialty: I64, services: int, limits: bool) -> Shortlists:
    n = len(specialty)
    home, sites = rng.random((n, 2)) * 40, rng.random((int(specialty.max(initial=0)) + 1, services, 2)) * 40
    km = np.sqrt(((home[:, None, :] - sites[specialty]) ** 2).sum(axis=2))
    size = np.minimum(np.where(rng.random(n) < 0.01, 0, rng.integers(1, services + 1, n)), services)
    order = np.argsort(km, axis=1)
    take = np.arange(services)[None, :] < size[:, None]
    service = (specialty[:, None] * services + order)[take]
    distance = np.take_along_axis(km, order, axis=1)[take].astype(np.float32)
    if limits:
        distance[rng.random(len(distance)) < 0.02] = np.nan
    first = np.where(rng.random(len(service)) < 0.1, 7, 0) if limits else np.zeros(len(service))
    last = np.where(rng.random(len(service)) < 0.1, 60, NO_LIMIT) if limits else np.full(len(service), NO_LIMIT)
    return Shortlists(
        indptr_of(size.astype(np.int64)), service.astype(np.int64), distance, first.astype(np.int32),
        last.astype(np.int32),
    )  # fmt: skip
