"""The solvers that ours is measured against, each on all pairs of an instance.

``RIVALS[name](instance, seconds)`` builds the model and returns what solves it; that returns the pair chosen for each
row (-1: unplaced), or raises ``NotSolvedError``. Building is not counted, to the rivals' good: only the solve is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from ortools.graph.python import linear_sum_assignment, min_cost_flow
from ortools.linear_solver.python import model_builder_helper
from ortools.sat.python import cp_model

from benchmarks.assignment import Instance, NotSolvedError, NotTriedError
from optimiser.arrays import I64

DENSE = 10_000
"""Rows or places beyond which a dense matrix (800 MB) is not tried."""
THREADS = 2
SCALE = 100.0
"""Units of cost in one of a linear programme's: tolerances are absolute, and this keeps them well below a unit."""

Solve = Callable[[], I64]


def ortools_assignment(instance: Instance, _seconds: float) -> Solve:
    """Cost scaling push-relabel (Goldberg and Kennedy, 1995) on the perfect matching of the doubled graph.

    Left: rows and copies of places. Right: places and a dummy of each row. A row pays for a place or for its own
    dummy; a copy takes its own place or the dummy of a row that could have had the place, both for nothing.
    """
    pair, row, place = instance.places()
    n, m = instance.rows, int(instance.capacity.sum())
    rows, places = np.arange(n), np.arange(m)
    cost, unplaced = instance.lowered()
    zero = np.zeros(len(pair) + m, np.int64)
    solver = linear_sum_assignment.SimpleLinearSumAssignment()
    left = np.concatenate((row, rows, n + place, n + places)).astype(np.int32)
    right = np.concatenate((place, m + rows, m + row, places)).astype(np.int32)
    solver.add_arcs_with_cost(left, right, np.concatenate((cost[pair], unplaced, zero)))

    def solve() -> I64:
        status = solver.solve()
        if status != solver.OPTIMAL:
            raise NotSolvedError(status.name)
        mate = np.array([solver.right_mate(at) for at in range(n)], np.int64)
        return _by_place(instance, np.where(mate < m, mate, -1))

    return solve


def ortools_flow(instance: Instance, _seconds: float) -> Solve:
    """Cost scaling push-relabel on the flow from rows by buckets to a sink, all pairs at once."""
    n, b, k = instance.rows, len(instance.capacity), len(instance)
    sink = n + b
    rows, buckets = np.arange(n), np.arange(b)
    network = min_cost_flow.SimpleMinCostFlow()
    network.add_arcs_with_capacity_and_unit_cost(
        np.concatenate((instance.row, rows, n + buckets)).astype(np.int32),
        np.concatenate((n + instance.bucket, np.full(n + b, sink))).astype(np.int32),
        np.concatenate((np.ones(k + n, np.int64), instance.capacity)),
        np.concatenate((instance.cost, instance.unplaced, np.zeros(b, np.int64))),
    )
    network.set_nodes_supplies(rows.astype(np.int32), np.ones(n, np.int64))
    network.set_nodes_supplies(np.array([sink], np.int32), np.array([-n]))

    def solve() -> I64:
        status = network.solve()
        if status != network.OPTIMAL:
            raise NotSolvedError(status.name)
        return _chosen(instance, np.asarray(network.flows(np.arange(k, dtype=np.int32))) > 0)

    return solve


def scipy_sparse(instance: Instance, _seconds: float) -> Solve:
    """Shortest augmenting paths in a sparse matrix (LAPJVsp: Jonker and Volgenant, 1987), a dummy for each row."""
    sparse, graph = _scipy("scipy.sparse"), _scipy("scipy.sparse.csgraph")
    pair, row, place = instance.places()
    n, m = instance.rows, int(instance.capacity.sum())
    cost, unplaced = instance.lowered()
    rows = np.arange(n)
    weights = np.concatenate((cost[pair], unplaced)).astype(np.float64) + 1  # a weight of 0 would be no edge
    where = (np.concatenate((row, rows)).astype(np.int32), np.concatenate((place, m + rows)).astype(np.int32))
    matrix = sparse.csr_matrix((weights, where), shape=(n, m + n))

    def solve() -> I64:
        at, mate = graph.min_weight_full_bipartite_matching(matrix)
        found = np.full(n, -1, np.int64)
        found[at] = mate
        return _by_place(instance, np.where(found < m, found, -1))

    return solve


