"""Charts are honest: inside their frame, every figure a number, labels apart, a gap for what is not told."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from booking.web.commissioner import charts
from booking.web.commissioner.charts import Point

VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 10**9).map(float))
LETTER = 6.9
"""Pixels of a letter of 12 px, generously."""
NARROWEST = 236
"""Pixels a chart has in a card on a screen of 320."""


def points(values: list[float | None]) -> list[Point]:
    return [Point(f"Month {at}", "Oct 26", value) for at, value in enumerate(values)]


def usable(value: float | None) -> bool:
    return value is not None and 0 <= value <= 1e15


@given(st.lists(VALUES, max_size=40), st.sampled_from(["", "%", "days"]))
def test_a_line_stays_in_its_frame(values: list[float | None], unit: str) -> None:
    made = charts.line("Waiting", points(values), unit)
    told = [value for value in values if usable(value)]
    assert (made is None) == (not told)
    if made is None:
        return
    assert len(made.marks) == len(told)
    for mark in (*made.marks, *made.rules, *(end for pair in made.segments for end in pair)):
        assert math.isfinite(mark.y)
        assert charts.TOP <= mark.y <= charts.BOTTOM
        assert 0 <= mark.x <= 100
    assert made.height > charts.BOTTOM
    assert made.gaps == (len(told) < len(values))
    assert "nan" not in repr(made).lower()
    assert "inf" not in repr([mark.text for mark in made.marks]).lower()


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_a_gap_is_never_bridged(values: list[float | None]) -> None:
    made = charts.line("Waiting", points(values), "")
    both = sum(usable(one) and usable(other) for one, other in pairwise(values))
    assert made is None or len(made.segments) == both


@given(st.integers(1, 36))
def test_labels_do_not_meet_on_a_narrow_screen(count: int) -> None:
    made = charts.line("Waiting", points([1.0] * count), "")
    assert made is not None
    spans = []
    for label in made.labels:
        width, at = LETTER * len(label.text), NARROWEST * label.x / 100
        start = {"start": at, "middle": at - width / 2, "end": at - width}[label.anchor]
        spans.append((start, start + width))
    assert all(start >= 0 and end <= NARROWEST + 1e-6 for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))


@given(st.floats(min_value=0, max_value=1e12, allow_nan=False))
def test_an_axis_holds_its_highest_and_is_not_much_taller(highest: float) -> None:
    top = charts.scale(highest)
    assert top >= highest * (1 - 1e-9)
    assert top <= max(2.0, 2.5 * highest * (1 + 1e-9))
    assert charts.scale(0) == 2


@given(st.lists(st.tuples(st.text(max_size=60), VALUES), max_size=40), st.sampled_from(["", "%"]))
def test_bars_are_no_longer_than_their_room(figures: list[tuple[str, float | None]], unit: str) -> None:
    made = charts.bars("Waiting", figures, unit)
    told = [value for _, value in figures if usable(value)]
    assert (made is None) == (not told)
    if made is None:
        return
    assert len(made.bars) <= 12
    assert len(made.bars) + made.left_out == len(figures)
    assert all(0 <= bar.width <= 100 for bar in made.bars)
    values = [bar.value for bar in made.bars]
    assert values == sorted(values, reverse=True)


def test_what_is_drawn_is_said() -> None:
    made = charts.line("Waiting", [Point("May 2026", "May 26", 12), Point("June 2026", "Jun 26", None),
                                   Point("July 2026", "Jul 26", 30)], "days")  # fmt: skip
    assert made is not None
    assert made.latest == "30 days, July 2026"
    assert made.told == (
        "From May 2026 to July 2026. Last 30 days, July 2026; highest 30 days, July 2026; lowest 12 days, May 2026. "
        "1 suppressed."
    )
    assert charts.said(1, "days") == "1 day"
    assert charts.said(1200, "") == "1,200"


def test_one_of_a_thing_is_singular() -> None:
    assert [charts.said(1, unit) for unit in ("weeks", "days", "%", "")] == ["1 week", "1 day", "1%", "1"]
