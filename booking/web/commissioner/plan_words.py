"""What a plan's summary says, in words and rows: as ``told_summary`` leaves it, with small counts kept back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from booking.domain.objective import WEIGHTS
from booking.domain.weights import UNITS_PER_DAY
from booking.domain.words import PlanRunState
from booking.models import PlanRun
from booking.web.commissioner.policy_words import WEIGHT_WORDS

FIGURES = {
    "referrals": "Waiting for a time",
    "placed": "Given a time",
    "offered": "Asked now",
    "pencilled": "Pencilled, asked later",
    "kept": "Kept as before",
    "free_places": "Free places",
    "expected_arrivals": "Urgent arrivals expected",
    "without_a_time": "No time found yet",
}
UNPLACED = {
    "NO_SHORTLIST": "no service in reach takes them",
    "NO_SLOTS": "their services have no free place",
    "OUTSIDE_WINDOW": "what is free is outside the booking window",
    "NOT_FOR_THIS_PRIORITY": "what is free is kept for another priority",
    "OTHER_PRACTITIONER": "the clinician named has no free place",
    "NEEDS_NOT_MET": "no free place meets their needs",
    "TIMES_NEVER_SUIT": "no free place suits their times",
    "PATIENT_BUSY": "they have another appointment then",
    "TAKEN": "the places go to patients with greater need",
}
METHODS = {
    "plan": "This plan",
    "open_fcfs": "First come, first served",
    "ring_fenced_fcfs": "First come, first served, with times fenced off for urgent patients",
}
GROUPS = ("two_week_wait", "urgent", "routine")
STATES = {PlanRunState.RUNNING: "Being made", PlanRunState.APPLIED: "Applied", PlanRunState.FAILED: "Failed"}


def figures(summary: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """The plan's plain numbers, as far as its summary has them; None for a count that is not told."""
    return [(words, summary[name]) for name, words in FIGURES.items() if name in summary]


def unplaced(summary: Mapping[str, Any]) -> list[tuple[str, int]]:
    """How many have no time yet, by the reason in words; reasons of too few are left out."""
    reasons: dict[str, int | None] = summary.get("unplaced") or {}
    return [
        (UNPLACED.get(name, name.replace("_", " ").lower()), count)
        for name, count in reasons.items()
        if count is not None
    ]


@dataclass(frozen=True, slots=True)
class Compared:
    method: str
    missed: int | None
    by_priority: tuple[int | None, ...]
    mean_wait: str


def comparison(summary: Mapping[str, Any]) -> list[Compared]:
    """Targets missed by the plan and by other ways of booking, on the same patients and times."""
    table: dict[str, Any] = summary.get("comparison") or {}
    return [_compared(words, table[name]) for name, words in METHODS.items() if name in table]


def _compared(words: str, row: Mapping[str, Any]) -> Compared:
    groups = row.get("by_priority", {})
    wait = (row.get("wait") or {}).get("mean")
    missed = tuple(groups.get(name, {}).get("breaches") for name in GROUPS)
    return Compared(words, row["breaches"], missed, "" if wait is None else f"{wait:.0f} days")


def took(run: PlanRun) -> str:
    """How long it was made for: ``8 seconds``, ``3 minutes``."""
    return "" if run.finished_at is None else lasted(run.started_at, run.finished_at)


def lasted(start: datetime, end: datetime) -> str:
    seconds = max(0, round((end - start).total_seconds()))
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{round(seconds / 60)} minutes"


def proof(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The certificate's numbers with what they are."""
    rows: list[tuple[str, str]] = []
    if isinstance(pairs := summary.get("pairs"), int):
        rows.append(("Pairs of patient and place looked at", f"{pairs:,}"))
    if isinstance(objective := summary.get("objective"), int):
        rows.append(("Cost of this plan", _cost(objective)))
    if isinstance(bound := summary.get("bound"), int):
        rows.append(("No plan can cost less than", _cost(bound)))
    if isinstance(gap := summary.get("gap"), int):
        rows.append(("Difference", "none" if gap == 0 else _cost(gap)))
    return rows


def _cost(units: int) -> str:
    """A cost in the unit of the weights: one routine patient waiting one day."""
    return f"{units / UNITS_PER_DAY:,.1f} patient-days"


def weights(summary: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """The weights the plan was made with: in words, value, whether it is not the default."""
    used: dict[str, Any] = summary.get("weights") or {}
    rows = []
    for name, bounds in WEIGHTS.items():
        if name in used and name in WEIGHT_WORDS:
            default = list(bounds.default) if isinstance(bounds.default, tuple) else bounds.default
            rows.append((WEIGHT_WORDS[name].title, _value(used[name]), used[name] != default))
    return rows


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " · ".join(f"{one:,}" for one in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def trouble(run: PlanRun) -> str | None:
    """What went wrong, in words for people; None where nothing did."""
    if run.state is PlanRunState.FAILED:
        return "It could not be made. Nothing was changed: the plan before it goes on."
    if run.summary.get("trouble"):
        return (
            "The solver failed, so a simpler way was taken: greatest need first. Every rule is kept, but the plan is "
            "not the best there is."
        )
    return None
