"""The planning policy as far as booking needs it: targets, how many offers, how long they hold.

The weights of the objective travel in the same dated document and are the optimiser's to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from booking.domain.errors import Invalid
from booking.domain.targets import DEFAULT_TARGET_DAYS
from booking.domain.words import Priority


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    target_days: Mapping[Priority, int] = field(default_factory=lambda: dict(DEFAULT_TARGET_DAYS))
    offer_days: int = 7
    """How long a guaranteed slot is kept for a patient who has not answered."""
    alternatives: int = 4
    wave: int = 0
    """How many referrals one plan offers to, greatest need first; 0 is everybody. The rest stays pencilled."""
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    """Weights for the optimiser's own ``Policy``; empty takes its defaults."""
    version: int = 0

    @classmethod
    def from_document(cls, body: Mapping[str, Any], version: int) -> BookingPolicy:
        unknown = set(body) - {"target_days", "offer_days", "alternatives", "wave", "optimiser"}
        if unknown:
            name = min(unknown)
            raise Invalid.field(name, "UNKNOWN_FIELD", f"The policy has no field {name!r}.")
        targets = dict(DEFAULT_TARGET_DAYS)
        for name, days in body.get("target_days", {}).items():
            if name not in Priority.__members__ or not isinstance(days, int) or not 1 <= days <= 730:
                raise Invalid.field(f"target_days.{name}", "TARGET", "Targets are 1 to 730 days for a known priority.")
            targets[Priority(name)] = days
        offer_days, alternatives = body.get("offer_days", 7), body.get("alternatives", 4)
        if not isinstance(offer_days, int) or not 1 <= offer_days <= 60:
            raise Invalid.field("offer_days", "RANGE", "Offers hold for 1 to 60 days.")
        if not isinstance(alternatives, int) or not 0 <= alternatives <= 10:
            raise Invalid.field("alternatives", "RANGE", "There are 0 to 10 alternatives.")
        wave = body.get("wave", 0)
        if not isinstance(wave, int) or wave < 0:
            raise Invalid.field("wave", "RANGE", "A wave is a number of referrals, 0 for everybody.")
        return cls(targets, offer_days, alternatives, wave, dict(body.get("optimiser", {})), version)
