"""Advice and guidance (domain rule 10): whose turn it is, and the one table that says what may be done when.

A request goes to one service. It is on the provider's list until answered, then on the practice's until somebody
there has dealt with the answer: also where the provider has closed it, or made a referral of it, so that no answer
is left unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from booking.domain.errors import IllegalTransition
from booking.domain.words import REFERRERS, AdviceState, AdviceTurn, Role, Worklist

LONGEST_MESSAGE = 8_000
"""Characters; e-RS's own limit (A044)."""


class AdviceAction(StrEnum):
    REPLY = "REPLY"
    ANSWER = "ANSWER"
    ASK_BACK = "ASK_BACK"
    FINAL_ADVICE = "FINAL_ADVICE"
    CONVERT = "CONVERT"
    CLOSE = "CLOSE"
    REFER_ON = "REFER_ON"


@dataclass(frozen=True, slots=True)
class AdviceStep:
    """Where an action leads, and on whose list that is; None where nothing is left to do."""

    to: AdviceState
    worklist: Worklist | None


A, S = AdviceAction, AdviceState
CLINICIANS = frozenset({Role.PROVIDER_CLINICIAN})
ANSWERERS = CLINICIANS | {Role.PROVIDER_ADMIN}
"""Admins write for a clinician, whom they name."""

ROLES: Mapping[AdviceAction, frozenset[Role]] = {
    A.REPLY: REFERRERS,
    A.ANSWER: ANSWERERS,
    A.ASK_BACK: ANSWERERS,
    A.FINAL_ADVICE: ANSWERERS,
    A.CONVERT: CLINICIANS,
    A.CLOSE: REFERRERS,
    A.REFER_ON: REFERRERS,
}
TURN: Mapping[AdviceAction, AdviceTurn] = {
    A.REPLY: AdviceTurn.REPLY,
    A.ANSWER: AdviceTurn.ANSWER,
    A.ASK_BACK: AdviceTurn.MORE_INFORMATION,
    A.FINAL_ADVICE: AdviceTurn.FINAL_ADVICE,
    A.CONVERT: AdviceTurn.CONVERSION,
    A.CLOSE: AdviceTurn.CLOSING,
}

_ASKED = AdviceStep(S.AWAITING_PROVIDER, Worklist.ADVICE_REQUESTS)
_ANSWERED = AdviceStep(S.AWAITING_REFERRER, Worklist.ADVICE)
_CONVERTED = AdviceStep(S.CONVERTED, Worklist.ADVICE)
_FINAL = AdviceStep(S.CLOSED, Worklist.ADVICE)
_DONE = AdviceStep(S.CLOSED, None)
_REFERRED = AdviceStep(S.CONVERTED, None)

STEPS: Mapping[tuple[AdviceState, AdviceAction], AdviceStep] = {
    # More may be said before the answer comes, and an answer may be put right after it was given.
    **{
        (state, action): step
        for state in (S.AWAITING_PROVIDER, S.AWAITING_REFERRER)
        for action, step in (
            (A.REPLY, _ASKED), (A.ANSWER, _ANSWERED), (A.ASK_BACK, _ANSWERED), (A.FINAL_ADVICE, _FINAL),
            (A.CONVERT, _CONVERTED), (A.CLOSE, _DONE), (A.REFER_ON, _REFERRED),
        )
    },
    (S.CLOSED, A.REPLY): _ASKED,
    (S.CLOSED, A.CLOSE): _DONE,
    (S.CLOSED, A.REFER_ON): _REFERRED,
    (S.CONVERTED, A.CLOSE): _REFERRED,
}  # fmt: skip
_WHILE_UNREAD = frozenset({(S.CLOSED, A.REPLY), (S.CLOSED, A.CLOSE), (S.CONVERTED, A.CLOSE)})
"""Possible only until the practice has put the final answer aside."""


class AdviceNotAllowed(IllegalTransition):
    """The request's state does not allow the action."""

    def __init__(self, state: AdviceState, action: AdviceAction) -> None:
        super().__init__(state, action)
        self.message = f"A request for advice that is {state} does not allow {action}."


def next_step(state: AdviceState, action: AdviceAction, *, listed: bool) -> AdviceStep:
    """Where ``action`` leads a request that is (``listed``) on somebody's list, or :class:`AdviceNotAllowed`."""
    step = STEPS.get((state, action))
    if step is None or (not listed and (state, action) in _WHILE_UNREAD):
        raise AdviceNotAllowed(state, action)
    return step
