"""Patients who live around their practice instead of at it: every shortlist is then one's own.

The data say nothing of homes. Ours are drawn evenly in direction and exponentially in distance (1.5 km on average, 10
at most), by a random stream of their own, so that the rest of the scenario stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from booking.domain.geo import EARTH_RADIUS_KM
from booking.scenario.data import F64, Data
from booking.scenario.england import SHORTLIST, SHORTLIST_KM, SHORTLIST_LEAST, England, Lists, haversine
from optimiser.arrays import I64, Array, indptr_of
from optimiser.jit import kernel

MEAN_KM, FARTHEST_KM = 1.5, 10.0


def homes(data: Data, made: England, seed: int) -> tuple[F64, F64]:
    """Latitude and longitude (degrees) of each person's home."""
    rng = np.random.default_rng([seed, 3])
    n = len(made)
    km = np.minimum(rng.exponential(MEAN_KM, n), FARTHEST_KM)
    angle = rng.random(n) * 2 * np.pi
    latitude = data.practices.latitude[made.practice]
    away = np.degrees(km / EARTH_RADIUS_KM)
    longitude = data.practices.longitude[made.practice] + away * np.sin(angle) / np.cos(np.radians(latitude))
    return latitude + away * np.cos(angle), longitude


def at_home(data: Data, made: England, seed: int) -> England:
    """The scenario with a home, and so a shortlist, for each person; the rules of the shortlist are the same."""
    n, practices, sites = len(made), data.practices, data.sites
    latitude, longitude = homes(data, made, seed)
    far = haversine(
        practices.latitude[:, None], practices.longitude[:, None], sites.latitude[None, :], sites.longitude[None, :]
    )
    order = np.argsort(far, axis=1, kind="stable").astype(np.int32)
    service = np.full((len(made.functions), len(sites)), -1, np.int64)
    service[made.service_function, made.service_site] = np.arange(len(made.service_site))
    listed, away = np.empty((n, SHORTLIST), np.int32), np.empty((n, SHORTLIST), np.float32)
    size = np.zeros(n, np.int64)
    _own_lists(
        order, far.astype(np.float32), made.practice, made.function, service, np.radians(latitude),
        np.radians(longitude), np.radians(sites.latitude), np.radians(sites.longitude), EARTH_RADIUS_KM,
        SHORTLIST_KM, SHORTLIST_LEAST, FARTHEST_KM + 0.1, listed, away, size,
    )  # fmt: skip
    used = np.arange(SHORTLIST)[None, :] < size[:, None]
    lists = Lists(indptr_of(size), listed[used].astype(np.int64), away[used].astype(np.float64))
    return replace(made, list_of=np.arange(n, dtype=np.int64), lists=lists)


@kernel
def _own_lists(
    order: Array, far: Array, practice: I64, function: I64, service: I64, latitude: F64, longitude: F64,
    site_latitude: F64, site_longitude: F64, radius: float, limit: float, least: int, farthest: float, listed: Array,
    km: Array, size: I64,
) -> None:  # fmt: skip
    """Fill each person's shortlist, nearest first; coordinates in radians.

    Sites are looked at in order of distance from the practice, until none farther from it can be near enough to the
    home: the way between the two is the most that the distances can differ by.
    """
    most = listed.shape[1]
    for person in range(len(practice)):
        at, n = practice[person], 0
        for site in order[at]:
            if n == most and far[at, site] - farthest > km[person, n - 1]:
                break
            if service[function[person], site] < 0:
                continue
            a = np.sin((site_latitude[site] - latitude[person]) / 2) ** 2
            a += (
                np.cos(latitude[person])
                * np.cos(site_latitude[site])
                * (np.sin((site_longitude[site] - longitude[person]) / 2) ** 2)
            )
            way = 2 * radius * np.arcsin(min(1.0, np.sqrt(a)))
            if n < most:
                place = n
                n += 1
            elif way < km[person, n - 1]:
                place = n - 1
            else:
                continue
            while place > 0 and km[person, place - 1] > way:
                km[person, place], listed[person, place] = km[person, place - 1], listed[person, place - 1]
                place -= 1
            km[person, place], listed[person, place] = way, service[function[person], site]
        while n > least and km[person, n - 1] > limit:
            n -= 1
        size[person] = n
