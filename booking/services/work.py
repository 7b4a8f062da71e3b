"""Who is doing something, when, and with what: handed to every use case by the edge that began the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, Executable
from sqlalchemy.orm import Session

from booking.config import Config
from booking.domain.words import Relation, Role
from booking.keys import Keys

HOME_ZONE = ZoneInfo("Europe/London")
"""The zone of plan days, due dates and ages: the country's. Appointments have their site's own."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who does things for a patient in the patient's session; see :mod:`booking.services.acting`."""

    id: int
    name: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody (or some program) in a role at an organisation; a patient is bound to one referral."""

    name: str
    role: Role
    organisation_id: int | None = None
    organisation_code: str | None = None
    referral_id: int | None = None
    on_behalf_of: str | None = None
    session_id: int | None = None
    request_id: str | None = None
    last_seen_at: datetime | None = None
    account_id: int | None = None
    patient_id: int | None = None
    """Set where the patient proved who they are, not only that they hold a referral's code."""
    acting: Acting | None = None
    """Who is at the keyboard, where it is not the patient."""

    @property
    def key(self) -> str:
        """A stable name for this principal, for idempotency keys and throttling."""
        if self.referral_id is not None:
            return f"patient:{self.referral_id}"
        return f"{self.role}:{self.organisation_id}:{self.account_id or self.name}"


SYSTEM = Actor(name="system", role=Role.SYSTEM)
PLANNER = Actor(name="planner", role=Role.SYSTEM)


@dataclass(frozen=True, slots=True)
class Look:
    """What of a patient's record was read."""

    patient_id: int
    referral_id: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work inside one transaction."""

    session: Session
    actor: Actor
    now: datetime
    config: Config = field(repr=False)
    keys: Keys = field(repr=False)
    looks: dict[Look, None] = field(default_factory=dict, repr=False, compare=False)
    """What staff read in it, in order; see :mod:`booking.services.access_log`."""

    @property
    def today(self) -> date:
        return self.now.astimezone(HOME_ZONE).date()

    def rows(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement for plain rows in this transaction, after what is pending; no entities are made or changed.

        A third of what the session's own ``execute`` takes: for what a patient waits for.
        """
        self.session.flush()
        return self.session.connection().execute(statement, values)

    @property
    def postgresql(self) -> bool:
        return self.session.get_bind().dialect.name == "postgresql"
