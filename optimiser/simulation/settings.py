"""What a simulation is run with: the settings a caller may change, and how patients and clinics behave.

Every constant says where it is from; "ours" means chosen by us and measured on nobody.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from optimiser.errors import OptimiserError

PUBLISHED_DAYS = 91  # clinics are published thirteen weeks ahead, every day one day more
SLOT_MINUTES = 20
SESSION_SLOTS = 10
HISTORY_DAYS = 56  # of referrals before day 0, as the product forecasts from
LATE_SHOW_DAYS = 7  # two slots differ by day if so many days apart, as in the published rule for alternatives


class SettingsError(OptimiserError):
    """A setting out of range; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type[SettingsError], tuple[str, str]]:
        return (SettingsError, (self.field, self.reason))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How patients and clinics behave; triples go by ``Priority`` (routine, urgent, two-week-wait)."""

    target_days: tuple[int, int, int] = (126, 42, 14)
    """England's 18 weeks and two weeks; six weeks for urgent is ours."""
    mix: tuple[float, float, float] = (0.73, 0.17, 0.10)
    """Shares of the referrals. Ours."""
    weekday: tuple[float, ...] = (0.24, 0.20, 0.20, 0.19, 0.17, 0.0, 0.0)
    """Shares of a week's referrals, Monday first. Ours."""

    no_show_least: float = 0.02
    no_show_most: float = 0.15
    no_show_days: float = 50.0
    """``most - (most - least) * exp(-lead / days)``: the form of Green and Savin (Operations Research 56(6), 2008).
    The three numbers are ours, so that a lead of three to four weeks has England's rate, 6.6 % of appointments in
    2015/16 (NHS Digital, Hospital Outpatient Activity)."""
    cancel_a_day: float = 0.0025
    """Chance that a patient cancels, each day from booking to appointment: 6.8 % over four weeks, as England's 6.4 % of
    2015/16 (the same publication). On the day itself the place is lost."""
    comes_back: int = 1
    """Missed appointments after which a patient goes back on the list, with a new clock; then discharged. Ours."""

    clinic_cancelled: float = 0.02
    clinic_notice_days: int = 14
    """Share of sessions cancelled, with 1 to so many days' notice. Ours; England's hospitals cancelled 6.8 % of
    appointments in 2015/16, most of them longer ahead."""

    attraction: float = 2.6
    wait_a_day: float = -0.02
    travel_a_km: float = -0.06
    liked_time: float = 0.5
    """Utility of a slot in the logit, against 0 for declining all: a constant, each day ahead, each kilometre, and the
    half-day the patient likes best. Ours; signs, and kilometres against days within a factor of three, as revealed by
    93,007 outpatients in Tuscany (Seghieri, Calovi, Ferrè, PLoS One 2018), for whom distance outweighs waiting."""
    never_mornings: float = 0.08
    never_afternoons: float = 0.08
    """Share of patients who can never come then. Ours."""
    asked_again_days: tuple[int, int, int] = (5, 2, 1)
    """Days until somebody who declined everything is asked again. Ours."""
    most_declines: int = 3
    """Then the referral goes back to the practice. Ours."""

    backlog_days: tuple[int, int, int] = (28, 14, 5)
    """The list on day 0: the referrals of so many days before it. Ours: at load 1 any length is a steady state."""

    def no_show(self, lead_days: int) -> float:
        """Chance not to come to an appointment made so many days ahead."""
        return self.no_show_most - (self.no_show_most - self.no_show_least) * math.exp(-lead_days / self.no_show_days)

    def places_needed(self) -> float:
        """Places a referral uses up on average: one, and another after a missed or late cancelled appointment."""
        lead = self.backlog_days[0]
        return 1 + (self.no_show(lead) if self.comes_back else 0.0) + self.cancel_a_day


_RANGES: dict[str, tuple[float, float]] = {
    "days": (1, 3650), "warm_up": (0, 3650), "load": (0.01, 3), "services": (1, 200), "forecast_error": (0, 5),
    "overbook": (0, 200), "every": (1, 60),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """One region and how it is run. Raises SettingsError naming what is out of range."""

    days: int = 120  # measured, after the warm-up
    warm_up: int = 60
    load: float = 1.0  # places needed, by those who come again too, over places held
    services: int = 12
    forecast_error: float = 1.0  # expected arrivals are multiplied by this
    overbook: int = 0  # extra places, in per cent of the no-shows expected from each service's history
    every: int = 1  # days from plan to plan; those who come between are served by the last plan's prices
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise SettingsError(name, f"must be from {low:g} to {high:g}, not {value!r}")

    @property
    def last_day(self) -> int:
        """The day after the last one simulated; day 0 is a Monday."""
        return self.warm_up + self.days

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, the behaviour within."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "behaviour"} | {
            "behaviour": asdict(self.behaviour)
        }
