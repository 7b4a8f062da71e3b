"""The commissioner's practices, and closing one: who takes its patients, and what that moves."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict, Invalid
from booking.edge.flask_app import work
from booking.services import practices as closing
from booking.services.practices import Closing
from booking.web import say
from booking.web.base import blp
from booking.web.commissioner import changing, may_change, reading
from booking.web.forms import Form

NOBODY = "none"


@blp.get("/staff/practices")
@reading
def practices() -> str:
    """Your practices with how many patients each has, and those that are closed."""
    term, after = (request.args.get(name, "").strip()[:100] for name in ("q", "after"))
    lines, more = closing.own_practices(work(), term=term, after=after)
    return render_template(
        "commissioner/practices.html", lines=lines, more=more, term=term, after=after, may_change=may_change(),
        today=work().today, form=Form({"q": term}),
    )  # fmt: skip


@blp.get("/staff/practices/<code>/close")
@changing
def practice_close(code: str) -> ResponseReturnValue:
    """What closing a practice would move: first who takes it over, then that said again; nothing is changed."""
    form = Form(request.args)
    if "successor" in request.args and not form.get("successor"):
        form.fail("successor", "Choose who takes the patients over")
    try:
        page = _page(code, form)
        return (page, 422) if form.errors else page
    except Conflict as error:
        flash(error.message, "info")
        return redirect(url_for("web.practices"))


@blp.post("/staff/practices/<code>/close")
@changing
def practice_close_send(code: str) -> ResponseReturnValue:
    """Close the practice from today: patients, open referrals and advice go over to the successor."""
    form = Form(request.form)
    if not form.get("successor"):
        form.fail("successor", "Choose who takes the patients over")
    if form.get("sure") != "yes":
        form.fail("sure", "Tick the box to say that the practice is to close today")
    if form.errors:
        return _page(code, form), 422
    try:
        with work().session.begin_nested():
            done = closing.close(work(), code, _successor(form))
    except Conflict as error:
        flash(error.message, "info")
        return redirect(url_for("web.practices"))
    except Invalid as error:
        form.refuse(error, ("successor",), "successor")
        return _page(code, form), 422
    where = done.successor.name if done.successor is not None else "no practice yet"
    flash(
        f"{done.practice.name} is closed. {say.count(done.patients, 'patient')} and "
        f"{say.count(done.open_referrals, 'open referral')} went over to {where}.",
        "success",
    )
    return redirect(url_for("web.practices"))


def _successor(form: Form) -> str | None:
    chosen = form.get("successor")
    return None if chosen in ("", NOBODY) else chosen


def _page(code: str, form: Form) -> str:
    try:
        counted: Closing = closing.preview_closing(work(), code, _successor(form))
    except Invalid as error:
        form.refuse(error, ("successor",), "successor")
        counted = closing.preview_closing(work(), code, None)
    chosen = bool(form.get("successor")) and "successor" not in form.errors
    others = [(one, name) for one, name in closing.open_names(work()) if one != counted.practice.ods_code]
    return render_template(
        "commissioner/practice_close.html", counted=counted, form=form, others=others, chosen=chosen, nobody=NOBODY
    )
