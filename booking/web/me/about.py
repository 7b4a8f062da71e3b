"""About you: how you are told things, what you need of an appointment, the times that never suit."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Invalid, StaleVersion
from booking.domain.geo import in_miles
from booking.domain.needs import WEEK_PARTS
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Patient
from booking.services import identity, needs, preferences
from booking.web import shown, spoken
from booking.web.base import blp, my_referral, patient_only
from booking.web.forms import Form
from booking.web.me import fields, week
from booking.web.spoken import gettext

CHANGED = _("These details were changed in another window meanwhile. Look at them again, and save once more.")


@blp.get("/me")
@patient_only
def me() -> str:
    """About you: what is noted of how to reach you and what you need, each with a way to change it."""
    unit, mine = work(), preferences.contact_of(work())
    return render_template(
        "me/about.html", me=mine, needs=shown.needs(mine), never=week.in_words(mine.unsuitable_times),
        far=_miles(mine), channels=fields.CHANNELS, languages=fields.LANGUAGES, referral=my_referral(),
        several=unit.actor.patient_id is not None and len(identity.my_referrals(unit)) > 1,
    )  # fmt: skip


def _miles(mine: Patient) -> str:
    return in_miles(mine.farthest_km) if mine.farthest_km is not None else ""


@blp.get("/me/contact")
@patient_only
def my_contact() -> ResponseReturnValue:
    """How you are told things: e-mail, text message or letter, the language, large print."""
    mine = preferences.contact_of(work())
    typed = {
        "channel": str(mine.channel), "email": mine.email or "", "mobile": mine.mobile or "",
        "language": str(mine.language), "large_print": "yes" if mine.large_print else "",
    }  # fmt: skip
    return _contact(Form(typed), mine.version)


def _contact(form: Form, version: int) -> ResponseReturnValue:
    page = render_template(
        "me/contact.html", form=form, version=version, channels=fields.CHANNELS, languages=fields.LANGUAGES
    )
    return page, 422 if form.errors else 200


@blp.post("/me/contact")
@patient_only
def my_contact_send() -> ResponseReturnValue:
    """Save how you are told things."""
    form = Form(request.form)
    changes = fields.read_contact(form)
    version = _version(form)
    if not form.errors:
        try:
            with work().session.begin_nested():
                preferences.change_contact(work(), changes, version=version)
        except (Invalid, StaleVersion) as refused:
            version = _refuse(form, refused, ("channel", "email", "mobile"), "channel")
    if form.errors:
        return _contact(form, version)
    for name in spoken.STAYS:  # what is in the record now holds here too
        session.pop(name, None)
    spoken.forget()
    flash(gettext("Saved: how you are told things."), "success")
    return redirect(url_for("web.me"))


def _version(form: Form) -> int:
    text = form.get("version")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _refuse(form: Form, refused: Invalid | StaleVersion, names: tuple[str, ...], otherwise: str) -> int:
    """Put a refusal beside its field; returns the version that saving once more is about."""
    if isinstance(refused, StaleVersion):
        form.fail(otherwise, gettext(CHANGED))
    else:
        fields.refuse(form, refused, names, otherwise)
    return preferences.contact_of(work()).version


@blp.get("/me/needs")
@patient_only
def my_needs() -> ResponseReturnValue:
    """What you need of an appointment: step-free, interpreter, whom you see, video, how far."""
    mine = preferences.contact_of(work())
    typed = {
        "step_free": "yes" if mine.step_free else "", "interpreter_language": mine.interpreter_language or "",
        "clinician_sex": str(mine.clinician_sex or ""), "no_video": "" if mine.video_possible else "yes",
        "farthest_miles": _miles(mine),
    }  # fmt: skip
    return _needs(Form(typed), mine.version)


def _needs(form: Form, version: int) -> ResponseReturnValue:
    page = render_template("me/needs.html", form=form, version=version, sexes=fields.CLINICIANS)
    return page, 422 if form.errors else 200


@blp.post("/me/needs")
@patient_only
def my_needs_send() -> ResponseReturnValue:
    """Save what you need of an appointment; times proposed to you follow at once."""
    form = Form(request.form)
    changes, version = fields.read_needs(form), _version(form)
    names = ("interpreter_language", "clinician_sex", "farthest_miles")
    if not form.errors:
        try:
            with work().session.begin_nested():
                if form.get("farthest_miles").strip() == _miles(preferences.contact_of(work())):
                    del changes["farthest_miles"]  # as it was shown, rounded: what is stored stays
                needs.change_needs(work(), changes, version=version)
        except (Invalid, StaleVersion) as refused:
            version = _refuse(form, refused, names, "step_free")
    if form.errors:
        return _needs(form, version)
    flash(gettext("Saved: what you need. The times proposed to you follow it from now on."), "success")
    return redirect(url_for("web.me"))


@blp.get("/me/times")
@patient_only
def my_times() -> ResponseReturnValue:
    """The times of the week that never suit you."""
    mine = preferences.contact_of(work())
    return _times(Form({}), {n for n in range(WEEK_PARTS) if mine.unsuitable_times >> n & 1}, mine.version)


def _times(form: Form, never: set[int], version: int) -> ResponseReturnValue:
    page = render_template(
        "me/times.html", form=form, never=never, version=version, days=week.days(), parts=week.parts()
    )
    return page, 422 if form.errors else 200


@blp.post("/me/times")
@patient_only
def my_times_send() -> ResponseReturnValue:
    """Save the times that never suit you; times proposed to you follow at once."""
    form = Form(request.form)
    never = {int(text) for text in form.all("never") if text in week.KNOWN}
    version = _version(form)
    try:
        with work().session.begin_nested():
            needs.change_needs(work(), {"unsuitable_times": sum(1 << n for n in never)}, version=version)
    except (Invalid, StaleVersion) as refused:
        version = _refuse(form, refused, (), "never")
    if form.errors:
        return _times(form, never, version)
    flash(gettext("Saved: the times that never suit you. They are not proposed to you any more."), "success")
    return redirect(url_for("web.me"))
