"""Solve a problem: shards apart (in other processes if given an executor), clashes mended, one plan out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from optimiser.alternatives import Choices, alternatives, pick_slots
from optimiser.arrays import I8, I64, indptr_of
from optimiser.clashes import clashes, other_times
from optimiser.compiling import Buckets, Shard, fold, make_shard, shard_rows
from optimiser.pairs import pairs_of, take_in_turn
from optimiser.plan import Alternatives, Blocks, Plan
from optimiser.problem import Problem
from optimiser.reasons import shard_reasons
from optimiser.seating import seat
from optimiser.shard_solver import ShardPlan, solve_shard

ShardSolver = Callable[[Shard, float | None, I64 | None], ShardPlan]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has got; cost and bound are sums over the shards done."""

    stage: str  # solving, mending, alternatives
    done: int
    total: int
    objective: int
    bound: int
    seconds: float


Listener = Callable[[Progress], None]


def solve(
    problem: Problem,
    *,
    executor: Executor | None = None,
    progress: Listener | None = None,
    deadline: float | None = None,
) -> Plan:
    """The plan of least cost, with its proof.

    ``executor``: where shards are solved (a process pool; results don't depend on it). ``deadline``: seconds after
    which the best so far is returned with its gap, ``finished`` being False; a flow solve under way may overrun it.
    ``progress`` is called in this process. Raises PlanError if the weights exceed the solver's range.
    """
    return run(problem, solve_shard, "flow and simplex", executor, progress, deadline)


def run(
    problem: Problem,
    solver: ShardSolver,
    method: str,
    executor: Executor | None,
    progress: Listener | None,
    deadline: float | None,
) -> Plan:
    """Make a plan with any shard solver: shards, clashes, times, alternatives, reasons."""
    began = time.perf_counter()
    until = None if deadline is None else time.time() + deadline
    problem = problem.canonical()
    buckets = fold(problem)
    state = _State(problem, buckets, shard_rows(problem), solver, executor, progress, began)
    state.solve(range(len(state.parts)), until, "solving")
    bound = sum(p.bound for p in state.plans.values())
    blocks = _mend(state, until)
    return _assemble(state, method, bound, blocks)


@dataclass(slots=True)
class _State:
    problem: Problem
    buckets: Buckets
    parts: list[tuple[int, I64]]  # each shard's specialty and its referrals, ascending
    solver: ShardSolver
    executor: Executor | None
    listener: Listener | None
    began: float
    plans: dict[int, ShardPlan] = field(default_factory=dict)
    blocks: dict[int, list[tuple[I64, I64, I64]]] = field(default_factory=dict)  # local rows, minutes

    def shard(self, at: int) -> Shard:
        """A shard with its blocks. Made when it is needed: all at once would fill the memory."""
        shard = make_shard(self.problem, self.buckets, *self.parts[at])
        for row, start, end in self.blocks.get(at, []):
            shard = shard.with_blocks(row, start, end)
        return shard

    def solve(self, which: Sequence[int], until: float | None, stage: str) -> None:
        """Solve (again, from the prices known) the shards named, the heaviest first."""
        order = sorted(which, key=lambda i: (-len(self.parts[i][1]), i))
        share = self._shares(order, until)
        tasks = (
            (self.solver, self.shard(i), until, share[i], self.plans[i].price if i in self.plans else None)
            for i in order
        )
        for done, (at, plan) in enumerate(each(_solve_one, tasks, self.executor), 1):
            self.plans[order[at]] = plan
            self.tell(stage, done, len(order))

    def _shares(self, which: Sequence[int], until: float | None) -> dict[int, float]:
        """Seconds for each shard, by its referrals, so that a deadline is not spent on the first ones."""
        left = 0.0 if until is None else max(until - time.time(), 0.0) * workers(self.executor)
        total = sum(len(self.parts[i][1]) for i in which) or 1
        return {i: left * len(self.parts[i][1]) / total for i in which}

    def tell(self, stage: str, done: int, total: int) -> None:
        """Report progress."""
        if self.listener is not None:
            cost = sum(p.objective for p in self.plans.values())
            bound = sum(p.bound for p in self.plans.values())
            self.listener(Progress(stage, done, total, cost, bound, time.perf_counter() - self.began))

    def span(self, at: int) -> slice:
        """The buckets of a shard."""
        specialty = self.parts[at][0]
        low, high = (int(np.searchsorted(self.buckets.specialty, specialty, side)) for side in ("left", "right"))
        return slice(low, high)

    def bucket(self) -> I64:
        """Global bucket of each referral, -1 for none."""
        out = np.full(len(self.problem.referrals), -1, np.int64)
        for i, plan in self.plans.items():
            out[self.parts[i][1]] = np.where(plan.bucket >= 0, plan.bucket + self.span(i).start, -1)
        return out


