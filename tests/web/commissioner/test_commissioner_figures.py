"""The overview, reports, plans: what they show, what they keep back, and how long reports are made beforehand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from booking.domain.words import PlanRunState
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import PlanRequest, ReportCopy
from booking.services.reports import kept, options, plans
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.publish import protected
from booking.services.work import Work
from booking.web.commissioner.fair import Fairness, fair
from tests import factories
from tests.factories import Region
from tests.reports.conftest import Records
from tests.web.commissioner.conftest import plan_run
from tests.web.conftest import Visitor

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
YEAR = "from=2025-12&to=2026-02"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region whose reports nobody's page may make."""
    monkeypatch.setattr(kept, "SMALL_REFERRALS", 0)


def test_an_empty_region_says_so(commissioner: Visitor) -> None:
    page = commissioner.get("/staff")
    assert page.request.path == "/staff/overview"
    assert "Nothing has been planned yet" in page.text
    assert page.text.count("Suppressed: counts below 5 are not shown") == 14
    assert '<svg class="com-chart"' not in page.text


def test_a_year_in_charts_with_the_figures_behind(commissioner: Visitor, year: Records) -> None:
    page = commissioner.get("/staff/overview")
    assert page.text.count('role="img"') >= 5
    assert "Last 50%, February 2026" in page.text  # six of twelve were seen late
    assert "31 days, February 2026" in page.text
    assert "Offered a choice of providers" in page.text
    assert "100%, January 2026" in page.text
    assert "suppressed" in page.text
    assert "Patient" not in page.text.replace("Patients of your", "")
    by_provider = commissioner.get("/staff/overview?by=provider&specialty=330&provider=RA1")
    assert "Choice is offered before anybody knows the provider" in by_provider.text
    assert "Ambervale General" in by_provider.text
    assert commissioner.get("/staff/overview?specialty=x&provider=%00&by=y").status_code == 200


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_every_report_is_a_page_and_two_files(commissioner: Visitor, year: Records, name: str) -> None:
    assert f"/staff/reports/{name}" in commissioner.get("/staff/reports").text
    page = commissioner.get(f"/staff/reports/{name}")
    assert page.status_code == 200
    assert "What each column means" in page.text
    csv = commissioner.get(f"/staff/reports/{name}/csv")
    assert csv.content_type.startswith("text/csv")
    assert "attachment" in csv.headers["Content-Disposition"]
    assert json.loads(commissioner.get(f"/staff/reports/{name}/json").data)["name"] == name


def test_a_report_is_narrowed_and_shown_as_asked(commissioner: Visitor, year: Records) -> None:
    page = commissioner.get(f"/staff/reports/waits-by-month?{YEAR}&by=month&measure=SEEN&show=breach_percent")
    assert "50%, February 2026" in page.text
    assert "December 2025" in page.text
    page = commissioner.get(f"/staff/reports/waits?{YEAR}&by=provider&measure=SEEN&show=mean_days")
    assert "com-bars__fill" in page.text
    assert "31 days" in page.text
    page = commissioner.get("/staff/reports/choice?from=2026-02&to=2026-02&by=specialty&show=offered")
    assert "Dermatology" in page.text


@pytest.mark.parametrize(
    "query", ["from=2026-03&to=2026-03", "from=2026-02&to=2025-02", "specialty=zz", "priority=SOON", "from=nonsense"]
)
def test_a_question_that_can_t_be_asked(commissioner: Visitor, region: Region, query: str) -> None:
    page = commissioner.get(f"/staff/reports/waits?{query}")
    assert page.status_code == 422
    assert "There is a problem" in page.text
    assert "Error: " in page.text
    assert commissioner.get("/staff/reports/none").status_code == 404


def test_a_large_region_s_reports_are_made_beforehand(
    commissioner: Visitor, year: Records, app: BookingApp, large: None
) -> None:
    page = commissioner.get("/staff/overview")
    assert "These figures have not been made yet" in page.text
    page = commissioner.send(page, "/staff/overview")
    assert "The figures are being made." in page.text
    assert "data-live" in page.text
    assert tasks.make_reports(app) == 5
    page = commissioner.get("/staff/overview")
    assert "Last 50%, February 2026" in page.text
    assert "Bring up to date" in page.text
    assert tasks.make_reports(app) == 0
    page = commissioner.get(f"/staff/reports/bookings?{YEAR}")
    assert "This has not been made yet" in page.text
    assert commissioner.get(f"/staff/reports/bookings/csv?{YEAR}").request.path == "/staff/reports/bookings"
    for _ in range(2):
        page = commissioner.send(commissioner.get(f"/staff/reports/bookings?{YEAR}"), "/staff/reports/bookings")
        assert "The report is being made" in page.text or "Make it anew" in page.text
        if "Make it anew" not in page.text:
            assert tasks.make_reports(app) == 1
    assert commissioner.get(f"/staff/reports/bookings/csv?{YEAR}").content_type.startswith("text/csv")


