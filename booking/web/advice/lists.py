"""Requests for advice, on both sides: whose turn it is, by when, and all there are."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.advice import ANSWERERS
from booking.domain.words import REFERRERS, AdviceState, Worklist
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import advice, worklists
from booking.services.worklists import Wanted
from booking.web.base import blp
from booking.web.forms import read_key
from booking.web.staff import my_organisation

both_sides = allow(*REFERRERS, *sorted(ANSWERERS), via=Via.COOKIE)
PER_PAGE = 30
STATES = {
    AdviceState.AWAITING_PROVIDER: "With the specialist",
    AdviceState.AWAITING_REFERRER: "With the practice",
    AdviceState.CONVERTED: "Became a referral",
    AdviceState.CLOSED: "Closed",
}


def asks() -> bool:
    """Whether this is the side that asks."""
    return work().actor.role in REFERRERS


@blp.get("/staff/advice")
@both_sides
def advice_list() -> ResponseReturnValue:
    """Requests for advice: first those that wait for your side, soonest due first; then all of them."""
    mine = Worklist.ADVICE if asks() else Worklist.ADVICE_REQUESTS
    waiting = next((one for one in worklists.counts(work()) if one.worklist is mine), None)
    every = request.args.get("show") == "all"
    asked = request.args.get("state", "")
    state = AdviceState(asked) if asked in AdviceState.__members__ else None
    found = (
        advice.list_advice(work(), state=state, before_id=read_key(request.args.get("before")), limit=PER_PAGE + 1)
        if every else []
    )  # fmt: skip
    entries = [] if every else worklists.entries(work(), Wanted(mine, limit=200))
    tabs = [
        (url_for("web.advice_list"), "Your turn", waiting.entries if waiting else 0, not every),
        (url_for("web.advice_list", show="all"), "All requests", None, every),
    ]
    return render_template(
        "advice/list.html", organisation=my_organisation(), tabs=tabs, asks=asks(), every=every, states=STATES,
        rows=found[:PER_PAGE], more=found[PER_PAGE - 1].id if len(found) > PER_PAGE else None, entries=entries,
        state=state, before=request.args.get("before"), waiting=waiting,
    )  # fmt: skip
