"""The fairness report in words: of each group, whether it waits longer for the plan than it would without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from booking.services.reports.table import Row

BREAKDOWNS = {
    "priority": "By priority",
    "weeks_waited": "By weeks waited already",
    "distance": "By distance to the nearest service",
    "deprivation": "By deprivation of the neighbourhood",
    "step_free": "By need of step-free access",
    "interpreter": "By need of an interpreter",
    "video": "By whether video is possible",
    "language": "By language of letters",
    "commissioner": "By commissioner",
}


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    people: int | None
    breaches: int | None
    breaches_before: int | None
    mean: int | None
    mean_before: int | None
    verdict: str
    """``longer``, ``shorter``, ``same``, or ``few`` where too few are in the group to say."""

    @property
    def days(self) -> int:
        return (self.mean or 0) - (self.mean_before or 0)


@dataclass(frozen=True, slots=True)
class Fairness:
    everybody: Group
    breakdowns: list[tuple[str, list[Group]]]

    @property
    def judged(self) -> bool:
        """Whether any group is large enough to say how its waits change."""
        return any(one.verdict != "few" for _, groups in self.breakdowns for one in groups)

    @property
    def longer(self) -> list[tuple[str, Group]]:
        return [(title, one) for title, groups in self.breakdowns for one in groups if one.verdict == "longer"]


def fair(rows: Sequence[Row]) -> Fairness | None:
    """None where the plan had nobody to be fair to."""
    everybody = next((_group(row) for row in rows if row["breakdown"] == "all"), None)
    if everybody is None or everybody.people is None:
        return None
    found: dict[str, list[Group]] = {}
    for row in rows:
        name = str(row["breakdown"])
        if name != "all":
            found.setdefault(BREAKDOWNS.get(name, f"By {name.replace('_', ' ')}"), []).append(_group(row))
    return Fairness(everybody, list(found.items()))


def _named(name: str) -> str:
    return name[:1].upper() + name[1:]


def _group(row: Row) -> Group:
    def number(name: str) -> int | None:
        value = row.get(name)
        return value if isinstance(value, int) else None

    return Group(
        _named(str(row["name"])), number("people"), number("breaches"), number("breaches_fenced"),
        number("mean_days"), number("mean_days_fenced"), str(row.get("they_wait") or "few"),
    )  # fmt: skip