def test_the_night_makes_every_overview(commissioner: Visitor, year: Records, app: BookingApp, large: None) -> None:
    assert tasks.ask_for_reports(app) == 1
    assert tasks.make_reports(app) == 5
    assert "Last 50%, February 2026" in commissioner.get("/staff/overview").text


def test_a_report_that_fails_is_said_to_and_the_one_before_stays(
    commissioner: Visitor, year: Records, app: BookingApp, large: None, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/staff/reports/bookings?{YEAR}"
    commissioner.send(commissioner.get(path), "/staff/reports/bookings")
    with monkeypatch.context() as broken:
        broken.setattr(kept, "answer", lambda *_: 1 / 0)
        assert tasks.make_reports(app) == 0
    page = commissioner.get(path)
    assert "The last attempt failed" in page.text
    assert "ZeroDivision" not in page.text
    commissioner.send(page, "/staff/reports/bookings")
    assert tasks.make_reports(app) == 1
    assert "The last attempt failed" not in commissioner.get(path).text
    work.session.expire_all()
    assert work.session.query(ReportCopy).one().error is None


def test_asking_for_too_many_is_said_and_for_one_that_waits_is_not(
    commissioner: Visitor, year: Records, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_WAITING", 1)
    path = f"/staff/reports/bookings?{YEAR}"
    for code in ("RA1", "ra1", "%20ra1%20"):
        page = commissioner.get(f"{path}&provider={code}")
        if "The report is being made" not in page.text:
            page = commissioner.send(page, "/staff/reports/bookings")
        assert "The report is being made" in page.text
        assert "Look again" in page.text
    refused = commissioner.send(commissioner.get(f"{path}&provider=RA2"), "/staff/reports/bookings")
    assert refused.status_code == 200
    assert "waiting already" in refused.text
    refused = commissioner.send(commissioner.get("/staff/overview"), "/staff/overview")
    assert refused.status_code == 200
    assert "waiting already" in refused.text


@pytest.mark.parametrize("query", ["from=9999-12", "to=9999-12", "from=0001-01", "from=0001-01&to=0001-01"])
def test_a_year_out_of_this_world_is_a_fault_of_the_question(commissioner: Visitor, region: Region, query: str) -> None:
    assert commissioner.get(f"/staff/reports/waits?{query}").status_code == 422


def test_only_providers_with_services_can_be_chosen(region: Region, work: Work) -> None:
    factories.OrganisationFactory(ods_code="RA9", kind="PROVIDER", name="Nothing here")
    assert {code for code, _ in options.providers(work)} == {"RA1", "RA2"}


def test_an_organisation_s_code_stays_as_it_is(commissioner: Visitor, year: Records) -> None:
    for _ in range(6):
        year.referral(worklist_organisation_id=year.region.provider.id)
    year.commit()
    text = commissioner.get("/staff/reports/worklists").text
    assert "RA1" in text
    assert "Ra1" not in text


def test_plans_with_their_proof_and_who_waits_longer(commissioner: Visitor, region: Region, work: Work) -> None:
    run = plan_run(work)
    failed = plan_run(
        work, state=PlanRunState.FAILED, certified=False, summary={}, error="ValueError: of Ada Patient1",
    )  # fmt: skip
    simple = plan_run(work, certified=False, summary={**run.summary, "trouble": "solver failed (X); greedy"})
    page = commissioner.get("/staff/plan")
    assert "Failed" in page.text
    assert "Applied, simpler way" in page.text
    page = commissioner.get(f"/staff/plan/runs/{run.id}")
    for words in ("1,234", "5.0 patient-days", "None. A plan that breaks one is never applied.", "Proved", "changed"):
        assert words in page.text
    assert "Urgent (by priority): about 5 days longer, 15 instead of 10" in page.text
    assert "Two week wait" not in page.text  # of three people
    assert '<td class="app-number">3</td>' not in page.text
    assert "<dd>42</dd>" in page.text  # 40 wait
    assert "<strong>12</strong></td>" in page.text  # 9 targets missed
    assert "fewer than 5" in page.text  # 2 without a time, 1 target of an urgent patient
    assert "because their services" not in page.text
    assert "20 days" in page.text
    assert "21 days" not in page.text  # the mean of fewer than five
    page = commissioner.get(f"/staff/plan/runs/{failed.id}")
    assert "This run failed" in page.text
    assert "Ada" not in page.text
    assert "Not the usual way" in commissioner.get(f"/staff/plan/runs/{simple.id}").text
    assert commissioner.get("/staff/plan/runs/999").status_code == 404
    assert "5 days longer" in commissioner.get("/staff/plan/fairness").text


@pytest.mark.parametrize("path", ["/staff/plan", "/staff/overview"])
def test_no_page_of_the_plan_tells_a_small_number(commissioner: Visitor, region: Region, work: Work, path: str) -> None:
    plan_run(work)
    text = commissioner.get(path).text
    assert "about 6" in text or "<strong>6</strong>" in text
    assert "about 12" in text or "<strong>12</strong>" in text
    for number in ("38", "9", "2", "1"):
        assert f">{number}<" not in text


def test_of_a_small_plan_no_figure_is_told(commissioner: Visitor, region: Region, work: Work) -> None:
    run = plan_run(work)
    work.session.add(
        PlanRequest(referral_ids=[1], requested_at=work.now, done_at=work.now, plan_run_id=run.id, reason="x")
    )
    work.session.commit()
    text = commissioner.get(f"/staff/plan/runs/{run.id}").text
    assert "It was about a few people" in text
    for words in ("Targets missed", "patient-days", "Who waits longer", "1,234"):
        assert words not in text
    assert 'class="app-number">42<' not in commissioner.get("/staff/plan?all=yes").text


def test_the_least_number_told_is_the_configured_one(
    commissioner: Visitor, region: Region, work: Work, app: BookingApp
) -> None:
    app.settings = replace(app.settings, small_numbers=7)
    plan_run(work)
    for path in ("/staff/overview", "/staff/plan", "/staff/plan/fairness"):
        text = commissioner.get(path).text
        assert "below 7 are" in text
        assert "multiple of 10" in text
        assert "below 5" not in text
        assert "fewer than 5" not in text


def test_whether_a_group_waits_longer_is_told_of_means_that_are_not_rounded(work: Work) -> None:
    def row(days: float, before: float) -> dict[str, object]:
        of = {"breaches": 6, "unplaced": 0, "p95": 40, "longest": 50}
        methods = {"plan": {**of, "mean_wait": days}, "ring_fenced_fcfs": {**of, "mean_wait": before}}
        return {"group": "urgent", "people": 30, "methods": methods}

    def found(*named: dict[str, object]) -> Fairness | None:
        summary = {"fairness": {"everybody": [row(1, 1)], "breakdowns": {"priority": {"named": list(named)}}}}
        columns = REPORTS["plan-fairness"].columns
        return fair([protected(one, columns, 5) for one in plans.groups(summary)])

    assert [one.verdict for _, groups in found(row(11.5, 10.4), row(12.4, 10.6)).breakdowns for one in groups] == [
        "longer", "longer",
    ]  # fmt: skip
    assert found(row(11.5, 10.51)).longer == []  # 12 and 11, of less than a day
    few = found({**row(20, 10), "people": 3})
    assert not few.judged
    assert few.longer == []


def test_where_the_next_session_helps(commissioner: Visitor, year: Records, work: Work) -> None:
    assert "No session to name" in commissioner.get("/staff/plan/next-session").text
    service = year.region.services[0].id
    sessions = [{"service": service, "day": "2026-03-10", "people": 12, "breaches": 2, "value": 5}]
    plan_run(work, summary={"next_session": {"places": 12, "sessions": sessions}})
    page = commissioner.get("/staff/plan/next-session")
    assert "Tuesday 10 March 2026" in page.text
    assert "at most 12" in page.text
    assert "at most 2<" not in page.text
    assert "Tuesday 10 March 2026" in commissioner.get("/staff/overview").text
