"""The commissioner's page: what the latest plan achieved and proves, and who waits. No patient is ever named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import render_template
from sqlalchemy import case, func, select

from booking.domain.referral import CHOOSING
from booking.domain.words import COMMISSIONERS, PlanRunState
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Organisation, PlanRun, Referral, Specialty
from booking.services.planning.prices import of_the_region
from booking.web.base import blp
from booking.web.staff import my_organisation


@dataclass(frozen=True, slots=True)
class Waiting:
    specialty: str
    priority: str
    waiting: int
    overdue: int


@blp.get("/staff/plan")
@allow(*COMMISSIONERS, via=Via.COOKIE)
def plan() -> str:
    applied = select(PlanRun).where(PlanRun.state == PlanRunState.APPLIED, of_the_region())
    query = applied.order_by(PlanRun.id.desc()).limit(1)
    run = work().session.scalars(query).first()
    rows = waiting()
    return render_template(
        "web/commissioner_plan.html", run=run, figures=figures(run.summary) if run else [], rows=rows,
        unplaced=unplaced(run.summary) if run else [], compared=comparison(run.summary) if run else [],
        organisation=my_organisation(),
        certified=bool(run and run.certified),
        total=sum(row.waiting for row in rows), overdue=sum(row.overdue for row in rows),
    )  # fmt: skip


def waiting() -> list[Waiting]:
    """Referrals whose patients still choose, by specialty and priority, of the commissioner's own practices."""
    unit = work()
    late = func.sum(case((Referral.due_date < unit.today, 1), else_=0))
    query = (
        select(Specialty.name, Referral.priority, func.count(), late)
        .join(Specialty, Specialty.code == Referral.specialty_code)
        .join(Organisation, Organisation.id == Referral.practice_id)
        .where(Referral.state.in_(CHOOSING), Organisation.commissioner_id == unit.actor.organisation_id)
        .group_by(Specialty.name, Referral.priority)
        .order_by(Specialty.name, Referral.priority)
    )
    return [Waiting(name, priority, number, int(over)) for name, priority, number, over in unit.session.execute(query)]


FIGURES = (
    ("referrals", "Patients planned for"),
    ("placed", "Have a time kept for them"),
    ("with_alternatives", "Have other times to choose from"),
    ("reserved", "Places kept for urgent patients to come"),
)
UNPLACED = {
    "NO_SHORTLIST": "no service in reach takes them",
    "NO_SLOTS": "their services have no free place",
    "OUTSIDE_WINDOW": "what is free is outside the booking window",
    "NOT_FOR_THIS_PRIORITY": "what is free is kept for another priority",
    "OTHER_PRACTITIONER": "the clinician named has no free place",
    "NEEDS_NOT_MET": "no free place meets their needs",
    "TIMES_NEVER_SUIT": "no free place suits their times",
    "PATIENT_BUSY": "they have another appointment then",
    "TAKEN": "the places go to patients with greater need",
}
METHODS = {
    "plan": "This plan",
    "open_fcfs": "First come, first served",
    "ring_fenced_fcfs": "First come, first served, with times fenced off for urgent patients",
}
GROUPS = ("two_week_wait", "urgent", "routine")


def figures(summary: dict[str, Any]) -> list[tuple[str, int]]:
    """The plan's plain numbers, as far as its summary has them."""
    found = [(words, summary[name]) for name, words in FIGURES if isinstance(summary.get(name), int)]
    return [*found, ("No time found yet", sum(count for _, count in unplaced(summary)))]


def unplaced(summary: dict[str, Any]) -> list[tuple[str, int]]:
    """How many have no time yet, by the reason in words."""
    reasons: dict[str, int] = summary.get("unplaced") or {}
    return [(UNPLACED.get(name, name.replace("_", " ").lower()), count) for name, count in reasons.items()]


@dataclass(frozen=True, slots=True)
class Compared:
    method: str
    missed: int
    by_priority: tuple[int, ...]
    mean_wait: str


def comparison(summary: dict[str, Any]) -> list[Compared]:
    """Targets missed by the plan and by other ways of booking, on the same patients and times."""
    table: dict[str, Any] = summary.get("comparison") or {}
    return [_compared(words, table[name]) for name, words in METHODS.items() if name in table]


def _compared(words: str, row: dict[str, Any]) -> Compared:
    groups = row.get("by_priority", {})
    wait = (row.get("wait") or {}).get("mean")
    missed = tuple(int(groups.get(name, {}).get("breaches", 0)) for name in GROUPS)
    return Compared(words, int(row["breaches"]), missed, "" if wait is None else f"{wait:.0f} days")
