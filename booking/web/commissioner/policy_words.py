"""The planning policy in words: what each field is for, in what unit, and how its value reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from booking.domain.objective import WEIGHTS
from booking.domain.policy import AUTOMATIC, LONGEST_TARGET_DAYS, WHOLE_NUMBERS, BookingPolicy
from booking.domain.words import Priority

PRIORITIES = (Priority.TWO_WEEK_WAIT, Priority.URGENT, Priority.ROUTINE)
PRIORITY_WORDS = {Priority.TWO_WEEK_WAIT: "Two-week wait", Priority.URGENT: "Urgent", Priority.ROUTINE: "Routine"}


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    about: str
    unit: str = ""


FIELD_WORDS: Mapping[str, Words] = {
    "offer_days": Words("How long an offer holds", "A time kept for a patient goes back to the others after so long.",
                        "days"),
    "alternatives": Words("Other times beside the one kept", "Offered too, and not kept: who takes one first has it."),
    "freed_hold_hours": Words("How long a place given back is kept for each in turn",
                              "Those whom it helps most are asked one after another.", "hours"),
}  # fmt: skip
WEIGHT_WORDS: Mapping[str, Words] = {
    "breach": Words("Missing the target", "What it counts once if this time would be the first past the target."),
    "late_day": Words("Each day past the target", "On top of the wait; for those who are late already, too."),
    "late_square": Words("Each day past the target, growing", "Times the square of the days late: the latest first."),
    "late_cap_days": Words("Growing ends after", "From then on each day late counts the same.", "days"),
    "wait_day": Words("Each day of waiting", "The same for the first day and the last."),
    "wait_square": Words("Waiting, growing towards the target",
                         "Times the square of the wait over the target: a day counts more the nearer the target."),
    "travel_km": Words("Each kilometre of travel", "One way, from home to the clinic."),
    "travel_cap_km": Words("Travel counts up to", "Further away counts no more.", "km"),
    "unknown_km": Words("Distance taken where none is known", "", "km"),
    "keep": Words("Leaving somebody where they are", "How much better a change must be before a time moves."),
    "tie_break": Words("Between equals", "A lot drawn by a fixed rule decides; keep it small."),
    "unplaced_days": Words("Having no time counts as", "So long after the last day planned for.", "days"),
    "notice_days": Words("First day that may be given", "From the day of the plan on.", "days ahead"),
    "horizon_days": Words("Last day planned for", "", "days ahead"),
    "alternative_days": Words("Two times differ if apart by", "Among the times offered to one patient.", "days"),
    "max_regret": Words("The most another time may cost the others",
                        "Times that cost everybody together more are not offered."),
    "expected_percent": Words("Places kept for urgent arrivals", "Of the arrivals forecast.", "%"),
    "reseat_loss": Words("The most somebody pencilled may lose by a move", "Never a target."),
    "reseat_moves": Words("Pencilled people moved to make room for one, at most", ""),
    "wave_percent": Words("An automatic wave leaves free", "Of each service’s places.", "%"),
    "wave_days": Words("… in each stretch of", "", "days"),
}  # fmt: skip
COSTS = ("breach", "late_day", "late_square", "late_cap_days", "wait_day", "wait_square", "unplaced_days")
TRAVEL = ("travel_km", "travel_cap_km", "unknown_km", "keep", "tie_break")
CHOICE = ("alternative_days", "max_regret", "reseat_loss", "reseat_moves", "wave_percent", "wave_days")
WEIGHT_GROUPS = (
    ("What a wait costs", COSTS),
    ("Distance, and staying put", TRAVEL),
    ("Offers and moves", CHOICE),
)


def is_triple(name: str) -> bool:
    return isinstance(WEIGHTS[name].default, tuple)


def weight(policy: BookingPolicy, name: str) -> Any:
    """The weight as the policy states it, or the default."""
    return policy.optimiser.get(name, WEIGHTS[name].default)


def bounds(name: str) -> str:
    """``1 to 60``, for a field or a weight."""
    if name == "target_days":
        return f"1 to {LONGEST_TARGET_DAYS}"
    low, high = (
        (WHOLE_NUMBERS[name][0], WHOLE_NUMBERS[name][1])
        if name in WHOLE_NUMBERS
        else (WEIGHTS[name].low, WEIGHTS[name].high)
    )
    return f"{low:,} to {high:,}"


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the policy."""

    title: str
    value: str
    about: str
    changed: bool
    """Whether it is not the default."""


def _said(title: str, value: str, about: str, default: str) -> Said:
    return Said(title, value, about, value != default)


def main_lines(policy: BookingPolicy) -> list[Said]:
    """What everybody will want to know of a policy."""
    usual = BookingPolicy()
    return [
        *(
            _said(f"Target, {PRIORITY_WORDS[one].lower()}", _days(policy.target_days[one]),
                  "From the start of the clock, for referrals made from then on.", _days(usual.target_days[one]))
            for one in PRIORITIES
        ),
        *(
            _said(words.title, _unit(getattr(policy, name), words.unit), words.about,
                  _unit(getattr(usual, name), words.unit))
            for name, words in FIELD_WORDS.items()
        ),
        _said("How many are asked by one plan", _wave(policy), "In order of need; the others are pencilled.",
              _wave(usual)),
        _said("Reminders", _reminders(policy), "Before the appointment.", _reminders(usual)),
        _said("Places kept for urgent patients to come", _reserve(policy), "So many as are expected.",
              _reserve(usual)),
        *(weight_line(policy, name) for name in ("notice_days", "horizon_days")),
    ]  # fmt: skip


def weight_line(policy: BookingPolicy, name: str) -> Said:
    words = WEIGHT_WORDS[name]
    value, usual = _weight(weight(policy, name), words.unit), _weight(WEIGHTS[name].default, words.unit)
    return _said(words.title, value, words.about, usual)


def weight_lines(policy: BookingPolicy) -> list[tuple[str, list[Said]]]:
    """The planner's weights in groups."""
    return [(title, [weight_line(policy, name) for name in names]) for title, names in WEIGHT_GROUPS]


def _weight(value: Any, unit: str) -> str:
    if isinstance(value, list | tuple):
        parts = dict(zip(("routine", "urgent", "two-week wait"), value, strict=True))
        return "; ".join(f"{name} {number:,}" for name, number in reversed(parts.items()))
    return _unit(int(value), unit)


def _unit(value: int, unit: str) -> str:
    if unit == "%":
        return f"{value:,}%"
    if value == 1 and unit.startswith(("days", "hours")):
        return "1 " + unit.replace("s", "", 1)
    return f"{value:,} {unit}".strip()


def _days(value: int) -> str:
    return f"{value} day{'' if value == 1 else 's'}"


def _wave(policy: BookingPolicy) -> str:
    if policy.wave == AUTOMATIC:
        return "as many as leave enough to choose from"
    return "everybody" if policy.wave == 0 else f"{policy.wave:,} patients"


def _reminders(policy: BookingPolicy) -> str:
    days = [_days(one) for one in policy.reminders_days]
    return f"{' and '.join(days)} before" if days else "none"


def _reserve(policy: BookingPolicy) -> str:
    if not policy.reserve:
        return "no"
    return f"yes, {weight(policy, 'expected_percent')}% of those forecast"
