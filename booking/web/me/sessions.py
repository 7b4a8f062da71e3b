"""Where the patient is signed in, signing out there; and who does it for them."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.edge.flask_app import work
from booking.services import acting as service
from booking.services import own_sessions
from booking.web.base import blp, patient_only
from booking.web.forms import Form
from booking.web.sign_in import read_helper
from booking.web.spoken import gettext


@blp.get("/me/sessions")
@patient_only
def my_sessions() -> str:
    """Where you are signed in, with a way to sign out there."""
    unit = work()
    rows = own_sessions.my_sessions(unit)
    helpers = {one.session_id: one for one in service.own_helpers(unit) if one.ended_at is None}
    return render_template("me/sessions.html", rows=rows, current=unit.actor.session_id, helpers=helpers)


@blp.post("/me/sessions/<key:session_id>/end")
@patient_only
def my_session_end(session_id: int) -> ResponseReturnValue:
    """Sign out in one place."""
    own_sessions.end_session(work(), session_id)
    flash(gettext("Signed out there."), "success")
    return redirect(url_for("web.my_sessions"))


@blp.post("/me/sessions/end-others")
@patient_only
def my_sessions_end() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    for one in own_sessions.my_sessions(work()):
        if one.id != work().actor.session_id:
            own_sessions.end_session(work(), one.id)
    flash(gettext("Signed out everywhere else."), "success")
    return redirect(url_for("web.my_sessions"))


@blp.get("/me/acting")
@patient_only
def acting() -> str:
    """Who is doing this: the patient, or somebody for them."""
    now = work().actor.acting
    typed = {"acting_name": now.name, "acting_relation": str(now.relation)} if now is not None else {}
    return _acting(Form(typed))


def _acting(form: Form) -> str:
    return render_template("me/acting.html", form=form, before=service.own_helpers(work()))


@blp.post("/me/acting")
@patient_only
def acting_send() -> ResponseReturnValue:
    """Say who does it for the patient from now on."""
    form = Form(request.form)
    helper = read_helper(form)
    if helper is None:
        return _acting(form), 422
    service.begin(work(), helper)
    flash(gettext("Noted. What you do from now on is recorded as done by you for the patient."), "success")
    return redirect(url_for("web.choices"))


@blp.post("/me/acting/end")
@patient_only
def acting_end() -> ResponseReturnValue:
    """Say that it is the patient from now on."""
    service.end(work())
    flash(gettext("Noted. From now on the patient is doing this."), "success")
    return redirect(url_for("web.acting"))
