"""A commissioner and an analyst at their pages, and a year of records to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from booking.domain.words import ClockState, PlanRunState, Role
from booking.models import CommissioningRule, PlanRun, Service
from booking.services.work import Work
from tests import factories
from tests.factories import Region
from tests.reports.conftest import Records
from tests.web.conftest import Visitor


@pytest.fixture
def commissioner(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.COMMISSIONER)


@pytest.fixture
def analyst(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.INFORMATION_ANALYST)


@pytest.fixture
def records(work: Work, region: Region) -> Records:
    return Records(work, region)


@pytest.fixture
def year(records: Records, work: Work) -> Records:
    """Of each of the last three months 12 seen, 6 of them late, with offers of two providers; as many still wait."""
    first, second = records.region.services
    for month in (date(2025, 12, 10), date(2026, 1, 14), date(2026, 2, 11)):
        at = datetime(month.year, month.month, month.day, 10, tzinfo=work.now.tzinfo) - timedelta(days=30)
        for number in range(12):
            due = month - timedelta(days=5) if number < 6 else month + timedelta(days=60)
            seen = records.referral(
                at,
                due_date=due,
                rtt_clock_stopped_on=month,
                rtt_clock_state=ClockState.STOPPED,
                rtt_clock_start=at.date(),
                service_id=first.id,
            )
            records.appointment(seen, month + timedelta(days=number // 6))
            records.offers(seen, [records.slot(month, first), records.slot(month, second)])
        for _ in range(6):
            records.referral(at)
    records.commit()
    return records


def plan_run(work: Work, **fields: object) -> PlanRun:
    summary = {
        "referrals": 40, "placed": 38, "unplaced": {"NO_SLOTS": 2}, "pairs": 1234, "objective": 50_000, "bound": 50_000,
        "gap": 0, "trouble": None, "weights": {"travel_km": 700},
        "comparison": {
            "plan": {"breaches": 6, "placed": 38, "wait": {"mean": 20.0}, "by_priority": {"urgent": {"breaches": 1}}},
            "ring_fenced_fcfs": {"breaches": 9, "placed": 3, "wait": {"mean": 21.0}, "by_priority": {}},
        },
        "fairness": fairness(),
    }  # fmt: skip
    given = {
        "state": PlanRunState.APPLIED, "started_at": work.now - timedelta(seconds=9), "heartbeat_at": work.now,
        "finished_at": work.now, "as_of": work.today, "policy_version": 0, "certified": True, "summary": summary,
    }  # fmt: skip
    run = PlanRun(**{**given, **fields})
    work.session.add(run)
    work.session.commit()
    work.session.refresh(run)
    work.session.expunge(run)
    work.session.rollback()
    return run


def fairness() -> dict[str, object]:
    def group(name: str, people: int, mean: float, before: float) -> dict[str, object]:
        return {
            "group": name, "people": people, "judged": True,
            "methods": {
                "plan": {"breaches": 6, "unplaced": 0, "mean_wait": mean, "p95": 40, "longest": 50},
                "ring_fenced_fcfs": {"breaches": 12, "unplaced": 0, "mean_wait": before, "p95": 41, "longest": 60},
            },
        }  # fmt: skip

    groups = [group("urgent", 30, 15.0, 10.0), group("routine", 30, 20.0, 24.0), group("two_week_wait", 3, 9.0, 1.0)]
    return {"everybody": [group("all", 60, 18.0, 19.0)], "breakdowns": {"priority": {"groups": 3, "named": groups}}}


@pytest.fixture
def closed_service(work: Work, region: Region) -> Service:
    """One that is open only where a commissioner opens it."""
    site = factories.SiteFactory(organisation_id=region.provider.id, ods_code="RA177")
    made = factories.service(work, region.provider, site, name="Laser clinic", nationally_visible=False)
    work.session.commit()
    return made


@pytest.fixture
def rule(work: Work, region: Region, closed_service: Service) -> CommissioningRule:
    made = CommissioningRule(
        service_id=closed_service.id, organisation_id=region.commissioner.id, starts_on=date(2026, 1, 1),
        explanation="Bought for all",
    )  # fmt: skip
    work.session.add(made)
    work.session.commit()
    return made
