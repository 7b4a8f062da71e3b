"""What may be told of a plan's summary: its counts of people by the rule of reports, and nothing of groups too small.

A small plan made on request is about a few people by its nature: of it no figure is told at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from booking.domain import small_numbers
from booking.services.planning import runs
from booking.services.work import Work

COUNTS = (
    "referrals", "placed", "breaches", "offered", "offers", "kept", "pencilled", "with_alternatives", "alternatives",
    "requested", "asked",
)  # fmt: skip
"""Of people, or of what each has one or a few of."""
PLAIN = (
    "as_of", "problem", "policy", "method", "reserved", "objective", "bound", "gap", "certified", "finished", "pairs",
    "pairs_in_memory", "rounds", "seconds", "slots", "free_places", "expected_arrivals", "trouble", "stages", "weights",
)  # fmt: skip
"""About places, cost and the machine: of nobody."""
OF_A_SMALL_ONE = ("as_of", "policy", "method", "certified", "finished", "seconds", "trouble", "stages", "weights")
TAIL_TIMES = 4
"""A 95th percentile needs so many times the people a mean needs, as in reports."""


def told_summary(work: Work, run_id: int, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The run's summary as it may be told, None for a count that may not.

    ``fairness`` and ``next_session`` are left out: they are reports of their own.
    """
    if runs.on_request(work, run_id):
        return _only(summary, OF_A_SMALL_ONE)
    least = work.config.small_numbers
    made: dict[str, Any] = {**_only(summary, PLAIN), **_counts(summary, least)}
    for name in ("unplaced", "left_out", "conflicts"):
        if (parts := summary.get(name)) is not None:
            made[name] = {why: small_numbers.told(count, least) for why, count in parts.items()}
    if (unplaced := summary.get("unplaced")) is not None:
        made["without_a_time"] = small_numbers.told(sum(unplaced.values()), least)
    if (choice := summary.get("choice")) and small_numbers.told(choice["asked"], least) is not None:
        made["choice"] = {**choice, **_counts(choice, least)}
    made["comparison"] = {name: told_group(row, least) for name, row in (summary.get("comparison") or {}).items()}
    return made


def told_group(row: Mapping[str, Any], least: int) -> dict[str, Any]:
    """Figures of a group and of its parts: counts, and waits where enough people have a time."""
    made: dict[str, Any] = dict(_counts(row, least))
    if isinstance(row.get("unplaced"), int):
        made["unplaced"] = small_numbers.told(row["unplaced"], least)
    placed = small_numbers.told(row.get("placed", 0), least)
    for name in ("day", "wait"):
        if (spread := row.get(name)) and placed is not None:
            kept = ("mean", "p95") if placed >= TAIL_TIMES * least else ("mean",)
            made[name] = _only(spread, kept)
    for name, parts in row.items():
        if name.startswith("by_"):
            made[name] = {part: told_group(figures, least) for part, figures in parts.items()}
    return made


def _counts(row: Mapping[str, Any], least: int) -> dict[str, int | None]:
    return {name: small_numbers.told(row[name], least) for name in COUNTS if isinstance(row.get(name), int)}


def _only(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}
