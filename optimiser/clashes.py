"""A patient with several referrals must not be promised two places at once."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I8, I32, I64, Bool, ranges, rank_in_runs
from optimiser.compiling import Buckets
from optimiser.problem import Problem


def shared(problem: Problem) -> I64:
    """Referrals whose patient has another referral in the problem."""
    patient = problem.referrals.patient
    if bool((patient[1:] > patient[:-1]).all()):
        return np.zeros(0, np.int64)
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
    left_yields = _less_need(refs.priority, due, left, right)
    loser = np.where(left_yields, left, right)
    winner = np.where(left_yields, at + 1, at)
    return loser, start[winner], end[winner]


def _less_need(priority: I8, due: I32, left: I64, right: I64) -> Bool:
    """Whether the left one of each pair of referrals has the lesser need; positions ascend with the keys."""
    lower, later = priority[left] < priority[right], due[left] > due[right]
    same_priority, same_due = priority[left] == priority[right], due[left] == due[right]
    return np.asarray(lower | same_priority & (later | same_due & (left > right)), np.bool_)


def other_times(problem: Problem, buckets: Buckets, bucket: I64) -> tuple[I64, I64, I64]:
    """For alternatives: every referral with the spans of the other guaranteed slots of its patient."""
    refs = problem.referrals
    rows = shared(problem)
    rows = rows[np.argsort(refs.patient[rows], kind="stable")]
    first = np.flatnonzero(rank_in_runs(refs.patient[rows]) == 0)
    size = np.diff(np.append(first, len(rows)))
    row, other = np.repeat(rows, np.repeat(size, size)), rows[ranges(np.repeat(first, size), np.repeat(size, size))]
    apart = (row != other) & (bucket[other] >= 0)
    row, there = row[apart], bucket[other[apart]]
    return row, buckets.start[there], buckets.end[there]
