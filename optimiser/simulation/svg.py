"""Plots as plain SVG with their figures beside them: no library, readable by screen readers and in print."""

from __future__ import annotations

from html import escape

import numpy as np

from optimiser.simulation.report import GROUPS
from optimiser.simulation.run import EXPLAINED, Results

WIDTH, LEFT, RIGHT = 900, 150, 290
ROW, BAR, TOP, BOTTOM = 34, 18, 70, 62
COLOURS = ("#1d4f91", "#c05a00", "#4f7a28", "#7a3e9d", "#0b7a75", "#a3324b", "#555555", "#8a6d00")
_STYLE = "font-family:sans-serif;font-size:13px"


def breaches(results: Results) -> str:
    """Mean breaches of each policy as bars with their 95 % intervals, figures at the right; scale by square root.

    The root keeps a policy with ten breaches visible beside one with a thousand; the axis says so.
    """
    found = {policy: results.mean(policy, "breaches") for policy in results.runs}
    top = max(max((one.mean + (one.half_width or 0) for one in found.values()), default=0), 1.0)
    span = WIDTH - LEFT - RIGHT

    def x(value: float) -> float:
        return float(LEFT + span * (max(value, 0.0) / top) ** 0.5)

    height = TOP + ROW * len(found) + BOTTOM
    foot = height - BOTTOM
    parts = []
    for tick in _ticks(top):
        parts.append(_line(x(tick), TOP - 6, x(tick), foot, "#cccccc"))
        parts.append(_text(x(tick), foot + 16, f"{tick:,}", "middle"))
    parts.append(_text(LEFT + span / 2, foot + 40, "breaches, mean over seeds (square root scale)", "middle"))
    parts.append(_text(WIDTH - 8, TOP - 14, "mean ± 95 %   (routine, urgent, 2ww)", "end"))
    for at, (policy, one) in enumerate(found.items()):
        y = TOP + ROW * at
        half = one.half_width or 0.0
        parts.append(_text(LEFT - 10, y + 18, policy, "end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y + 4}" width="{x(one.mean) - LEFT:.1f}" height="{BAR}" fill="{_colour(at)}"/>'
        )
        low, high, middle = x(one.mean - half), x(one.mean + half), y + 4 + BAR / 2
        parts += [_line(low, middle, high, middle, "#111111", 2)]
        parts += [_line(end, middle - 5, end, middle + 5, "#111111", 2) for end in (low, high)]
        by_group = ", ".join(f"{results.mean(policy, f'breaches.{g}').mean:,.1f}" for g in reversed(GROUPS))
        parts.append(_text(WIDTH - 8, y + 18, f"{one.mean:,.1f} ± {half:,.1f}   ({by_group})", "end"))
    said = "; ".join(f"{p} ({EXPLAINED[p]}) {one.mean:,.1f} ± {one.half_width or 0:,.1f}" for p, one in found.items())
    return _picture("Breaches by policy", f"Mean number of breaches over {_seeds(results)}: {said}.", height, parts)


def waits(results: Results, group: str) -> str:
    """Share of appointments waited for longer than so many weeks, a line for each policy; all seeds together."""
    longer = {policy: _longer(results, policy, group) for policy in results.runs}
    weeks = max(max((int(np.flatnonzero(line)[-1]) + 1 for line in longer.values() if line.any()), default=1), 4)
    span, tall = WIDTH - 90 - RIGHT, 300
    height = TOP + tall + BOTTOM

    def x(week: float) -> float:
        return 90 + span * week / weeks

    def y(share: float) -> float:
        return TOP + tall * (1 - share)

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts += [_line(90, y(share), 90 + span, y(share), "#cccccc"), _text(82, y(share) + 4, f"{share:.0%}", "end")]
    for week in range(0, weeks + 1, max(weeks // 10, 1)):
        parts.append(_text(x(week), TOP + tall + 18, str(week), "middle"))
    parts.append(_text(90 + span / 2, TOP + tall + 42, "weeks from clock start", "middle"))
    parts.append(
        f'<text x="22" y="{TOP + tall / 2}" text-anchor="middle" transform="rotate(-90 22 {TOP + tall / 2})">'
        "share who waited longer</text>"
    )
    target = results.settings.behaviour.target_days[2 - GROUPS.index(group)] / 7
    if target <= weeks:
        parts += [_line(x(target), TOP, x(target), TOP + tall, "#111111"), _text(x(target) + 4, TOP + 12, "target")]
    for at, (policy, line) in enumerate(longer.items()):
        coloured = f'stroke="{_colour(at)}" stroke-width="2"'
        points = " ".join(f"{x(week):.1f},{y(share):.1f}" for week, share in enumerate(line[: weeks + 1].tolist()))
        dash = ("", "7 3", "2 3", "9 3 2 3")[at % 4]
        parts.append(f'<polyline points="{points}" fill="none" {coloured} stroke-dasharray="{dash or "none"}"/>')
        left, row = WIDTH - RIGHT + 12, TOP + 10 + 20 * at
        parts.append(_line(left, row, left + 26, row, _colour(at), 3, dash))
        mean, p95 = (results.mean(policy, f"{name}.{group}").mean for name in ("wait_mean", "wait_p95"))
        parts.append(_text(left + 32, row + 4, f"{policy}: mean {mean:.1f}, 95 % within {p95:.0f} days"))
    said = "; ".join(
        f"{p} mean {results.mean(p, f'wait_mean.{group}').mean:.1f}, 95th percentile "
        f"{results.mean(p, f'wait_p95.{group}').mean:.0f}, longest {results.mean(p, f'wait_longest.{group}').mean:.0f}"
        for p in longer
    )
    title = f"Distribution of waits, {group.replace('_', '-')}"
    return _picture(title, f"Days waited over {_seeds(results)}: {said}.", height, parts)


def plots(results: Results) -> dict[str, str]:
    """All plots by file name."""
    return {"breaches.svg": breaches(results)} | {
        f"waits-{group.replace('_', '-')}.svg": waits(results, group) for group in GROUPS
    }


def _longer(results: Results, policy: str, group: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    counts = np.sum([run.waits[group] for run in results.runs[policy]], axis=0).astype(np.float64)
    total = max(float(counts.sum()), 1.0)
    return np.append(counts[::-1].cumsum()[::-1], 0.0) / total


def _seeds(results: Results) -> str:
    return f"{len(results.seeds)} {'seed' if len(results.seeds) == 1 else 'seeds'}"


def _ticks(top: float) -> list[int]:
    steps = [0, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000]
    shown = [step for step in steps if step <= top]
    return [0, *shown[-6:]] if shown[-6:] and shown[-6:][0] > 0 else shown[-6:]


def _colour(at: int) -> str:
    return COLOURS[at % len(COLOURS)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1, dash: str = "") -> str:
    more = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{more}/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _picture(title: str, description: str, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="title desc" style="{_STYLE}">\n<title id="title">{escape(title)}</title>\n'
        f'<desc id="desc">{escape(description)}</desc>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="12" y="26" style="font-size:17px;font-weight:bold">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
