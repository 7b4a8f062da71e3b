"""Errors raised by the optimiser; each message names the field or the step at fault."""

from __future__ import annotations


class OptimiserError(Exception):
    """Anything the optimiser refuses."""


class ProblemError(OptimiserError):
    """The input is malformed. ``field`` is a dotted name such as ``referrals.priority``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type[ProblemError], tuple[str, str]]:
        return (ProblemError, (self.field, self.reason))


class PolicyError(ProblemError):
    """A weight or limit of the policy is missing, unknown or out of range."""

    def __reduce__(self) -> tuple[type[PolicyError], tuple[str, str]]:
        return (PolicyError, (self.field, self.reason))


class PlanError(OptimiserError):
    """The solver could not make a plan, or a plan does not belong to the problem."""
