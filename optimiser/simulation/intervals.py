"""Means over seeds with 95 % confidence intervals, and differences in pairs: the same seed is the same world."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the half width of its 95 % confidence interval; None where one value says nothing of the spread."""

    mean: float
    half_width: float | None

    def to_dict(self) -> dict[str, float | None]:
        """JSON-able, rounded to a millionth."""
        half = None if self.half_width is None else round(self.half_width, 6)
        return {"mean": round(self.mean, 6), "half_width": half}


def interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean of independent runs: ``t * s / sqrt(n)`` with n - 1 degrees of freedom."""
    if len(values) < 2:
        return Interval(fmean(values), None)
    return Interval(fmean(values), quantile(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values)))


def paired(values: Sequence[float], others: Sequence[float]) -> Interval:
    """The interval of the differences, value minus other, run by run."""
    return interval([a - b for a, b in zip(values, others, strict=True)])


def quantile(p: float, freedom: int) -> float:
    """Student's t quantile for ``p`` above a half, by halving the distribution function's finite series."""
    low, high = 0.0, 1.0
    while probability(high, freedom) < p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def probability(t: float, freedom: int) -> float:
    """P(T <= t) for t >= 0 and whole degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for n in range(1 + odd, freedom, 2):
        total += term
        term *= square * n / (n + 1)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + inside / 2
