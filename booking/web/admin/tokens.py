"""Tokens of the organisation's system clients: make one, see it once, end it."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.services import people
from booking.services.accounts import LONGEST_TOKEN_DAYS
from booking.services.work import HOME_ZONE
from booking.web.admin import managers_only, shown_once
from booking.web.admin.people import role_choices, roles_here
from booking.web.base import blp
from booking.web.forms import Form, read_key
from booking.web.staff import my_organisation

MADE = "made"
"""The key in the cookie under which a token waits for the page that shows it."""


@blp.get("/staff/admin/tokens")
@managers_only
def tokens() -> str:
    """The tokens of your organisation's system clients that still work, and a form for another.

    One made a moment ago is shown first: once, and nobody can read it again.
    """
    if (kept := shown_once.take(MADE)) is not None:
        for one in people.list_tokens(work()):
            if one.session.id == kept[0]:
                return render_template(
                    "admin/token_made.html", made=one, token=kept[1], organisation=my_organisation(),
                    url=work().config.public_url,
                )  # fmt: skip
    return _page(Form({"days": "365"}))


def _page(form: Form) -> str:
    return render_template(
        "admin/tokens.html", form=form, tokens=people.list_tokens(work()), choices=role_choices(),
        longest=LONGEST_TOKEN_DAYS, organisation=my_organisation(), today=work().today, home=HOME_ZONE,
    )  # fmt: skip


@blp.post("/staff/admin/tokens")
@managers_only
def token_new() -> ResponseReturnValue:
    """Make a token: the page that follows shows it once, and nobody can read it again."""
    form = Form(request.form)
    client = form.text("client", "Enter the name of the system", most=80)
    role = next((one for one in roles_here() if one.value == form.get("role")), None)
    if role is None:
        form.fail("role", "Choose what the system may do")
    days = form.number("days", f"Enter a number of days from 1 to {LONGEST_TOKEN_DAYS}", most=LONGEST_TOKEN_DAYS)
    if days is None or days != int(days):
        form.fail("days", f"Enter a number of days from 1 to {LONGEST_TOKEN_DAYS}")
    if not form.errors and isinstance(role, Role) and days is not None:
        try:
            with work().session.begin_nested():
                made, _ = people.issue_token(work(), client, role, int(days))
        except BookingError as refused:
            form.refuse(refused, ("client", "role", "days"), "client")
        else:
            shown_once.keep(MADE, made.session_id, made.token)
            return redirect(url_for("web.tokens"))
    return _page(form), 422


@blp.post("/staff/admin/tokens/end")
@managers_only
def token_end() -> ResponseReturnValue:
    """End a token: it stops working at once."""
    token_id = read_key(request.form.get("token_id"))
    if token_id in {one.session.id for one in people.list_tokens(work())} and token_id is not None:
        people.revoke_token(work(), token_id)
    flash("That token does not work any more.", "success")
    return redirect(url_for("web.tokens"))
