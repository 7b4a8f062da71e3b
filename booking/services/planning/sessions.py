"""Where the next clinic session helps most: a dry plan, what a session is worth everywhere, and the best ones tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select

from booking.db import Database
from booking.domain.errors import FieldError, Invalid
from booking.models import Organisation, Service, Specialty
from booking.services.planning.read import read
from booking.services.planning.run import IN_PROCESS, Planner
from booking.services.planning.workers import default_workers, pool
from booking.services.work import HOME_ZONE
from optimiser.worth import Verified, Verifier, Worth, worth

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class NothingProven(RuntimeError):
    """The plan is not certified, so its prices say nothing of what a session is worth."""


@dataclass(frozen=True, slots=True)
class Wanted:
    places: int
    specialty: str | None = None
    top: int = 20
    verify: int = 0
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A session at a service on a day, and what it is worth at most; ``verified`` is what it really brings."""

    provider: str
    service_id: int
    service: str
    specialty: str
    specialty_name: str
    day: date
    places: int
    people: int
    breaches: int
    value: int
    verified: Verified | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "day": self.day.isoformat(), "weekday": WEEKDAYS[self.day.weekday()]}

    def sentence(self) -> str:
        """As in: one more session of 12 at RA1 Skin clinic on any Tuesday in March 2026 …"""
        return (
            f"One more {self.specialty_name} session of {self.places} at {self.provider} {self.service} on any "
            f"{WEEKDAYS[self.day.weekday()]} in {self.day:%B %Y} is worth up to {self.breaches} breaches "
            f"({self.people} people seen sooner)."
        )


@dataclass(frozen=True, slots=True)
class Found:
    """``best``: the best day of each service and week. ``any_day``: for each service, month and weekday the least."""

    as_of: date
    referrals: int
    best: tuple[Session, ...] = ()
    any_day: tuple[Session, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(), "referrals": self.referrals,
            "best": [one.to_dict() for one in self.best], "any_day": [one.to_dict() for one in self.any_day],
        }  # fmt: skip


def find_sessions(planner: Planner, wanted: Wanted) -> Found:
    """Plan without writing anything and value one more session everywhere.

    Open offers count as free, as a session is for whoever waits. Raises :class:`NothingProven` where the plan is not
    certified, :class:`Invalid` for a specialty that no service has.
    """
    now = planner.clock()
    as_of = now.astimezone(HOME_ZONE).date()
    planner.tell("reading", 0, 1, "")
    problem = read(planner.database, as_of=as_of, now=now, replan_open=True).problem
    workers = default_workers() if wanted.workers is None else wanted.workers
    if wanted.workers is None and len(problem.referrals) < IN_PROCESS:
        workers = 0
    with pool(workers) as executor:
        plan, trouble = planner.sound_plan(problem, executor)
        if not plan.certified:
            raise NothingProven(trouble or "the plan was not proven optimal")
        planner.tell("valuing", 0, 1, "")
        rows = worth(problem, plan, places=wanted.places)
        names = _names(planner.database, wanted.specialty)
        rows = rows.take(np.flatnonzero(np.isin(rows.service, list(names))))
        best = rows.best_of_weeks()
        verifier, verified = Verifier(problem, executor), []
        for at in range(min(wanted.verify, wanted.top, len(best))):
            planner.tell("solving again", at, wanted.verify, "")
            verified.append(verifier.verify(best.take(np.array([at]))))
    return Found(
        as_of, len(problem.referrals), tuple(_sessions(best, names, as_of, wanted.top, verified)),
        tuple(_sessions(rows.any_day(), names, as_of, wanted.top, [])),
    )  # fmt: skip


def _names(database: Database, specialty: str | None) -> dict[int, dict[str, str]]:
    """Services by key, with the names of what they are; of one specialty only where one is named."""
    query = (
        select(
            Service.id, Service.name.label("service"), Organisation.ods_code.label("provider"),
            Specialty.code.label("specialty"), Specialty.name.label("specialty_name"),
        )
        .join(Organisation, Organisation.id == Service.organisation_id)
        .join(Specialty, Specialty.code == Service.specialty_code)
    )  # fmt: skip
    if specialty is not None:
        query = query.where(Service.specialty_code == specialty)
    with database.unit_of_work(write=False) as session:
        found = {row["id"]: {k: row[k] for k in row if k != "id"} for row in session.execute(query).mappings()}
    if not found and specialty is not None:
        raise Invalid(FieldError("specialty", "SPECIALTY_UNKNOWN", f"no service has the specialty {specialty!r}"))
    return found


def _sessions(
    rows: Worth, names: dict[int, dict[str, str]], as_of: date, top: int, verified: list[Verified]
) -> Iterator[Session]:
    """The first ``top`` rows that are worth anything."""
    for at in range(min(top, int((rows.value > 0).sum()))):
        service = int(rows.service[at])
        yield Session(
            service_id=service, day=as_of + timedelta(days=int(rows.day[at])), places=rows.places,
            people=int(rows.people[at]), breaches=int(rows.breaches[at]), value=int(rows.value[at]),
            verified=verified[at] if at < len(verified) else None, **names[service],
        )  # fmt: skip
