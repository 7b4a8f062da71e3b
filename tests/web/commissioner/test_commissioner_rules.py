"""The policy, previews, local rules and practices: what is changed, refused, overtaken, sent twice."""

from __future__ import annotations

import html
import re
from datetime import date

import pytest
from sqlalchemy import func, select

from booking.models import CommissioningRule, Organisation, PolicyPreview, PolicyVersion, Service
from booking.services import practices, previews
from booking.services.policy import publish_policy, still_to_come
from booking.services.work import Work
from tests import factories
from tests.factories import Region
from tests.web.conftest import Referred, Visitor

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
CHANGE = "/staff/policy/change"
WHY = "Fewer times lie idle"


def count(work: Work, model: type[PolicyVersion | CommissioningRule]) -> int:
    """Looked up in a transaction of its own, ended before the next page is asked for."""
    work.session.rollback()
    found = work.session.scalar(select(func.count(model.id))) or 0
    work.session.rollback()
    return found


def test_the_policy_in_words_changed_and_brought_back(commissioner: Visitor, region: Region, work: Work) -> None:
    assert "The defaults." in commissioner.get("/staff/policy").text
    page = commissioner.get(CHANGE)
    page = commissioner.send(page, CHANGE, offer_days="5", do="publish", explanation=WHY)
    assert page.request.path == "/staff/policy"
    assert "Version 1 of the policy is published" in page.text
    assert "5 days" in page.text
    page = commissioner.get("/staff/policy/history")
    assert "How long an offer holds: 7 days becomes 5 days." in page.text
    assert WHY in page.text
    page = commissioner.get("/staff/policy/versions/0")
    assert "How long an offer holds: 5 days becomes 7 days." in page.text
    page = commissioner.send(page, "/staff/policy/versions/0/revert", explanation="It did not help")
    assert "Version 2 of the policy is published" in page.text
    assert "Brings the defaults back" in commissioner.get("/staff/policy/history").text
    assert count(work, PolicyVersion) == 2


def test_what_is_wrong_stands_beside_its_box_and_nothing_typed_is_lost(commissioner: Visitor, region: Region) -> None:
    page = commissioner.send(
        commissioner.get(CHANGE), CHANGE, offer_days="ninety", alternatives="99", do="publish", explanation="",
        reminders_days="soon", wave="some",
    )  # fmt: skip
    assert page.status_code == 422
    for words in ("Enter a whole number", "ninety", "Enter days before the appointment"):
        assert words in page.text
    page = commissioner.send(page, CHANGE, offer_days="99", reminders_days="7, 7", alternatives="99", wave="everybody")
    assert "Offers hold for 1 to 60 days." in page.text
    assert "There are 0 to 10 alternatives." in page.text
    page = commissioner.send(
        commissioner.get(CHANGE), CHANGE, do="publish", effective_from__year="2020", explanation=WHY
    )
    assert "A policy takes effect today or later." in page.text
    page = commissioner.send(commissioner.get(CHANGE), CHANGE, do="publish", breach__routine="x")
    assert page.status_code == 422


def test_sent_twice_it_is_published_once(commissioner: Visitor, region: Region, work: Work) -> None:
    page = commissioner.get(CHANGE)
    for _ in range(2):
        done = commissioner.send(page, CHANGE, offer_days="5", do="publish", explanation=WHY)
        assert done.request.path == "/staff/policy"
    assert count(work, PolicyVersion) == 1


def test_who_is_overtaken_sees_by_what_and_may_go_on(commissioner: Visitor, region: Region, work: Work) -> None:
    page = commissioner.get(CHANGE)
    publish_policy(work, {"alternatives": 2}, effective_from=work.today, explanation="Mine")
    work.session.commit()
    page = commissioner.send(page, CHANGE, offer_days="5", do="publish", explanation=WHY)
    assert page.status_code == 409
    assert "published version 1 meanwhile: Alternatives beside the time that is kept: 4 becomes 2." in page.text
    assert WHY in page.text
    assert count(work, PolicyVersion) == 1
    page = commissioner.send(page, CHANGE, do="publish", explanation=WHY)
    assert "Version 2 of the policy is published" in page.text


