"""One time: who is on it, changing it, taking it off, putting it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import joinedload
from werkzeug.datastructures import MultiDict

from booking.domain.errors import BookingError, Invalid
from booking.domain.slot import Result, instant
from booking.domain.words import PROVIDERS, SlotStatus
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Slot
from booking.services import clinic_calendar, clinic_guests, publishing, session_copies
from booking.services.clinic_calendar import DaySlot
from booking.services.publication_input import NewPublication, SlotDraft
from booking.services.publication_preview import Keep
from booking.services.publication_preview import publish as publish_kept
from booking.web.base import blp
from booking.web.clinics import session_form
from booking.web.clinics.calendar import DayRow, clock
from booking.web.clinics.publish import MODES, PRIORITIES
from booking.web.forms import Form
from booking.web.staff import my_organisation

BOXES = ("date", "starts", "minutes", "practitioner", "mode", "capacity", "appointment_type", "priority")


def _own(slot_id: int) -> Slot:
    clinic_guests.own_slot(work(), slot_id)
    options = [joinedload(Slot.service), joinedload(Slot.site), joinedload(Slot.practitioner)]
    return work().session.get_one(Slot, slot_id, options=options, populate_existing=True)


def _shown(slot: Slot) -> DaySlot:
    zone = ZoneInfo(slot.time_zone)
    return DaySlot(
        slot.id, slot.service_id, slot.service.name, slot.site.name,
        slot.practitioner.name if slot.practitioner else "", slot.starts_at, slot.starts_at.astimezone(zone),
        slot.ends_at.astimezone(zone), slot.mode, slot.appointment_type, slot.capacity,
        closed=slot.status is not SlotStatus.PUBLISHED, past=slot.starts_at <= work().now,
    )  # fmt: skip


def _as_it_is(slot: Slot) -> Form:
    draft = session_copies.draft(slot)
    starts, detail = draft.starts_at, draft.detail
    return Form(MultiDict([
        ("date", starts.date().isoformat()), ("starts", f"{starts:%H:%M}"),
        ("minutes", str(_shown(slot).minutes)), ("practitioner", detail.practitioner or ""),
        ("mode", detail.mode.value), ("capacity", str(detail.capacity)), ("appointment_type", detail.appointment_type),
        *(("priority", one.value) for one in detail.priorities),
    ]))  # fmt: skip


def _page(slot: Slot, form: Form | None = None) -> str:
    shown = _shown(slot)
    come = clinic_guests.guests(work(), [shown]).get(slot.id, [])
    clinic_guests.note(work(), come, "appointment")
    known = clinic_calendar.own(work())
    kept = clinic_guests.held(work(), [shown]).get(slot.id, 0)
    return render_template(
        "clinics/slot.html", organisation=my_organisation(), slot=slot, time=clock(shown.local),
        row=DayRow(shown, clock(shown.local), "", come, kept), form=form or _as_it_is(slot),
        open=form is not None, modes=MODES, priorities=PRIORITIES,
        practitioners=[("", "Nobody in particular"), *((one.more, one.name) for one in known.practitioners)],
    )  # fmt: skip


@blp.get("/staff/clinic/slots/<key:slot_id>")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_slot(slot_id: int) -> str:
    """One time: what it is, who is on it, and what can be done with it."""
    return _page(_own(slot_id))


@blp.post("/staff/clinic/slots/<key:slot_id>")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_slot_send(slot_id: int) -> ResponseReturnValue:
    """Change a time that nobody has: when it is, how long, with whom, for how many."""
    slot, form = _own(slot_id), Form(request.form)
    detail = session_form.detail(form, clinic_calendar.own(work()))
    day, starts = session_form.day(form, "date", "the date"), form.clock("starts", "the time")
    minutes = session_form.whole(form, "minutes", "The length in minutes", session_form.SHORTEST, session_form.LONGEST)
    if detail is None or day is None or starts is None or minutes is None:
        return _page(slot, form), 422
    begins, before = datetime.combine(day, starts), session_copies.draft(slot)
    if begins == before.starts_at.replace(tzinfo=None):
        begins = before.starts_at  # in the hour that comes twice it stays the one it was
    begins, ends = _span(begins, minutes, ZoneInfo(slot.time_zone))
    return _publish(slot, SlotDraft(slot.provider_slot_id, begins, ends, detail), form)


def _span(begins: datetime, minutes: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when, as instants: by the clock the end may be before the start. What is no instant stays as typed,
    and is refused where it is published."""
    try:
        starts = instant(begins, zone, field="starts_at")
    except Invalid:
        return begins, begins + timedelta(minutes=minutes)
    return starts, starts + timedelta(minutes=minutes)


def _publish(slot: Slot, draft: SlotDraft, form: Form | None) -> ResponseReturnValue:
    """Publish the one slot again, as it is to be."""
    given = form or Form(request.form)
    new = NewPublication(slot.service_id, slots=[draft], source="Calendar")
    try:
        done = publish_kept(work(), new, Keep.ALL)
    except BookingError as error:
        if error.status == 404:
            raise
        session_form.beside(given, error, "starts", BOXES)
        return _page(_own(slot.id), given), 422
    outcome = done.lines[0].outcome
    if not done.kept:
        given.fail("starts", outcome.message or "That was refused.")
        return _page(_own(slot.id), given), 409
    same = outcome.result is Result.UNCHANGED
    flash("Nothing was changed: it was so already." if same else "The time is changed.", "success")
    return redirect(url_for("web.clinic_slot", slot_id=slot.id))


@blp.post("/staff/clinic/slots/<key:slot_id>/withdraw")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_slot_withdraw(slot_id: int) -> ResponseReturnValue:
    """Take a time off: withdrawn where nobody is booked, else closed to others."""
    outcome = publishing.withdraw_slot(work(), slot_id)
    if outcome.result is Result.UNCHANGED:
        flash("It was off already.", "success")
    else:
        flash(outcome.message or "The time is withdrawn: nobody can book it any more.", "success")
    return redirect(url_for("web.clinic_slot", slot_id=slot_id))


@blp.post("/staff/clinic/slots/<key:slot_id>/publish")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_slot_publish(slot_id: int) -> ResponseReturnValue:
    """Put a time that was withdrawn or closed back as it was."""
    slot = _own(slot_id)
    return _publish(slot, session_copies.draft(slot), None)
