"""In every state the patient's page says where things stand; there is no state in which it breaks or says nothing."""

from __future__ import annotations

from datetime import date
from html import unescape

import pytest
from flask.testing import FlaskClient

from booking.domain.referral import ReferralState
from booking.models import Organisation
from booking.web.standing import LATE, WORDS
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
    text = " ".join(unescape(page.get_data(as_text=True)).split())
    assert (state in WORDS) != (state in SILENT)
    if state in WORDS:
        assert WORDS[state].split("{due}")[0].format(practice=made.practice.name).strip() in text
    assert "{practice}" not in text
    assert "{due}" not in text


@pytest.mark.parametrize("reminded", [True, False])
@pytest.mark.parametrize("state", LATE)
def test_a_day_that_has_passed_is_never_promised(
    client: FlaskClient,
    lives: Life,  # noqa: F811
    state: ReferralState,
    reminded: bool,
) -> None:
    made, work = lives.to(state), lives.work
    made.worklist_due = date(2026, 2, 27)
    owner = work.session.get_one(Organisation, made.worklist_organisation_id)
    owner.worklist_email = "lists@example.org" if reminded else None
    made.escalated_at = work.now
    token = factories.patient_token(work, made)
    work.session.commit()
    with client.session_transaction() as cookie:
        cookie["token"] = token
    for path in ("/choices", "/referral"):
        text = " ".join(unescape(client.get(path).get_data(as_text=True)).split())
        assert "by Friday 27 February 2026." in text
        assert "should have" in text
        assert "You will hear by" not in text
        assert "By Friday 27 February" not in text
        assert ("has been reminded." in text) is reminded
        assert f"If you have heard nothing, ring {made.practice.name}." in text
