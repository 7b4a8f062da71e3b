"""What no page of ours sends: names of hosts, numbers, dates and characters out of all bounds, answered plainly."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.web import forms
from tests.factories import Region
from tests.web.conftest import Referred, Visitor
from tests.web.conftest import forms as page_forms

Staff = Callable[[Role], Visitor]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
LONG = "9" * 30


@pytest.fixture
def app(app: BookingApp) -> BookingApp:
    """As in production: what nobody foresaw is answered with 500 instead of being raised."""
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    return app


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
@pytest.mark.parametrize("path", ["/", "/choices", "/staff/referrals", "/nowhere"])
def test_a_host_that_is_none_is_answered_in_plain_text(app: BookingApp, host: str, path: str) -> None:
    for method in ("GET", "POST"):
        answer = app.test_client().open(path, method=method, headers={"Host": host})
        assert (answer.status_code, answer.content_type) == (400, "text/plain; charset=utf-8"), answer.text
        assert answer.text.strip()


@pytest.mark.parametrize("day", ["9" * 20, "9" * 5000])
def test_a_day_of_many_digits_is_an_ordinary_fault(visitor: Visitor, referred: Referred, day: str) -> None:
    page = visitor.sign_in(referred.ubrn, referred.code, f"{day} 5 1960")
    assert page.status_code == 422
    assert "must be a real date" in page.text


def _shown(page: str) -> str:
    """The page without its forms' tokens, which carry the second, and its own address, to come back to."""
    return re.sub(r'(name="(?:csrf_token|next)" value=")[^"]*', r"\1", page)


@pytest.mark.parametrize("week", ["9999-12-31", "9999-12-27", "0001-01-01", "1999-12-31", "2200-01-01"])
def test_weeks_of_other_ages_are_no_week(patient: Visitor, staff: Staff, week: str) -> None:
    assert forms.read_date(week) is None
    assert _shown(patient.get(f"/times?week={week}").text) == _shown(patient.get("/times").text)
    assert staff(Role.PROVIDER_ADMIN).get(f"/staff/clinic?week={week}").status_code == 200


@pytest.mark.parametrize("week", ["2000-01-01", "2199-12-31"])
def test_the_first_and_the_last_week(patient: Visitor, staff: Staff, week: str) -> None:
    assert patient.get(f"/times?week={week}").status_code == 200
    assert staff(Role.PROVIDER_ADMIN).get(f"/staff/clinic?week={week}").status_code == 200


@pytest.mark.parametrize(
    "cursor",
    ["0001-01-01T00:00%2B14:00~1", "9999-12-31T23:59-14:00~1", f"2026-03-03T09:00%2B00:00~{'9' * 25}", "x~1", "~"],
)
def test_a_cursor_out_of_bounds_means_the_first_page(patient: Visitor, cursor: str) -> None:
    assert _shown(patient.get(f"/times?after={cursor}").text) == _shown(patient.get("/times").text)


def test_keys_that_no_database_holds(patient: Visitor, staff: Staff, region: Region) -> None:
    choices = patient.get("/choices")
    odd: list[dict[str, Any]] = [{"slot_id": LONG}, {"slot_id": "0"}, {"starts_at": "0001-01-01T00:00+14:00"}]
    for changes in odd:
        answer = patient.send(choices, "/choose", **changes)
        assert answer.status_code == 422
        assert "did not understand which time" in answer.text
    assert patient.get(f"/confirm/{LONG}").status_code == 404
    assert patient.get(f"/times?service={LONG}").status_code == 200
    gp = staff(Role.REFERRING_CLINICIAN)
    assert gp.get(f"/staff/refer/{LONG}").status_code == 404
    assert gp.get(f"/staff/refer/{2**63 - 1}").status_code == 404
    assert _shown(gp.get(f"/staff/outcomes?before={LONG}").text) == _shown(gp.get("/staff/outcomes").text)
    assert forms.read_key(str(2**63 - 1)) == 2**63 - 1
    assert forms.read_key(str(2**63)) is None


@pytest.mark.parametrize("version", ["²", "9" * 5000, "-1", "", "x"])
def test_versions_that_are_none(staff: Staff, region: Region, version: str) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    page = gp.get(f"/staff/refer/{region.patient.id}?clinic=330|330-SKIN&priority=ROUTINE")
    draft = gp.send(page, "/staff/refer", do="draft", shortlist=str(region.services[0].id), reason="A mole")
    where = draft.request.path
    for do in ("send", "draft", "discard"):
        refused = gp.send(draft, where, do=do, version=version, reason="Another")
        assert refused.status_code == 422
        assert "Somebody else has changed this draft" in refused.text
    other = gp.send(draft, where, do="draft", about_version=f'{{"id": "{version}"', reason="Another")
    assert other.status_code == 200


@pytest.mark.parametrize("about", ["1:", "1:²", "[" * 20_000, '{"id": 1}', "null", "9" * 5000])
def test_a_record_of_which_nothing_was_shown(staff: Staff, region: Region, about: str) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    page = gp.get(f"/staff/refer/{region.patient.id}?clinic=330|330-SKIN&priority=ROUTINE")
    sent = gp.send(
        page, "/staff/refer", do="send", about_version=about, family_name="Nobody", reason="A mole",
        shortlist=str(region.services[0].id),
    )  # fmt: skip
    assert sent.status_code == 200
    assert "Nobody" not in sent.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-14:00", "0001-01-01"])
def test_a_list_from_an_age_that_can_not_be(staff: Staff, referred: Referred, moment: str) -> None:
    after = base64.urlsafe_b64encode(f"{moment}|1".encode()).decode()
    gp, desk = staff(Role.REFERRING_CLINICIAN), staff(Role.PROVIDER_ADMIN)
    for sort in ("newest", "due", "waited"):
        page = gp.get(f"/staff/referrals?list=LETTERS_OUTSTANDING&sort={sort}&after={after}")
        assert page.status_code == 200
        assert "Ada" in page.text  # the first page
        assert desk.get(f"/staff/desk?order={sort}&after={moment.replace('+', '%2B')}~1").status_code == 200


def test_a_clinic_that_is_not_text(staff: Staff, region: Region) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    page = gp.get(f"/staff/refer/{region.patient.id}?clinic=330|330-SKIN&priority=ROUTINE")
    answer = gp.send(
        page, "/staff/refer", do="send", clinic="330|330\0", shortlist=str(region.services[0].id), reason="A mole"
    )
    assert answer.status_code == 422
    assert "Select the kind of clinic" in answer.text


def test_another_referral_does_not_lose_the_code(staff: Staff, referred: Referred, other: Referred) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    page = gp.get(f"/staff/referrals/{referred.ubrn}")
    (form,) = (form for form in page_forms(page) if form.action.endswith("/code"))
    assert gp.client.post(form.action, data=form.fields).status_code == 302  # not followed: the code waits
    assert "Access code:" not in gp.get(f"/staff/referrals/{other.ubrn}").text
    assert "Access code:" in gp.get(f"/staff/referrals/{referred.ubrn}").text
    assert "Access code:" not in gp.get(f"/staff/referrals/{referred.ubrn}").text
