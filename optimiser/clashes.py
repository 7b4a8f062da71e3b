"""A patient with several referrals must not be promised two places at once."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64, Array, rank_in_runs
from optimiser.compiling import Buckets
from optimiser.problem import Problem


def shared(problem: Problem) -> I64:
    """Referrals whose patient has another referral in the problem."""
    patient = problem.referrals.patient
    order = np.argsort(patient, kind="stable")
    same = patient[order][1:] == patient[order][:-1]
    return np.sort(np.unique(np.concatenate((order[1:][same], order[:-1][same]))))


def clashes(problem: Problem, buckets: Buckets, bucket: I64) -> tuple[I64, I64, I64]:
    """Referrals that must give way, and the span (minutes) that another one of their patient's fills.

    Half-day spans of clinics count, not single slots. The lesser need gives way: lower priority, then later due date,
    then larger key. Only neighbours in time are compared; that finds a clash whenever there is one.
    """
    refs = problem.referrals
    rows = shared(problem)
    rows = rows[bucket[rows] >= 0]
    start, end = buckets.start[bucket[rows]], buckets.end[bucket[rows]]
    order = np.lexsort((refs.key[rows], end, start, refs.patient[rows]))
    rows, start, end = rows[order], start[order], end[order]
    at = np.flatnonzero((refs.patient[rows][1:] == refs.patient[rows][:-1]) & (start[1:] < end[:-1]))
    left, right = rows[at], rows[at + 1]
    due = refs.target_days - refs.waited_days
    need_left = _need(refs.priority[left], due[left], left)
    need_right = _need(refs.priority[right], due[right], right)
    left_yields = np.array([a < b for a, b in zip(need_left, need_right, strict=True)], np.bool_)
    loser = np.where(left_yields, left, right)
    winner = np.where(left_yields, at + 1, at)
    return loser, start[winner], end[winner]


def _need(priority: Array, due: Array, row: I64) -> list[tuple[int, int, int]]:
    return list(zip(priority.tolist(), (-due).tolist(), (-row).tolist(), strict=True))


def other_times(problem: Problem, buckets: Buckets, bucket: I64) -> tuple[I64, I64, I64]:
    """For alternatives: every referral with the spans of the other guaranteed slots of its patient."""
    refs = problem.referrals
    rows = shared(problem)
    rows = rows[np.argsort(refs.patient[rows], kind="stable")]
    turn = rank_in_runs(refs.patient[rows])
    out: list[tuple[int, int, int]] = []
    first = 0
    bounds = [*np.flatnonzero(turn == 0)[1:].tolist(), len(rows)]
    for last in bounds:
        mine = rows[first:last].tolist()
        for row in mine:
            for other in mine:
                b = int(bucket[other])
                if other != row and b >= 0:
                    out.append((row, int(buckets.start[b]), int(buckets.end[b])))
        first = last
    table = np.array(out, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
