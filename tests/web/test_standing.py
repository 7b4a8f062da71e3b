"""In every state the patient's page says where things stand; there is no state in which it breaks or says nothing."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from booking.domain.referral import ReferralState
from booking.web.standing import WORDS
from tests import factories
from tests.life.conftest import Life, lives  # noqa: F401  # a fixture

SILENT = {ReferralState.NOT_BOOKED, ReferralState.BOOKED, ReferralState.APPT_CANCELLED_BY_PATIENT}
"""Choosing, or the appointment itself, says all."""


@pytest.mark.parametrize("state", ReferralState)
def test_where_it_stands(client: FlaskClient, lives: Life, state: ReferralState) -> None:  # noqa: F811
    made = lives.to(state)
    token = factories.patient_token(lives.work, made)
    lives.work.session.commit()
    with client.session_transaction() as cookie:
        cookie["token"] = token
    page = client.get("/choices", follow_redirects=True)
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    assert (state in WORDS) != (state in SILENT)
    if state in WORDS:
        first = WORDS[state].split("{")[0].split(".")[0].strip()
        assert first in text.replace(made.practice.name if made.practice else "", "") or made.practice.name in text
    assert "{practice}" not in text
    assert "{due}" not in text
