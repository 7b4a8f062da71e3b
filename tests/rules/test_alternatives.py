"""Which alternatives go with a time: the published rule, as one patient is served by it between plans."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from booking.domain.offer import Candidate, Rule, choose, difference
from booking.domain.policy import BookingPolicy

MONDAY = date(2026, 3, 2)
RULE = Rule(4, 7, 600_000)


def at(slot_id: int, *, provider: int = 1, days: int = 0, part: int = 0, cost: int | None = None) -> Candidate:
    return Candidate(
        slot_id=slot_id, provider_id=provider, day=MONDAY + timedelta(days=days), part=part, distance_km=None,
        wait_days=days, late_days=0, own_cost=cost,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (at(2, provider=2), 1),
        (at(2, days=7), 2),
        (at(2, days=6), 0),
        (at(2, days=6, part=1), 3),
        (at(2, part=2), 3),
        (at(2, provider=2, days=9, part=2), 1),
    ],
)
def test_by_provider_by_a_week_or_by_time_of_day(other: Candidate, code: int) -> None:
    assert difference(at(1), other, 7) == difference(other, at(1), 7) == code


def test_another_calendar_week_is_no_difference_until_it_is_a_week_later() -> None:
    friday, next_monday = at(1, days=4), at(2, days=7)
    assert difference(friday, next_monday, 7) == 0
    assert difference(friday, next_monday, 3) == 2


def test_a_kind_of_difference_not_shown_yet_goes_before_a_better_time() -> None:
    others = [at(2, days=7), at(3, days=14), at(4, days=21), at(5, days=28), at(6, provider=2, days=40)]
    assert [one.slot_id for one in choose([at(1), *others], RULE)] == [1, 2, 6, 3, 4]


def test_alternatives_differ_from_each_other_and_are_no_more_than_the_rule_says() -> None:
    every = [at(n, provider=n % 2, days=n % 20, part=n % 3) for n in range(1, 100)]
    for most in (0, 1, 4, 10):
        chosen = choose(every, Rule(most, 7, 0))
        assert len(chosen) <= most + 1
        assert all(difference(one, other, 7) for one in chosen for other in chosen if one is not other)


def test_what_the_plan_would_lose_too_much_by_is_not_shown() -> None:
    first, dear = at(1, cost=1_000), at(2, provider=2, cost=601_001)
    assert choose([first, dear], RULE) == [first]
    assert choose([first, dear], Rule(4, 7, 600_001)) == [first, dear]


def test_the_policy_states_the_rule() -> None:
    assert BookingPolicy().offer_rule() == RULE
    stated = BookingPolicy.from_document({"alternatives": 2, "optimiser": {"alternative_days": 3}}, 1)
    assert stated.offer_rule() == Rule(2, 3, 600_000)
