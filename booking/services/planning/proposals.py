"""A plan as proposals: for each referral placed, the slots to offer it and why, in words and in figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from booking.domain.policy import AUTOMATIC
from booking.services.planning.reasons import Reasons
from optimiser import Plan, Problem
from optimiser.arrays import I64, Array, take_rows
from optimiser.waves import Shown, automatic, in_order, shown

BLOCK = 2_000
"""Referrals whose proposals are made at once, so that memory stays flat."""


class Proposed(NamedTuple):
    """One slot to offer. ``reasons`` is stored with the offer as it stands."""

    slot_id: int
    regret: int
    reasons: dict[str, Any]


class Proposal(NamedTuple):
    """What one referral is offered: the guaranteed slot first."""

    referral_id: int
    priority: int
    offers: tuple[Proposed, ...]


def in_turn(problem: Problem, plan: Plan, wave: int) -> I64:
    """Positions in the plan of the referrals to be offered their slot now: greatest need first, ``wave`` at most.

    Need is priority, then due date; 0 is no limit, :data:`AUTOMATIC` as many as leave enough to choose from. The
    others' slots stay pencilled: the next plan may move them.
    """
    if wave == AUTOMATIC:
        return automatic(problem, plan)
    order = in_order(problem, plan)
    return order[:wave] if wave else order


class Proposer:
    """Knows the whole plan; makes the proposals of some referrals at a time.

    Where some are not asked yet, those asked are shown what is pencilled for them, too.
    """

    def __init__(self, problem: Problem, plan: Plan, days_left: Mapping[int, int] | None = None) -> None:
        self._problem, self._plan = problem, plan
        self._reasons = Reasons(problem, plan, days_left or {})

    def proposals(self, rows: I64) -> Iterator[Proposal]:
        others = self._others(rows)
        for first in range(0, len(rows), BLOCK):
            yield from self._block(rows, others, first, min(first + BLOCK, len(rows)))

    def _others(self, rows: I64) -> Shown:
        """What to show besides, by position in ``rows``."""
        plan = self._plan
        some_wait = len(rows) < int((plan.slot_key >= 0).sum())
        if some_wait and len(rows) and self._problem.policy.reseat_moves and self._problem.policy.alternatives:
            return shown(self._problem, plan, rows)
        own = plan.alternatives
        indptr, at = take_rows(own.indptr, rows)
        return Shown(
            indptr, own.slot_key[at], own.regret[at], own.difference[at], np.zeros(len(at), np.bool_)
        )  # fmt: skip

    def _block(self, rows: I64, others: Shown, first: int, last: int) -> Iterator[Proposal]:
        """The proposals of some of the rows: each one's own slot, then what else to show."""
        refs, mine = self._problem.referrals, rows[first:last]
        count = np.diff(others.indptr[first : last + 1])
        further = slice(int(others.indptr[first]), int(others.indptr[last]))
        owner = np.repeat(np.arange(len(mine)), count + 1)
        own = np.cumsum(np.append(0, count[:-1] + 1)) if len(mine) else np.zeros(0, np.int64)
        besides = np.ones(len(owner), np.bool_)
        besides[own] = False

        def column(its_own: Array | int, of_others: Array) -> Array:
            out = np.zeros(len(owner), of_others.dtype)
            out[own], out[besides] = its_own, of_others[further]
            return out

        slot_key = column(self._plan.slot_key[mine], others.slot_key)
        pencilled, regret = column(0, others.pencilled), column(0, others.regret)
        why = self._reasons.of(mine[owner], slot_key, column(0, others.difference), pencilled)
        each = map(Proposed, slot_key.tolist(), regret.tolist(), why)
        for key, priority, more in zip(
            refs.key[mine].tolist(), refs.priority[mine].tolist(), count.tolist(), strict=True
        ):
            yield Proposal(key, priority, tuple(islice(each, more + 1)))
