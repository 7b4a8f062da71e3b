"""How far a solving planner has got, in words: cost, proven bound, the gap between them, time left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optimiser import Progress

Listener = Callable[[str, int, int, str], None]
"""Told the stage, how much of how much is done, and a note."""


@dataclass(slots=True)
class Watch:
    """Listens to the optimiser for one run and passes on what it hears."""

    tell: Listener
    deadline: float | None = None
    """Seconds from the beginning after which the best plan so far is taken."""
    _stage: str = ""
    _began: float = 0.0
    _heard: float = 0.0

    def __call__(self, at: Progress) -> None:
        if at.stage != self._stage:
            self._stage, self._began = at.stage, self._heard
        self._heard = at.seconds
        gap = at.objective - at.bound
        note = f"cost {at.objective:,}, bound {at.bound:,}, gap {gap:,}"
        left = self._left(at)
        self.tell(at.stage, at.done, at.total, note if left is None else f"{note}, about {seconds(left)} left")

    def _left(self, at: Progress) -> float | None:
        """Seconds this stage may still take if it goes on as it went; never past the deadline. The largest parts
        come first, so it mostly takes less."""
        if not 0 < at.done < at.total:
            return None
        left = (at.seconds - self._began) / at.done * (at.total - at.done)
        return left if self.deadline is None else min(left, max(self.deadline - at.seconds, 0.0))


def seconds(count: float) -> str:
    """A time in words, to the second below two minutes and to the minute above."""
    return f"{count:.0f} s" if count < 120 else f"{count / 60:.0f} min"
