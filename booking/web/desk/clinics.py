"""Cancelling a clinic: which slots, whom it touches and where each could go, the reason, and what became of each."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import BeingChanged, Conflict, Invalid
from booking.domain.reasons import ReasonList, reasons_for
from booking.edge.flask_app import work
from booking.models import ClinicCancellation, Practitioner
from booking.services import clinic_calendar, clinics
from booking.services.clinics import Reach, Selection
from booking.services.desk import touched
from booking.web.base import blp
from booking.web.desk.people import desk_only
from booking.web.forms import Form, read_date, read_key

FIELDS = ("service", "first", "last", "starts", "ends", "practitioner")
PER_PAGE = 50


@blp.get("/staff/desk/clinics/cancel")
@desk_only
def cancel_clinic() -> ResponseReturnValue:
    """Choose a clinic to cancel, and see whom that would touch before anything is changed."""
    form = Form(request.args)
    if not form.get("service") and not form.get("first"):
        return _page(form, None)
    selection = _selection(form)
    return _page(form, selection)


def _page(
    form: Form, selection: Selection | None, *, changes: list[str] | None = None, status: int = 0
) -> ResponseReturnValue:
    reach = seats = None
    if selection is not None and not {"service", "first", "last", "starts", "ends"} & form.errors.keys():
        try:
            reach = clinics.preview(work(), selection)
            seats = touched.seats(work(), reach)
        except Invalid as refused:
            names = {"first_date": "first", "last_date": "last"}
            for fault in refused.errors:
                form.fail(names.get(fault.field, "service"), fault.message)
    page = render_template(
        "desk/cancel_clinic.html", form=form, reach=reach, seats=seats, seen=_seen(reach) if reach else "",
        services=clinic_calendar.own_services(work()), practitioners=_practitioners(), changes=changes or [],
        reasons=reasons_for(ReasonList.APPOINTMENT_BY_PROVIDER, work().actor.role, work().today),
        most=touched.MOST_LOOKED_AT, recent=touched.recent_cancellations(work()) if reach is None else [],
        names=FIELDS,
    )  # fmt: skip
    return page, status or (422 if form.errors else 200)


def _practitioners() -> list[Practitioner]:
    own = Practitioner.organisation_id == work().actor.organisation_id
    return list(work().session.scalars(select(Practitioner).where(own).order_by(Practitioner.name).limit(300)))


def _selection(form: Form) -> Selection | None:
    service, first = read_key(form.get("service")), read_date(form.get("first"))
    if service is None:
        form.fail("service", "Select the service")
    if first is None:
        form.fail("first", "Enter the first day, like 2026-03-09")
    last = read_date(form.get("last"))
    if form.get("last") and last is None:
        form.fail("last", "Enter the last day, like 2026-03-09, or leave it out")
    if first is not None and last is not None and last < first:
        form.fail("last", "The last day is before the first")
    starts, ends = (form.clock(name, f"when it {name}", needed=False) for name in ("starts", "ends"))
    if starts is not None and ends is not None and ends <= starts:
        form.fail("ends", "The end is not after the start")
    if form.errors or first is None:
        return None
    who = form.text("practitioner", most=40) or None
    return Selection(
        service_id=service, first_date=first, last_date=last, starts=starts, ends=ends, practitioner=who
    )  # fmt: skip


@blp.post("/staff/desk/clinics/cancel")
@desk_only
def cancel_clinic_send() -> ResponseReturnValue:
    """Cancel what was previewed, all or nothing; a preview that is out of date is made again and says what changed."""
    form = Form(request.form)
    selection = _selection(form)
    if selection is None:
        return _page(form, None)
    reason = form.text("reason", "Select why the clinic is cancelled")
    comment = form.text("comment", most=2000)
    digest = form.get("digest")
    if form.errors:
        return _page(form, selection)
    try:
        with work().session.begin_nested():
            made = clinics.cancel(work(), selection, digest=digest, reason=reason, comment=comment or None)
    except Conflict:
        return _twice(digest) or _page(form, selection, changes=_changes(form, selection), status=409)
    except BeingChanged:
        busy = ["Somebody is booking at this clinic at this moment. Look again and send it once more."]
        return _page(form, selection, changes=busy, status=409)
    except Invalid as refused:
        form.refuse(refused, ("reason", "comment"), "service")
        return _twice(digest) or _page(form, selection)
    flash(
        f"Cancelled: {made.slots} {'time' if made.slots == 1 else 'times'}. Everybody booked is being told.", "success"
    )
    return _cancelled(made)


def _cancelled(made: ClinicCancellation) -> ResponseReturnValue:
    return redirect(url_for("web.clinic_cancelled", cancellation_id=made.id))


def _twice(digest: str) -> ResponseReturnValue | None:
    """What a first click has done already is shown, not refused."""
    made = touched.cancelled_already(work(), digest)
    return _cancelled(made) if made is not None else None


def _seen(reach: Reach) -> str:
    """What the page shows, short, so that a later look can say what is different."""
    return json.dumps(
        {"booked": [one.booking_id for one in reach.appointments], "kept": len(reach.kept), "slots": len(reach.slots)},
        separators=(",", ":"),
    )


def _changes(form: Form, selection: Selection) -> list[str]:
    """In words, what is not as the visitor saw it."""
    now, before = clinics.preview(work(), selection), _read_seen(form.get("seen"))
    if before is None:
        return ["Something has changed since you looked. Look again at whom it touches."]
    said = []
    new = [one for one in now.appointments if one.booking_id not in before.booked]
    gone = len(before.booked - {one.booking_id for one in now.appointments})
    if new:
        said.append(f"Booked since you looked: {', '.join(f'{one.given_name} {one.family_name}' for one in new[:5])}"
                    + (f" and {len(new) - 5} more." if len(new) > 5 else "."))  # fmt: skip
    if gone:
        said.append(f"{gone} who {'was' if gone == 1 else 'were'} booked {'is' if gone == 1 else 'are'} not any more.")
    if len(now.kept) != before.kept:
        said.append(f"Times kept for patients who choose: {len(now.kept)} now, {before.kept} before.")
    if len(now.slots) != before.slots:
        said.append(f"Times to cancel: {len(now.slots)} now, {before.slots} before.")
    return said or ["A time at this clinic was changed since you looked."]


@dataclass(frozen=True, slots=True)
class Seen:
    booked: frozenset[int]
    kept: int
    slots: int


def _read_seen(text: str) -> Seen | None:
    try:
        raw = json.loads(text)
        return Seen(frozenset(int(key) for key in raw["booked"]), int(raw["kept"]), int(raw["slots"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@blp.get("/staff/desk/clinics/cancelled/<key:cancellation_id>")
@desk_only
def clinic_cancelled(cancellation_id: int) -> ResponseReturnValue:
    """What became of everybody who was booked at a cancelled clinic."""
    found = touched.own_cancellation(work(), cancellation_id)
    after = read_key(request.args.get("after")) or 0
    rows = touched.outcomes(work(), found, after=after, most=PER_PAGE + 1)
    reasons = reasons_for(ReasonList.APPOINTMENT_BY_PROVIDER, work().actor.role, found.cancelled_at.date())
    shown = rows[:PER_PAGE]
    return render_template(
        "desk/cancelled.html", found=found, rows=shown, after=after,
        more=shown[-1].booking_id if len(rows) > PER_PAGE else None,
        reason=next((one.text for one in reasons if one.code == found.reason_code), found.reason_code),
        settled=sum(one.now_at is not None for one in shown),
    )  # fmt: skip
