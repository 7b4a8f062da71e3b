"""The frontier as a table of text and as a plain SVG picture that carries its own description."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from optimiser.frontier import Goal, Point, efficient

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 460, 70, 220, 50, 60
SPOT = 6
"""Pixels within which points share a mark."""
INK, MUTED, BEST, ALLOWED = "#1d2433", "#5b6475", "#005eb8", "#e3f1e3"
COLUMNS = ("", "policy", "breaches", "avoided", "worst-off group", "days longer", "on the frontier")


def table(points: Sequence[Point]) -> str:
    """Lines of text, one for each point, numbered as in the plot."""
    rows = [COLUMNS, *_rows(points)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    right = {0, 2, 3, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(w) if at in right else cell.ljust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _rows(points: Sequence[Point]) -> list[tuple[str, ...]]:
    front = {id(point) for point in efficient(points)}
    return [
        (
            str(number), point.name, f"{point.breaches:,}", f"{point.avoided:.1%}",
            f"{point.worst.breakdown}: {point.worst.group}", f"{point.extra_days:+.2f}",
            "yes" if id(point) in front else "",
        )
        for number, point in enumerate(points, 1)
    ]  # fmt: skip


def svg(points: Sequence[Point], rival_breaches: int, goal: Goal | None = None, *, about: str = "") -> str:
    """Breaches (up) against the days that the worst-off group waits longer than under ring-fenced slots (right).

    The shaded corner is the goal. ``desc`` says in words what the picture shows; the table belongs beside it.
    """
    goal = goal or Goal()
    days = [0.0, goal.days, *(point.extra_days for point in points)]
    low, high = min(days) - 0.25, max(days) * 1.08 + 0.25
    top = max([rival_breaches, *(point.breaches for point in points), 1]) * 1.05

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)

    allowed = rival_breaches * (1 - goal.avoided)
    parts = [
        f'<rect x="{LEFT}" y="{y(allowed)}" width="{max(x(goal.days) - LEFT, 0):.1f}" '
        f'height="{HEIGHT - BOTTOM - y(allowed):.1f}" fill="{ALLOWED}"/>',
        f'<text x="{LEFT + 4}" y="{y(allowed) - 4:.1f}" fill="{MUTED}">goal</text>',
        *_axes(x, y, low, high, top),
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(rival_breaches)}" y2="{y(rival_breaches)}" stroke="{MUTED}" '
        'stroke-dasharray="6 4"/>',
        f'<text x="{WIDTH - RIGHT + 6}" y="{y(rival_breaches) + 4:.1f}" fill="{MUTED}">'
        f"ring-fenced: {rival_breaches:,}</text>",
    ]
    front = efficient(points)
    line = " ".join(f"{x(point.extra_days)},{y(point.breaches)}" for point in front)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{BEST}"/>')
    for at, numbers in _spots(points, x, y).items():
        colour = BEST if any(points[number - 1] is one for one in front for number in numbers) else MUTED
        parts.append(f'<circle cx="{at[0]}" cy="{at[1]}" r="4" fill="{colour}"/>')
        said = ", ".join(str(number) for number in numbers)
        parts.append(f'<text x="{at[0] + 6:.1f}" y="{at[1] - 6:.1f}" fill="{INK}">{said}</text>')
    parts += [
        f'<text x="{WIDTH - RIGHT + 6}" y="{TOP + 60 + 16 * at}" fill="{INK}">{number} {escape(point.name)}</text>'
        for at, (number, point) in enumerate(list(enumerate(points, 1))[:20])
    ]
    title = "Breaches against the wait of the worst-off group" + (f", {about}" if about else "")
    words = "; ".join(
        f"{number} {point.name}: {point.breaches:,} breaches, {point.worst.group} {point.extra_days:+.2f} days"
        for number, point in enumerate(points, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-labelledby="frontier-title frontier-desc" font-family="sans-serif" font-size="12">'
        f'<title id="frontier-title">{escape(title)}</title>'
        '<desc id="frontier-desc">'
        f"Ring-fenced first come, first served: {rival_breaches:,} breaches. {escape(words)}.</desc>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="24" font-size="15" fill="{INK}">{escape(title)}</text>' + "".join(parts) + "</svg>\n"
    )


def _spots(
    points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]
) -> dict[tuple[float, float], list[int]]:
    """Places on the picture, with the numbers of the points that fall there (within a few pixels)."""
    spots: dict[tuple[float, float], list[int]] = {}
    for number, point in enumerate(points, 1):
        here = (x(point.extra_days), y(point.breaches))
        near = (one for one in spots if abs(one[0] - here[0]) < SPOT and abs(one[1] - here[1]) < SPOT)
        spots.setdefault(next(near, here), []).append(number)
    return spots


def _axes(
    x: Callable[[float], float], y: Callable[[float], float], low: float, high: float, top: float
) -> Iterator[str]:
    """Both axes with their names and about five marks each."""
    floor = HEIGHT - BOTTOM
    yield f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none" stroke="{INK}"/>'
    for mark in _marks(0, top):
        yield f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end" fill="{MUTED}">{mark:,.0f}</text>'
    for mark in _marks(low, high):
        yield f'<text x="{x(mark)}" y="{floor + 18}" text-anchor="middle" fill="{MUTED}">{mark:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) // 2
    yield (
        f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle" fill="{INK}">'
        "Days the worst-off group waits longer than under ring-fenced slots</text>"
    )
    yield (
        f'<text transform="translate(18 {(TOP + floor) // 2}) rotate(-90)" text-anchor="middle" fill="{INK}">'
        "Breaches</text>"
    )


def _marks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, four to ten of them."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(one for one in (power, 2 * power, 5 * power) if one <= rough)
    first = math.ceil(low / step)
    return [round(at * step, 9) for at in range(first, math.floor(high / step) + 1)]
