"""A run's fairness and its next sessions as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDE = 24
SHOWN = 3
"""Of breakdowns with many groups only so many are shown here; the JSON has more."""


def fairness_text(report: Mapping[str, Any]) -> str:
    """The groups of a fairness report in a table: people, breaches, mean day, and how much longer that is.

    ``report`` is ``summary["fairness"]`` of a run; an empty one gives an empty text.
    """
    if not report:
        return ""
    against = report["against"]
    lines = [
        f"{'group':{WIDE}}{'people':>9}{'breaches':>10}{'(fenced)':>10}{'mean day':>10}{'(fenced)':>10}{'longer':>8}"
    ]
    lines += [_line(row, against) for row in report["everybody"]]
    for name, breakdown in report["breakdowns"].items():
        named = breakdown["named"]
        many = breakdown["groups"] > len(named) or len(named) > 8
        lines.append(f"{name.replace('_', ' ')}" + (f", the worst {SHOWN} of {breakdown['groups']}" if many else ""))
        lines += ["  " + _line(row, against, WIDE - 2) for row in (named[:SHOWN] if many else named)]
    longer = report["longer_than_a_day"]
    lines.append(
        f"Beside ring-fenced first come, first served: {report['breaches_avoided']:.1%} of the breaches avoided; "
        + (f"mean wait more than a day longer: {', '.join(longer)}." if longer else "no group waits a day longer.")
    )
    lines.append(
        f"Without a slot counts as day {report['unplaced_day']}; groups under {report['judged_from']} people "
        "are shown with * and not judged."
    )
    return "\n".join(lines)


def _line(row: Mapping[str, Any], against: str, wide: int = WIDE) -> str:
    ours, theirs = row["methods"]["plan"], row["methods"][against]
    group = row["group"].replace("_", " ") + ("" if row["judged"] else " *")
    return (
        f"{group:{wide}}{row['people']:>9,}{ours['breaches']:>10,}{theirs['breaches']:>10,}"
        f"{ours['mean_day']:>10.1f}{theirs['mean_day']:>10.1f}{row['extra_days']:>+8.2f}"
    )
