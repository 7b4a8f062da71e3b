"""Small numbers (statistical disclosure control): what may be told of a count without telling of a person.

A count below ``least`` is not told, nor whether it is 0. Every other, totals too and each by itself, is rounded to
the nearest multiple of :func:`step`, twice an odd number: 6 where ``least`` is 5. Why not 5: of a total told as 10 with
two parts that are not told, both parts would have to be 4. The smallest sum that the told numbers leave to the
hidden parts is always odd, the greatest that hidden parts can have is even (``least`` is odd), so no hidden part can be
pinned to anything but 0, however many there are.
"""

from __future__ import annotations

LEAST_ALLOWED = 5


def allowed(least: int) -> bool:
    """Whether the rule holds what it promises with this number."""
    return least >= LEAST_ALLOWED and least % 2 == 1


def step(least: int) -> int:
    """The smallest number from ``least`` on that is twice an odd number."""
    return least + (2 - least) % 4


def told(count: int, least: int) -> int | None:
    """What is told of a count of people: None where it is too small."""
    if count < 0:
        raise ValueError(f"{count} people can't be")
    if count < least:
        return None
    by = step(least)
    return (count + by // 2) // by * by


def percent(part: int | None, whole: int | None) -> int | None:
    """The share in whole per cent of two counts as they are told; None where either is not."""
    if part is None or whole is None:
        return None
    return min(100, (200 * part + whole) // (2 * whole))
