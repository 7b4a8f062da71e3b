"""Signing in and out: patients by reference, access code and date of birth; staff by name and password."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from flask import make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Invalid, NotSignedIn, PasswordTemporary, TooManyAttempts
from booking.domain.words import Relation, Role
from booking.edge import guard
from booking.edge.flask_app import COOKIE_TOKEN, work
from booking.edge.policy import Via, allow, public
from booking.services import accounts, acting, offers, referrals
from booking.services import sign_in as service
from booking.services.sign_in import SignedIn
from booking.services.work import Work
from booking.web import spoken
from booking.web.base import blp, local_path, my_ubrn
from booking.web.forms import Form
from booking.web.kept import FIELD, go_on_page, open_form
from booking.web.spoken import gettext


@blp.get("/sign-in")
@public()
def sign_in() -> ResponseReturnValue:
    target = local_path(request.args.get("next"))
    if target.startswith("/staff"):
        return redirect(url_for("web.staff_sign_in", next=target))
    return render_template("web/sign_in.html", form=Form(), next=target)


@blp.post("/sign-in")
@public()
def sign_in_send() -> ResponseReturnValue:
    form, target = Form(request.form), local_path(request.form.get("next"))
    reference = form.text("reference", gettext("Enter your booking reference number"), most=40)
    code = form.text("access_code", gettext("Enter your access code"), most=64)
    born = form.date("date_of_birth", gettext("your date of birth"))
    helper = read_helper(form) if form.get("acting_name").strip() or form.get("acting_relation") else None
    if form.errors:
        return render_template("web/sign_in.html", form=form, next=target, kept=form.get(FIELD)), 422
    try:
        with guard.throttled(reference):
            signed = service.patient_sign_in(work(), reference, code, born)
    except (NotSignedIn, TooManyAttempts) as refused:
        form.fail("reference", gettext(refused.message))
        return _refused("web/sign_in.html", form, target, refused)
    come_in(work(), signed)
    if helper is not None:
        acting.begin(work(), helper, session_id=signed.session_id)
    offer_times(work(), signed.token)
    if found := open_form(work(), form.get(FIELD)):
        return go_on_page(found)
    return redirect(target if target and not target.startswith("/staff") else url_for("web.choices"))


def read_helper(form: Form) -> acting.ActsFor | None:
    """Who does it for the patient, as the form says; its faults beside the fields where it is not whole."""
    name = form.text("acting_name", gettext("Enter your own name"))
    relation = form.one_of("acting_relation", Relation, gettext("Select what you are to the patient"))
    if "acting_name" in form.errors or relation is None:
        return None
    try:
        return acting.checked(name, relation)
    except Invalid:  # of a name that is there only its characters can be at fault
        form.fail("acting_name", gettext("Give your name in letters that can be printed."))
        return None


def _refused(page: str, form: Form, target: str, refused: NotSignedIn | TooManyAttempts) -> ResponseReturnValue:
    # 401 would ask for a WWW-Authenticate header and a browser's own dialogue: to a form it is a refused field.
    late = isinstance(refused, TooManyAttempts)
    filled = render_template(page, form=form, next=target, kept=form.get(FIELD))
    response = make_response(filled, 429 if late else 422)
    if isinstance(refused, TooManyAttempts):
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


def come_in(unit: Work, signed: SignedIn) -> None:
    """A new session, whoever used this browser before: their token stops working, their cookie is emptied."""
    service.sign_out(unit)
    empty_cookie()
    session[COOKIE_TOKEN] = signed.token


def empty_cookie() -> None:
    """All goes but the language and the size of print, which say nothing about anybody."""
    stays = {name: session[name] for name in spoken.STAYS if name in session}
    session.clear()
    session.update(stays)


def signed_in(unit: Work, token: str) -> Work:
    """The work as whoever has just come in."""
    actor = service.actor_for(unit.session, unit.keys, token, unit.now)
    return replace(unit, actor=replace(actor, request_id=unit.actor.request_id)) if actor is not None else unit


def offer_times(unit: Work, token: str) -> Work | None:
    """Somebody who comes in to choose finds times ready. If that fails, the page has a button to ask again.

    Returns the work as that patient; None where the token is nobody's.
    """
    mine = signed_in(unit, token)
    if mine.actor.role is not Role.PATIENT:
        return None
    with contextlib.suppress(BookingError), unit.session.begin_nested():
        ubrn = my_ubrn(mine)
        referrals.lock_referral(mine, ubrn)
        offers.ensure_offers(mine, referrals.own_referral(mine, ubrn))
    return mine


@blp.get("/staff/sign-in")
@public()
def staff_sign_in() -> str:
    return render_template("web/staff_sign_in.html", form=Form(), next=local_path(request.args.get("next")))


@blp.post("/staff/sign-in")
@public()
def staff_sign_in_send() -> ResponseReturnValue:
    form, target = Form(request.form), local_path(request.form.get("next"))
    username = form.text("username", "Enter your user name")
    password = form.get("password")
    if not password:
        form.fail("password", "Enter your password")
    if form.errors:
        return render_template("web/staff_sign_in.html", form=form, next=target, kept=form.get(FIELD)), 422
    try:
        with guard.throttled(username):
            signed = service.staff_sign_in(work(), username, password[:200])
    except PasswordTemporary:
        return redirect(url_for("web.first_password"))
    except (NotSignedIn, TooManyAttempts) as refused:
        form.fail("username", refused.message)
        return _refused("web/staff_sign_in.html", form, target, refused)
    come_in(work(), signed)
    found = open_form(work(), form.get(FIELD))
    if found is None:
        return redirect(url_for("web.staff_role", next=target or None))
    if len(mine := accounts.my_roles(signed_in(work(), signed.token))) > 1:
        return render_template("web/staff_role.html", roles=mine, current=None, next="", kept=form.get(FIELD))
    return go_on_page(found)


@blp.post("/sign-out")
@allow(*Role, via=Via.COOKIE)
def sign_out() -> ResponseReturnValue:
    staff = work().actor.role is not Role.PATIENT
    service.sign_out(work())
    empty_cookie()
    return redirect(url_for("web.staff_sign_in" if staff else "web.front"))
