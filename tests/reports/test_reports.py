"""What each report counts, and whose."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from booking.domain.errors import Invalid
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    AdviceState,
    BookingState,
    Channel,
    ClockState,
    OrganisationKind,
    Priority,
    Role,
    Worklist,
)
from booking.models import (
    AdviceRequest,
    ClinicCancellation,
    OutboxMessage,
    ReferralEvent,
)
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.histogram import Histogram, statistics
from booking.services.reports.period import period
from booking.services.work import Work
from tests import factories
from tests.conftest import NOW
from tests.factories import Region, bearer
from tests.reports.conftest import API, FEBRUARY, Headers, Records, Report, row

DAY = date(2026, 2, 20)


def test_the_catalogue(client: FlaskClient, commissioner: Headers) -> None:
    listed = client.get(f"{API}/reports", headers=commissioner).json["reports"]
    assert [one["name"] for one in listed] == list(REPORTS)
    assert {one["name"] for one in listed} == {
        "referrals", "bookings", "deferrals", "choice", "waits", "slots", "attendance", "messages", "worklists",
        "cancellations", "next-session", "plan-fairness", "waits-by-month", "slots-by-month",
    }  # fmt: skip
    assert client.get(f"{API}/reports/nothing", headers=commissioner).status_code == 404


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_an_empty_region(report: Report, name: str) -> None:
    made = report(name, "")
    for one in made["rows"]:
        words = ("breakdown", "group", "name", "measure", "worklist", "organisation")
        assert not any(value for column, value in one.items() if column not in words)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_only_commissioners_and_analysts(client: FlaskClient, work: Work, region: Region, name: str) -> None:
    tokens = {role: bearer(factories.token(work, region, role)) for role in region.account_roles}
    work.session.commit()
    for role, headers in tokens.items():
        status = client.get(f"{API}/reports/{name}", headers=headers).status_code
        assert status == (200 if role in (Role.COMMISSIONER, Role.INFORMATION_ANALYST) else 403), role


def test_referrals_made(records: Records, report: Report, region: Region) -> None:
    for _ in range(12):
        records.referral()
    for _ in range(6):
        records.referral(practice_id=region.other_practice.id, priority=Priority.URGENT)
    for _ in range(6):
        records.referral(
            state=ReferralState.CANCELLED_REFERRAL, worklist=None, worklist_organisation_id=None, worklist_since=None,
            worklist_due=None,
        )  # fmt: skip
    records.referral(datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    records.referral(state=ReferralState.DRAFT)
    records.commit()
    made = report("referrals")
    assert row(made) == {
        "breakdown": "all", "group": "all", "name": "Everything together", "referrals": 24, "booked_now": None,
        "cancelled_since": 6,
    }  # fmt: skip
    assert row(made, "practice", "P81001")["referrals"] == 18
    assert row(made, "practice", "P81002")["name"] == "Hilltop Practice"
    assert row(made, "priority", "URGENT")["referrals"] == 6
    assert row(made, "month", "2026-02")["referrals"] == 24
    assert row(made, "commissioner", "00X")["referrals"] == 24
    urgent = report("referrals", "from=2026-01-01&to=2026-02-28&priority=URGENT")
    assert (row(urgent)["referrals"], urgent["filters"]) == (6, {"priority": "URGENT"})


def test_another_commissioners_practices_are_not_counted(
    client: FlaskClient, work: Work, records: Records, report: Report
) -> None:
    other = factories.OrganisationFactory(ods_code="00Y", kind=OrganisationKind.COMMISSIONER, name="Elsewhere")
    practice = factories.OrganisationFactory(commissioner_id=other.id)
    for _ in range(12):
        one = records.referral(practice_id=practice.id)
        records.appointment(one, DAY)
        records.offers(one, [records.slot(DAY)])
    for _ in range(6):
        records.referral()
    stranger = factories.account(work, Role.COMMISSIONER, other)
    analyst = factories.account(work, Role.INFORMATION_ANALYST, records.region.practice, "analyst@p81001")
    provider = factories.account(work, Role.INFORMATION_ANALYST, records.region.provider, "analyst@ra1")
    headers = [
        bearer(factories.token(work, factories.replace(records.region, account_roles={one.role: one}), one.role))
        for one in (stranger, analyst, provider)
    ]
    records.commit()
    assert row(report("referrals"))["referrals"] == 6
    for name, measure in (("bookings", "bookings"), ("attendance", "recorded")):
        assert row(report(name))[measure] is None
    assert row(report("slots"))["published"] is None
    assert row(report("choice"))["offered"] is None
    query = "from=2026-02-01&to=2026-02-28"
    theirs = [client.get(f"{API}/reports/referrals?{query}", headers=one) for one in headers]
    assert row(theirs[0].json)["referrals"] == 12
    assert row(theirs[1].json)["referrals"] == 6
    assert theirs[2].status_code == 403


def test_bookings_and_attendance(records: Records, report: Report) -> None:
    for state, number, weeks in (
        (BookingState.ATTENDED, 12, 0), (BookingState.DID_NOT_ATTEND, 6, 5), (BookingState.CANCELLED, 6, 1),
        (BookingState.ATTENDED, 6, 5),
    ):  # fmt: skip
        for _ in range(number):
            at = datetime(2026, 2, 20, 12, tzinfo=UTC) - timedelta(weeks=weeks)
            records.appointment(records.referral(), DAY, state, booked=at - timedelta(days=1))
    records.commit()
    made = report("bookings", "from=2026-01-01&to=2026-02-28")
    everything = row(made)
    assert (everything["bookings"], everything["attended"], everything["did_not_attend"]) == (30, 18, 6)
    assert (everything["cancelled_since"], everything["cancelled_percent"]) == (6, 20)
    assert row(made, "month", "2026-01")["bookings"] == 12
    seen = report("attendance")
    assert (row(seen)["recorded"], row(seen)["did_not_attend_percent"]) == (24, 25)
    assert row(seen, "lead_time", "under 1 week")["did_not_attend"] is None
    assert row(seen, "lead_time", "4 to 8 weeks") == {
        "breakdown": "lead_time", "group": "4 to 8 weeks", "name": "4 to 8 weeks", "recorded": 12, "attended": 6,
        "did_not_attend": 6, "did_not_attend_percent": 50,
    }  # fmt: skip
    assert row(report("attendance", "from=2026-02-01&to=2026-02-28&provider=RA2"))["recorded"] is None


def test_deferrals(records: Records, report: Report) -> None:
    for number in range(12):
        one = records.referral(service_id=records.region.services[0].id)
        records.work.session.add(
            ReferralEvent(
                referral_id=one.id, sequence=2, action=Action.DEFER_TO_PROVIDER, from_state=ReferralState.NOT_BOOKED,
                to_state=ReferralState.DEFERRED_TO_PROVIDER, actor="patient", role=Role.PATIENT, at=FEBRUARY,
                reason_code="NO_SLOTS" if number < 6 else "SLOT_NOT_AVAILABLE",
            )
        )  # fmt: skip
        if number < 6:
            records.appointment(one, DAY, booked=FEBRUARY + timedelta(days=1))
    records.commit()
    made = report("deferrals")
    assert (row(made)["deferrals"], row(made)["referrals"], row(made)["booked_after_percent"]) == (12, 12, 50)
    assert row(made, "reason", "NO_SLOTS")["booked_after"] == 6
    assert row(made, "provider", "RA1")["name"] == "Ambervale General"


def test_choice_is_that_of_the_first_offers(records: Records, report: Report) -> None:
    first, second = records.region.services
    near = [records.slot(DAY + timedelta(days=n), first) for n in range(6)]
    far = records.slot(DAY, second)
    for _ in range(12):  # one provider, two days; later more, which comes too late to count
        one = records.referral()
        records.offers(one, near[:2])
        records.offers(one, [near[0], far, *near[2:]], FEBRUARY + timedelta(days=9))
    for _ in range(6):
        records.offers(records.referral(), [near[0], far])
    for _ in range(6):
        records.offers(records.referral(), near)
    for _ in range(6):
        records.referral()
    records.commit()
    everything = row(report("choice"))
    assert (everything["referrals"], everything["offered"]) == (30, 24)
    assert [everything[f"providers_{n}"] for n in (1, 2, 3)] == [18, 6, None]
    assert [everything[name] for name in ("days_1", "days_2", "days_3", "days_5_or_more")] == [6, 12, None, 6]
    assert (everything["more_than_one_provider_percent"], everything["more_than_one_day_percent"]) == (25, 75)


def test_waits_of_those_seen(records: Records, report: Report) -> None:
    for waited in range(1, 41):
        start = DAY - timedelta(days=waited)
        one = records.referral(rtt_clock_start=start, due_date=start + timedelta(days=30))
        state = BookingState.ATTENDED if waited % 2 else BookingState.BOOKED
        records.appointment(one, DAY, state)
    records.commit()
    made = row(report("waits"), measure="SEEN")
    assert made["people"] == 42
    assert (made["breaches"], made["breach_percent"]) == (12, 29)
    assert (made["mean_days"], made["median_days"], made["p95_days"], made["longest_weeks"]) == (21, 20, 38, 5)


def test_waits_of_those_still_waiting(records: Records, report: Report) -> None:
    for _ in range(24):
        records.referral()
    for _ in range(6):  # stopped within the month: no longer waiting
        records.referral(rtt_clock_state=ClockState.STOPPED, rtt_clock_stopped_on=DAY)
    for _ in range(6):  # stopped after it: still waiting then
        records.referral(rtt_clock_state=ClockState.STOPPED, rtt_clock_stopped_on=date(2026, 3, 1))
    records.referral(NOW)
    records.commit()
    made = row(report("waits"), measure="WAITING")
    assert (made["people"], made["median_days"], made["longest_weeks"]) == (30, 18, 2)
    assert row(report("waits", "from=2026-01-01&to=2026-01-31"), measure="WAITING")["people"] is None


def test_waits_by_need_distance_and_deprivation(records: Records, report: Report) -> None:
    site = (53.50, -2.20)
    kinds: list[tuple[dict[str, Any], str, str]] = [
        ({"latitude": site[0], "longitude": site[1]}, "distance", "under 5 miles"),
        ({"latitude": site[0] + 7 / 69.09, "longitude": site[1]}, "distance", "5 to 10 miles"),
        ({"latitude": site[0], "longitude": site[1] - 15 / 41.1}, "distance", "10 to 20 miles"),
        ({"latitude": None, "longitude": None}, "distance", "not known"),
        ({"step_free": True}, "step_free", "needs step-free access"),
        ({"interpreter_language": "Welsh"}, "interpreter", "needs an interpreter"),
        ({"video_possible": False}, "video", "video not possible"),
        ({"deprivation_decile": 1}, "deprivation", "1"),
        ({"deprivation_decile": 10}, "deprivation", "10"),
    ]
    for fields, _, _ in kinds:
        for _ in range(6):
            person = factories.PatientFactory(practice_id=records.region.practice.id, **fields)
            records.appointment(records.referral(patient=person), DAY)
    records.commit()
    made = report("waits")
    for _, breakdown, group in kinds[1:]:
        assert row(made, breakdown, group, measure="SEEN")["people"] == 6, group
        assert row(made, breakdown, group, measure="WAITING")["people"] == 6, group
    deciles = [one["group"] for one in made["rows"] if one["breakdown"] == "deprivation" and one["measure"] == "SEEN"]
    assert deciles == ["1", "10", "not known"]


def test_slot_use(records: Records, report: Report) -> None:
    first, second = records.region.services
    used = [records.slot(DAY, first) for _ in range(24)]
    for slot in used[:12]:
        records.appointment(records.referral(), DAY, slot=slot)
    for slot in used[12:18]:
        records.appointment(records.referral(), DAY, BookingState.DID_NOT_ATTEND, slot=slot)
    for _ in range(6):
        records.withdrawn(DAY, service=first)
        records.slot(DAY, second)  # nobody of ours went there
    records.commit()
    made = report("slots")
    assert row(made, "provider", "RA1") == {
        "breakdown": "provider", "group": "RA1", "name": "Ambervale General", "published": 24, "withdrawn": 6,
        "booked": 18, "attended": 12, "did_not_attend": 6, "unused": 6, "used_percent": 75,
    }  # fmt: skip
    assert row(made, "service", f"RA1/{first.id}")["name"] == "Ambervale General: Dermatology clinic"
    assert [one["group"] for one in made["rows"] if one["breakdown"] == "provider"] == ["RA1"]
    assert row(made)["published"] == 24


def test_messages(records: Records, report: Report) -> None:
    for number in range(24):
        one = records.referral()
        records.work.session.add(
            OutboxMessage(
                event_key=f"m{number}", kind="offers-ready", referral_id=one.id, payload={}, created_at=FEBRUARY,
                next_attempt_at=FEBRUARY, channel=Channel.EMAIL, delivered_at=FEBRUARY if number < 12 else None,
                failed_at=FEBRUARY if number >= 18 else None,
                resolved_at=FEBRUARY if number >= 21 else None,
            )
        )  # fmt: skip
    records.commit()
    made = row(report("messages"))
    assert [made[name] for name in ("messages", "delivered", "failed", "resolved", "waiting")] == [24, 12, 6, None, 6]
    assert row(report("messages"), "channel", "EMAIL")["failed_percent"] == 25


def test_worklists_of_now(client: FlaskClient, records: Records, report: Report, commissioner: Headers) -> None:
    for number in range(30):
        records.referral(worklist_due=NOW.date() + timedelta(days=-1 if number < 6 else 1))
    region = records.region
    for number in range(6):
        records.work.session.add(
            AdviceRequest(
                reference=f"{700_000_000_000 + number}", patient_id=region.patient.id, practice_id=region.practice.id,
                service_id=region.services[0].id, referrer="Dr Lake", priority=Priority.ROUTINE, subject="A mole",
                state=AdviceState.AWAITING_PROVIDER, created_at=FEBRUARY, worklist=Worklist.ADVICE_REQUESTS,
                worklist_organisation_id=region.provider.id, worklist_since=FEBRUARY, worklist_due=NOW.date(),
            )
        )  # fmt: skip
    records.commit()
    made = {(one["worklist"], one["organisation"]): one for one in report("worklists", "")["rows"]}
    assert made["AWAITING_BOOKING", "all"] == {
        "worklist": "AWAITING_BOOKING", "organisation": "all", "name": "Everybody together", "open": 30, "overdue": 6,
        "oldest_weeks": 2,
    }  # fmt: skip
    assert made["AWAITING_BOOKING", "P81001"]["name"] == "Millbrook Surgery"
    assert made["ADVICE_REQUESTS", "RA1"] == {
        "worklist": "ADVICE_REQUESTS", "organisation": "RA1", "name": "Ambervale General", "open": 6, "overdue": None,
        "oldest_weeks": None,
    }  # fmt: skip
    refused = client.get(f"{API}/reports/worklists?from=2026-02-01", headers=commissioner)
    assert [error["field"] for error in refused.json["errors"]] == ["from"]
    refused = client.get(f"{API}/reports/messages?specialty=330", headers=commissioner)
    assert [error["code"] for error in refused.json["errors"]] == ["NOT_TAKEN"]


def test_clinics_cancelled(records: Records, report: Report) -> None:
    records.referral()  # it lists the first provider's service
    for provider in (records.region.provider, records.region.other_provider):
        for _ in range(6):
            records.work.session.add(
                ClinicCancellation(
                    organisation_id=provider.id, reason_code="CLINICIAN_UNAVAILABLE", cancelled_at=FEBRUARY,
                    cancelled_by="Somebody", slots=6, appointments=2,
                )
            )  # fmt: skip
    records.commit()
    made = report("cancellations")
    assert [row(made)[name] for name in ("clinics", "slots", "appointments")] == [6, 36, 12]
    assert row(made, "reason", "CLINICIAN_UNAVAILABLE")["clinics"] == 6
    assert [one["group"] for one in made["rows"] if one["breakdown"] == "provider"] == ["RA1"]


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_no_report_names_a_patient(records: Records, report: Report, name: str) -> None:
    for _ in range(30):
        one = records.referral(reason="CANARY-reason")
        person = records.work.session.get_one(factories.Patient, one.patient_id)
        person.given_name, person.postcode = "CANARY-name", "ZZ1 1ZZ"
        records.appointment(one, DAY)
        records.offers(one, [records.slot(DAY)])
        records.work.session.add(
            OutboxMessage(
                event_key=f"CANARY-{one.ubrn}", kind="offers-ready", referral_id=one.id, payload={"ubrn": one.ubrn},
                created_at=FEBRUARY, next_attempt_at=FEBRUARY,
            )
        )  # fmt: skip
    records.commit()
    text = json.dumps(report(name, ""))
    for secret in ("CANARY", "ZZ1 1ZZ", "999000", "90000000"):
        assert secret not in text


def test_percentiles_are_nearest_ranks() -> None:
    one = Histogram()
    one.add(7, 1)
    assert statistics(one) == {"mean_days": 7, "median_days": 7, "p95_days": 7, "longest_weeks": 1}
    for days in range(1, 101):
        one.add(days, 1)
    assert (one.percentile(50), one.percentile(95), one.longest()) == (50, 95, 100)
    assert statistics(Histogram())["mean_days"] is None


@pytest.mark.parametrize(("first", "last"), [(date(9999, 12, 1), None), (None, date(9999, 12, 31)), (date.min, None)])
def test_no_period_of_another_millennium(first: date | None, last: date | None) -> None:
    with pytest.raises(Invalid) as refused:
        period(first, last, today=date(2026, 3, 2))
    assert {one.code for one in refused.value.errors} == {"YEAR"}
