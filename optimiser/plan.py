"""A plan: who gets which slot, what it costs, what else could be offered, and what proves it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Any

import numpy as np

from optimiser.arrays import I8, I64, find, no_i8, no_i64
from optimiser.policy import Policy


class Unplaced(IntEnum):
    """Why a referral has no guaranteed slot: the first limit, in this order, that nothing on its shortlist passes."""

    PLACED = 0
    NO_SHORTLIST = 1  # no service on its shortlist
    NO_SLOTS = 2  # none of its services has a free place within the horizon
    OUTSIDE_WINDOW = 3  # there are places, but outside the booking window or the patient's own dates
    NOT_FOR_THIS_PRIORITY = 4
    OTHER_PRACTITIONER = 5  # none with the named clinician
    NEEDS_NOT_MET = 6
    TIMES_NEVER_SUIT = 7
    PATIENT_BUSY = 8  # only while the patient has another appointment
    TAKEN = 9  # eligible places exist; all go to greater need


class Difference(IntEnum):
    """In what an alternative first differs from the guaranteed slot."""

    PROVIDER = 1
    DAY = 2
    TIME_OF_DAY = 3


@dataclass(frozen=True, slots=True, eq=False)
class Alternatives:
    """Further slots to show, CSR rows of referrals, best first. They are free, not held, and may be shown to several.

    ``regret`` is what the whole plan loses if the patient takes it instead (in cost units): its reduced cost.
    """

    indptr: I64
    slot_key: I64 = field(default_factory=no_i64)
    regret: I64 = field(default_factory=no_i64)
    difference: I8 = field(default_factory=no_i8)

    @classmethod
    def none(cls, n: int) -> Alternatives:
        """No alternatives for n referrals."""
        return cls(np.zeros(n + 1, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Times kept free because another guaranteed slot of the same patient lies there (referral keys, minutes)."""

    referral: I64 = field(default_factory=no_i64)
    start_minute: I64 = field(default_factory=no_i64)
    end_minute: I64 = field(default_factory=no_i64)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Result of a planning run. Referral arrays follow ``referral_key``, slot arrays ``priced_slot_key``; both ascend.

    ``certified``: the prices prove that no plan costs less, the times in ``blocks`` being refused. ``bound`` is proven
    without them (and holds whether certified or not), so ``gap = objective - bound`` covers what they may cost.
    """

    as_of: date
    digest: str  # of the problem
    policy: Policy
    method: str
    referral_key: I64
    slot_key: I64  # -1: unplaced
    cost: I64
    unplaced_reason: I8  # codes of ``Unplaced``
    alternatives: Alternatives
    priced_slot_key: I64
    slot_price: I64  # of one place: what the plan loses if it vanishes
    reserved: I64  # places of each slot kept for arrivals forecast
    expected_cost: int
    blocks: Blocks
    objective: int
    bound: int | None
    certified: bool
    finished: bool  # False: the deadline came first, and this is the best so far
    pairs: int
    pairs_in_memory: int
    rounds: int
    seconds: float

    @property
    def gap(self) -> int | None:
        """Cost above the proven bound; 0 is optimal."""
        return None if self.bound is None else self.objective - self.bound

    def index_of(self, referral_keys: I64) -> I64:
        """Positions of referrals by key, -1 where the plan has none."""
        return find(self.referral_key, referral_keys)

    def slots_for(self, referral_keys: I64) -> I64:
        """Guaranteed slot keys of these referrals, -1 for none."""
        at = self.index_of(referral_keys)
        return np.where(at >= 0, self.slot_key[at], -1) if len(self.slot_key) else at

    def reasons(self) -> dict[str, int]:
        """How many referrals are unplaced, by reason."""
        counts = np.bincount(self.unplaced_reason, minlength=len(Unplaced))
        return {r.name: int(counts[r]) for r in Unplaced if r and counts[r]}

    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything but the seconds: equal plans have equal fingerprints."""
        sha = hashlib.sha256(repr(self._scalars()).encode())
        alternatives, blocks = self.alternatives, self.blocks
        for array in (
            self.referral_key, self.slot_key, self.cost, self.unplaced_reason, alternatives.indptr,
            alternatives.slot_key, alternatives.regret, alternatives.difference, self.priced_slot_key,
            self.slot_price, self.reserved, blocks.referral, blocks.start_minute, blocks.end_minute,
        ):  # fmt: skip
            sha.update(array.tobytes())
        return sha.hexdigest()

    def _scalars(self) -> tuple[object, ...]:
        return (
            self.as_of, self.digest, self.policy.to_dict(), self.method, self.expected_cost, self.objective, self.bound,
            self.certified, self.finished, self.pairs, self.pairs_in_memory, self.rounds,
        )  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """JSON-able figures about the run."""
        placed = int((self.slot_key >= 0).sum())
        return {
            "as_of": self.as_of.isoformat(),
            "problem": self.digest,
            "policy": self.policy.version,
            "method": self.method,
            "referrals": len(self.referral_key),
            "placed": placed,
            "unplaced": self.reasons(),
            "with_alternatives": int((np.diff(self.alternatives.indptr) > 0).sum()),
            "alternatives": len(self.alternatives.slot_key),
            "reserved": int(self.reserved.sum()),
            "objective": self.objective,
            "bound": self.bound,
            "gap": self.gap,
            "certified": self.certified,
            "finished": self.finished,
            "pairs": self.pairs,
            "pairs_in_memory": self.pairs_in_memory,
            "rounds": self.rounds,
            "seconds": round(self.seconds, 3),
        }
