"""A plan that was asked for is done with, whoever of those asked for is still there to be planned."""

from __future__ import annotations

from sqlalchemy import select

from booking.models import PlanRequest
from booking.services import referrals
from booking.services.slot_endings import request_plan
from booking.services.work import Work
from tests.conftest import Rows
from tests.life.conftest import Life
from tests.planning.conftest import Flask, flask

__all__ = ["flask"]


def test_for_somebody_whose_referral_has_ended(lives: Life, work: Work, flask: Flask, rows: Rows) -> None:
    made = lives.refer()
    request_plan(work, [made.id], "A clinic was cancelled")
    referrals.cancel_referral(lives.gp, made.ubrn, reason="RAISED_IN_ERROR", comment=None)
    work.session.commit()
    done = flask("plan", "--requested")
    assert done.exit_code == 0, done.output
    assert None not in rows(select(PlanRequest.done_at))
