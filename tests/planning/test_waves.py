"""Waves: what is only pencilled for somebody not asked yet may be taken by those asked, and newcomers, at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.db import Database
from booking.domain.offer import PENCILLED
from booking.domain.words import BookingState, Priority, SlotStatus
from booking.models import AuditEntry, Booking, Offer, Pencil, PlanRun, Referral, Slot
from booking.services import policy
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region, bearer
from tests.planning.conftest import Flask

Head = dict[str, str]


def only(work: Work, region: Region, *wanted: tuple[int, int], hour: int = 9) -> list[Slot]:
    """Withdraw every slot but one at each (service, days from now) named; these in the order named."""
    work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
    return [another(work, region, service, days, hour) for service, days in wanted]


def another(work: Work, region: Region, service: int, days: int, hour: int = 9) -> Slot:
    first: datetime = work.now.replace(hour=hour, minute=30) + timedelta(days=days)
    made = factories.slots(work, region.services[service], first, 1)[0]
    work.session.commit()
    return made


def somebody(work: Work, region: Region, *services: int, **fields: Any) -> tuple[Referral, Head]:
    """A referral to these services of the region, and the patient's headers; committed."""
    patient = factories.PatientFactory(practice_id=region.practice.id)
    shortlist = [region.services[n].id for n in services]
    made = factories.referral(work, region, patient=patient, shortlist=shortlist, **fields)[0]
    head = bearer(factories.patient_token(work, made))
    work.session.commit()
    return made, head


def offered(client: FlaskClient, referral: Referral, head: Head) -> list[dict[str, Any]]:
    answer = client.post(f"/api/v1/referrals/{referral.ubrn}/offers", headers=head)
    assert answer.status_code == 200, answer.get_json()
    found: list[dict[str, Any]] = answer.get_json()["offers"]
    return found


def book(client: FlaskClient, referral: Referral, head: Head, offer: dict[str, Any]) -> int:
    body = {name: offer[name] for name in ("slot_id", "starts_at", "ends_at")}
    return client.post(f"/api/v1/referrals/{referral.ubrn}/bookings", json=body, headers=head).status_code


def pencilled(rows: Rows, referral: Referral) -> list[int]:
    return rows(select(Pencil.slot_id).where(Pencil.referral_id == referral.id))


