"""Results in lines of text, for people."""

from __future__ import annotations

from optimiser.simulation.intervals import Interval
from optimiser.simulation.run import AGAINST, EXPLAINED, Results

GROUPS = ("two_week_wait", "urgent", "routine")
_WAITS = ("wait_mean", "wait_p95", "wait_p99", "wait_longest")
_MORE = (
    ("utilisation", "places used %", 100.0),
    ("wasted", "places wasted", 1.0),
    ("no_shows", "not come", 1.0),
    ("declines", "declined", 1.0),
    ("shown_per_patient", "shown each", 1.0),
    ("first_offer_days", "days to offer", 1.0),
    ("choice_of_provider", "provider %", 100.0),
    ("choice_of_day", "day %", 100.0),
    ("choice_of_time", "time %", 100.0),
    ("overtime_per_clinic", "overrun min", 1.0),
)


def text_report(results: Results) -> str:
    """Breaches, waits and use of places of each policy, with what the columns mean."""
    settings, seeds = results.settings, results.seeds
    lines = [
        f"{settings.days} days after {settings.warm_up} of warm-up, {settings.services} services, "
        f"load {settings.load:g}, seeds {seeds[0]} to {seeds[-1]}, forecast times {settings.forecast_error:g}, "
        f"overbooking {settings.overbook} % of expected no-shows, a plan every {settings.every} days.",
        "",
        *_breaches(results), "", *_waits(results), "", *_rest(results), "",
    ]  # fmt: skip
    lines += [f"{policy}: {EXPLAINED[policy]}." for policy in results.runs]
    one = len(seeds) == 1
    lines.append(
        "One seed only: no intervals." if one else f"± is half a 95 % confidence interval over {len(seeds)} seeds."
    )
    return "\n".join(lines)


def _breaches(results: Results) -> list[str]:
    lines = [f"{'Breaches':18}{'all':>16}" + "".join(f"{_say(g):>16}" for g in GROUPS) + f"{'minus ' + AGAINST:>22}"]
    for policy in results.runs:
        cells = [_plus(results.mean(policy, name)) for name in ("breaches", *(f"breaches.{g}" for g in GROUPS))]
        known = AGAINST in results.runs and policy != AGAINST
        difference = _plus(results.difference(policy, "breaches")) if known else "-"
        lines.append(f"{policy:18}" + "".join(f"{cell:>16}" for cell in cells) + f"{difference:>22}")
    due = [results.mean(next(iter(results.runs)), f"due.{group}").mean for group in GROUPS]
    lines.append(
        f"{'due':18}{sum(due):>16.0f}" + "".join(f"{one:>16.0f}" for one in due) + "   (about, by the first policy)"
    )
    return lines


def _waits(results: Results) -> list[str]:
    lines = [f"{'Days waited':18}" + "".join(f"{_say(g):>30}" for g in GROUPS)]
    for policy in results.runs:
        cells = []
        for group in GROUPS:
            mean, p95, p99, longest = (results.mean(policy, f"{name}.{group}") for name in _WAITS)
            cells.append(f"{_plus(mean)}  {p95.mean:.0f} {p99.mean:.0f} {longest.mean:.0f}")
        lines.append(f"{policy:18}" + "".join(f"{cell:>30}" for cell in cells))
    lines.append("mean ± of the mean, 95th and 99th percentile, longest: means over the seeds")
    if AGAINST in results.runs and len(results.runs) > 1:
        lines += ["", f"{'Mean minus ' + AGAINST:22}" + "".join(f"{_say(g):>18}" for g in ("all", *GROUPS))]
        for policy in results.runs:
            if policy != AGAINST:
                names = ("wait_mean", *(f"wait_mean.{group}" for group in GROUPS))
                cells = [_plus(results.difference(policy, name)) for name in names]
                lines.append(f"{policy:22}" + "".join(f"{cell:>18}" for cell in cells))
    lines += ["", f"{'Soonest shown':18}" + "".join(f"{_say(g):>18}" for g in GROUPS)]
    for policy in results.runs:
        cells = [_plus(results.mean(policy, f"offered_mean.{group}")) for group in GROUPS]
        lines.append(f"{policy:18}" + "".join(f"{cell:>18}" for cell in cells))
    lines.append("mean days from clock start to the soonest appointment shown; what was taken may be later, by choice")
    return lines


def _rest(results: Results) -> list[str]:
    lines = [f"{'':18}" + "".join(f"{title:>15}" for _, title, _ in _MORE)]
    for policy in results.runs:
        cells = [f"{results.mean(policy, name).mean * factor:,.1f}" for name, _, factor in _MORE]
        lines.append(f"{policy:18}" + "".join(f"{cell:>15}" for cell in cells))
    lines.append("provider, day, time: patients who could choose between two of them when first asked")
    return lines


def _plus(found: Interval) -> str:
    number = f"{found.mean:,.1f}"
    return number if found.half_width is None else f"{number} ± {found.half_width:,.1f}"


def _say(group: str) -> str:
    return group.replace("_", " ")
