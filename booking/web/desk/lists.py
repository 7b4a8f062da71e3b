"""The office's home: every worklist with how much is on it and overdue, and what to do next with each entry."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import render_template, request, url_for

from booking.domain.errors import Invalid
from booking.domain.referral import ReferralState
from booking.domain.words import Priority, Role, Worklist
from booking.edge.flask_app import current_app, work
from booking.models import Slot
from booking.services import clinic_calendar, worklists
from booking.services.desk import queue, suggestions, touched
from booking.services.worklists import Count, Entry, Order, Wanted
from booking.web.base import blp
from booking.web.desk.people import TRIAGERS, desk_only, read_after, write_after
from booking.web.forms import read_key
from booking.web.staff import my_organisation

PER_PAGE, WITH_TIMES = 25, 12
W = Worklist
SAID: dict[Worklist, tuple[str, str, str]] = {
    W.REFERRALS_FOR_REVIEW: (
        "For review", "Referrals a clinician reads, and appointments booked that nobody has looked at yet.",
        "Nothing waits to be read. New referrals to your triage services and new bookings appear here by themselves.",
    ),
    W.APPOINTMENT_SLOT_ISSUES: (
        "Slot issues", "Patients for whom there was no free time: find each one.",
        "Nobody is waiting for want of a time. Who finds no free time at one of your services appears here.",
    ),
    W.APPOINTMENTS_FOR_BOOKING: (
        "For booking", "Accepted, redirected or cancelled by you: these patients are first in line for a time.",
        "Nobody waits to be booked. Referrals you accept, and patients whose clinic you cancel, appear here.",
    ),
    W.CANCELLED_BY_PATIENT: (
        "Cancelled by patients", "They may choose again by themselves; help those who don’t.",
        "No patient has given an appointment back and still needs one.",
    ),
    W.ADVICE_REQUESTS: (
        "Advice", "Questions from practices to your clinicians.",
        "No practice waits for advice. Questions to your services that give advice appear here.",
    ),
    W.APPOINTMENTS_BOOKED: (
        "Booked", "Accepted appointments: record who came, and what came of it.",
        "No accepted appointments. They appear here once a booking was reviewed.",
    ),
}  # fmt: skip
TIMED = (W.APPOINTMENT_SLOT_ISSUES, W.APPOINTMENTS_FOR_BOOKING)
S = ReferralState
NEXT: dict[ReferralState, tuple[str, str]] = {
    S.AWAITING_TRIAGE: ("Read and decide", "web.triage_one"),
    S.BOOKED: ("Review the appointment", "web.triage_one"),
    S.DEFERRED_TO_PROVIDER: ("Find a time", "web.desk_times"),
    S.TRIAGED_PROVIDER_TO_ACTION: ("Book with the patient", "web.desk_times"),
    S.APPT_CANCELLED_BY_PROVIDER: ("Book again", "web.desk_times"),
    S.APPT_CANCELLED_BY_PATIENT: ("Help choose again", "web.desk_times"),
    S.NOT_BOOKED: ("Book with the patient", "web.desk_times"),
    S.ATTENDED: ("Send the result or close", "web.provider_referral"),
    S.DID_NOT_ATTEND: ("Decide what happens next", "web.provider_referral"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line with what to do about it; ``time`` is the soonest that suits."""

    entry: Entry
    words: str
    href: str
    time: Slot | None = None


@blp.get("/staff/desk")
@desk_only
def desk() -> str:
    """The provider's worklists: what waits, what is overdue, and what to do with each next."""
    counts = worklists.counts(work())
    chosen = _chosen(counts)
    page = PER_PAGE if chosen not in TIMED else WITH_TIMES
    wanted = Wanted(
        chosen, service_id=read_key(request.args.get("service")), priority=_priority(),
        overdue=True if request.args.get("overdue") else None, order=_order(),
        after=read_after(request.args.get("after")), limit=page + 1,
    )  # fmt: skip
    try:
        found = worklists.entries(work(), wanted)
    except Invalid:  # a cursor of another order: begin again
        found = worklists.entries(work(), replace(wanted, after=None))
    rows = _rows(found[:page], chosen)
    return render_template(
        "desk/lists.html", organisation=my_organisation(), counts=counts, chosen=chosen, said=SAID, rows=rows,
        services=clinic_calendar.own_services(work()), wanted=wanted, priorities=Priority, orders=Order,
        more=write_after(found[page - 1]) if len(found) > page else None,
        filtered=bool(wanted.service_id or wanted.priority or wanted.overdue),
        shortages=queue.shortages(work()) if chosen is W.APPOINTMENT_SLOT_ISSUES and rows else [],
        triages=work().actor.role in TRIAGERS, timed=chosen in TIMED,
    )  # fmt: skip


def _chosen(counts: list[Count]) -> Worklist:
    """The list asked for; else a clinician begins with what is to be read, an administrator with who needs a time."""
    name = request.args.get("list", "")
    lists = [one.worklist for one in counts]
    if name in lists:
        return Worklist(name)
    first = (
        (W.REFERRALS_FOR_REVIEW,) if work().actor.role is Role.PROVIDER_CLINICIAN
        else (W.APPOINTMENT_SLOT_ISSUES, W.APPOINTMENTS_FOR_BOOKING)
    )  # fmt: skip
    waiting = {one.worklist for one in counts if one.entries}
    return next((one for one in (*first, *lists) if one in waiting), first[0])


def _priority() -> Priority | None:
    name = request.args.get("priority", "")
    return Priority(name) if name in Priority.__members__ else None


def _order() -> Order:
    name = request.args.get("order", "")
    return Order(name) if name in set(Order) else Order.DUE


def _rows(entries: list[Entry], chosen: Worklist) -> list[Row]:
    times: dict[int, Slot] = {}
    if chosen in TIMED and entries:
        times = suggestions.first_times(work(), touched.with_shortlists(work(), [one.key for one in entries]))
    return [_row(one, chosen, times) for one in entries]


def _row(entry: Entry, chosen: Worklist, times: dict[int, Slot]) -> Row:
    if entry.kind == "advice":
        return Row(entry, "Answer", _advice(entry.reference))
    state = ReferralState(entry.state)
    words, endpoint = NEXT.get(state, ("Open", "web.provider_referral"))
    if chosen is W.APPOINTMENTS_BOOKED and state is S.BOOKED:
        words, endpoint = "Record who came", "web.provider_referral"
    if endpoint != "web.provider_referral" and work().actor.role not in TRIAGERS:
        words, endpoint = "Open", "web.provider_referral"
    return Row(entry, words, url_for(endpoint, ubrn=entry.reference), times.get(entry.key))


def _advice(reference: str) -> str:
    return url_for("web.advice", reference=reference) if "web.advice" in current_app().view_functions else ""