class TestTheGreedyGap:
    """Two kinds of appointment: one session takes both, another only the first kind. The flexible patient, whom either
    would suit, is known first, and the scarce session is the sooner one."""

    def test_greedy_refuses_the_second_patient(self, client: FlaskClient, work: Work, region: Region) -> None:
        scarce, _ = only(work, region, (0, 2), (1, 3))
        flexible, head = somebody(work, region, 0, 1)
        newcomer, other = somebody(work, region, 0)
        assert offered(client, flexible, head)[0]["slot_id"] == scarce.id
        assert offered(client, newcomer, other) == []

    def test_one_who_is_only_pencilled_moves_and_both_book(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, other, _ = only(work, region, (0, 2), (1, 3), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        flexible, head = somebody(work, region, 0, 1)
        flask("plan", "--wave", "1")
        assert pencilled(rows, flexible) == [scarce.id]
        newcomer, newcomers = somebody(work, region, 0)
        kept = offered(client, newcomer, newcomers)[0]
        assert kept["slot_id"] == scarce.id
        assert kept["guaranteed"]
        assert pencilled(rows, flexible) == [other.id]
        assert book(client, newcomer, newcomers, kept) == 201
        own = offered(client, flexible, head)[0]
        assert own["slot_id"] == other.id
        assert book(client, flexible, head, own) == 201

    def test_what_is_held_or_booked_never_moves(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, _ = only(work, region, (0, 2), (1, 3))
        somebody(work, region, 0, 1)
        flask("plan")
        newcomer, head = somebody(work, region, 0)
        assert rows(select(Booking.slot_id)) == [scarce.id]
        assert offered(client, newcomer, head) == []
        assert rows(select(Booking.slot_id)) == [scarce.id]

    def test_nobody_is_moved_further_than_the_policy_says(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, *_ = only(work, region, (0, 2), (1, 60), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        flexible, _ = somebody(work, region, 0, 1)
        flask("plan", "--wave", "1")
        newcomer, head = somebody(work, region, 0)
        assert offered(client, newcomer, head) == []
        assert pencilled(rows, flexible) == [scarce.id]

    @pytest.mark.parametrize(("days_left", "moves"), [(3, False), (4, True)])
    def test_nobody_is_moved_past_a_target_whatever_the_policy_lets_them_lose(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows, days_left: int, moves: bool
    ) -> None:
        body = {"optimiser": {"reseat_loss": 10**12}}
        policy.publish_policy(work, body, effective_from=work.today, explanation="Move people as far as need be.")
        scarce, other, _ = only(work, region, (0, 2), (1, 4), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        flexible, _ = somebody(work, region, 0, 1, rtt_clock_start=_days_ago(work, 126 - days_left))
        assert flexible.due_date == work.today + timedelta(days=days_left)
        flask("plan", "--wave", "1")
        assert pencilled(rows, flexible) == [scarce.id]
        newcomer, head = somebody(work, region, 0)
        assert [one["slot_id"] for one in offered(client, newcomer, head)] == ([scarce.id] if moves else [])
        assert pencilled(rows, flexible) == [(other if moves else scarce).id]

    def test_a_greater_need_goes_first(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, _ = only(work, region, (0, 2), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        routine, _ = somebody(work, region, 0)
        flask("plan", "--wave", "1")
        assert pencilled(rows, routine) == [scarce.id]
        urgent, head = somebody(work, region, 0, priority=Priority.URGENT)
        assert offered(client, urgent, head)[0]["slot_id"] == scarce.id
        assert pencilled(rows, routine) == []
        # Who lost it is first in line: before somebody who would else be planned first.
        assert rows(select(Referral.id).where(Referral.first_in_line_since.is_not(None))) == [routine.id]
        assert rows(select(AuditEntry.chain).where(AuditEntry.action == "referral.outranked")) == [
            f"referral:{routine.id}"
        ]
        somebody(work, region, 0, rtt_clock_start=work.today - timedelta(days=100))
        instead = another(work, region, 0, 3)
        flask("plan", "--wave", "1")
        held = select(Booking.referral_id).where(Booking.slot_id == instead.id, Booking.state == BookingState.HELD)
        assert rows(held) == [routine.id]

    def test_a_greater_need_that_can_be_met_otherwise_takes_nothing_from_anybody(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, _ = only(work, region, (0, 2), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        routine, _ = somebody(work, region, 0)
        flask("plan", "--wave", "1")
        free = another(work, region, 0, 30)
        urgent, head = somebody(work, region, 0, priority=Priority.URGENT)
        assert offered(client, urgent, head)[0]["slot_id"] == free.id
        assert pencilled(rows, routine) == [scarce.id]

    def test_a_target_that_is_missed_already_takes_nothing_from_anybody(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        scarce, _ = only(work, region, (0, 2), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        routine, _ = somebody(work, region, 0)
        flask("plan", "--wave", "1")
        began = work.today - timedelta(days=60)
        late, head = somebody(work, region, 0, priority=Priority.URGENT, rtt_clock_start=began)
        assert offered(client, late, head) == []
        assert pencilled(rows, routine) == [scarce.id]

    def test_a_chain_of_two(self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows) -> None:
        """The first moves to where the second is, and the second to a free place."""
        region.services.append(factories.service(work, region.provider, _site(work, region), name="Third clinic"))
        a, b, c, _ = only(work, region, (0, 2), (1, 3), (2, 4), (1, 1))
        somebody(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
        first, _ = somebody(work, region, 0, 1)
        second, _ = somebody(work, region, 1, 2)
        flask("plan", "--wave", "1")
        assert (pencilled(rows, first), pencilled(rows, second)) == ([a.id], [b.id])
        newcomer, head = somebody(work, region, 0)
        assert offered(client, newcomer, head)[0]["slot_id"] == a.id
        assert (pencilled(rows, first), pencilled(rows, second)) == ([b.id], [c.id])


def _site(work: Work, region: Region) -> Any:
    return factories.SiteFactory(organisation_id=region.provider.id, latitude=53.55)


@pytest.mark.parametrize("busy", ["referral", "slot", "pencil"])
def test_a_run_waits_for_nobody_to_pencil_them(
    flask: Flask, work: Work, region: Region, rows: Rows, database: Database, busy: str
) -> None:
    """Somebody's booking is under way all the time: the run is applied, and everybody else is pencilled anew."""
    if database.is_sqlite:
        pytest.skip("the embedded database has one writer at a time")
    places = only(work, region, *((0, day) for day in range(2, 6)))
    first, second, third = (somebody(work, region, 0, rtt_clock_start=_days_ago(work, n))[0] for n in (9, 8, 7))
    flask("plan", "--wave", "1")
    before = {one.id: pencilled(rows, one) for one in (second, third)}
    locks = {
        "referral": select(Referral.id).where(Referral.id == second.id),
        "slot": select(Slot.id).where(Slot.id == before[second.id][0]),
        "pencil": select(Pencil.referral_id).where(Pencil.referral_id == second.id),
    }
    work.session.execute(locks[busy].with_for_update())
    flask("plan", "--wave", "1")
    assert rows(select(PlanRun.state)) == ["APPLIED", "APPLIED"]
    assert pencilled(rows, second) == (before[second.id] if busy == "pencil" else [])
    assert pencilled(rows, third) == before[third.id]
    assert pencilled(rows, first) == []
    assert len(places) == 4
    newest = rows(select(Pencil.plan_run_id).where(Pencil.referral_id == third.id))
    work.session.rollback()
    assert newest == [max(rows(select(PlanRun.id)))]


def _days_ago(work: Work, days: int) -> date:
    return work.today - timedelta(days=days)


class TestShownInAWave:
    """One patient is asked and another is not; the other's place differs and is shown to the first."""

    @pytest.fixture
    def planned(self, flask: Flask, work: Work, region: Region) -> tuple[Referral, Head, Referral, Slot, Slot]:
        _, theirs, spare = only(work, region, (0, 2), (1, 3), (1, 5))
        asked, head = somebody(work, region, 0, 1, priority=Priority.TWO_WEEK_WAIT)
        waits, _ = somebody(work, region, 1)
        flask("plan", "--wave", "1")
        return asked, head, waits, theirs, spare

    def test_taking_it_moves_whoever_is_pencilled_there(
        self, client: FlaskClient, rows: Rows, planned: tuple[Referral, Head, Referral, Slot, Slot]
    ) -> None:
        asked, head, waits, theirs, spare = planned
        assert pencilled(rows, waits) == [theirs.id]
        shown = {one["slot_id"]: one for one in offered(client, asked, head)}
        codes = dict(zip(rows(select(Offer.slot_id)), rows(select(Offer.reasons)), strict=True))
        assert PENCILLED in codes[theirs.id]["codes"]
        assert book(client, asked, head, shown[theirs.id]) == 201
        assert pencilled(rows, waits) == [spare.id]
        lost = rows(select(Pencil.lost))
        assert 0 < lost[0] <= 150_000

    def test_whoever_is_displaced_may_get_the_place_given_up_for_it(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        """Two places in all, and two people: they change places, and both are seen."""
        own, theirs = only(work, region, (0, 2), (1, 3))
        asked, head = somebody(work, region, 0, 1, priority=Priority.TWO_WEEK_WAIT)
        waits, waiters = somebody(work, region, 0, 1)
        flask("plan", "--wave", "1")
        shown = {one["slot_id"]: one for one in offered(client, asked, head)}
        assert shown[own.id]["guaranteed"]
        held = {name: shown[theirs.id][name] for name in ("slot_id", "starts_at", "ends_at")}
        assert client.post(f"/api/v1/referrals/{asked.ubrn}/holds", json=held, headers=head).status_code == 201
        assert pencilled(rows, waits) == [theirs.id]
        assert book(client, asked, head, shown[theirs.id]) == 201
        assert pencilled(rows, waits) == [own.id]
        assert book(client, waits, waiters, offered(client, waits, waiters)[0]) == 201

    def test_it_is_not_shown_once_they_could_not_be_moved(
        self, client: FlaskClient, work: Work, planned: tuple[Referral, Head, Referral, Slot, Slot]
    ) -> None:
        asked, head, _, theirs, spare = planned
        with work.session.begin():
            work.session.execute(update(Slot).where(Slot.id == spare.id).values(status=SlotStatus.WITHDRAWN))
        assert theirs.id not in {one["slot_id"] for one in offered(client, asked, head)}

    def test_it_is_refused_cleanly_where_they_can_no_longer_be_moved_when_it_is_taken(
        self, client: FlaskClient, work: Work, rows: Rows, planned: tuple[Referral, Head, Referral, Slot, Slot]
    ) -> None:
        asked, head, waits, theirs, spare = planned
        shown = {one["slot_id"]: one for one in offered(client, asked, head)}
        with work.session.begin():
            work.session.execute(update(Slot).where(Slot.id == spare.id).values(status=SlotStatus.WITHDRAWN))
        assert book(client, asked, head, shown[theirs.id]) == 422
        assert pencilled(rows, waits) == [theirs.id]
        assert rows(select(Booking.state)) == [BookingState.HELD]
        assert offered(client, asked, head)[0]["guaranteed"]

    def test_two_are_shown_the_same_and_the_first_who_takes_it_has_it(
        self, client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        _, _, theirs, _ = only(work, region, (0, 1), (0, 2), (1, 3), (1, 4))
        first, head = somebody(work, region, 0, 1, priority=Priority.TWO_WEEK_WAIT)
        second, seconds = somebody(work, region, 0, 1, priority=Priority.TWO_WEEK_WAIT)
        somebody(work, region, 1)
        flask("plan", "--wave", "2")
        mine = {one["slot_id"]: one for one in offered(client, first, head)}
        yours = {one["slot_id"]: one for one in offered(client, second, seconds)}
        assert theirs.id in mine
        assert theirs.id in yours
        assert book(client, first, head, mine[theirs.id]) == 201
        assert book(client, second, seconds, yours[theirs.id]) == 422
        left = offered(client, second, seconds)
        assert left
        assert theirs.id not in {one["slot_id"] for one in left}

    def test_a_place_somebody_found_by_searching_is_theirs(
        self, client: FlaskClient, work: Work, region: Region, rows: Rows,
        planned: tuple[Referral, Head, Referral, Slot, Slot],
    ) -> None:  # fmt: skip
        """Searching is first come, first served: whoever can't be moved then is left to the next plan."""
        _, _, waits, theirs, spare = planned
        with work.session.begin():
            work.session.execute(update(Slot).where(Slot.id == spare.id).values(status=SlotStatus.WITHDRAWN))
        seeker, head = somebody(work, region, 1)
        found = client.get(f"/api/v1/referrals/{seeker.ubrn}/slots", headers=head).get_json()["slots"]
        assert book(client, seeker, head, next(one for one in found if one["slot_id"] == theirs.id)) == 201
        assert pencilled(rows, waits) == []


class TestHowManyAreAsked:
    def test_an_automatic_wave_leaves_half_of_a_service_s_places(
        self, flask: Flask, work: Work, region: Region, rows: Rows
    ) -> None:
        only(work, region, *[(0, 1 + n) for n in range(10)])
        made = [somebody(work, region, 0)[0] for _ in range(8)]
        said = flask("plan", "--wave", "auto").output
        assert "pencilled 3" in said
        assert sorted(rows(select(Booking.referral_id))) == [one.id for one in made[:5]]
        assert len(rows(select(Pencil.referral_id))) == 3

    def test_it_can_be_the_published_policy(self, flask: Flask, work: Work, region: Region, rows: Rows) -> None:
        only(work, region, *[(0, 1 + n) for n in range(4)])
        for _ in range(4):
            somebody(work, region, 0)
        body = {"wave": -1, "optimiser": {"wave_percent": 75}}
        policy.publish_policy(work, body, effective_from=work.today, explanation="Ask a few at a time.")
        work.session.commit()
        flask("plan")
        assert len(rows(select(Booking.referral_id))) == 1

    def test_the_run_says_who_had_a_choice(self, flask: Flask, work: Work, region: Region, rows: Rows) -> None:
        only(work, region, (0, 1), (1, 2))
        somebody(work, region, 0, 1)
        said = flask("plan").output
        assert "Of 1 asked 100% had a choice: of provider 100%, of day 0%, of time of day 0%." in said
        summary = rows(select(PlanRun.summary))[0]
        assert summary["choice"] == {"asked": 1, "any": 1.0, "provider": 1.0, "day": 0.0, "time_of_day": 0.0}

    def test_the_next_plan_pencils_anew(self, flask: Flask, work: Work, region: Region, rows: Rows) -> None:
        only(work, region, *[(0, 1 + n) for n in range(4)])
        for _ in range(4):
            somebody(work, region, 0)
        flask("plan", "--wave", "1")
        assert len(rows(select(Pencil.referral_id))) == 3
        flask("plan", "--wave", "1")
        assert len(rows(select(Pencil.referral_id))) == 2
        runs = rows(select(PlanRun.id).order_by(PlanRun.id))
        assert set(rows(select(Pencil.plan_run_id))) == {runs[-1]}


def test_a_declined_offer_brings_what_is_pencilled(
    client: FlaskClient, flask: Flask, work: Work, region: Region, rows: Rows
) -> None:
    own, theirs, spare = only(work, region, (0, 2), (1, 3), (1, 5))
    asked, head = somebody(work, region, 0, 1, priority=Priority.TWO_WEEK_WAIT)
    waits, _ = somebody(work, region, 1)
    flask("plan", "--wave", "1")
    first = offered(client, asked, head)[0]
    assert first["slot_id"] == own.id
    answer = client.post(f"/api/v1/referrals/{asked.ubrn}/offers/{first['offer_id']}/decline", headers=head)
    assert answer.status_code == 200, answer.get_json()
    again = offered(client, asked, head)[0]
    assert again["guaranteed"]
    assert (again["slot_id"], pencilled(rows, waits)) in ((theirs.id, [spare.id]), (spare.id, [theirs.id]))


def test_without_a_plan_nobody_is_pencilled(client: FlaskClient, work: Work, region: Region, rows: Rows) -> None:
    made, head = somebody(work, region, 0, 1)
    assert offered(client, made, head)[0]["guaranteed"]
    assert rows(select(Pencil.referral_id)) == []
