"""The planning policy as a dated document: targets, offers, reminders, freed places, and the planner's weights.

``docs/local-rules.md`` lists every field with its default and bounds. The weights are the optimiser's to use;
that they are sound is checked here, so that no process which answers people has to load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from booking.domain.errors import FieldError, Invalid
from booking.domain.objective import WEIGHTS, check_weights
from booking.domain.offer import Rule
from booking.domain.targets import DEFAULT_TARGET_DAYS
from booking.domain.words import Priority

WHOLE_NUMBERS: Mapping[str, tuple[int, int, int, str]] = {
    "offer_days": (1, 60, 7, "Offers hold for 1 to 60 days."),
    "alternatives": (0, 10, 4, "There are 0 to 10 alternatives."),
    "wave": (-1, 10_000_000, 0, "A wave is a number of referrals, 0 for everybody, -1 for an automatic one."),
    "freed_hold_hours": (1, 168, 24, "A freed place is kept for 1 to 168 hours."),
}
"""Fields that are one whole number: lowest, highest, default, and what to say of any other."""
AUTOMATIC = -1
"""As ``wave``: as many as leave the share ``optimiser.wave_percent`` of every service's places to choose from."""
LONGEST_TARGET_DAYS = 730
MOST_REMINDERS, EARLIEST_REMINDER_DAYS = 5, 60
FIELDS = frozenset(WHOLE_NUMBERS) | {"target_days", "reminders_days", "reserve", "optimiser"}


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    target_days: Mapping[Priority, int] = field(default_factory=lambda: dict(DEFAULT_TARGET_DAYS))
    offer_days: int = 7
    """How long a guaranteed slot is kept for a patient who has not answered."""
    alternatives: int = 4
    wave: int = 0
    """How many referrals one plan offers to, greatest need first; 0 is everybody, :data:`AUTOMATIC` as many as leave
    enough to choose from. The rest stays pencilled."""
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    """Weights for the optimiser's own ``Policy``; empty takes its defaults."""
    version: int = 0
    reminders_days: tuple[int, ...] = (7, 1)
    """How many days before the appointment the patient is reminded of it, the earliest first; empty is never."""
    freed_hold_hours: int = 24
    """For how long a place somebody gave back is kept for each in turn of those it would help most."""
    reserve: bool = True
    """Whether plans keep places for the urgent arrivals to expect; how many is ``optimiser.expected_percent``."""

    def offer_rule(self) -> Rule:
        """What makes alternatives differ, and what they may cost: the optimiser's own weights."""
        days, regret = (self.optimiser.get(name, WEIGHTS[name].default) for name in ("alternative_days", "max_regret"))
        return Rule(self.alternatives, days, regret)

    @classmethod
    def from_document(cls, body: Mapping[str, Any], version: int) -> BookingPolicy:
        """The policy that a document states; :class:`Invalid` with every fault of it named."""
        faults = [fault for name, value in body.items() for fault in _faults(name, value)]
        if faults:
            raise Invalid(*faults)
        targets = {Priority(name): days for name, days in body.get("target_days", {}).items()}
        number = {name: body.get(name, default) for name, (_, _, default, _) in WHOLE_NUMBERS.items()}
        return cls(
            target_days={**DEFAULT_TARGET_DAYS, **targets},
            optimiser=dict(body.get("optimiser", {})),
            version=version,
            reminders_days=tuple(sorted(body.get("reminders_days", (7, 1)), reverse=True)),
            reserve=body.get("reserve", True),
            **number,
        )

    def document(self) -> dict[str, Any]:
        """Every field with its value, ready for JSON; the weights as far as they were stated."""
        return {
            "target_days": {str(priority): days for priority, days in self.target_days.items()},
            **{name: getattr(self, name) for name in WHOLE_NUMBERS},
            "reminders_days": list(self.reminders_days),
            "reserve": self.reserve,
            "optimiser": {name: list(v) if isinstance(v, tuple) else v for name, v in self.optimiser.items()},
        }


def _faults(name: str, value: object) -> list[FieldError]:
    match name:
        case "target_days":
            return _target_faults(value)
        case "reminders_days":
            return _reminder_faults(value)
        case "optimiser":
            return check_weights(value)
        case "reserve":
            return [] if isinstance(value, bool) else [FieldError(name, "BOOLEAN", "Places are kept, or not.")]
    if name not in WHOLE_NUMBERS:
        return [FieldError(name, "UNKNOWN_FIELD", f"The policy has no field {name!r}.")]
    low, high, _, words = WHOLE_NUMBERS[name]
    return [] if _whole(value, low, high) else [FieldError(name, "RANGE", words)]


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _target_faults(value: object) -> list[FieldError]:
    words = f"Targets are 1 to {LONGEST_TARGET_DAYS} days for a known priority."
    if not isinstance(value, Mapping):
        return [FieldError("target_days", "TARGET", words)]
    return [
        FieldError(f"target_days.{name}", "TARGET", words)
        for name, days in value.items()
        if name not in Priority.__members__ or not _whole(days, 1, LONGEST_TARGET_DAYS)
    ]


def _reminder_faults(value: object) -> list[FieldError]:
    words = f"Up to {MOST_REMINDERS} different numbers of days, each from 1 to {EARLIEST_REMINDER_DAYS}."
    if not isinstance(value, list | tuple) or len(value) > MOST_REMINDERS:
        return [FieldError("reminders_days", "REMINDERS", words)]
    known: set[object] = set()
    faults = []
    for place, days in enumerate(value):
        if not _whole(days, 1, EARLIEST_REMINDER_DAYS) or days in known:
            faults.append(FieldError(f"reminders_days.{place}", "REMINDERS", words))
        else:
            known.add(days)
    return faults
