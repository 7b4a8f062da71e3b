"""What all staff share: choosing a role where somebody holds several, and a home page for each role."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Organisation
from booking.services import accounts
from booking.web.base import blp, local_path
from booking.web.kept import FIELD, go_on_page, open_form

STAFF = (*REFERRERS, *PROVIDERS, *COMMISSIONERS)
staff_only = allow(*STAFF, via=Via.COOKIE)
HOMES = {
    **dict.fromkeys(REFERRERS, "web.referrals"),
    **dict.fromkeys(PROVIDERS, "web.desk"),
    Role.SERVICE_DEFINER: "web.defined_services",
    **dict.fromkeys(COMMISSIONERS, "web.overview"),
}


def my_organisation() -> Organisation:
    return work().session.get_one(Organisation, work().actor.organisation_id)


@blp.get("/staff")
@staff_only
def staff() -> ResponseReturnValue:
    return redirect(url_for(HOMES[work().actor.role]))


@blp.get("/staff/role")
@staff_only
def staff_role() -> ResponseReturnValue:
    """Choose a role; whoever has one only goes straight on."""
    roles, target = accounts.my_roles(work()), local_path(request.args.get("next"))
    if len(roles) < 2:
        return redirect(target or url_for("web.staff"))
    current = accounts.my_current_role(work())
    return render_template("web/staff_role.html", roles=roles, current=current, next=target)


@blp.post("/staff/role")
@staff_only
def staff_role_send() -> ResponseReturnValue:
    accounts.switch_role(work(), request.form.get("role", type=int))
    if found := open_form(work(), request.form.get(FIELD)):
        return go_on_page(found)
    return redirect(local_path(request.form.get("next")) or url_for("web.staff"))
