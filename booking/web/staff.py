"""What all staff share: choosing a role where somebody holds several, and a home page for each role."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import Forbidden
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import AccountRole, AuthSession, Organisation
from booking.web.base import blp, local_path

STAFF = (*REFERRERS, *PROVIDERS, *COMMISSIONERS)
staff_only = allow(*STAFF, via=Via.COOKIE)
HOMES = {
    **dict.fromkeys(REFERRERS, "web.referrals"),
    **dict.fromkeys(PROVIDERS, "web.clinic"),
    **dict.fromkeys(COMMISSIONERS, "web.plan"),
}


def my_organisation() -> Organisation:
    return work().session.get_one(Organisation, work().actor.organisation_id)


def _session_row() -> AuthSession:
    return work().session.get_one(AuthSession, work().actor.session_id)


def _roles() -> list[tuple[AccountRole, Organisation]]:
    """Every role of whoever is signed in, with its organisation."""
    mine = select(AccountRole.account_id).where(AccountRole.id == _session_row().account_role_id).scalar_subquery()
    query = (
        select(AccountRole, Organisation)
        .join(Organisation, Organisation.id == AccountRole.organisation_id)
        .where(AccountRole.account_id == mine, AccountRole.role.in_(STAFF))
        .order_by(AccountRole.id)
    )
    return [(row[0], row[1]) for row in work().session.execute(query)]


@blp.get("/staff")
@staff_only
def staff() -> ResponseReturnValue:
    return redirect(url_for(HOMES[work().actor.role]))


@blp.get("/staff/role")
@staff_only
def staff_role() -> ResponseReturnValue:
    """Choose a role; whoever has one only goes straight on."""
    roles, target = _roles(), local_path(request.args.get("next"))
    if len(roles) < 2:
        return redirect(target or url_for("web.staff"))
    current = _session_row().account_role_id
    return render_template("web/staff_role.html", roles=roles, current=current, next=target)


@blp.post("/staff/role")
@staff_only
def staff_role_send() -> ResponseReturnValue:
    wanted = request.form.get("role", type=int)
    if wanted not in {role.id for role, _ in _roles()}:
        raise Forbidden("That is not one of your roles.")
    _session_row().account_role_id = wanted
    return redirect(local_path(request.form.get("next")) or url_for("web.staff"))
