"""What the provider offers: its services listed, described, changed with a look at whom it touches, and closed."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Invalid, StaleVersion
from booking.domain.words import BookingMode, Priority, Role, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import service_definitions
from booking.services.service_definitions import Described
from booking.services.service_effects import Effects
from booking.web.base import blp
from booking.web.desk import service_form
from booking.web.desk.people import desk_only
from booking.web.forms import Form, read_key
from booking.web.staff import my_organisation

definers_only = allow(Role.SERVICE_DEFINER, via=Via.COOKIE)
STALE = (
    "Somebody else changed this service while you were writing. What they wrote stands on the service’s page: "
    "compare, then save again."
)
FIELD_WORDS = {
    "name": "Name", "site": "Site", "specialty": "Specialty", "operational_from": "First day",
    "operational_to": "Last day", "booking_mode": "How it is booked", "clinic_types": "Kinds of clinic",
    "windows": "Priorities and booking windows", "polling_range_days": "How far ahead times are shown",
    "min_age": "Youngest", "max_age": "Oldest", "sex": "Whom it sees", "indicative_wait_days": "Usual wait",
    "interpreters": "Interpreters", "letter_required": "Letter needed", "gives_advice": "Gives advice",
    "instructions": "Instructions", "telephone": "Telephone", "contact_by": "Contact-by times",
    "nationally_visible": "Open to every practice", "practitioners": "Clinicians by name",
    "overbooking_percent": "Extra places",
}  # fmt: skip


@blp.get("/staff/desk/services")
@desk_only
def defined_services() -> str:
    """The provider's services as they are described to practices and patients."""
    closed = bool(request.args.get("closed"))
    found = service_definitions.list_services(work(), closed=closed)
    return render_template(
        "desk/services.html", found=found, closed=closed, organisation=my_organisation(), defines=_defines(),
    )  # fmt: skip


def _defines() -> bool:
    return work().actor.role is Role.SERVICE_DEFINER


@blp.get("/staff/desk/services/<key:service_id>")
@desk_only
def defined_service(service_id: int) -> str:
    """One service as it is described."""
    found = service_definitions.own_service(work(), service_id)
    return render_template(
        "desk/service.html", found=found, given=found.definition, service=found.service, defines=_defines(),
        lists=service_form.lists(), priorities=Priority, over=_over(found),
    )  # fmt: skip


def _over(found: Described) -> bool:
    last = found.definition.operational_to
    return last is not None and last < work().today


@blp.get("/staff/desk/services/new")
@definers_only
def service_new() -> ResponseReturnValue:
    """Describe a new service."""
    return _form_page(service_form.blank(work().today), None)


@blp.post("/staff/desk/services/new")
@definers_only
def service_new_send() -> ResponseReturnValue:
    """Make the service; every fault is said beside its box."""
    form = Form(request.form)
    given = service_form.read(form)
    if given is not None:
        try:
            with work().session.begin_nested():
                made = service_definitions.create_service(work(), given)
            flash(f"{made.service.name} is there. Practices find it once it has times to book.", "success")
            return redirect(url_for("web.defined_service", service_id=made.service.id))
        except Invalid as refused:
            service_form.refuse(form, refused)
    return _form_page(form, None)


def _form_page(
    form: Form, found: Described | None, *, effects: Effects | None = None, changed: list[str] | None = None,
    stale: str = "",
) -> ResponseReturnValue:  # fmt: skip
    page = render_template(
        "desk/service_form.html", form=form, found=found, lists=service_form.lists(), modes=BookingMode, sexes=Sex,
        priorities=Priority, effects=effects, changed=[FIELD_WORDS.get(name, name) for name in changed or ()],
        stale=stale,
    )  # fmt: skip
    return page, 409 if stale else 422 if form.errors else 200


@blp.get("/staff/desk/services/<key:service_id>/change")
@definers_only
def service_change(service_id: int) -> ResponseReturnValue:
    """Change a service: first what, then whom it touches, then saved."""
    found = service_definitions.own_service(work(), service_id)
    return _form_page(service_form.filled(found.definition), found)


@blp.post("/staff/desk/services/<key:service_id>/change")
@definers_only
def service_change_send(service_id: int) -> ResponseReturnValue:
    """Show whom the change would touch; sent again with that seen, save it."""
    form, found = Form(request.form), service_definitions.own_service(work(), service_id)
    given = service_form.read(form, found.definition)
    if given is None:
        return _form_page(form, found)
    version = read_key(form.get("version"))
    if version != found.service.version:
        return _form_page(form, found, stale=STALE)
    changes = service_form.changes(found.definition, given)
    if not changes:
        flash("Nothing was different, so nothing was changed.", "told")
        return redirect(url_for("web.defined_service", service_id=service_id))
    try:
        with work().session.begin_nested():
            if not form.get("confirm"):
                effects = service_definitions.preview_change(work(), service_id, changes)
                return _form_page(form, found, effects=effects, changed=list(changes))
            service_definitions.change_service(work(), service_id, changes, version=version)
    except Invalid as refused:
        service_form.refuse(form, refused)
        return _form_page(form, found)
    except StaleVersion:
        return _form_page(form, found, stale=STALE)
    flash(f"Changed: {given.name}.", "success")
    return redirect(url_for("web.defined_service", service_id=service_id))


@blp.get("/staff/desk/services/<key:service_id>/close")
@definers_only
def service_close(service_id: int) -> ResponseReturnValue:
    """Close a service after a last day, and see whom that touches."""
    return _close_page(service_definitions.own_service(work(), service_id), Form())


def _close_page(
    found: Described, form: Form, *, effects: Effects | None = None, stale: str = ""
) -> ResponseReturnValue:  # fmt: skip
    page = render_template(
        "desk/service_close.html", form=form, found=found, effects=effects, stale=stale, service=found.service
    )
    return page, 409 if stale else 422 if form.errors else 200


@blp.post("/staff/desk/services/<key:service_id>/close")
@definers_only
def service_close_send(service_id: int) -> ResponseReturnValue:
    """Show whom closing would touch; sent again with that seen, close it. Appointments booked stay."""
    form, found = Form(request.form), service_definitions.own_service(work(), service_id)
    last = form.date("last_day", "the last day")
    if last is None:
        return _close_page(found, form)
    try:
        with work().session.begin_nested():
            if not form.get("confirm"):
                effects = service_definitions.preview_change(work(), service_id, {"operational_to": last})
                if last < work().today:
                    raise Invalid.field("last_day", "DATES", "A service can’t be closed in the past.")
                return _close_page(found, form, effects=effects)
            service_definitions.close_service(work(), service_id, last, version=read_key(form.get("version")))
    except Invalid as refused:
        form.refuse(refused, ("last_day",), "last_day")
        return _close_page(found, form)
    except StaleVersion:
        return _close_page(found, form, stale=STALE)
    flash(f"{found.service.name} takes nobody after {last.day} {last:%B %Y}.", "success")
    return redirect(url_for("web.defined_service", service_id=service_id))
