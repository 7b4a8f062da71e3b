"""A forecast scaled is scaled as a whole: rows of one arrival shrink and grow with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.problem import Expected

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2), st.integers(1, 9), st.integers(0, 4)),
    max_size=40,
)


def build(rows: list[tuple[int, int, int, int, int]]) -> Expected:
    columns = np.array(rows, np.int64).reshape(len(rows), 5).T
    names = ("specialty", "service", "priority", "arrival_day", "count")
    return Expected.build(**dict(zip(names, columns, strict=True)))


@given(ROWS, st.integers(0, 300))
def test_each_total_is_the_forecasts_rounded_up(rows: list[tuple[int, int, int, int, int]], percent: int) -> None:
    expected = build(rows)
    scaled = expected.scaled(percent)
    assert (scaled >= 0).all()
    totals: dict[tuple[int, int, int], list[int]] = {}
    for row, count in zip(rows, scaled.tolist(), strict=True):
        total = totals.setdefault(row[:3], [0, 0])
        total[0] += row[4]
        total[1] += count
    assert all(after == -(-before * percent // 100) for before, after in totals.values())


@given(ROWS)
def test_the_whole_is_itself(rows: list[tuple[int, int, int, int, int]]) -> None:
    expected = build(rows)
    assert expected.scaled(100).tolist() == expected.count.tolist()


@pytest.mark.parametrize(("percent", "ones"), [(80, 80), (120, 120), (0, 0)])
def test_a_hundred_days_of_one_arrival(percent: int, ones: int) -> None:
    expected = build([(1, 1, 2, day, 1) for day in range(1, 101)])
    assert int(expected.scaled(percent).sum()) == ones
