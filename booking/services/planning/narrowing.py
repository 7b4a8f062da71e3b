"""Shortlists narrowed by every rule that needs no slot: window, age, sex, distance."""

from __future__ import annotations

from datetime import date

import numpy as np

from booking.domain.geo import EARTH_RADIUS_KM
from booking.services.planning.demand import Demand, day_number
from booking.services.planning.sql import UNKNOWN, Numbers, whole
from booking.services.planning.supply import Services
from optimiser import Shortlists
from optimiser.arrays import F32, I32, I64, find, indptr_of

ENTRIES = 100_000
"""Entries of shortlists looked at together: what is known of the patient stands beside each."""
USED = ("priority", "born", "sex", "specialty", "farthest", "latitude", "longitude")


def narrowed(demand: Demand, services: Services, as_of: date) -> Shortlists:
    """What is left of each shortlist, with the days on which the patient may be seen there.

    The rules of :mod:`booking.domain.eligibility`; age limits become dates, so that they hold on the day of the
    appointment. Who may see a service is asked when it is shortlisted: a rule that ends takes nothing from referrals
    made while it held.
    """
    parts = [
        _part(demand, services, as_of, slice(start, start + ENTRIES))
        for start in range(0, max(len(demand.list_row), 1), ENTRIES)
    ]
    row, service, far, first, last = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Shortlists(indptr_of(np.bincount(row, minlength=len(demand))), service, far, first, last)


def _part(demand: Demand, services: Services, as_of: date, entries: slice) -> tuple[I64, I64, F32, I32, I32]:
    """Row, service, km and window of those entries of the shortlists that pass."""
    at = find(services.key, demand.list_service[entries])
    row, at = demand.list_row[entries][at >= 0], at[at >= 0]
    rows = {name: demand.rows[name][row] for name in USED}
    priority = whole(rows["priority"])
    oldest = ages(rows["born"], services.min_age[at]) - day_number(as_of)
    youngest = ages(rows["born"], services.max_age[at] + 1) - day_number(as_of) - 1
    first = np.maximum(np.maximum(services.first_day[at, priority], oldest), 0)
    last = np.minimum(services.last_day[at, priority], youngest)
    far = distances(rows, services, at)
    keep = first <= last
    keep &= (services.sex[at] == -1) | (services.sex[at] == rows["sex"])
    keep &= (rows["specialty"] == services.specialty[at]) & (priority >= 0)
    keep &= ~((rows["farthest"] != UNKNOWN) & (far > rows["farthest"]))
    return (
        row[keep], services.key[at[keep]], far[keep].astype(np.float32), first[keep].astype(np.int32),
        last[keep].astype(np.int32),
    )  # fmt: skip


def ages(born: Numbers, years: I64) -> I64:
    """Days since 1970 on which somebody born on that day (days since 1970) becomes so many years old.

    Born on 29 February: 1 March in other years, as :func:`booking.domain.targets.age_on` has it.
    """
    day = born.astype(np.int64).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    in_month = (day - month.astype("datetime64[D]")).astype(np.int64)
    moved = (month + years * 12).astype("datetime64[D]") + in_month
    return np.asarray(moved.astype(np.int64), np.int64)


def distances(rows: dict[str, Numbers], services: Services, at: I64) -> Numbers:
    """Great-circle km from each patient to each service's site, not a number where either is unknown."""
    here = rows["latitude"] != UNKNOWN
    lat1, lon1 = (np.radians(np.where(here, rows[name], np.nan)) for name in ("latitude", "longitude"))
    lat2, lon2 = np.radians(services.latitude[at]), np.radians(services.longitude[at])
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, np.sqrt(a))))