def _solve_one(solver: ShardSolver, shard: Shard, until: float | None, share: float, warm: I64 | None) -> ShardPlan:
    limit = None if until is None else min(until, time.time() + share)
    return solver(shard, limit, warm)


def workers(executor: Executor | None) -> int:
    """How many tasks an executor runs at once, as far as it says."""
    return int(getattr(executor, "_max_workers", 1) or 1)


def each(
    function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], executor: Executor | None
) -> Iterator[tuple[int, Any]]:
    """Results with the position of their task, as they come; one task more than can run is made in advance."""
    if executor is None:
        for at, task in enumerate(tasks):
            yield at, function(*task)
        return
    waiting: dict[Future[Any], int] = {}
    for at, task in enumerate(tasks):
        waiting[executor.submit(function, *task)] = at
        if len(waiting) > workers(executor):
            yield from _done(waiting)
    while waiting:
        yield from _done(waiting)


def _done(waiting: dict[Future[Any], int]) -> Iterator[tuple[int, Any]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future.result()


def _mend(state: _State, until: float | None) -> Blocks:
    """Until no patient is in two places at once: the lesser need is refused that time, its shard solved again.

    Each round forbids at least one more half-day to a referral, so this ends. After the deadline the lesser need takes
    the best place that is left instead.
    """
    found: list[tuple[I64, I64, I64]] = []
    while True:
        rows, start, end = clashes(state.problem, state.buckets, state.bucket())
        if len(rows) == 0:
            break
        found.append((state.problem.referrals.key[rows], start, end))
        late = until is not None and time.time() >= until
        again = []
        for i, (_, mine) in enumerate(state.parts):
            local = np.searchsorted(mine, rows)
            here = (local < len(mine)) & (mine[np.minimum(local, len(mine) - 1)] == rows)
            if here.any():
                state.blocks.setdefault(i, []).append((local[here], start[here], end[here]))
                again.append(i)
                if late:
                    state.plans[i] = _reseat(state.plans[i], state.shard(i), np.unique(local[here]))
        if not late:
            state.solve(again, until, "mending")
    if not found:
        return Blocks()
    key, start, end = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((end, start, key))
    return Blocks(key[order], start[order], end[order])


def _reseat(plan: ShardPlan, shard: Shard, rows: I64) -> ShardPlan:
    """These rows give up their place and take, one after another, the cheapest that nobody has or is kept for."""
    bucket, cost = plan.bucket.copy(), plan.cost.copy()
    bucket[rows] = -1
    left = shard.capacity - np.bincount(bucket[bucket >= 0], minlength=len(shard.capacity)) - plan.reserved
    take_in_turn(pairs_of(shard), rows, np.zeros(len(left), np.int64), left, bucket, cost)
    return replace(plan, bucket=bucket, cost=cost, certified=False, finished=False)


def _assemble(state: _State, method: str, bound: int, blocks: Blocks) -> Plan:
    problem, buckets = state.problem, state.buckets
    bucket = state.bucket()
    price, reserved = np.zeros((2, len(buckets.capacity)), np.int64)
    cost = np.zeros(len(problem.referrals), np.int64)
    for i, plan in state.plans.items():
        mine = state.span(i)
        price[mine], reserved[mine], cost[state.parts[i][1]] = plan.price, plan.reserved, plan.cost
    slot, kept, free = seat(problem, buckets, bucket, reserved)
    plans = list(state.plans.values())
    expected = sum(p.expected_cost for p in plans)
    of_slot = buckets.of_slot
    return Plan(
        as_of=problem.as_of,
        digest=problem.digest(),
        policy=problem.policy,
        method=method,
        referral_key=problem.referrals.key,
        slot_key=np.where(slot >= 0, problem.slots.key[slot], -1) if len(problem.slots) else slot,
        cost=cost,
        unplaced_reason=_reasons(state, slot),
        alternatives=_alternatives(state, bucket, free),
        priced_slot_key=problem.slots.key,
        slot_price=np.where(of_slot >= 0, price[of_slot], 0) if len(price) else np.zeros(len(of_slot), np.int64),
        reserved=kept,
        expected_cost=expected,
        blocks=blocks,
        objective=int(cost.sum()) + expected,
        bound=bound,
        certified=all(p.certified for p in plans),
        finished=all(p.finished for p in plans),
        pairs=sum(p.pairs for p in plans),
        pairs_in_memory=sum(p.pairs_in_memory for p in plans),
        rounds=sum(p.rounds for p in plans),
        seconds=time.perf_counter() - state.began,
    )


def _reasons(state: _State, slot: I64) -> I8:
    out = np.zeros(len(slot), np.int8)
    for i, (_, rows) in enumerate(state.parts):
        unplaced = slot[rows] < 0
        if unplaced.any():
            out[rows] = shard_reasons(state.problem, state.shard(i), unplaced)
    return out


def _alternatives(state: _State, bucket: I64, free_slots: I64) -> Alternatives:
    problem, buckets = state.problem, state.buckets
    if problem.policy.alternatives == 0:
        return Alternatives.none(len(problem.referrals))
    owner = np.repeat(np.arange(len(buckets.capacity)), np.diff(buckets.indptr))
    free = np.bincount(owner, weights=free_slots[buckets.slot], minlength=len(buckets.capacity)).astype(np.int64)
    others = other_times(problem, buckets, bucket)
    count = len(state.parts)
    parts: list[Choices | None] = [None] * count
    tasks = (_choosing(state, i, others, free) for i in range(count))
    for done, (at, choices) in enumerate(each(alternatives, tasks, state.executor), 1):
        parts[at] = choices
        state.tell("alternatives", done, count)
    return _join(state, [c for c in parts if c is not None], free_slots)


def _choosing(state: _State, at: int, others: tuple[I64, I64, I64], free: I64) -> tuple[Shard, I64, I64, I64]:
    """What ``alternatives`` takes for a shard."""
    shard, plan = state.shard(at), state.plans[at]
    blocked, start, end = others
    mine = np.isin(blocked, shard.rows)
    local = np.searchsorted(shard.rows, blocked[mine])
    value = plan.cost + np.where(plan.bucket >= 0, plan.price[plan.bucket], 0) if len(plan.price) else plan.cost
    return shard.with_blocks(local, start[mine], end[mine]), plan.bucket, value, free[state.span(at)]


def _join(state: _State, parts: list[Choices], free_slots: I64) -> Alternatives:
    problem = state.problem
    none = np.zeros(0, np.int64)
    rows = [mine for _, mine in state.parts]
    row = np.concatenate([none, *(r[c.row] for r, c in zip(rows, parts, strict=True))])
    bucket = np.concatenate([none, *(c.bucket + state.span(i).start for i, c in enumerate(parts))])
    regret = np.concatenate([none, *(c.regret for c in parts)])
    difference = np.concatenate([np.zeros(0, np.int8), *(c.difference for c in parts)])
    order = np.argsort(row, kind="stable")
    row, bucket = row[order], bucket[order]
    slot = pick_slots(state.buckets, bucket, problem.referrals.key[row].astype(np.uint64), free_slots)
    return Alternatives(
        indptr_of(np.bincount(row, minlength=len(problem.referrals))),
        problem.slots.key[slot] if len(slot) else none,
        regret[order],
        difference[order].astype(np.int8),
    )
