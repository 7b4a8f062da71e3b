"""What waits for the practice, list by list, and what became of everything it referred."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Invalid
from booking.domain.referral import ReferralState
from booking.domain.words import Worklist
from booking.domain.worklists import REFERRER_LISTS
from booking.edge.flask_app import work
from booking.services import outcomes, worklists
from booking.services.outcomes import Group
from booking.services.worklists import ADVICE_LISTS, Count, Entry, Order, Wanted
from booking.web import say
from booking.web.base import blp
from booking.web.forms import LARGEST_KEY, read_key
from booking.web.referrer.common import PRIORITIES, items, my_practice, name_key, read_priority, referrers_only

PER_PAGE = 30
NAMES = {
    Worklist.LETTERS_OUTSTANDING: "Letters to attach",
    Worklist.AWAITING_BOOKING: "To be booked",
    Worklist.REJECTED_OR_TRIAGE_RESPONSE: "Returned",
    Worklist.CANCELLED_OR_DID_NOT_ATTEND: "Cancelled or missed",
    Worklist.ADVICE: "Advice to read",
}
ABOUT = {
    Worklist.LETTERS_OUTSTANDING: "Sent, but the clinic waits for your letter. Open one and attach it, or write the "
    "clinical information.",
    Worklist.AWAITING_BOOKING: "Sent, and the patient has not chosen a time yet; and drafts you have not sent. Open "
    "one to book with the patient.",
    Worklist.REJECTED_OR_TRIAGE_RESPONSE: "Sent back by a clinic, with advice or a reason. Read it, then refer on or "
    "close.",
    Worklist.CANCELLED_OR_DID_NOT_ATTEND: "Cancelled by somebody else, not attended, or with a result for you. See, "
    "then act or take it off the list.",
    Worklist.ADVICE: "Answers to your requests for advice that nobody here has dealt with.",
}
NOTHING = {
    Worklist.LETTERS_OUTSTANDING: "Every clinic has what it asked for.",
    Worklist.AWAITING_BOOKING: "Every patient you referred has chosen a time, or is looked after by a clinic.",
    Worklist.REJECTED_OR_TRIAGE_RESPONSE: "No clinic has sent anything back.",
    Worklist.CANCELLED_OR_DID_NOT_ATTEND: "Nobody has cancelled or missed anything you need to know of.",
    Worklist.ADVICE: "No answer waits to be read.",
}
ORDERS = ((Order.DUE, "Due soonest"), (Order.WAITED, "Longest wait"), (Order.NEWEST, "Newest on the list"))
GROUPS = {
    Group.DRAFT: "Drafts", Group.WAITING: "Waiting for a time", Group.TRIAGE: "Being read", Group.BOOKED: "Booked",
    Group.SEEN: "Seen", Group.RETURNED: "Returned or missed", Group.ENDED: "Ended",
}  # fmt: skip
Tabs = list[tuple[str, str, int | None, bool]]


@blp.get("/staff/referrals", endpoint="referrals")
@referrers_only
def worklist() -> ResponseReturnValue:
    """The practice's worklists with counts: what to do, soonest due first."""
    counts = worklists.counts(work())
    names = outcomes.referrers(work())
    chosen = _chosen(counts)
    clinicians = {name_key(name): name for name in names}
    wanted = Wanted(
        chosen, priority=read_priority(request.args.get("priority", "")),
        overdue=True if request.args.get("overdue") else None, state=_state(chosen),
        referrer=clinicians.get(request.args.get("clinician", "")), order=_order(),
        after=_read_cursor(request.args.get("after")), limit=PER_PAGE + 1,
    )  # fmt: skip
    try:
        found = worklists.entries(work(), wanted)
    except Invalid:  # a cursor of another order
        found = worklists.entries(work(), replace(wanted, after=None))
    more = _cursor(found[PER_PAGE - 1]) if len(found) > PER_PAGE else None
    here = next(one for one in counts if one.worklist is chosen)
    return render_template(
        "referrer/worklist.html", organisation=my_practice(), tabs=tabs(counts, chosen), chosen=chosen, here=here,
        name=NAMES[chosen], about=ABOUT[chosen], nothing=NOTHING[chosen], entries=found[:PER_PAGE], more=more,
        clinicians=items(clinicians.items(), "Every clinician"), priorities=items(PRIORITIES, "Every priority"),
        orders=items(ORDERS), filtered=_filtered(), advice=chosen in ADVICE_LISTS,
        again={name: value for name, value in request.args.items() if name != "after"},
    )  # fmt: skip


