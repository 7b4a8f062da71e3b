"""Who came: one press each from the day's list, with the cursor at the next person afterwards."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Booking
from booking.services import attendance as service
from booking.web.base import blp, local_path

SAID = {
    "attended": "Recorded: the patient attended.",
    "absent": "Recorded: the patient did not attend.",
    "rebook": "The patient is offered another appointment and told so.",
    "return": "The referral is with the referrer, with your words.",
}


def _back(booked: int | None) -> str:
    """The page that it was sent from, with the cursor moved on."""
    target = urlsplit(local_path(request.form.get("back")) or url_for("web.clinic_day"))
    query = [(name, value) for name, value in parse_qsl(target.query) if name != "recorded"]
    if booked is not None:
        query.append(("recorded", str(booked)))
    return f"{target.path}?{urlencode(query)}" if query else target.path


def _do(step: str, reference: str) -> Booking:
    if step == "rebook":
        return service.rebook(work(), reference)
    if step == "return":
        return service.advise(work(), reference, request.form.get("comment", "").strip()[:2000])
    return service.record(work(), reference, came=step == "attended")


@blp.post("/staff/clinic/attendance/<reference>")
@allow(Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, via=Via.COOKIE)
def attendance(reference: str) -> ResponseReturnValue:
    """Record whether a patient came; for who did not, offer another appointment or leave it to the referrer."""
    step = request.form.get("step", "")
    if step not in SAID:
        flash("Nothing was recorded: choose whether the patient attended.")
        return redirect(_back(None))
    try:
        with work().session.begin_nested():
            booked = _do(step, reference)
    except BookingError as error:
        if error.status == 404:
            raise
        flash(f"Nothing was recorded. {error.message}")
        return redirect(_back(None))
    flash(SAID[step], "success")
    return redirect(_back(booked.id))
