"""A synthetic region of any size in the layout of the public data set: for measurements, never for claims.

Commissioners stand on a grid, each with its practices and sites around it; the waiting lists fall off with the weeks
as real ones do, and there are about one and a half times as many places in 13 weeks as people waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from booking.config import Config
from booking.db import Database
from booking.keys import Keys
from booking.scenario import england
from booking.scenario.data import BANDS, F64, Data, Places, Waiting
from booking.scenario.loader import load
from booking.services.work import HOME_ZONE, SYSTEM, Work

PEOPLE = 12_500
"""Waiting for one commissioner."""
PRACTICES, NHS_SITES, OTHER_SITES = 30, 3, 1
FUNCTIONS = (
    ("100", "General surgery"), ("101", "Urology"), ("110", "Trauma and orthopaedics"),
    ("120", "Ear, nose and throat"), ("130", "Ophthalmology"), ("301", "Gastroenterology"), ("320", "Cardiology"),
    ("330", "Dermatology"), ("400", "Neurology"), ("502", "Gynaecology"),
)  # fmt: skip
SHARE = (11, 8, 17, 9, 15, 7, 7, 10, 5, 11)
"""Of a hundred people, by treatment function."""
PLACES_A_PERSON = 1.5
GRID_DEGREES = 0.25


@dataclass(frozen=True, slots=True)
class Loaded:
    """What went into the database."""

    rows: dict[str, int]


def fill(database: Database, config: Config, keys: Keys, now: datetime, *, referrals: int, seed: int) -> Loaded:
    """Fill an empty, migrated database with a region of so many referrals."""
    data = region(referrals, seed=seed)
    made = england.build(data, as_of=now.astimezone(HOME_ZONE).date(), seed=seed)
    with database.unit_of_work() as session:
        return Loaded(load(Work(session, SYSTEM, now, config, keys), data, made, seed=seed).rows)


def region(referrals: int, *, seed: int) -> Data:
    """The data set, the same for the same numbers."""
    rng = np.random.default_rng(seed)
    count = max(1, round(referrals / PEOPLE))
    side = int(np.ceil(np.sqrt(count)))
    latitude = (51.0 + GRID_DEGREES * (np.arange(count) // side)).astype(np.float64)
    longitude = (-3.0 + GRID_DEGREES * (np.arange(count) % side)).astype(np.float64)
    codes = [f"C{at:04d}" for at in range(count)]
    commissioners = Places(codes, [f"Commissioner {at}" for at in range(count)], latitude, longitude, {})
    owner = np.repeat(np.arange(count), PRACTICES)
    practices = _around(
        rng, "G", "Practice", latitude[owner], longitude[owner], {"commissioner": [codes[at] for at in owner]}
    )
    at_site = np.repeat(np.arange(count), NHS_SITES + OTHER_SITES)
    sector = (["NHS"] * NHS_SITES + ["Independent"] * OTHER_SITES) * count
    provider = [f"{'R' if kind == 'NHS' else 'N'}{at:04d}" for at, kind in zip(at_site.tolist(), sector, strict=True)]
    sites = _around(
        rng, "S", "Hospital", latitude[at_site], longitude[at_site],
        {"sector": sector, "provider_ods_code": provider, "provider_name": [f"Provider {code}" for code in provider]},
    )  # fmt: skip
    lists = _lists(rng, referrals, codes)
    completed = {
        (row.commissioner, row.function): round(sum(row.bands) * PLACES_A_PERSON / england.WEEKS * 31 / 7)
        for row in lists
    }
    return Data(commissioners, practices, sites, lists, completed)


def _around(
    rng: np.random.Generator, letter: str, name: str, latitude: F64, longitude: F64,
    more: dict[str, list[str]],
) -> Places:  # fmt: skip
    count = len(latitude)
    scatter = rng.normal(0, GRID_DEGREES / 3, (2, count))
    return Places(
        [f"{letter}{at:05d}" for at in range(count)], [f"{name} {at}" for at in range(count)],
        latitude + scatter[0], longitude + scatter[1], {**more, "postcode": ["ZZ99 3VZ"] * count},
    )  # fmt: skip


def _lists(rng: np.random.Generator, referrals: int, codes: list[str]) -> list[Waiting]:
    """People by commissioner, function and weeks waited: exactly ``referrals`` in all."""
    bands = np.exp(-np.arange(len(BANDS)) / 8.0)
    share = np.outer(np.asarray(SHARE, np.float64), bands)
    people = rng.multinomial(referrals, np.tile(share.ravel() / (share.sum() * len(codes)), len(codes)))
    table = people.reshape(len(codes), len(FUNCTIONS), len(BANDS))
    return [
        Waiting(code, function, name, tuple(table[at, which].tolist()))
        for at, code in enumerate(codes)
        for which, (function, name) in enumerate(FUNCTIONS)
    ]
