"""The form that changes the policy: from a policy to boxes, and from boxes to the document that is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from booking.domain.errors import Invalid
from booking.domain.objective import WEIGHTS
from booking.domain.policy import AUTOMATIC, BookingPolicy
from booking.web.commissioner.policy_words import PRIORITIES, is_triple, weight
from booking.web.forms import Form

EVERYBODY, SOME, BY_ITSELF = "everybody", "some", "automatic"
WAVES = (
    (EVERYBODY, "Everybody"),
    (BY_ITSELF, "As many as leave enough free places to choose from"),
    (SOME, "So many, those in greatest need first:"),
)
RANKS = ("routine", "urgent", "two_week_wait")
NUMBERS = ("offer_days", "alternatives", "freed_hold_hours")


def filled(policy: BookingPolicy) -> dict[str, str]:
    """The boxes as they stand for a policy."""
    wave = {0: EVERYBODY, AUTOMATIC: BY_ITSELF}.get(policy.wave, SOME)
    return {
        **{f"target-{one}": str(policy.target_days[one]) for one in PRIORITIES},
        **{name: str(getattr(policy, name)) for name in NUMBERS},
        "wave": wave,
        "wave_number": str(policy.wave) if wave == SOME else "",
        "reminders_days": ", ".join(str(one) for one in policy.reminders_days),
        "reserve": "yes" if policy.reserve else "no",
        **dict(_weights(policy)),
    }


def _weights(policy: BookingPolicy) -> Iterator[tuple[str, str]]:
    for name in WEIGHTS:
        value = weight(policy, name)
        if is_triple(name):
            yield from ((f"{name}-{rank}", str(one)) for rank, one in zip(RANKS, value, strict=True))
        else:
            yield name, str(value)


def document(form: Form) -> dict[str, Any]:
    """What the boxes say, as a document that states what is not the default. Faults go to the form."""
    usual = BookingPolicy()
    stated: dict[str, Any] = {name: _whole(form, name) for name in NUMBERS}
    stated["wave"] = _wave(form)
    stated["reminders_days"] = _reminders(form)
    stated["reserve"] = form.get("reserve") != "no"
    targets = {str(one): _whole(form, f"target-{one}") for one in PRIORITIES}
    weights: dict[str, Any] = {
        name: [_whole(form, f"{name}-{rank}") for rank in RANKS] if is_triple(name) else _whole(form, name)
        for name in WEIGHTS
    }
    default = usual.document()
    body = {name: value for name, value in stated.items() if value != default[name]}
    late = {name: days for name, days in targets.items() if days != default["target_days"][name]}
    if late:
        body["target_days"] = late
    if changed := {name: value for name, value in weights.items() if value != _default(name)}:
        body["optimiser"] = changed
    if not form.errors:
        check(form, body)
    return body


def check(form: Form, body: Mapping[str, Any]) -> None:
    """The policy's own rules, each fault beside its box."""
    try:
        BookingPolicy.from_document(body, 0)
    except Invalid as error:
        for fault in error.errors:
            form.fail(_box(fault.field), fault.message)


def _box(field: str) -> str:
    """The box of a field of the document."""
    parts = field.split(".")
    if parts[0] == "target_days":
        return f"target-{parts[1]}" if len(parts) > 1 else f"target-{PRIORITIES[0]}"
    if parts[0] == "optimiser":
        if len(parts) < 2 or parts[1] not in WEIGHTS:
            return "weights"
        return f"{parts[1]}-{RANKS[0]}" if is_triple(parts[1]) else parts[1]
    return "wave_number" if parts[0] == "wave" else parts[0]


def _default(name: str) -> Any:
    value = WEIGHTS[name].default
    return list(value) if isinstance(value, tuple) else value


def _whole(form: Form, name: str) -> int:
    text = form.get(name).replace(",", "").replace(" ", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    form.fail(name, "Enter a whole number.")
    return 0


def _wave(form: Form) -> int:
    chosen = form.get("wave")
    if chosen == SOME:
        number = _whole(form, "wave_number")
        if number == 0:
            form.fail("wave_number", "Enter how many patients one plan asks.")
        return number
    if chosen not in (EVERYBODY, BY_ITSELF):
        form.fail("wave", "Choose how many are asked.")
    return AUTOMATIC if chosen == BY_ITSELF else 0


def _reminders(form: Form) -> list[int]:
    parts = [part.strip() for part in form.get("reminders_days").replace(";", ",").split(",") if part.strip()]
    if all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        return sorted((int(part) for part in parts), reverse=True)
    form.fail("reminders_days", "Enter days before the appointment, like 7, 1, or leave it empty for none.")
    return []
