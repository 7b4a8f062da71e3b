"""Extra places against missed appointments: how many new slots get, and which.

A service may set a percentage, 0 by default. Of its slots published together, in order of time, every so many-th has
one more place, so that the extra places of these days are never more than that percentage of the places. An extra
place is a place like any other: two patients for one slot are a risk the provider takes, never a double booking.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

MOST_PERCENT = 30


def extra_places(places: Sequence[int], percent: int, *, before: tuple[int, int] = (0, 0)) -> list[int]:
    """Extra places of new slots with so many ``places`` each, in order of time; the first slot is the first to get one.

    ``before`` are the places, and the extra ones, of the slots that these days have already: the percentage is of all
    of them, whatever parts they are published in. New slots never make up for older ones published without.
    """
    total = sum(places)
    allowed = (before[0] + total) * percent // 100 - before[1]
    allowed = max(0, min(allowed, -(-total * percent // 100)))
    upto = [-(-allowed * part // total) for part in accumulate(places)] if total else []
    return [now - last for now, last in zip(upto, [0, *upto], strict=False)]
