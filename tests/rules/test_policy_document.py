"""The policy document by itself: every fault named; its weights exactly those that the optimiser takes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.errors import Invalid
from booking.domain.objective import LARGEST_COST, LONGEST_WAIT, OUTSIDE, WEIGHTS, _largest_cost, check_weights
from booking.domain.policy import FIELDS, BookingPolicy
from booking.domain.policy_changes import changes
from booking.services.planning.read import optimiser_policy
from optimiser import Policy, PolicyError
from optimiser.costs import unplaced_cost
from optimiser.policy import _RANGES, _TOP


def faults(body: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        BookingPolicy.from_document(body, 0)
    return {error.field: error.code for error in caught.value.errors}


def test_an_empty_document_is_the_defaults() -> None:
    assert BookingPolicy.from_document({}, 3) == BookingPolicy(version=3)
    assert BookingPolicy.from_document(BookingPolicy().document(), 0) == BookingPolicy()
    assert set(BookingPolicy().document()) == FIELDS


def test_every_fault_is_named_at_once() -> None:
    body = {
        "target_days": {"ROUTINE": 0, "SOON": 3, "URGENT": True}, "offer_days": 7.0, "alternatives": 11, "wave": -2,
        "freed_hold_hours": 0, "reminders_days": [7, 7, 0, "1"], "reserve": 1, "colour": "red",
        "optimiser": {"breach": [1, 2], "keep": -1, "alternatives": 3, "x": 1, "late_cap_days": True},
    }  # fmt: skip
    assert set(faults(body)) == {
        "target_days.ROUTINE", "target_days.SOON", "target_days.URGENT", "offer_days", "alternatives", "wave",
        "freed_hold_hours", "reminders_days.1", "reminders_days.2", "reminders_days.3", "reserve", "colour",
        "optimiser.breach", "optimiser.keep", "optimiser.alternatives", "optimiser.x", "optimiser.late_cap_days",
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, 3, "x", [], [1]])
@pytest.mark.parametrize("name", ["target_days", "optimiser"])
def test_an_object_must_be_one(name: str, value: Any) -> None:
    assert set(faults({name: value})) == {name}


def test_reminders_are_the_earliest_first_and_may_be_none() -> None:
    assert BookingPolicy.from_document({"reminders_days": [1, 14, 3]}, 0).reminders_days == (14, 3, 1)
    assert BookingPolicy.from_document({"reminders_days": []}, 0).reminders_days == ()
    assert set(faults({"reminders_days": [1, 2, 3, 4, 5, 6]})) == {"reminders_days"}


def test_the_weights_are_the_optimisers_own() -> None:
    """Same names and defaults; no bound wider than the optimiser's."""
    theirs = {field.name: field.default for field in fields(Policy) if field.name not in OUTSIDE}
    assert {name: bounds.default for name, bounds in WEIGHTS.items()} == theirs
    for name, bounds in WEIGHTS.items():
        low, high = _RANGES.get(name, (0, _TOP))
        assert low <= bounds.low <= bounds.high <= high, name


WEIGHT = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(
            st.tuples(*[st.integers(bounds.low - 1, bounds.high + 1)] * 3).map(list)
            if isinstance(bounds.default, tuple)
            else st.integers(bounds.low - 1, bounds.high + 1),
            st.sampled_from([None, True, "1", 1.5, [1, 2], {}]),
        )
        for name, bounds in WEIGHTS.items()
    },
)


@settings(max_examples=300, deadline=None)
@given(WEIGHT)
def test_what_the_check_lets_through_the_optimiser_takes(weights: dict[str, Any]) -> None:
    try:
        Policy.from_dict(weights)
    except PolicyError:
        assert check_weights(weights)
    else:
        if not check_weights(weights):
            optimiser_policy(BookingPolicy.from_document({"optimiser": weights}, 1))


def test_the_largest_cost_is_the_optimisers() -> None:
    """The bound on the size of costs goes by the planner's own formula."""
    policy = Policy.balanced()
    weights = {field.name: getattr(policy, field.name) for field in fields(policy) if field.name in WEIGHTS}
    for chosen in ({}, weights):
        made = Policy(**chosen)
        priority = np.repeat(np.arange(3), 3)
        target = np.array(made.target_days)[priority]
        waited = np.stack([np.zeros(3, np.int64), target[::3], np.full(3, LONGEST_WAIT)], axis=1).ravel()
        theirs = int(unplaced_cost(made, priority, waited, target).max())
        assert theirs <= _largest_cost(chosen) <= theirs + made.keep + made.tie_break
        assert _largest_cost(chosen) < LARGEST_COST


def test_weights_too_large_for_the_planner_together_are_refused() -> None:
    assert faults({"optimiser": {"late_square": [10**8] * 3, "late_cap_days": 10_000}}) == {"optimiser": "TOO_LARGE"}
    assert faults({"optimiser": {"notice_days": 100}}) == {"optimiser.notice_days": "RANGE"}


def test_a_difference_is_said_in_words() -> None:
    before = BookingPolicy.from_document({"wave": 200, "optimiser": {"keep": 100_000}}, 1)
    body = {
        "target_days": {"URGENT": 28}, "reminders_days": [14, 7, 1], "reserve": False, "freed_hold_hours": 12,
        "optimiser": {"travel_km": 1500, "breach": [500_000, 10**9, 10**10]},
    }  # fmt: skip
    said = {change.field: change.words for change in changes(before, BookingPolicy.from_document(body, 2))}
    assert said == {
        "target_days.URGENT": "Target for urgent referrals: 42 days becomes 28 days.",
        "wave": "How many are offered to by one plan: 200 becomes everybody.",
        "freed_hold_hours": "How long a freed place is kept for each in turn: 24 hours becomes 12 hours.",
        "reminders_days": "Reminders before the appointment: 7, 1 days becomes 14, 7, 1 days.",
        "reserve": "Places kept for urgent arrivals to expect: yes becomes no.",
        "optimiser.breach": "Weight breach: 100,000,000, 1,000,000,000, 10,000,000,000 becomes "
        "500,000, 1,000,000,000, 10,000,000,000.",
        "optimiser.travel_km": "Weight travel_km: 500 becomes 1,500.",
    }
    assert changes(before, before) == []
