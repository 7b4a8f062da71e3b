"""Every page of commissioners in every state, looked at by axe on a desktop and at 320 px."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page
from sqlalchemy import delete, select

from booking.domain.words import PlanRunState
from booking.models import CommissioningRule, Organisation, PlanRun, PolicyPreview, Service, Site
from booking.services.policy import newest_number, publish_policy
from booking.services.work import Work
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.states import State, each, look
from tests.web.commissioner.conftest import fairness
from tests.web.commissioner.test_commissioner_rules import RESULT

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
COMMISSIONER, ANALYST = "commissioner@00x", "information_analyst@00x"
DOWNLOADS = {"web.report_csv", "web.report_json"}
LONG = "Community dermatology, plastics and laser treatment clinic for adults and young people (evenings and Saturdays)"
Arrange = Callable[[Clinic], str]


def _made(make: Callable[[Work, Clinic], str]) -> Arrange:
    """Make the world so in a transaction of its own, and return the path."""

    def arrange(clinic: Clinic) -> str:
        with clinic.database.unit_of_work() as session, factories.using(session):
            return make(clinic.work(session), clinic)

    return arrange


def _at(path: str) -> Arrange:
    return lambda _clinic: path


def _run(path: str, **fields: Any) -> Arrange:
    def make(work: Work, _clinic: Clinic) -> str:
        service = work.session.scalars(select(Service.id).order_by(Service.id).limit(1)).one()
        sessions = [{"service": service, "day": work.today.isoformat(), "people": 12, "breaches": 3, "value": 5}]
        summary = {
            "referrals": 40, "placed": 38, "unplaced": {"NO_SLOTS": 2}, "pairs": 12, "objective": 5, "bound": 5,
            "gap": 0, "weights": {"travel_km": 700, "breach": [1, 2, 3]}, "fairness": fairness(),
            "next_session": {"places": 12, "sessions": sessions},
            "comparison": {"plan": {"breaches": 6, "wait": {"mean": 20.0}, "by_priority": {}}},
        }  # fmt: skip
        given = {
            "state": PlanRunState.APPLIED, "started_at": work.now, "heartbeat_at": work.now, "finished_at": work.now,
            "as_of": work.today, "policy_version": 0, "certified": True, "summary": summary,
        }  # fmt: skip
        work.session.execute(delete(PlanRun).where(PlanRun.state == PlanRunState.RUNNING))
        run = PlanRun(**{**given, **fields})
        work.session.add(run)
        work.session.flush()
        return path.format(run=run.id)

    return _made(make)


def _preview(**fields: Any) -> Arrange:
    def make(work: Work, clinic: Clinic) -> str:
        commissioner = work.session.scalars(select(Organisation.id).where(Organisation.ods_code == "00X")).one()
        made = PolicyPreview(
            organisation_id=commissioner, body={"offer_days": 5}, requested_at=work.now, requested_by="Ione", **fields
        )
        work.session.add(made)
        work.session.flush()
        return f"/staff/policy/previews/{made.id}"

    return _made(make)


def _done() -> Arrange:
    return lambda clinic: _preview(
        started_at=clinic.region.slots[0].starts_at, finished_at=clinic.region.slots[0].starts_at, result=RESULT
    )(clinic)


def _published(path: str) -> Arrange:
    def make(work: Work, _clinic: Clinic) -> str:
        number = newest_number(work.session)
        day = work.today + timedelta(days=number)
        publish_policy(work, {"offer_days": 5 + number}, effective_from=day, explanation="<b>Shorter</b> ‏עברית 🙂")
        return path

    return _made(make)


def _rule(path: str, **fields: Any) -> Arrange:
    def make(work: Work, _clinic: Clinic) -> str:
        provider = work.session.scalars(select(Organisation).where(Organisation.ods_code == "RA1")).one()
        commissioner = work.session.scalars(select(Organisation).where(Organisation.ods_code == "00X")).one()
        site = work.session.scalars(select(Site).where(Site.ods_code == "RA101")).one()
        name = f"{LONG} {work.now:%H%M%S%f}"
        service = factories.service(work, provider, site, name=name, nationally_visible=False)
        given = {"starts_on": work.today, "explanation": "Bought for all"}
        made = CommissioningRule(service_id=service.id, organisation_id=commissioner.id, **{**given, **fields})
        work.session.add(made)
        work.session.flush()
        return path.format(rule=made.id, service=service.id)

    return _made(make)


def _press(name: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        page.get_by_role("button", name=name).click()
        page.get_by_role("heading", name="There is a problem").wait_for()

    return press


def _open_all(page: Page) -> None:
    for part in page.locator("main summary").all():
        part.click()


STATES = [
    State("web.overview", "nothing planned, few people", COMMISSIONER, _at("/staff/overview")),
    State("web.overview", "figures open", ANALYST, _run("/staff/overview?by=provider&specialty=330"), _open_all),
    State("web.reports", "full", COMMISSIONER, _at("/staff/reports")),
    State("web.report", "full", COMMISSIONER, _at("/staff/reports/slots"), _open_all),
    State("web.report", "present", COMMISSIONER, _at("/staff/reports/worklists")),
    State("web.report", "refused", COMMISSIONER, _at("/staff/reports/waits?from=2020-01&to=2019-01")),
    State("web.plan", "runs", COMMISSIONER, _run("/staff/plan?all=yes")),
    State("web.plan_run", "applied", COMMISSIONER, _run("/staff/plan/runs/{run}"), _open_all),
    State("web.plan_run", "failed", COMMISSIONER,
          _run("/staff/plan/runs/{run}", state=PlanRunState.FAILED, summary={}, error="x", certified=False)),
    State("web.plan_run", "running", COMMISSIONER,
          _run("/staff/plan/runs/{run}", state=PlanRunState.RUNNING, summary={}, finished_at=None, certified=False)),
    State("web.next_session", "full", COMMISSIONER, _run("/staff/plan/next-session")),
    State("web.next_session", "empty", COMMISSIONER, _run("/staff/plan/next-session", summary={})),
    State("web.fairness", "full", COMMISSIONER, _run("/staff/plan/fairness")),
    State("web.fairness", "empty", COMMISSIONER, _run("/staff/plan/fairness", summary={})),
    State("web.policy", "read only", ANALYST, _at("/staff/policy"), _open_all),
    State("web.policy", "with one to come", COMMISSIONER, _published("/staff/policy")),
    State("web.policy_change", "plain", COMMISSIONER, _at("/staff/policy/change"), _open_all),
    State("web.policy_change", "refused", COMMISSIONER, _at("/staff/policy/change"), _press("Publish")),
    State("web.policy_history", "full", COMMISSIONER, _published("/staff/policy/history")),
    State("web.policy_version", "defaults", COMMISSIONER, _published("/staff/policy/versions/0")),
    State("web.policy_version", "refused", COMMISSIONER, _published("/staff/policy/versions/0"),
          _press("Bring the defaults back")),
    State("web.policy_preview", "waiting", COMMISSIONER, _preview()),
    State("web.policy_preview", "done", COMMISSIONER, _done()),
    State("web.policy_preview", "refused", COMMISSIONER, _done(), _press("Publish")),
    State("web.rules", "full", COMMISSIONER, _rule("/staff/rules")),
    State("web.rules", "nothing found", COMMISSIONER, _at("/staff/rules?q=zzzz&ended=yes")),
    State("web.rule", "full", COMMISSIONER, _rule("/staff/rules/{rule}")),
    State("web.rule", "refused", COMMISSIONER, _rule("/staff/rules/{rule}"), _press("End the rule")),
    State("web.rule", "read only", ANALYST, _rule("/staff/rules/{rule}")),
    State("web.rule_new", "find", COMMISSIONER, _rule("/staff/rules/new")),
    State("web.rule_new", "nothing found", COMMISSIONER, _at("/staff/rules/new?q=zzzz")),
    State("web.rule_new", "form refused", COMMISSIONER, _rule("/staff/rules/new?service={service}"),
          _press("Open the service")),
    State("web.practices", "full", COMMISSIONER, _at("/staff/practices")),
    State("web.practices", "nothing found", COMMISSIONER, _at("/staff/practices?q=zzzz")),
    State("web.practice_close", "plain", COMMISSIONER, _at("/staff/practices/P81002/close")),
    State("web.practice_close", "chosen", COMMISSIONER, _at("/staff/practices/P81002/close?successor=none")),
    State("web.practice_close", "not sure", COMMISSIONER, _at("/staff/practices/P81002/close?successor=none"),
          _press("Close the practice")),
    State("web.practice_close", "nobody chosen", COMMISSIONER, _at("/staff/practices/P81002/close"),
          _press("Continue")),
]  # fmt: skip


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
