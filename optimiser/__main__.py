"""``python -m optimiser`` compiles the loops that other processes then only load: by solving two tiny problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimiser import Expected, Plan, Problem, certify, check, greedy, solve
from optimiser.generate import generate
from optimiser.rivals import every


def main() -> None:
    """Run everything that has a compiled loop once, with and without limits."""
    for limits in (True, False):
        problem = generate(400, seed=1, specialties=1, limits=limits)
        plan = _planned(problem)
        print(f"optimiser: {len(problem.referrals)} referrals planned, "
              f"{'proven optimal' if plan.certified else 'not proven'}")  # fmt: skip


def _planned(problem: Problem) -> Plan:
    service = np.unique(problem.slots.service)[:1]
    expected = Expected.build(specialty=[0], service=service, priority=[1], arrival_day=[2], count=[3])
    problem = replace(problem, expected=expected)
    plan = solve(problem)
    if faults := check(problem, plan):
        raise SystemExit(f"optimiser: {faults[0].message}")
    certify(problem, plan)
    greedy(problem)
    every(problem)
    return plan


if __name__ == "__main__":
    main()
