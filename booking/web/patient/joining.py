"""Where nothing is free: asking a clinic to find a time, with the day by which it must get in touch."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BeingChanged, BookingError
from booking.domain.referral import Action, ReferralState
from booking.edge.flask_app import work
from booking.services import joining as service
from booking.services import life
from booking.services.life import Given
from booking.web import say
from booking.web.base import blp, my_referral, my_ubrn, patient_only
from booking.web.forms import Form, read_key
from booking.web.patient.common import tell
from booking.web.spoken import gettext


@blp.get("/join")
@patient_only
def join() -> ResponseReturnValue:
    """What joining a clinic's list means and by when the patient hears, before they ask for it."""
    return _page(Form())


def _page(form: Form) -> ResponseReturnValue:
    referral = my_referral()
    full = service.joinable(work(), referral)
    if not full:
        return redirect(url_for("web.choices"))
    rows = [(one.service, say.whole_day(one.call_by)) for one in full]
    return render_template("patient/join.html", form=form, rows=rows, referral=referral), 422 if form.errors else 200


@blp.post("/join")
@patient_only
def join_send() -> ResponseReturnValue:
    """Ask the clinic chosen. It sees the patient on its list of those for whom it must find a time."""
    form = Form(request.form)
    chosen = read_key(form.get("service"))
    if chosen is None:
        form.fail("service", gettext("Select the clinic that should find you a time"))
        return _page(form)
    try:
        with work().session.begin_nested():
            given = Given(reason="NO_SLOTS", service_id=chosen)
            life.perform(work(), my_ubrn(work()), Action.DEFER_TO_PROVIDER, given)
    except BeingChanged:
        tell("again")
    except BookingError:
        sent_twice = my_referral().state is ReferralState.DEFERRED_TO_PROVIDER
        tell("joined" if sent_twice else "not_joined")
    else:
        tell("joined")
    return redirect(url_for("web.choices"))
