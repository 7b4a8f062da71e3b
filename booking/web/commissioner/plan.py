"""Plans: the latest and what it proves, those before it, who waits longer, where one more session would help."""

from __future__ import annotations

from flask import render_template, request

from booking.domain.words import PlanRunState
from booking.edge.flask_app import work
from booking.services import policy as policies
from booking.services.planning import runs
from booking.services.reports import kept, options
from booking.services.reports.of_a_run import fairness_of
from booking.services.reports.publish import Asked, Published
from booking.services.reports.told_plan import told_summary
from booking.web.base import blp
from booking.web.commissioner import plan_words, reading
from booking.web.commissioner.fair import Fairness, fair
from booking.web.commissioner.sessions import sessions
from booking.web.commissioner.told import told
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
        told=told_summary(work(), run.id, run.summary) if run is not None else {}, count=told,
        organisation=my_organisation(), words=plan_words, states=plan_words.STATES,
    )  # fmt: skip


@blp.get("/staff/plan/runs/<key:run_id>")
@reading
def plan_run(run_id: int) -> str:
    """One plan run: what it did, what is proved, how many it could not place, by which weights."""
    run, small = runs.one(work(), run_id), runs.on_request(work(), run_id)
    return render_template(
        "commissioner/plan_run.html", run=run, words=plan_words, states=plan_words.STATES,
        told=told_summary(work(), run_id, run.summary), small=small, applied=run.state is PlanRunState.APPLIED,
        fairness=None if small else _fairness(fairness_of(work(), run.summary)),
        published=policies.is_published(work().session, run.policy_version),
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