def scipy_dense(instance: Instance, _seconds: float) -> Solve:
    """The shortest augmenting path algorithm on the dense matrix (Crouse, 2016); a gain of 0 stands for unplaced."""
    optimize = _scipy("scipy.optimize")
    n, m = instance.rows, int(instance.capacity.sum())
    if max(n, m) > DENSE:
        raise NotTriedError(f"a dense matrix of {n} x {m}")
    pair, row, place = instance.places()
    gain = np.minimum(instance.cost - instance.unplaced[instance.row], 0)
    matrix = np.zeros((n, m))
    matrix[row, place] = gain[pair]

    def solve() -> I64:
        at, mate = optimize.linear_sum_assignment(matrix)
        found = np.full(n, -1, np.int64)
        useful = matrix[at, mate] < 0
        found[at[useful]] = mate[useful]
        return _by_place(instance, found)

    return solve


def highs(instance: Instance, seconds: float) -> Solve:
    """HiGHS on the linear programme, whose vertices are integral."""
    return _linear("highs", instance, seconds)


def glop(instance: Instance, seconds: float) -> Solve:
    """GLOP (a revised simplex) on the linear programme."""
    return _linear("glop", instance, seconds)


def _linear(solver: str, instance: Instance, seconds: float) -> Solve:
    sparse = _scipy("scipy.sparse")
    n, b, k = instance.rows, len(instance.capacity), len(instance)
    cost, unplaced = instance.lowered()
    column = np.arange(k + n)
    row_of = np.concatenate((instance.row, np.arange(n), n + instance.bucket))
    at = np.concatenate((column, column[:k]))
    matrix = sparse.csr_matrix((np.ones(len(at)), (row_of, at)), shape=(n + b, k + n))
    low = np.concatenate((np.ones(n), np.full(b, -np.inf)))
    high = np.concatenate((np.ones(n), instance.capacity.astype(np.float64)))
    model: Any = model_builder_helper.ModelBuilderHelper()
    model.fill_model_from_sparse_data(
        np.zeros(k + n), np.full(k + n, np.inf), np.concatenate((cost, unplaced)) / SCALE, low, high, matrix
    )
    helper = model_builder_helper.ModelSolverHelper(solver)
    helper.set_time_limit_in_seconds(seconds)

    def solve() -> I64:
        helper.solve(model)
        if helper.status() != model_builder_helper.SolveStatus.OPTIMAL:
            raise NotSolvedError(helper.status().name)
        return _chosen(instance, np.asarray(helper.variable_values())[:k] > 0.5)

    return solve


def cp_sat(instance: Instance, seconds: float) -> Solve:
    """CP-SAT: a boolean for each pair, exactly one for each row, at most ``capacity`` for each bucket."""
    k, n = len(instance), instance.rows
    cost, unplaced = instance.lowered()
    model = cp_model.CpModel()
    every = [model.new_bool_var("") for _ in range(k + n)]
    starts = np.searchsorted(instance.row, np.arange(n + 1)).tolist()
    for row in range(n):
        model.add_exactly_one([*every[starts[row] : starts[row + 1]], every[k + row]])
    by_bucket = np.argsort(instance.bucket, kind="stable")
    starts = np.searchsorted(instance.bucket[by_bucket], np.arange(len(instance.capacity) + 1)).tolist()
    order = by_bucket.tolist()
    for bucket, capacity in enumerate(instance.capacity.tolist()):
        mine = [every[at] for at in order[starts[bucket] : starts[bucket + 1]]]
        if capacity == 1:
            model.add_at_most_one(mine)
        elif mine:
            model.add(cp_model.LinearExpr.sum(mine) <= capacity)
    model.minimize(cp_model.LinearExpr.weighted_sum(every, [*cost.tolist(), *unplaced.tolist()]))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = THREADS

    def solve() -> I64:
        status = solver.solve(model)
        if status != cp_model.OPTIMAL:
            raise NotSolvedError(f"not proven ({solver.status_name(status).lower()})")
        return _chosen(instance, np.array(solver.boolean_values(every[:k]), np.bool_))

    return solve


RIVALS: dict[str, Callable[[Instance, float], Solve]] = {
    "OR-Tools assignment": ortools_assignment,
    "OR-Tools flow": ortools_flow,
    "scipy, sparse": scipy_sparse,
    "scipy, dense": scipy_dense,
    "HiGHS": highs,
    "GLOP": glop,
    "CP-SAT": cp_sat,
}


def _scipy(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise NotTriedError("scipy is not installed (requirements-dev.txt)") from None


def _chosen(instance: Instance, used: Any) -> I64:
    pair = np.flatnonzero(used)
    if len(np.unique(instance.row[pair])) < len(pair):
        raise NotSolvedError("one row has several pairs")
    chosen = np.full(instance.rows, -1, np.int64)
    chosen[instance.row[pair]] = pair
    return chosen


def _by_place(instance: Instance, place: I64) -> I64:
    """The pair of each row from its place (-1: none)."""
    owner = np.repeat(np.arange(len(instance.capacity), dtype=np.int64), instance.capacity)
    return instance.find(np.where(place >= 0, owner[place], -1))
