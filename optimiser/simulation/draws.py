"""Chance that belongs to a person or a thing, not to the moment it is asked for.

Each draw is a hash of what it is about (a seed, a kind, the patient, the appointment), so that every policy meets the
same people with the same tastes and habits: common random numbers (Law, Simulation Modeling and Analysis, chapter 11).
"""

from __future__ import annotations

import math
from enum import IntEnum

_MASK = (1 << 64) - 1


class Kind(IntEnum):
    """What a draw decides."""

    TASTE = 1
    DECLINE = 2
    NO_SHOW = 3
    CANCEL = 4


def uniform(*keys: int) -> float:
    """A number in (0, 1) fixed by the keys: SplitMix64 (Steele, Lea, Flood 2014), chained."""
    state = 0x9E3779B97F4A7C15
    for key in keys:
        state = (state ^ (key & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return ((state >> 11) + 0.5) * 2.0**-53


def gumbel(*keys: int) -> float:
    """A standard Gumbel number fixed by the keys: the taste that makes a choice multinomial logit."""
    return -math.log(-math.log(uniform(*keys)))


def cancels_after(chance_a_day: float, *keys: int) -> int:
    """Days from booking until this patient would cancel: geometric, 1 or more."""
    if chance_a_day <= 0:
        return 1 << 30
    return 1 + int(math.log(uniform(*keys)) / math.log1p(-chance_a_day))
