"""The overview, reports, plans: what they show, what they keep back, and how long reports are made beforehand."""

from __future__ import annotations

import json

import pytest

from booking.domain.words import PlanRunState
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import ReportCopy
from booking.services.reports import kept
from booking.services.reports.catalogue import REPORTS
from booking.services.work import Work
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
    assert page.text.count("Too few to be told") == 14
    assert '<svg class="com-chart"' not in page.text


def test_a_year_in_charts_with_the_figures_behind(commissioner: Visitor, year: Records) -> None:
    page = commissioner.get("/staff/overview")
    assert page.text.count('role="img"') >= 5
    assert "Last 50%, February 2026" in page.text  # six of twelve were seen late
    assert "31 days, February 2026" in page.text
    assert "Offered a choice of providers" in page.text
    assert "100%, January 2026" in page.text
    assert "not told" in page.text
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
    assert "Urgent (by priority): 5 days longer, 15 instead of 10" in page.text
    assert "Two week wait" not in page.text  # of three people
    assert '<td class="app-number">3</td>' not in page.text
    page = commissioner.get(f"/staff/plan/runs/{failed.id}")
    assert "This run failed" in page.text
    assert "Ada" not in page.text
    assert "Not the usual way" in commissioner.get(f"/staff/plan/runs/{simple.id}").text
    assert commissioner.get("/staff/plan/runs/999").status_code == 404
    assert "5 days longer" in commissioner.get("/staff/plan/fairness").text


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
