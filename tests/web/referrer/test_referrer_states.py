"""What the practice can do to a referral in each state is what its page offers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from booking.domain.referral import Action, ReferralState
from booking.domain.words import Role
from booking.services import life
from booking.web.referrer.act import ACTS
from tests.life.conftest import Life, lives
from tests.web.conftest import Visitor

__all__ = ["lives"]
A = Action
ELSEWHERE = {A.BOOK, A.MOVE_APPOINTMENT, A.TRANSFER_PRACTICE}
"""Done on the page of times, and for the patient with all there is of them."""


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_state_offers_what_it_allows(lives: Life, staff: Callable[[Role], Visitor]) -> None:
    made = {state: lives.to(state) for state in ReferralState if state is not ReferralState.DRAFT}
    lives.work.session.commit()
    for role in (Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN):
        visitor, left = staff(role), set()
        for state, referral in made.items():
            text = visitor.get(f"/staff/referrals/{referral.ubrn}").text
            offered = {act.action for act in ACTS.values() if f'/do/{act.slug}"' in text}
            allowed = set(life.available(lives.acting(role), referral))
            assert offered - {None} == allowed & {act.action for act in ACTS.values()}, (role, state)
            assert (None in offered) is bool(allowed)  # what is written can be corrected while it lives
            left |= allowed - offered
            assert (f'/staff/referrals/{referral.ubrn}/times"' in text) is bool(
                allowed & {A.BOOK, A.MOVE_APPOINTMENT}
            ), (role, state)
        assert left <= ELSEWHERE
