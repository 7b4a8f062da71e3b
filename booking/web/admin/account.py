"""One's own account: where one is signed in, and one's password. The first password is chosen before anything else."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Invalid, NotSignedIn, TooManyAttempts, WrongPassword
from booking.edge import guard
from booking.edge.flask_app import work
from booking.edge.policy import public
from booking.services import accounts, own_sessions, passwords
from booking.web.admin import MAY
from booking.web.base import blp
from booking.web.forms import Form
from booking.web.sign_in import come_in
from booking.web.staff import staff_only

SHORTEST = accounts.SHORTEST_PASSWORD
LONGEST_SHOWN = 50
"""Sessions on the page; there is a button that ends them all."""


@blp.get("/staff/account")
@staff_only
def account() -> str:
    """Who you are here, where you are signed in, and your password."""
    return _page(Form())


def _page(form: Form) -> str:
    unit = work()
    mine = accounts.my_account(unit)
    return render_template(
        "admin/account.html", form=form, account=mine, roles=accounts.my_roles(unit), may=MAY, shortest=SHORTEST,
        sessions=own_sessions.my_sessions(unit)[:LONGEST_SHOWN], here=unit.actor.session_id,
    )  # fmt: skip


@blp.post("/staff/account/password")
@staff_only
def change_password() -> ResponseReturnValue:
    """Change your own password with the old one; everywhere else you are signed out."""
    form = _read("old")
    if not form.errors:
        try:
            with guard.throttled(f"own password {work().actor.account_id}", WrongPassword):
                ended = passwords.change(work(), form.get("old")[:200], form.get("new"))
        except TooManyAttempts as late:
            form.fail("old", late.message)
            return _page(form), 429, {"Retry-After": str(late.retry_after)}
        except Invalid as refused:
            form.refuse(refused, ("old", "new"), "new")
    if form.errors:
        work().session.rollback()
        return _page(form), 422
    elsewhere = f" You are signed out in {ended} other place{'s' if ended > 1 else ''}." if ended else ""
    flash(f"Your password is changed.{elsewhere}", "success")
    return redirect(url_for("web.account"))


def _read(old: str) -> Form:
    """The old password, and the new one twice. Nothing typed here is ever put back into a page."""
    form = Form(request.form)
    if not form.get(old):
        form.fail(old, "Enter the password you have now")
    if not form.get("new"):
        form.fail("new", "Enter a new password")
    elif form.get("new") != form.get("again"):
        form.fail("again", "This is not the same as the new password")
    return form


@blp.post("/staff/account/sessions")
@staff_only
def end_sessions() -> ResponseReturnValue:
    """Sign out in one other place, or everywhere."""
    which = request.form.get("session_id", type=int)
    if which is None:
        own_sessions.end_all(work())
        session.clear()
        return redirect(url_for("web.staff_sign_in"))
    live = {one.id for one in own_sessions.my_sessions(work())}
    if which in live:  # sent twice: it has ended already
        own_sessions.end_session(work(), which)
    flash("That session has ended.", "success")
    return redirect(url_for("web.account"))


@blp.get("/staff/first-password")
@public()
def first_password() -> str:
    """Choose a password of your own with the first one that somebody gave you."""
    return render_template("admin/first_password.html", form=Form(), shortest=SHORTEST)


@blp.post("/staff/first-password")
@public()
def first_password_send() -> ResponseReturnValue:
    """Sign in for the first time, with a password of one's own from now on."""
    form = _read("given")
    username = form.text("username", "Enter your user name")
    status = 422
    if not form.errors:
        try:
            with guard.throttled(username):
                signed = passwords.choose_first(work(), username, form.get("given")[:200], form.get("new"))
        except (NotSignedIn, TooManyAttempts) as refused:
            form.fail("username", refused.message)
            status = 429 if isinstance(refused, TooManyAttempts) else 422
        except Invalid as refused:
            form.refuse(refused, ("new",), "new")
    if form.errors:
        work().session.rollback()
        return render_template("admin/first_password.html", form=form, shortest=SHORTEST), status
    come_in(work(), signed)
    flash("Your password is yours alone now.", "success")
    return redirect(url_for("web.staff_role"))
