"""Triage one after another: a referral, a decision, the next. Whoever else decides meanwhile is said in plain words."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Conflict, Forbidden, IllegalTransition, Invalid, NotFound, StaleVersion
from booking.domain.ids import show_ubrn
from booking.domain.words import Worklist
from booking.edge.flask_app import work
from booking.models import Referral
from booking.services import attachments, booking, history, referrals
from booking.services.desk import queue
from booking.services.worklists import Entry
from booking.web import say, shown
from booking.web.base import blp
from booking.web.desk.deciding import TRIAGE, decide, options
from booking.web.desk.people import card, read_after, triagers_only
from booking.web.forms import Form, read_key

LIST = Worklist.REFERRALS_FOR_REVIEW


@blp.get("/staff/desk/triage")
@triagers_only
def triage() -> ResponseReturnValue:
    """The next referral to read, or that there is none left."""
    service, after = _place()
    found = _next(service, after)
    if found is not None:
        return redirect(url_for("web.triage_one", ubrn=found.reference, service=service, after=after))
    left = queue.left(work(), LIST, service_id=service)
    return render_template("desk/triage_done.html", left=left, service=service)


def _place() -> tuple[int | None, str | None]:
    """Of which service, and behind which entry skipped, the visitor is."""
    return read_key(request.values.get("service")), request.values.get("after") or None


def _next(service: int | None, after: str | None) -> Entry | None:
    try:
        return queue.next_entry(work(), LIST, service_id=service, after=read_after(after))
    except Invalid:
        return queue.next_entry(work(), LIST, service_id=service)


@blp.get("/staff/desk/triage/<ubrn>")
@triagers_only
def triage_one(ubrn: str) -> ResponseReturnValue:
    """One referral to read and decide about, with what the referrer wrote and what may be decided."""
    return _page(referrals.own_referral(work(), ubrn), Form())


def _page(referral: Referral, form: Form, *, changed: str = "", status: int = 200) -> ResponseReturnValue:
    service, after = _place()
    if referral.worklist is not LIST and not form.values:
        return redirect(url_for("web.provider_referral", ubrn=referral.ubrn))
    booked = booking.current_booking(work(), referral)
    page = render_template(
        "desk/triage.html", referral=referral, card=card(referral), form=form, changed=changed,
        options=options(referral, booked, only=TRIAGE), booked=booked,
        slot=shown.slot(work(), booked.slot, referral) if booked else None,
        files=attachments.attachments_of(work(), referral), left=queue.left(work(), LIST, service_id=service),
        service=service, after=after, skip=_skip(referral),
    )  # fmt: skip
    return page, status


def _skip(referral: Referral) -> str:
    """The cursor behind this very entry."""
    return f"{referral.worklist_due.isoformat() if referral.worklist_due else ''}~{referral.id}"


@blp.post("/staff/desk/triage/<ubrn>")
@triagers_only
def triage_send(ubrn: str) -> ResponseReturnValue:
    """Decide about one referral and go on to the next."""
    form = Form(request.form)
    referral = referrals.own_referral(work(), ubrn)
    service, after = _place()
    name = f"{referral.patient.given_name} {referral.patient.family_name}"
    try:
        done = decide(ubrn, form, only=TRIAGE)
    except (StaleVersion, IllegalTransition, Conflict, Forbidden, NotFound) as refused:
        return _overtaken(ubrn, form, refused)
    if done is None:
        return _page(referral, form, status=422)
    flash(f"{done.done}: {name}.", "success")
    return redirect(url_for("web.triage", service=service, after=after))


def _overtaken(ubrn: str, form: Form, refused: BookingError) -> ResponseReturnValue:
    """Somebody was quicker. What still waits is shown again as it is now; what is done leads to the next."""
    service, after = _place()
    version = read_key(form.get("version"))
    try:
        referral = referrals.own_referral(work(), ubrn)
    except NotFound:
        flash(f"{show_ubrn(ubrn)} is not with you any more.", "told")
        return redirect(url_for("web.triage", service=service, after=after))
    if referral.worklist is LIST and not isinstance(refused, Forbidden):
        words = f"{last_words(referral, version)} Look again, then decide." if isinstance(refused, StaleVersion) else ""
        return _page(referral, form, changed=words or refused.message, status=409)
    flash(f"You did not change anything. {last_words(referral, version)}", "told")
    return redirect(url_for("web.triage", service=service, after=after))


def last_words(referral: Referral, seen: int | None) -> str:
    """Who decided since the version that was seen, if anybody did, and where it stands."""
    name = f"{referral.patient.given_name} {referral.patient.family_name}"
    events = history.of(work(), referral).events
    stands = f"{name}’s referral is now: {say.label(referral.state).lower()}."
    if not events or (seen is not None and events[-1].sequence <= seen):
        return f"It was changed meanwhile. {stands}"
    who = "You" if events[-1].actor == work().actor.name else events[-1].actor
    return f"{who} decided meanwhile. {stands}"
