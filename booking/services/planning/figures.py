"""Breaches and waits of the plan beside first-come-first-served on the same input: the honest comparison."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from optimiser import Plan, Problem
from optimiser.arrays import I64
from optimiser.measure import compare as measured
from optimiser.rivals import open_fcfs, ring_fenced_fcfs
from optimiser.solve import each

RIVALS: dict[str, Callable[[Problem], I64]] = {"open_fcfs": open_fcfs, "ring_fenced_fcfs": ring_fenced_fcfs}


def compare(problem: Problem, plan: Plan, executor: Executor | None) -> dict[str, Any]:
    """Figures by method (plan, open_fcfs, ring_fenced_fcfs) and priority; rivals run side by side."""
    tasks = [(function, problem) for function in RIVALS.values()]
    seats = dict(each(_run, tasks, executor))
    rivals = {name: seats[at] for at, name in enumerate(RIVALS)}
    table: dict[str, Any] = measured(problem, plan, rivals)["methods"]
    return table


def _run(rival: Callable[[Problem], I64], problem: Problem) -> I64:
    return rival(problem)
