"""The home of commissioners: a year in charts, by specialty and provider too, and what to look at next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict
from booking.edge.flask_app import work
from booking.models import PlanRun
from booking.services import policy as policies
from booking.services.planning import runs
from booking.services.reports import kept, options
from booking.services.reports import overview as year
from booking.services.reports.kept import AtHand
from booking.services.reports.publish import Asked
from booking.services.reports.told_plan import told_summary
from booking.web.base import blp
from booking.web.commissioner import figures, reading
from booking.web.commissioner.plan_words import Compared, comparison
from booking.web.commissioner.sessions import sessions
from booking.web.staff import my_organisation

BREAKDOWNS = ("specialty", "provider")
NEXT_SHOWN = 3


@blp.get("/staff/overview")
@reading
def overview() -> str:
    """Waits, breaches, choice, slot issues and use of places over twelve months, by specialty and by provider."""
    asked = _questions(request.args)
    at_hand = {name: kept.look(work(), name, one) for name, one in asked.items()}
    made = {name: found.published for name, found in at_hand.items()}
    run = runs.latest(work())
    by = request.args.get("by", "") if request.args.get("by") in BREAKDOWNS else BREAKDOWNS[0]
    return render_template(
        "commissioner/overview.html", organisation=my_organisation(), by=by, chosen=_chosen(request.args),
        panels=figures.over_time(made, asked), groups=figures.by_group(made, asked, by),
        specialties=options.specialties(work()), providers=options.providers(work()), state=_state(at_hand),
        run=run, compared=_compared(run), sessions=sessions(NEXT_SHOWN),
        policy=policies.current_version(work().session, work().today),
    )  # fmt: skip


@blp.post("/staff/overview")
@reading
def overview_send() -> ResponseReturnValue:
    """Have the overview's figures made anew by the scheduler."""
    try:
        kept.ask_all(work(), _questions(request.form).items())
    except Conflict as error:
        flash(f"{error.message} Ask again when some of them are there.", "info")
    else:
        flash("The figures are being made. This page shows them as soon as they are there.", "info")
    return redirect(url_for("web.overview", **_chosen(request.form)))


def _compared(run: PlanRun | None) -> list[Compared]:
    return comparison(told_summary(work(), run.id, run.summary)) if run is not None else []


def _chosen(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: values[name] for name in ("specialty", "provider", "by") if values.get(name)}


def _questions(values: Mapping[str, str]) -> Mapping[str, Asked]:
    """What the filters ask; a filter that names nothing we know counts as none."""
    chosen = {
        "specialty": (values.get("specialty"), options.specialties),
        "provider": (values.get("provider"), options.providers),
    }
    known = {name: value for name, (value, of) in chosen.items() if value and value in {code for code, _ in of(work())}}
    return year.wanted(work().today, **known)


def _state(at_hand: Mapping[str, AtHand]) -> dict[str, object]:
    """How old the oldest figure is, whether any is missing or being made, and what went wrong."""
    made = [found.published.made_at for found in at_hand.values() if found.published is not None]
    return {
        "live": all(found.live for found in at_hand.values()),
        "waiting": any(found.waiting for found in at_hand.values()),
        "missing": sum(found.published is None for found in at_hand.values()),
        "failed": any(found.error for found in at_hand.values()),
        "made_at": min(made) if made else None,
    }
