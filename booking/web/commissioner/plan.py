"""Plans: the latest and what it proves, those before it, who waits longer, where one more session would help."""

from __future__ import annotations

from flask import render_template, request
from sqlalchemy import select

from booking.domain.words import PlanRunState
from booking.edge.flask_app import work
from booking.models import PolicyVersion
from booking.services.planning import runs
from booking.services.reports import kept, options
from booking.services.reports.of_a_run import fairness_of
from booking.services.reports.publish import Asked, Published
from booking.web.base import blp
from booking.web.commissioner import plan_words, reading
from booking.web.commissioner.fair import Fairness, fair
from booking.web.commissioner.sessions import sessions
from booking.web.forms import read_key
from booking.web.staff import my_organisation

MOST_SESSIONS = 40


@blp.get("/staff/plan")
@reading
def plan() -> str:
    """The latest plan with its proof, and the runs before it."""
    before = read_key(request.args.get("before"))
    everything = request.args.get("all") == "yes"
    lines, more = runs.page(work(), before=before, everything=everything)
    run = runs.latest(work())
    return render_template(
        "commissioner/plan.html", run=run, lines=lines, more=more, before=before, everything=everything,
        organisation=my_organisation(), words=plan_words, states=plan_words.STATES,
    )  # fmt: skip


@blp.get("/staff/plan/runs/<key:run_id>")
@reading
def plan_run(run_id: int) -> str:
    """One plan run: what it did, what is proved, whom it could not place, by which weights."""
    run = runs.one(work(), run_id)
    known = select(PolicyVersion.version).where(PolicyVersion.version == run.policy_version)
    return render_template(
        "commissioner/plan_run.html", run=run, words=plan_words, states=plan_words.STATES,
        small=runs.on_request(work(), run_id), applied=run.state is PlanRunState.APPLIED,
        fairness=_fairness(fairness_of(work(), run.summary)), published=work().session.scalar(known) is not None,
    )  # fmt: skip


@blp.get("/staff/plan/next-session")
@reading
def next_session() -> str:
    """Where one more clinic session would help most, by the last plan: by service and week."""
    known = dict(options.specialties(work()))
    specialty = request.args.get("specialty", "")
    asked = Asked(specialty=specialty if specialty in known else None)
    return render_template(
        "commissioner/next_session.html", sessions=sessions(MOST_SESSIONS, asked), specialties=known,
        specialty=asked.specialty or "", run=runs.latest(work()),
    )  # fmt: skip


@blp.get("/staff/plan/fairness")
@reading
def fairness() -> str:
    """Who waits longer for the last plan, group by group, beside first come, first served."""
    made = kept.look(work(), "plan-fairness", Asked()).published
    return render_template("commissioner/fairness.html", fairness=_fairness(made), run=runs.latest(work()))


def _fairness(made: Published | None) -> Fairness | None:
    return fair(made.rows) if made is not None else None
