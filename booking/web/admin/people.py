"""People and roles of one's own organisation: let somebody in, give and withdraw roles, shut an account out."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, NotFound
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.services import people
from booking.services.accounts import ROLES_AT
from booking.services.people import Member
from booking.web import say
from booking.web.admin import MAY, managers_only, shown_once
from booking.web.base import blp
from booking.web.forms import Form
from booking.web.staff import my_organisation

FIRST = "first"
"""The key in the cookie under which a first password waits for the page that shows it."""
PASSWORD, PROVIDER = "password", "provider"
FAULTS = ("username", "name", "roles", "how")


def roles_here() -> list[Role]:
    return [role for role in Role if role in ROLES_AT[my_organisation().kind]]


def role_choices() -> list[tuple[str, str, str]]:
    return [(role.value, say.label(role), MAY[role]) for role in roles_here()]


@blp.get("/staff/admin/people", endpoint="people")
@managers_only
def people_list() -> str:
    """Everybody who works here or did, with their roles."""
    members = [one for one in people.list_people(work()) if not one.account.system_client]
    here = [one for one in members if one.account.active and one.roles]
    return render_template(
        "admin/people.html", organisation=my_organisation(), here=here, gone=[one for one in members if one not in here]
    )  # fmt: skip


@blp.get("/staff/admin/people/new")
@managers_only
def person_new() -> str:
    """Let somebody in: their name, their user name, their roles, and how they sign in."""
    return _new_page(Form())


def _new_page(form: Form) -> str:
    return render_template("admin/person_new.html", form=form, choices=role_choices(), organisation=my_organisation())


@blp.post("/staff/admin/people/new")
@managers_only
def person_new_send() -> ResponseReturnValue:
    """Make the account; a first password is shown once, on the page that follows."""
    form = Form(request.form)
    name = form.text("name", "Enter their name, as referrals should show it", most=200)
    username = form.text("username", "Enter a user name: their e-mail address is best")
    roles = [role for role in roles_here() if role.value in form.all("roles")]
    if not roles:
        form.fail("roles", "Choose at least one role")
    if form.get("how") not in (PASSWORD, PROVIDER):
        form.fail("how", "Say how they will sign in")
    if form.errors:
        return _new_page(form), 422
    try:
        with work().session.begin_nested():
            if form.get("how") == PASSWORD:
                member, password = people.add_person_with_first_password(work(), username, name, roles)
            else:
                member, password = people.add_person(work(), username, name, None, roles), ""
    except BookingError as refused:
        form.refuse(refused, FAULTS, "username")
        return _new_page(form), 422
    if password:
        shown_once.keep(FIRST, member.account.id, password)
    flash(f"{member.account.name} can sign in now.", "success")
    return redirect(url_for("web.person", account_id=member.account.id))


@blp.get("/staff/admin/people/<key:account_id>")
@managers_only
def person(account_id: int) -> str:
    """One person: what they may do here, and everything there is to change about it."""
    return _person_page(_person(account_id))


def _person(account_id: int) -> Member:
    """A person, not a system client: those have a page of their own."""
    found = people.read_person(work(), account_id)
    if found.account.system_client:
        raise NotFound("There is no such person at your organisation.")
    return found


def _person_page(member: Member, refused: str = "") -> str:
    mine = member.account.id == work().actor.account_id
    return render_template(
        "admin/person.html", member=member, organisation=my_organisation(), may=MAY, mine=mine, refused=refused,
        others=[role for role in roles_here() if role not in member.roles], first=_first(member.account.id),
        manager=people.MANAGER_OF[my_organisation().kind],
    )  # fmt: skip


@blp.post("/staff/admin/people/<key:account_id>")
@managers_only
def person_change(account_id: int) -> ResponseReturnValue:
    """Give or withdraw a role, shut the account out or let it in again, or give a new first password."""
    member = _person(account_id)
    try:
        with work().session.begin_nested():
            said = _change(member, request.form.get("what", ""), _role())
    except BookingError as refused:
        return _person_page(people.read_person(work(), account_id), refused.message), 422
    flash(said, "success")
    if account_id == work().actor.account_id and work().actor.role not in people.read_person(work(), account_id).roles:
        return redirect(url_for("web.staff_sign_in"))  # gave up the role one is in
    return redirect(url_for("web.person", account_id=account_id))


def _role() -> Role | None:
    return next((role for role in roles_here() if role.value == request.form.get("role")), None)


def _change(member: Member, what: str, role: Role | None) -> str:
    unit, who, key = work(), member.account.name, member.account.id
    if what == "grant" and role is not None:
        people.grant(unit, key, role)
        return f"{who} is {say.label(role).lower()} now."
    if what == "withdraw" and role is not None:
        if role in member.roles:  # sent twice: it is gone already
            people.withdraw(unit, key, role)
        return f"{who} is no longer {say.label(role).lower()}, and signed out of that role."
    if what in ("deactivate", "reactivate"):
        people.set_active(unit, key, active=what == "reactivate")
        return f"{who} can sign in again." if what == "reactivate" else f"{who} is shut out and signed out everywhere."
    if what == "password":
        _, password = people.new_first_password(unit, key)
        shown_once.keep(FIRST, key, password)
        return f"{who} has a new first password. The old one does not work any more."
    raise NotFound("There is no such change.")


def _first(account_id: int) -> str:
    """The first password just made for this account: shown once."""
    kept = shown_once.take(FIRST, account_id)
    return kept[1] if kept is not None else ""