def test_a_preview_is_asked_for_shown_and_published(commissioner: Visitor, region: Region, work: Work) -> None:
    page = commissioner.send(commissioner.get(CHANGE), CHANGE, offer_days="5", do="preview")
    assert page.request.path.startswith("/staff/policy/previews/")
    assert "Waiting for its turn." in page.text
    assert "How long an offer holds: 7 days becomes 5 days." in page.text
    preview = work.session.scalars(select(PolicyPreview)).one()
    previews.take(work.session, work.now)
    previews.finish(work.session, preview.id, work.now, result=RESULT)
    work.session.commit()
    page = commissioner.get(page.request.path)
    assert "Two plans for Monday 2 March 2026" in page.text
    assert "com-better" in page.text
    assert "com-worse" in page.text
    assert "Seen earlier" in page.text
    assert "Two-week wait, both plans" not in page.text  # of three people
    for number in (41, 31, 13, 20, 3, 2, 5):  # told as 42, 30, 12, 18, or not at all
        assert f'<td class="app-number">{number}<' not in page.text
    assert "fewer than 5" in page.text
    path = f"{page.request.path}/publish"
    assert commissioner.send(page, path, explanation="").status_code == 422
    page = commissioner.send(page, path, explanation=WHY)
    assert "Version 1 of the policy is published" in page.text
    assert "Overtaken" in commissioner.get(f"/staff/policy/previews/{preview.id}").text
    for _ in range(previews.MOST_WAITING):
        page = commissioner.send(commissioner.get(CHANGE), CHANGE, do="preview")
    assert commissioner.send(commissioner.get(CHANGE), CHANGE, do="preview").status_code == 409


SIDE = {
    "referrals": 41, "placed": 31, "unplaced": 10, "breaches": 13, "day": {"mean": 10.0, "p95": 20.0},
    "wait": {"mean": 21.5, "p95": 40.0},
}  # fmt: skip
MOVES = {"earlier": 3, "later": 2, "same_day": 5, "gain_a_time": 2, "lose_their_time": 0}
PRIORITIES = ("two_week_wait", "urgent", "routine")


def _side(**fields: object) -> dict[str, object]:
    made = {**SIDE, **fields}
    more = {"asked": 9, "offers": 20, "reserved": 0, "certified": True, "trouble": None}
    few = {**SIDE, "referrals": 3, "placed": 2, "breaches": 1}
    return {**made, **more, "by_priority": {"two_week_wait": few, "urgent": made, "routine": made}}


RESULT = {
    "as_of": "2026-03-02", "current_version": 0, "current": _side(), "proposed": _side(breaches=6, placed=20),
    "moves": {**MOVES, "by_priority": dict.fromkeys(PRIORITIES, MOVES)}, "changes": [], "notes": ["A note."],
}  # fmt: skip


def test_an_analyst_reads_and_changes_nothing(analyst: Visitor, rule: CommissioningRule, region: Region) -> None:
    for path in ("/staff/policy", "/staff/rules", f"/staff/rules/{rule.id}", "/staff/practices", "/staff/overview"):
        page = analyst.get(path)
        assert page.status_code == 200
        assert "Change the policy" not in page.text
        assert "Open a service</a>" not in page.text
        assert "End the rule" not in page.text
    for path in (CHANGE, "/staff/rules/new", f"/staff/practices/{region.practice.ods_code}/close"):
        assert analyst.get(path).status_code == 403


def test_a_service_is_opened_changed_and_ended(
    commissioner: Visitor, region: Region, closed_service: Service, work: Work
) -> None:
    practice = region.practice.ods_code
    page = commissioner.get("/staff/rules/new?q=laser")
    assert "Laser clinic" in page.text
    page = commissioner.get(f"/staff/rules/new?service={closed_service.id}")
    assert commissioner.send(page, "/staff/rules/new", starts_on__day="").status_code == 422
    for _ in range(2):
        made = commissioner.send(
            page, "/staff/rules/new", organisation=practice, explanation="A pilot",
            ends_on__day="1", ends_on__month="6", ends_on__year="2026",
        )  # fmt: skip
        assert made.request.path.startswith("/staff/rules/")
        assert "Millbrook Surgery" in made.text
    assert count(work, CommissioningRule) == 1
    other = commissioner.send(page, "/staff/rules/new", organisation=practice, explanation="Other")
    assert other.status_code == 409
    path = made.request.path
    page = commissioner.send(made, path, explanation="A longer pilot", ends_on__year="2027")
    assert "The rule is changed." in page.text
    stale = commissioner.send(made, path, explanation="From an old page")
    assert stale.status_code == 409
    assert "changed since you read it" in stale.text
    page = commissioner.send(commissioner.get(path), f"{path}/end", end_explanation="It is over")
    assert "The rule ends after Monday 2 March 2026" in page.text
    assert "Laser clinic" in commissioner.get("/staff/rules?q=laser").text
    assert "No rule of that name" in commissioner.get("/staff/rules?q=nothing").text
    assert "No rule has ended" in commissioner.get("/staff/rules?ended=yes").text


