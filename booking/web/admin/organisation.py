"""The organisation as the directory has it, its sites, and where notices of overdue work go."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError
from booking.edge.flask_app import work
from booking.services import organisation as service
from booking.services import people
from booking.web.admin import admins_only, managers_only
from booking.web.base import blp
from booking.web.forms import Form, read_key


@blp.get("/staff/admin/organisation")
@admins_only
def organisation() -> str:
    """Your organisation and its sites as the directory has them."""
    found = service.describe(work())
    return _page(found, Form({"worklist_email": found.organisation.worklist_email or ""}))


def _page(found: service.Described, form: Form) -> str:
    manages = work().actor.role in people.MANAGERS
    return render_template("admin/organisation.html", found=found, form=form, manages=manages)


@blp.post("/staff/admin/organisation")
@managers_only
def organisation_change() -> ResponseReturnValue:
    """Say where notices of overdue work go."""
    form = Form(request.form)
    address = form.text("worklist_email", most=254)
    if not form.errors:
        try:
            with work().session.begin_nested():
                service.change_worklist_email(work(), address, version=read_key(form.get("version")))
        except BookingError as refused:
            form.refuse(refused, ("worklist_email",), "worklist_email")
    if form.errors:
        return _page(service.describe(work()), form), 422
    flash(f"Notices of overdue work go to {address}." if address else "Nobody is told of overdue work.", "success")
    return redirect(url_for("web.organisation"))
