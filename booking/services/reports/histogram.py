"""Means and percentiles of waits from how many waited how many days: the database counts, this only adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Histogram:
    """People by whole days."""

    people_by_days: dict[int, int] = field(default_factory=dict)

    def add(self, days: int, people: int) -> None:
        self.people_by_days[days] = self.people_by_days.get(days, 0) + people

    @property
    def people(self) -> int:
        return sum(self.people_by_days.values())

    def mean(self) -> int:
        """Whole days, halves up."""
        total = sum(days * people for days, people in self.people_by_days.items())
        return (2 * total + self.people) // (2 * self.people)

    def percentile(self, share: int) -> int:
        """The fewest days within which at least ``share`` per cent of the people were seen (nearest rank)."""
        seen = 0
        for days, people in sorted(self.people_by_days.items()):
            seen += people
            if 100 * seen >= share * self.people:
                return days
        raise ValueError("nobody waited")

    def longest(self) -> int:
        return max(self.people_by_days)


def statistics(histogram: Histogram) -> Mapping[str, int | None]:
    """The columns of a report about waits; the longest only in whole weeks, for it is one person's."""
    if not histogram.people:
        return dict.fromkeys(("mean_days", "median_days", "p95_days", "longest_weeks"))
    return {
        "mean_days": histogram.mean(),
        "median_days": histogram.percentile(50),
        "p95_days": histogram.percentile(95),
        "longest_weeks": histogram.longest() // 7,
    }