def _chosen(counts: list[Count]) -> Worklist:
    """The list asked for; else the first with anything overdue, else the first with anything at all."""
    asked = request.args.get("list", "")
    if asked in REFERRER_LISTS:
        return Worklist(asked)
    late = next((one.worklist for one in counts if one.overdue), None)
    return late or next((one.worklist for one in counts if one.entries), Worklist.AWAITING_BOOKING)


def _state(chosen: Worklist) -> str | None:
    asked = request.args.get("state", "")
    return asked if asked in ReferralState.__members__ and chosen not in ADVICE_LISTS else None


def _order() -> Order:
    asked = request.args.get("sort", "")
    return Order(asked) if asked in set(Order) else Order.DUE


def _filtered() -> bool:
    return any(request.args.get(name) for name in ("priority", "overdue", "state", "clinician"))


def tabs(counts: list[Count], chosen: Worklist | None, *, all_of_them: bool = False) -> Tabs:
    """The lists with their counts, then everything."""
    found: Tabs = [
        (url_for("web.referrals", list=one.worklist), NAMES[one.worklist], one.entries, one.worklist is chosen)
        for one in counts
    ]
    return [*found, (url_for("web.outcomes"), "All referrals", None, all_of_them)]


def _cursor(last: Entry) -> str:
    return base64.urlsafe_b64encode(f"{last.cursor}|{last.key}".encode()).decode()


def _read_cursor(text: str | None) -> tuple[str, int] | None:
    """Where the page begins; anything that we did not write for this order means the first page."""
    if not text:
        return None
    try:
        sorted_by, _, row = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        key = int(row)
    except (ValueError, binascii.Error, UnicodeError):
        return None
    return (sorted_by, key) if 0 < key <= LARGEST_KEY else None


@blp.get("/staff/outcomes", endpoint="outcomes")
@referrers_only
def outcomes_page() -> ResponseReturnValue:
    """What became of the practice's referrals: by clinician and by where they stand, newest first."""
    clinicians = {name_key(name): name for name in outcomes.referrers(work())}
    referrer = clinicians.get(request.args.get("clinician", ""))
    specialties = outcomes.specialties(work())
    asked = request.args.get("specialty", "")
    group = request.args.get("group", "")
    wanted = outcomes.Wanted(
        group=Group(group) if group in Group.__members__ else None, referrer=referrer,
        priority=read_priority(request.args.get("priority", "")),
        specialty=asked if asked in dict(specialties) else None, before=read_key(request.args.get("before")),
        limit=PER_PAGE + 1,
    )  # fmt: skip
    found = outcomes.outcomes(work(), wanted)
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name != "before"}
    counts = outcomes.counts(work(), referrer)
    return render_template(
        "referrer/outcomes.html", organisation=my_practice(),
        tabs=tabs(worklists.counts(work()), None, all_of_them=True),
        rows=found[:PER_PAGE], more=found[PER_PAGE - 1].key if len(found) > PER_PAGE else None, kept=kept,
        figures=[(one, GROUPS[one], counts[one], url_for("web.outcomes", **{**kept, "group": one})) for one in Group],
        groups=items(GROUPS.items(), "Anywhere"), group_names=GROUPS, wanted=wanted, label=say.label,
        clinicians=items(clinicians.items(), "Every clinician"), specialties=items(specialties, "Every specialty"),
        priorities=items(PRIORITIES, "Every priority"), any_at_all=sum(counts.values()) > 0,
    )  # fmt: skip
