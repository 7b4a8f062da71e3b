"""Arrivals to expect, from daily counts of the past: a level that follows recent weeks, and a weekday pattern.

The level of a series is the mean of its daily counts, a day ``HALF_LIFE`` older counting half (exponential
smoothing, Brown 1959). Single series are too sparse to show a weekday pattern, so it is taken from all of them
together. Counts are taken to be Poisson, which gives the variance of a forecast: that of the arrivals themselves and
that of the level.

More is reserved than the mean, as in the newsvendor's problem: an urgent patient without a place costs far more than
a routine one who gets that place some days later than it could have been given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimiser.arrays import I64, Array, mix
from optimiser.policy import Policy
from optimiser.problem import Expected

F64 = npt.NDArray[np.float64]
HALF_LIFE = 14.0
"""Days after which a count has half its weight."""
MARGIN = 0.25
"""Reserved above the mean at least: with a forecast a fifth too low the mean itself is still reserved."""
MOST_MARGIN = 1.0
PATTERN_PRIOR = 20.0
"""So many arrivals spread evenly over the week temper the weekday pattern: it takes more to show one."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Arrivals a day: ``mean`` [series, weekday] (Monday 0), ``variance`` [series] of the level a day."""

    mean: F64
    variance: F64

    def on(self, weekday: I64) -> F64:
        """The rate of each series on days of these weekdays."""
        rate: F64 = self.mean[:, weekday]
        return rate

    def margin(self, group: I64, days: I64) -> F64:
        """What to reserve above the mean, as a share of it, by series: :data:`MARGIN`, or a standard deviation of
        what a group of series (alike numbers) brings in so many days where that is more."""
        level = self.mean.mean(axis=1)
        _, at = np.unique(group, return_inverse=True)
        mean = np.bincount(at, weights=level * days)
        variance = np.bincount(at, weights=level * days + self.variance * days**2)
        share = np.divide(np.sqrt(variance), mean, out=np.zeros(len(mean)), where=mean > 0)
        out: F64 = np.clip(share, MARGIN, MOST_MARGIN)[at]
        return out


def rates(counts: I64, weekday: I64) -> Rates:
    """From counts [series, day], the newest day last, and the weekday of each day; at least a week of them."""
    age = np.arange(counts.shape[1])[::-1]
    weight = 0.5 ** (age / HALF_LIFE)
    level = counts @ weight / weight.sum()
    variance = level * (weight**2).sum() / weight.sum() ** 2
    seen = np.bincount(weekday, weights=counts.sum(axis=0) * weight, minlength=7)
    even = np.bincount(weekday, weights=weight, minlength=7) * (counts.sum(axis=0) @ weight) / weight.sum()
    pattern = (seen + PATTERN_PRIOR / 7) / (even + PATTERN_PRIOR / 7)
    pattern *= 7 / pattern.sum()
    return Rates(level[:, None] * pattern[None, :], variance)


def expected_from_rates(
    policy: Policy, *, service: I64, specialty: Array, priority: Array, rate: F64, last_day: I64
) -> Expected:
    """Whole arrivals from ``rate`` [series, day], whose first column is tomorrow (day 1 of the plan).

    Fractions are carried from day to day, each series beginning with a fraction of its own (a hash of its service and
    priority), so that many small series together expect what they should. ``last_day`` is the last day of each
    series' service with slots: whoever arrives so late that slots not yet published can still serve them in time
    needs nothing kept today.
    """
    begin = (mix(mix(service) ^ np.asarray(priority, np.uint64)) >> np.uint64(11)) / float(1 << 53)
    so_far = np.floor(np.cumsum(np.column_stack((begin, rate)), axis=1) + 1e-9)
    each = np.diff(so_far, axis=1).astype(np.int64)
    each = np.where(in_time(policy, priority, rate.shape[1], last_day), each, 0)
    series, day = np.nonzero(each)
    return Expected.build(
        specialty=np.asarray(specialty)[series], service=service[series], priority=np.asarray(priority)[series],
        arrival_day=day + 1, count=each[series, day],
    )  # fmt: skip


def in_time(policy: Policy, priority: Array, days: int, last_day: I64) -> Array:
    """[series, day]: must whoever arrives on the day be seen before the last slots published end?"""
    target = np.asarray(policy.target_days, np.int64)[priority]
    arrival = np.arange(1, days + 1)
    return np.asarray(arrival[None, :] + target[:, None] <= last_day[:, None])
