"""A map sketch from coordinates alone: where the patient starts from and the places offered, north up, to scale.

Nothing is fetched from anywhere. Each place has a dot where it is and a lettered label beside it, joined by a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin

from booking.domain.geo import EARTH_RADIUS_KM, KM_PER_MILE, distance_km

WIDTH, HEIGHT = 400, 260
MARGIN = 36
"""Between the outermost dot and the frame, so that labels have room."""
FOOT = 30
"""For the scale bar."""
LABEL_HEIGHT = 24
LETTER = 9.5
"""Width of a letter of a label."""
DOT = 5
SMALLEST_KM = 1.0
"""Of the shorter side: places next to each other are not torn miles apart."""
BARS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Miles a scale bar may stand for."""
POINTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")


@dataclass(frozen=True, slots=True)
class Spot:
    """Somewhere on the map: ``label`` is what stands beside its dot."""

    label: str
    latitude: float
    longitude: float
    home: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A spot as drawn: its dot, and the top left corner of its label."""

    label: str
    home: bool
    x: float
    y: float
    left: float
    top: float
    width: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + LABEL_HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Bar:
    miles: float
    length: float


@dataclass(frozen=True, slots=True)
class Sketch:
    marks: tuple[Mark, ...]
    bar: Bar
    km_per_unit: float
    width: int = WIDTH
    height: int = HEIGHT


def sketch(spots: Sequence[Spot]) -> Sketch | None:
    """The map of these spots; None where there are none. At most a dozen: a sketch, no atlas."""
    if not spots:
        return None
    flat = _flat(spots)
    scale = _scale(flat)
    dots = _centred(flat, scale)
    boxes: list[tuple[float, float, float]] = []
    for spot, dot in zip(spots, dots, strict=True):
        width = max(LABEL_HEIGHT, 12 + LETTER * len(spot.label))
        boxes.append(_room(dot, width, dots, boxes))
    marks = tuple(
        Mark(spot.label, spot.home, round(x, 1), round(y, 1), round(left, 1), round(top, 1), round(width, 1))
        for spot, (x, y), (left, top, width) in zip(spots, dots, boxes, strict=True)
    )
    km = 1 / scale
    return Sketch(marks, _bar(km), km)


def _flat(spots: Sequence[Spot]) -> list[tuple[float, float]]:
    """Kilometres east and south of the middle: true to scale over the distances people travel."""
    middle = sum(spot.latitude for spot in spots) / len(spots)
    first = spots[0].longitude
    east = [((spot.longitude - first + 180) % 360 - 180) for spot in spots]
    across = EARTH_RADIUS_KM * radians(1) * cos(radians(middle))
    return [
        (lon * across, (middle - spot.latitude) * EARTH_RADIUS_KM * radians(1))
        for lon, spot in zip(east, spots, strict=True)
    ]


def _scale(flat: Sequence[tuple[float, float]]) -> float:
    """Units of the drawing for a kilometre."""
    wide = max(x for x, _ in flat) - min(x for x, _ in flat)
    high = max(y for _, y in flat) - min(y for _, y in flat)
    inner_width, inner_height = WIDTH - 2 * MARGIN, HEIGHT - FOOT - 2 * MARGIN
    most = inner_height / SMALLEST_KM
    return min(inner_width / wide if wide else most, inner_height / high if high else most, most)


def _centred(flat: Sequence[tuple[float, float]], scale: float) -> list[tuple[float, float]]:
    middle_x = (max(x for x, _ in flat) + min(x for x, _ in flat)) / 2
    middle_y = (max(y for _, y in flat) + min(y for _, y in flat)) / 2
    return [(WIDTH / 2 + (x - middle_x) * scale, (HEIGHT - FOOT) / 2 + (y - middle_y) * scale) for x, y in flat]


def _room(
    dot: tuple[float, float], width: float, dots: Sequence[tuple[float, float]],
    boxes: Sequence[tuple[float, float, float]],
) -> tuple[float, float, float]:  # fmt: skip
    """The nearest place for a label that lies in the frame, on no other label and, if it can be, on no dot."""
    places = [(x, y, width) for x, y in _around(dot, width) if _inside(x, y, width)]
    free = [box for box in places if not any(_overlap(box, other) for other in boxes)]
    clear = [box for box in free if not any(_covers(box, one) for one in dots)]
    return (clear or free)[0]


def _around(dot: tuple[float, float], width: float) -> Iterator[tuple[float, float]]:
    """Places for a label, from beside the dot outwards; in the end everywhere."""
    x, y = dot
    for far in (8, 16, 28, 44, 64, 90):
        for turn in (0, 315, 45, 180, 225, 135, 270, 90):
            side, down = cos(radians(turn)), sin(radians(turn))
            yield (
                x + side * (far + width / 2) - width / 2,
                y + down * (far + LABEL_HEIGHT / 2) - LABEL_HEIGHT / 2,
            )
    corners = [
        (float(left), float(top))
        for left in range(0, WIDTH - int(width), 12)
        for top in range(0, HEIGHT - FOOT - LABEL_HEIGHT + 1, LABEL_HEIGHT + 1)
    ]
    yield from sorted(corners, key=lambda one: hypot(one[0] + width / 2 - x, one[1] + LABEL_HEIGHT / 2 - y))


def _inside(left: float, top: float, width: float) -> bool:
    return left >= 0 and top >= 0 and left + width <= WIDTH and top + LABEL_HEIGHT <= HEIGHT - FOOT


def _overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    apart = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
    return not apart and abs(one[1] - other[1]) < LABEL_HEIGHT


def _covers(box: tuple[float, float, float], dot: tuple[float, float]) -> bool:
    left, top, width = box
    return left - DOT < dot[0] < left + width + DOT and top - DOT < dot[1] < top + LABEL_HEIGHT + DOT


def _bar(km_per_unit: float) -> Bar:
    """The longest round number of miles that fits a third of the width."""
    per_mile = KM_PER_MILE / km_per_unit
    fits = [miles for miles in BARS if miles * per_mile <= WIDTH / 3]
    miles = fits[-1] if fits else BARS[0]
    return Bar(miles, round(miles * per_mile, 1))


def bearing(start: Spot, to: Spot) -> str | None:
    """The direction in words, ``north-east``; None where both are in the same place."""
    if distance_km(start.latitude, start.longitude, to.latitude, to.longitude) < 0.05:
        return None
    first, second, turn = radians(start.latitude), radians(to.latitude), radians(to.longitude - start.longitude)
    east = sin(turn) * cos(second)
    north = cos(first) * sin(second) - sin(first) * cos(second) * cos(turn)
    return POINTS[round(degrees(atan2(east, north)) / 45) % 8]
