"""The map sketch: everything inside the frame, no label on another, distances true to scale, directions right."""

from __future__ import annotations

from itertools import combinations
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.geo import KM_PER_MILE, distance_km
from booking.web.patient.map_sketch import FOOT, HEIGHT, LABEL_HEIGHT, WIDTH, Spot, bearing, sketch

LABELS = ("You", "A", "B", "C", "D", "E", "F", "G")


@st.composite
def regions(draw: st.DrawFn) -> list[Spot]:
    """A patient and up to seven places within some 60 miles of them, some at the very same place."""
    latitude, longitude = draw(st.floats(50, 58)), draw(st.floats(-6, 1.7))
    offset = st.floats(-0.9, 0.9) | st.floats(-0.002, 0.002) | st.just(0.0)
    count = draw(st.integers(1, 8))
    return [Spot(LABELS[n], latitude + draw(offset), longitude + draw(offset), home=n == 0) for n in range(count)]


@given(regions())
def test_all_is_inside_and_labels_do_not_overlap(spots: list[Spot]) -> None:
    made = sketch(spots)
    assert made is not None
    assert [mark.label for mark in made.marks] == [spot.label for spot in spots]
    for mark in made.marks:
        assert 0 <= mark.x <= WIDTH
        assert 0 <= mark.y <= HEIGHT - FOOT
        assert mark.left >= 0
        assert mark.left + mark.width <= WIDTH + 0.1
        assert mark.top >= 0
        assert mark.top + LABEL_HEIGHT <= HEIGHT - FOOT + 0.1
    for one, other in combinations(made.marks, 2):
        beside = one.left + one.width <= other.left + 0.2 or other.left + other.width <= one.left + 0.2
        assert beside or abs(one.top - other.top) >= LABEL_HEIGHT - 0.2
    assert 0 < made.bar.length <= WIDTH / 3


@given(regions())
def test_distances_are_to_scale(spots: list[Spot]) -> None:
    made = sketch(spots)
    assert made is not None
    assert made.bar.length * made.km_per_unit == pytest.approx(made.bar.miles * KM_PER_MILE, rel=0.02, abs=0.2)
    for (one, a), (other, b) in combinations(zip(made.marks, spots, strict=True), 2):
        drawn = hypot(one.x - other.x, one.y - other.y) * made.km_per_unit
        true = distance_km(a.latitude, a.longitude, b.latitude, b.longitude)
        assert drawn == pytest.approx(true, rel=0.03, abs=0.25 * made.km_per_unit)


def test_nothing_to_draw() -> None:
    assert sketch([]) is None


@pytest.mark.parametrize(
    ("north", "east", "words"),
    [
        (1, 0, "north"), (0.5, 0.8, "north-east"), (0, 1, "east"), (-1, 0, "south"), (-0.5, -0.8, "south-west"),
        (0, -1, "west"), (0.5, -0.8, "north-west"), (-0.5, 0.8, "south-east"), (0, 0, None),
    ],
)  # fmt: skip
def test_directions(north: float, east: float, words: str | None) -> None:
    assert bearing(Spot("You", 53, -2), Spot("A", 53 + north / 10, -2 + east / 10)) == words


def test_north_is_up_and_east_is_right() -> None:
    made = sketch([Spot("You", 53.4, -2.2, home=True), Spot("A", 53.5, -2.1)])
    assert made is not None
    home, there = made.marks
    assert there.y < home.y
    assert there.x > home.x