def test_another_commissioner_s_rule_does_not_exist(
    commissioner: Visitor, work: Work, closed_service: Service, region: Region
) -> None:
    elsewhere = Organisation(ods_code="99Z", kind="COMMISSIONER", name="Elsewhere")
    work.session.add(elsewhere)
    work.session.flush()
    foreign = CommissioningRule(
        service_id=closed_service.id, organisation_id=elsewhere.id, starts_on=date(2026, 1, 1), explanation="x"
    )
    work.session.add(foreign)
    work.session.commit()
    assert commissioner.get(f"/staff/rules/{foreign.id}").status_code == 404
    assert "Elsewhere" not in commissioner.get("/staff/rules").text


def test_a_practice_closes_with_what_it_moves_said_first(
    commissioner: Visitor, region: Region, referred: Referred, work: Work
) -> None:
    code, path = region.practice.ods_code, f"/staff/practices/{region.practice.ods_code}/close"
    heir = region.other_practice
    page = commissioner.get(path)
    assert "This can’t be undone" in page.text
    assert f">{heir.name} ({heir.ods_code})<" in page.text
    assert 'method="post" action="' + path not in page.text  # first the successor, named again before the button
    refused = commissioner.get(f"{path}?successor=")
    assert refused.status_code == 422
    assert "Choose who takes the patients over" in refused.text
    assert commissioner.get(f"{path}?successor={code}").status_code == 422
    page = commissioner.get(f"{path}?successor={heir.ods_code}")
    assert f"its patients go over to {heir.name} ({heir.ods_code})" in page.text
    assert commissioner.send(page, path).status_code == 422
    page = commissioner.send(page, path, sure="yes")
    assert "Millbrook Surgery is closed. 1 patient and 1 open referral went over to Hilltop Practice." in page.text
    assert "Closed 2 March 2026" in page.text
    assert "closed already" in commissioner.get(path).text
    assert commissioner.get("/staff/practices/XYZ/close").status_code == 404
    assert "No such practice" in commissioner.get("/staff/practices?q=zzz").text
    assert code in page.text


def test_practices_of_one_name_are_all_reached_and_told_apart(
    commissioner: Visitor, region: Region, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(practices, "PAGE", 2)
    codes = [f"P9900{number}" for number in range(5)]
    for code in codes:
        factories.OrganisationFactory(
            ods_code=code, kind="PRACTICE", name="The Surgery", commissioner_id=region.commissioner.id
        )
    work.session.commit()
    page, seen = commissioner.get("/staff/practices"), ""
    for _ in range(5):
        seen += page.text
        if (more := re.search(r'href="([^"]+)">More practices', page.text)) is None:
            break
        page = commissioner.get(html.unescape(more[1]))
    assert [code for code in codes if f"<td>{code}</td>" in seen] == codes
    page = commissioner.get(f"/staff/practices/{region.practice.ods_code}/close")
    for code in codes:
        assert f"The Surgery ({code})" in page.text


def test_a_refused_end_takes_nothing_from_the_other_form(
    commissioner: Visitor, rule: CommissioningRule, work: Work
) -> None:
    path = f"/staff/rules/{rule.id}"
    page = commissioner.send(
        commissioner.get(path), path, explanation="Until summer", ends_on__day="30", ends_on__month="6",
        ends_on__year="2026",
    )  # fmt: skip
    for wrong in ({"end_explanation": ""}, {"end_explanation": "Over", "last_day__year": "2027"}):
        refused = commissioner.send(page, f"{path}/end", **wrong)
        assert refused.status_code in (409, 422)
        assert "Until summer" in refused.text
        page = commissioner.send(refused, path, explanation="Until summer")
        assert "The rule is changed." in page.text
    work.session.expire_all()
    assert work.session.get_one(CommissioningRule, rule.id).ends_on == date(2026, 6, 30)


def test_of_versions_from_one_day_on_only_the_last_is_to_come(
    commissioner: Visitor, region: Region, work: Work
) -> None:
    for days in (5, 6):
        publish_policy(work, {"offer_days": days}, effective_from=date(2026, 4, 1), explanation=f"With {days}")
    work.session.commit()
    coming = still_to_come(work.session, work.today, 0)
    work.session.rollback()
    assert [row.version for row in coming] == [2]
