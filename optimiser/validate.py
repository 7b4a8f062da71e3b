"""Every check made on a problem before anything is computed from it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from optimiser.arrays import I64, Array, within_rows
from optimiser.errors import ProblemError
from optimiser.policy import Policy

if TYPE_CHECKING:
    from optimiser.problem import Problem


def validate(problem: Problem) -> None:
    """Raise ProblemError naming the first field that is wrong."""
    if type(problem.as_of) is not date:
        raise ProblemError("as_of", "must be a date")
    if not isinstance(problem.policy, Policy):
        raise ProblemError("policy", "must be a Policy")
    refs, lists, slots = problem.referrals, problem.shortlists, problem.slots
    _columns("referrals", refs, len(refs.key))
    _columns("slots", slots, len(slots.key))
    _columns("expected", problem.expected, len(problem.expected.service))
    _csr("referrals.busy", refs.busy, len(refs), refs.busy.start_minute)
    _csr("shortlists", lists, len(refs), lists.service)
    _unique("referrals.key", refs.key)
    _unique("slots.key", slots.key)
    _values(problem)
    _references(problem)


def _columns(name: str, part: Any, n: int, skip: str = "") -> None:
    for column, dtype in part.DTYPES.items():
        values = getattr(part, column)
        if not isinstance(values, np.ndarray) or values.ndim != 1:
            raise ProblemError(f"{name}.{column}", "must be an array of one dimension")
        if values.dtype != np.dtype(dtype):
            raise ProblemError(f"{name}.{column}", f"must be {np.dtype(dtype)}, not {values.dtype}")
        if column != skip and len(values) != n:
            raise ProblemError(f"{name}.{column}", f"has {len(values)} values, not {n}")


def _csr(name: str, part: Any, rows: int, first: Array) -> None:
    _columns(name, part, len(first), skip="indptr")
    at = part.indptr
    if len(at) != rows + 1 or at[0] != 0 or at[-1] != len(first) or bool((np.diff(at) < 0).any()):
        raise ProblemError(f"{name}.indptr", f"must rise from 0 to {len(first)} over {rows + 1} values")


def _unique(name: str, keys: I64) -> None:
    if bool((keys[1:] > keys[:-1]).all()):
        return
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise ProblemError(name, f"{int(twice[0])} is there twice")


def _inside(name: str, values: Array, low: int, high: int) -> None:
    if len(values) and not low <= int(values.min()) <= int(values.max()) <= high:
        bad = values[(values.astype(np.int64) < low) | (values.astype(np.int64) > high)]
        raise ProblemError(name, f"must be from {low} to {high}, not {int(bad[0])}")


def _values(problem: Problem) -> None:
    refs, slots, busy, lists, expected = (
        problem.referrals, problem.slots, problem.referrals.busy, problem.shortlists, problem.expected,
    )  # fmt: skip
    _inside("referrals.priority", refs.priority, 0, 2)
    _inside("referrals.waited_days", refs.waited_days, 0, 36_500)
    _inside("referrals.target_days", refs.target_days, 1, 36_500)
    _inside("referrals.unsuitable", refs.unsuitable, 0, 2**21 - 1)
    _inside("slots.part", slots.part, 0, 20)
    _inside("slots.capacity", slots.capacity, 0, 2**31 - 1)
    _inside("slots.priorities", slots.priorities, 0, 7)
    _inside("expected.priority", expected.priority, 0, 2)
    _inside("expected.count", expected.count, 0, 2**31 - 1)
    if bool((slots.end_minute <= slots.start_minute).any()):
        raise ProblemError("slots.end_minute", "must be after start_minute")
    if bool((busy.end_minute <= busy.start_minute).any()):
        raise ProblemError("referrals.busy.end_minute", "must be after start_minute")
    if bool((lists.distance_km < 0).any()) or bool(np.isinf(lists.distance_km).any()):
        raise ProblemError("shortlists.distance_km", "must be 0 or more, or not a number where unknown")


def _references(problem: Problem) -> None:
    lists, slots = problem.shortlists, problem.slots
    service = lists.service
    if bool(within_rows(service[1:] <= service[:-1], lists.indptr).any()):
        row = np.repeat(np.arange(len(problem.referrals)), np.diff(lists.indptr))
        service = service[np.lexsort((service, row))]
        twice = within_rows(service[1:] == service[:-1], lists.indptr)
        if bool(twice.any()):
            raise ProblemError("shortlists.service", f"{int(service[1:][twice][0])} is twice on one shortlist")
    order = np.argsort(slots.service, kind="stable")
    service, provider = slots.service[order], slots.provider[order]
    split = (service[1:] == service[:-1]) & (provider[1:] != provider[:-1])
    if bool(split.any()):
        raise ProblemError("slots.provider", f"service {int(service[1:][split][0])} has two providers")
