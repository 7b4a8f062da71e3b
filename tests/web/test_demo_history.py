"""The demo's past: true to every invariant, all over, quiet, and large enough for the overview to tell of it."""

from __future__ import annotations

from random import Random

from sqlalchemy import func, select

from booking.config import Config
from booking.db import Database
from booking.demo import history, region
from booking.demo.directory import build
from booking.domain.referral import TERMINAL
from booking.domain.words import Role
from booking.keys import Keys
from booking.models import Booking, Organisation, OutboxMessage, Patient, Referral, Slot
from booking.services import invariants
from booking.services.planning.forecast import URGENT
from booking.services.reports import kept, overview
from booking.services.reports.publish import run
from booking.services.work import SYSTEM, Actor, Work
from tests.conftest import NOW


def test_the_past_is_over_and_can_be_told_of(database: Database, config: Config, keys: Keys) -> None:
    with database.unit_of_work() as session:
        work = Work(session, SYSTEM, NOW, config, keys)
        history.fill(work, build(work, Random(1)), 1)

    with database.unit_of_work(write=False) as session:
        assert invariants.faults(session, NOW) == []
        count = select(func.count())
        assert session.scalar(count.where(Referral.state.not_in(TERMINAL))) == 0
        assert session.scalar(count.where(Referral.worklist.is_not(None))) == 0
        assert session.scalar(count.where(OutboxMessage.delivered_at.is_(None))) == 0
        assert session.scalar(count.where(Booking.ends_at > NOW)) == 0
        assert session.scalar(select(func.count(Booking.id))) > 900
        assert session.scalar(count.where(Referral.created_at > NOW)) == 0
        # Those that the plan will learn from are few beside today's own.
        assert session.scalar(count.where(Referral.priority.in_(URGENT))) in range(150, 400)
        assert session.scalar(select(func.count(Patient.id))) % 60 == 0
        assert session.scalar(count.where(Slot.local_date == NOW.date())) == 0

        board = session.scalars(select(Organisation).where(Organisation.ods_code == region.COMMISSIONER[0])).one()
        work = Work(session, Actor("Ione", Role.COMMISSIONER, board.id, board.ods_code), NOW, config, keys)
        assert kept.is_small(work)
        asked = overview.wanted(work.today)
        rows = run(work, "waits-by-month", asked["waits-by-month"]).rows
        seen = [row for row in rows if row["measure"] == "SEEN"]
        late = [int(row["breach_percent"]) for row in seen if isinstance(row["breach_percent"], int)]
        assert len(seen) == len(late) == overview.MONTHS
        assert sum(late[:4]) > 1.4 * sum(late[-4:])
        told = run(work, "choice", asked["choice"]).rows
        assert all(row["more_than_one_provider_percent"] for row in told if row["breakdown"] == "month")
