"""In what two policies differ, field by field and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from booking.domain.objective import WEIGHTS
from booking.domain.policy import AUTOMATIC, BookingPolicy

_PRIORITY = {"ROUTINE": "routine", "URGENT": "urgent", "TWO_WEEK_WAIT": "two-week-wait"}
_NAMES: Mapping[str, tuple[str, str]] = {
    "offer_days": ("How long an offer holds", "days"),
    "alternatives": ("Alternatives beside the time that is kept", ""),
    "wave": ("How many are offered to by one plan", ""),
    "freed_hold_hours": ("How long a freed place is kept for each in turn", "hours"),
    "reminders_days": ("Reminders before the appointment", "days"),
    "reserve": ("Places kept for urgent arrivals to expect", ""),
}
"""What each field is called, and its unit."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, its values as they stand in the document."""

    field: str
    before: object
    after: object
    words: str


def changes(before: BookingPolicy, after: BookingPolicy) -> list[Change]:
    """Every field in which ``after`` differs; weights left out of a document count with their defaults."""
    was, will = _flat(before), _flat(after)
    return [_change(name, was[name], will[name]) for name in will if was[name] != will[name]]


def _change(name: str, before: object, after: object) -> Change:
    return Change(name, before, after, f"{_called(name)}: {_said(name, before)} becomes {_said(name, after)}.")


def _flat(policy: BookingPolicy) -> dict[str, object]:
    document = policy.document()
    targets, weights = document.pop("target_days"), document.pop("optimiser")
    return dict(
        [
            *((f"target_days.{name}", days) for name, days in targets.items()),
            *document.items(),
            *((f"optimiser.{name}", value) for name, value in _weights(weights)),
        ]
    )


def _weights(stated: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, bounds in WEIGHTS.items():
        value = stated.get(name, bounds.default)
        yield name, list(value) if isinstance(value, tuple) else value


def _called(name: str) -> str:
    group, _, rest = name.partition(".")
    if group == "target_days":
        return f"Target for {_PRIORITY[rest]} referrals"
    return _NAMES[name][0] if name in _NAMES else f"Weight {rest}"


def _said(name: str, value: object) -> str:
    unit = "days" if name.startswith("target_days.") else _NAMES[name][1] if name in _NAMES else ""
    if name == "wave" and value in (0, AUTOMATIC):
        return "automatic" if value == AUTOMATIC else "everybody"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        said = ", ".join(f"{one:,}" for one in value) or "none"
        return f"{said} {unit}".strip() if value else "none"
    return f"{value:,} {unit}".strip() if isinstance(value, int) else str(value)
