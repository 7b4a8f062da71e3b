"""What happens whatever the policy: services, their clinics, referrals, clinics cancelled. A world for each seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimiser.arrays import F32, I8, I32, I64, U32
from optimiser.simulation.settings import HISTORY_DAYS, PUBLISHED_DAYS, SESSION_SLOTS, Settings

F64 = npt.NDArray[np.float64]
NEVER = 1 << 30
LISTED = 4  # services on a shortlist at most, one to so many alike often, the nearest first
IN_A_SPECIALTY = 4
REGION_KM = 30.0
SPREAD_KM = 6.0
_MORNINGS = sum(1 << 3 * d for d in range(7))


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Clinic sessions by day, then service; a session is half a day of a service."""

    service: I64
    specialty: I32
    provider: I64
    day: I32
    part: I8  # of the week, see ``optimiser.problem.WEEK_PARTS``
    places: I32
    cancelled_on: I32  # the day it is made known; NEVER
    of_service: tuple[I64, ...]  # sessions of each service, by day

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Referrals by day of arrival, which is the clock's start; negative days are before the simulation."""

    day: I32
    priority: I8
    specialty: I32
    services: I64  # [person, LISTED] by distance; -1 where there are fewer
    km: F32
    likes: I8  # the part of the day liked best
    unsuitable: U32
    on_list: I64  # those who are or come on the list; the others were seen before day 0

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    seed: int
    settings: Settings
    specialty_of: I32  # of each service
    provider_of: I64
    weekly_places: I64
    sessions: Sessions
    people: People


def build(settings: Settings, seed: int) -> World:
    """The world of a seed. Clinics, people and cancellations have random streams of their own."""
    layout, clinics, people, cancelled = (np.random.default_rng((seed, n)) for n in range(4))
    count = settings.services
    specialty = np.minimum(np.arange(count) // IN_A_SPECIALTY, max(count // IN_A_SPECIALTY - 1, 0)).astype(np.int32)
    provider = np.arange(count, dtype=np.int64) % IN_A_SPECIALTY
    provider += np.where(np.arange(count) // IN_A_SPECIALTY > specialty, IN_A_SPECIALTY, 0)
    sites = layout.uniform(0, REGION_KM, (count, 2))
    popular = layout.uniform(0.8, 1.2, count)
    weekly = layout.integers(3, 7, count)
    sessions = _sessions(settings, clinics, cancelled, weekly, specialty, provider)
    places = weekly.astype(np.int64) * SESSION_SLOTS
    rate = _rates(settings, places, popular, specialty)
    return World(
        seed, settings, specialty, provider, places, sessions, _people(settings, people, rate, sites, specialty)
    )


def _sessions(
    settings: Settings, rng: np.random.Generator, cancelled: np.random.Generator, weekly: I64, specialty: I32,
    provider: I64,
) -> Sessions:  # fmt: skip
    last = settings.last_day + PUBLISHED_DAYS
    half_days = np.array([d * 3 + p for d in range(5) for p in range(3)])
    weight = np.array([(0.5, 0.4, 0.1)[p] for _ in range(5) for p in range(3)]) / 5
    service, day, part = [], [], []
    for one, count in enumerate(weekly.tolist()):
        for half_day in rng.choice(half_days, count, replace=False, p=weight):
            days = np.arange(half_day // 3, last + 1, 7)
            days = days[days > 0]
            service.append(np.full(len(days), one))
            day.append(days)
            part.append(np.full(len(days), half_day))
    services, days, parts = np.concatenate(service), np.concatenate(day), np.concatenate(part)
    order = np.lexsort((parts, services, days))
    services, days, parts = services[order], days[order], parts[order]
    gone = cancelled.random(len(days)) < settings.behaviour.clinic_cancelled
    notice = cancelled.integers(1, settings.behaviour.clinic_notice_days + 1, len(days))
    known = np.where(gone, np.maximum(days - notice, 0), NEVER)
    return Sessions(
        services.astype(np.int64), specialty[services], provider[services], days.astype(np.int32),
        parts.astype(np.int8), np.full(len(days), SESSION_SLOTS, np.int32), known.astype(np.int32),
        tuple(np.flatnonzero(services == s) for s in range(len(weekly))),
    )  # fmt: skip


def _rates(settings: Settings, places: I64, popular: F64, specialty: I32) -> F64:
    """Referrals a week whose nearest service is each: by size and popularity, each specialty at the load wanted."""
    behaviour = settings.behaviour
    pull = places * popular
    share = pull / np.bincount(specialty, pull)[specialty]
    held = np.bincount(specialty, places)[specialty] * (1 - behaviour.clinic_cancelled)
    rate: F64 = settings.load * held * share / behaviour.places_needed()
    return rate


def _people(settings: Settings, rng: np.random.Generator, rate: F64, sites: F64, specialty: I32) -> People:
    behaviour = settings.behaviour
    days = np.arange(-HISTORY_DAYS, settings.last_day)
    weekday = np.asarray(behaviour.weekday)[days % 7]
    mean = weekday[:, None, None] * rate[None, :, None] * np.asarray(behaviour.mix)[None, None, :]
    count = rng.poisson(mean)
    at_day, near, priority = (np.repeat(a.ravel(), count.ravel()) for a in np.indices(count.shape))
    n = len(at_day)
    day = days[at_day].astype(np.int32)
    home = sites[near] + rng.normal(0, SPREAD_KM, (n, 2))
    km = np.sqrt(((home[:, None, :] - sites[None, :, :]) ** 2).sum(axis=2))
    km[specialty[None, :] != specialty[near][:, None]] = np.inf
    services = np.full((n, LISTED), -1, np.int64)
    distance = np.zeros((n, LISTED), np.float32)
    order = np.argsort(km, axis=1, kind="stable")[:, :LISTED]
    nearest = np.take_along_axis(km, order, axis=1)
    width = order.shape[1]
    there = np.isfinite(nearest) & (np.arange(width)[None, :] < rng.integers(1, LISTED + 1, n)[:, None])
    services[:, :width] = np.where(there, order, -1)
    distance[:, :width] = np.where(there, nearest, 0)
    never = rng.random(n)
    unsuitable = np.where(never < behaviour.never_mornings, _MORNINGS, 0)
    afternoons = (never >= behaviour.never_mornings) & (never < behaviour.never_mornings + behaviour.never_afternoons)
    unsuitable = np.where(afternoons, _MORNINGS << 1, unsuitable)
    listed = day >= -np.asarray(behaviour.backlog_days)[priority]
    return People(
        day, priority.astype(np.int8), specialty[near], services, distance, rng.integers(0, 3, n).astype(np.int8),
        unsuitable.astype(np.uint32), np.flatnonzero(listed),
    )  # fmt: skip
