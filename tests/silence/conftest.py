"""Lives of referrals, with mail that can be down and comes back, and what it then says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from booking.db import Database
from booking.domain.words import Channel
from booking.models import OutboxMessage, Referral
from booking.services.delivery import deliver
from booking.services.work import Work
from tests.conftest import Clock
from tests.letters.test_messages import URL, Post
from tests.life.conftest import Life, lives

__all__ = ["Life", "lives"]

Delivered = Callable[[], list[str]]


@pytest.fixture
def delivered(work: Work, database: Database, clock: Clock) -> Delivered:
    """Commit, let the mail server come back up, and read what patients are told then, in order."""

    def send() -> list[str]:
        work.session.commit()
        post = Post()
        deliver(database, {Channel.EMAIL: post}, clock, URL)
        return [message.text for message in post.sent]

    return send


def kinds(work: Work, of: Referral) -> list[str]:
    work.session.flush()
    query = select(OutboxMessage.kind).where(OutboxMessage.referral_id == of.id).order_by(OutboxMessage.id)
    return list(work.session.scalars(query))


def reachable(work: Work, of: Referral) -> Referral:
    of.patient.email = "ada@example.invalid"
    work.session.flush()
    return of
