"""Run policies side by side over seeds, in this process or in others; the same numbers either way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from optimiser.policy import Policy
from optimiser.simulation.figures import BY_PRIORITY, OVERALL, Figures, figures
from optimiser.simulation.intervals import Interval, interval, paired
from optimiser.simulation.ours import Ours
from optimiser.simulation.rivals import CalledInTurn, Open, PriorityLongestWait, RingFenced, Rule
from optimiser.simulation.settings import Settings, SettingsError
from optimiser.simulation.state import State
from optimiser.simulation.world import build

IN_TURN_DAYS = 12  # short of the two-week-wait's target
WAVE_DAYS = 14
AGAINST = "ring-fenced"

POLICIES: dict[str, Callable[[], Rule]] = {
    "open": Open,
    "ring-fenced": RingFenced,
    "priority": PriorityLongestWait,
    "in-turn": lambda: CalledInTurn(IN_TURN_DAYS),
    "ours-one": lambda: Ours(offers=1, reserve=True, policy=Policy()),
    "ours-three": lambda: Ours(offers=3, reserve=True, policy=Policy()),
    "ours-no-reserve": lambda: Ours(offers=3, reserve=False, policy=Policy()),
    "ours-waves": lambda: Ours(offers=3, reserve=True, policy=Policy(), ask_ahead=WAVE_DAYS),
}
EXPLAINED = {
    "open": "first come, first served",
    "ring-fenced": "the same, with places kept for two-week-wait and urgent",
    "priority": "each day by priority, then longest wait",
    "in-turn": f"the same from a list, booked at most {IN_TURN_DAYS} days ahead",
    "ours-one": "our planner, one offer each",
    "ours-three": "our planner, up to three offers",
    "ours-no-reserve": "the same with nothing kept for urgent referrals to come",
    "ours-waves": f"three offers, but asked only when the slot planned is at most {WAVE_DAYS} days ahead",
}

Listener = Callable[[int, int, str], None]
"""Runs done, runs in all, what was last done."""


@dataclass(frozen=True, slots=True)
class Results:
    """All runs, by policy in the order asked for and seed."""

    settings: Settings
    seeds: tuple[int, ...]
    runs: dict[str, list[Figures]]

    def values(self, policy: str, name: str) -> list[float]:
        """A figure of every seed."""
        return [run.values[name] for run in self.runs[policy]]

    def mean(self, policy: str, name: str) -> Interval:
        """A figure's mean over the seeds."""
        return interval(self.values(policy, name))

    def difference(self, policy: str, name: str, against: str = AGAINST) -> Interval:
        """A figure's mean difference from another policy on the same worlds."""
        return paired(self.values(policy, name), self.values(against, name))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: settings, what the figures mean, every run, means with intervals, differences."""
        names = list(next(iter(self.runs.values()))[0].values)
        policies = {}
        for policy, runs in self.runs.items():
            part: dict[str, Any] = {
                "what": EXPLAINED[policy],
                "mean": {name: self.mean(policy, name).to_dict() for name in names},
                "runs": [
                    {
                        "seed": run.seed, "figures": run.values, "waits_by_week": run.waits, "ends": run.ends,
                        "plans": run.plans, "plan_seconds": round(run.plan_seconds, 3),
                    }
                    for run in runs
                ],
            }  # fmt: skip
            if AGAINST in self.runs and policy != AGAINST:
                part[f"minus_{AGAINST}"] = {name: self.difference(policy, name).to_dict() for name in names}
            policies[policy] = part
        return {
            "settings": self.settings.to_dict(),
            "seeds": list(self.seeds),
            "figures": {**{f"{n}[.priority]": what for n, what in BY_PRIORITY.items()}, **OVERALL},
            "policies": policies,
        }


def simulate(settings: Settings, seed: int, policy: str, progress: Callable[[int], None] | None = None) -> Figures:
    """One policy on one seed's world; ``progress`` gets each day done. Raises Fault if anybody were lost."""
    state = play(settings, seed, POLICIES[policy](), progress)
    return figures(state, policy)


def play(settings: Settings, seed: int, rule: Rule, progress: Callable[[int], None] | None = None) -> State:
    """Every day from 0 to the last, checked at the end."""
    state = State(build(settings, seed))
    for day in range(settings.last_day):
        rule.publish(state, state.begin(day))
        rule.ask(state)
        if progress is not None:
            progress(day + 1)
    state.check()
    return state


def run_all(
    settings: Settings, seeds: Sequence[int], policies: Sequence[str], *, workers: int = 1,
    listener: Listener | None = None,
) -> Results:  # fmt: skip
    """Every policy on every seed, in so many processes (1: in this one). Raises SettingsError for a policy unknown."""
    for policy in policies:
        if policy not in POLICIES:
            raise SettingsError("policies", f"{policy!r} is not one of {', '.join(POLICIES)}")
    if not seeds or not policies:
        raise SettingsError("seeds" if not seeds else "policies", "at least one is needed")
    # The planner's runs are long: begun first, they don't keep one process busy at the end.
    jobs = sorted(((p, s) for s in seeds for p in policies), key=lambda job: not job[0].startswith("ours"))
    done: dict[tuple[str, int], Figures] = {}

    def tell(policy: str, seed: int) -> None:
        if listener is not None:
            listener(len(done), len(jobs), f"{policy}, seed {seed}")

    if workers <= 1:
        for policy, seed in jobs:
            done[policy, seed] = simulate(settings, seed, policy)
            tell(policy, seed)
    else:
        with ProcessPoolExecutor(workers) as pool:
            futures = {pool.submit(simulate, settings, seed, policy): (policy, seed) for policy, seed in jobs}
            for future in as_completed(futures):
                done[futures[future]] = future.result()
                tell(*futures[future])
    return Results(settings, tuple(seeds), {p: [done[p, s] for s in seeds] for p in policies})
