"""Who is offered which slot: a certified min-cost plan over all eligible pairs of referrals and slots.

>>> plan = solve(problem)                      # doctest: +SKIP
>>> plan.certified, check(problem, plan)       # doctest: +SKIP
(True, [])
"""

from optimiser.certificate import Certificate, certify
from optimiser.check import Violation, check
from optimiser.errors import OptimiserError, PlanError, PolicyError, ProblemError
from optimiser.greedy import greedy
from optimiser.plan import Alternatives, Blocks, Difference, Plan, Unplaced
from optimiser.policy import Policy
from optimiser.problem import (
    NO_LIMIT,
    WEEK_PARTS,
    Busy,
    Expected,
    Priority,
    Problem,
    Referrals,
    Shortlists,
    Slots,
)
from optimiser.solve import Progress, solve

__all__ = [
    "NO_LIMIT",
    "WEEK_PARTS",
    "Alternatives",
    "Blocks",
    "Busy",
    "Certificate",
    "Difference",
    "Expected",
    "OptimiserError",
    "Plan",
    "PlanError",
    "Policy",
    "PolicyError",
    "Priority",
    "Problem",
    "ProblemError",
    "Progress",
    "Referrals",
    "Shortlists",
    "Slots",
    "Unplaced",
    "Violation",
    "certify",
    "check",
    "greedy",
    "solve",
]
