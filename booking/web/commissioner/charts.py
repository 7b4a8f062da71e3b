"""Charts as geometry: pure functions from figures to what ``commissioner/charts.html`` draws as SVG.

Across, everything is in per cent of the width and, down, in pixels: so a chart grows and shrinks with the window
while its letters stay as large as they are. What is not told (small numbers) is a gap, never a nought.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

LEFT, RIGHT = 13.0, 97.0
"""Where the first and the last point stand, in per cent: the figures of the levels stand left of them."""
TOP, BOTTOM, HEIGHT = 22.0, 132.0, 156.0
"""The highest and the lowest a point may stand, and the whole picture, in pixels."""
LABEL_EVERY, MOST_LABELS = 4, 3
"""Of so many points one is labelled, counted from the last; on a narrow screen more labels would meet."""
STEPS = (1, 2, 2.5, 5, 10)
LARGEST = 1e15
"""No figure of ours is larger; one that is, or is no number, counts as not told."""


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a series. ``value`` is None where it is not told."""

    name: str
    """In full: ``October 2026``."""
    short: str
    """On the axis: ``Oct 26``."""
    value: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line chart of one series, ready to be drawn."""

    title: str
    told: str
    """The picture in a sentence or two, for those who do not see it."""
    unit: str
    marks: tuple[Mark, ...]
    segments: tuple[tuple[Mark, Mark], ...]
    rules: tuple[Mark, ...]
    """Levels across, with their figure; ``x`` is of no use."""
    labels: tuple[Label, ...]
    latest: str
    gaps: bool
    """Whether some figures are not told."""
    height: float = HEIGHT


def line(title: str, points: Sequence[Point], unit: str) -> Line | None:
    """The chart; None where not one figure is told, so that the page says so instead of drawing nothing."""
    told = [point for point in points if _is_told(point.value)]
    if not told:
        return None
    top = scale(max(_number(point.value) for point in told))
    marks = [_mark(at, point, len(points), top, unit) for at, point in enumerate(points)]
    shown = tuple(mark for mark in marks if mark is not None)
    segments = tuple((one, two) for one, two in pairwise(marks) if one is not None and two is not None)
    last = told[-1]
    return Line(
        title=title,
        told=_in_words(points, told, unit),
        unit=unit,
        marks=shown,
        segments=segments,
        rules=tuple(Mark(0, _down(level, top), said(level, unit)) for level in (0.0, top / 2, top)),
        labels=tuple(_labels(points)),
        latest=f"{said(_number(last.value), unit)}, {last.name}",
        gaps=len(told) < len(points),
    )


def scale(highest: float) -> float:
    """The end of an axis that begins at 0: a round number not below ``highest``, even so that its half is round."""
    if highest <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in STEPS if step * power >= highest * (1 - 1e-9))


def across(at: int, of: int) -> float:
    """Where point number ``at`` of ``of`` stands, in per cent."""
    return round((LEFT + RIGHT) / 2 if of < 2 else LEFT + (RIGHT - LEFT) * at / (of - 1), 2)


def _down(value: float, top: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)


def _is_told(value: float | None) -> bool:
    return value is not None and 0 <= value <= LARGEST


def _number(value: float | None) -> float:
    return 0.0 if value is None else float(value)


def _mark(at: int, point: Point, of: int, top: float, unit: str) -> Mark | None:
    if not _is_told(point.value):
        return None
    value = _number(point.value)
    return Mark(across(at, of), _down(value, top), f"{point.name}: {said(value, unit)}")


def _labels(points: Sequence[Point]) -> Iterator[Label]:
    last = len(points) - 1
    every = max(LABEL_EVERY, math.ceil(len(points) / MOST_LABELS))
    for at, point in enumerate(points):
        if (last - at) % every or at == 0 < last:  # the first would meet its neighbour
            continue
        if at == last and last > 0:
            yield Label(100.0, point.short, "end")
        else:
            yield Label(across(at, len(points)), point.short, "middle")


def _in_words(points: Sequence[Point], told: Sequence[Point], unit: str) -> str:
    if len(told) == 1:
        return f"Only one figure can be told: {said(_number(told[0].value), unit)}, {told[0].name}."
    most = max(told, key=lambda point: _number(point.value))
    least = min(told, key=lambda point: _number(point.value))
    words = (
        f"From {points[0].name} to {points[-1].name}. Last {said(_number(told[-1].value), unit)}, {told[-1].name}; "
        f"highest {said(_number(most.value), unit)}, {most.name}; lowest {said(_number(least.value), unit)}, "
        f"{least.name}."
    )
    missing = len(points) - len(told)
    return f"{words} {missing} suppressed." if missing else words


def said(value: float, unit: str) -> str:
    """A figure with its unit: ``36%``, ``12 days``, ``1,200``."""
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    if unit == "%":
        return f"{number}%"
    if value == 1:
        unit = unit.removesuffix("s")
    return f"{number} {unit}".strip()


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar beside its name and figure, which stand as text on the page."""

    name: str
    text: str
    width: float
    """In per cent of the room there is."""
    value: float


@dataclass(frozen=True, slots=True)
class Bars:
    title: str
    unit: str
    bars: tuple[Bar, ...]
    left_out: int
    """How many more there are in the table, shown or not told."""


def bars(title: str, figures: Sequence[tuple[str, float | None]], unit: str, *, most: int = 12) -> Bars | None:
    """The highest figures first, ``most`` of them; None where not one is told."""
    told = [(name, _number(value)) for name, value in figures if _is_told(value)]
    if not told:
        return None
    shown = sorted(told, key=lambda one: (-one[1], one[0]))[:most]
    top = 100.0 if unit == "%" else max(shown[0][1], 1e-9)
    drawn = tuple(Bar(name, said(value, unit), round(min(100.0, 100 * value / top), 1), value) for name, value in shown)
    return Bars(title, unit, drawn, len(figures) - len(shown))
