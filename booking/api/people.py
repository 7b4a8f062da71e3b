"""An organisation's people and system clients, managed by the organisation itself."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import IDEMPOTENCY_DOC, Blueprint, StrictSchema, bounded, no_control_characters
from booking.domain.errors import NotFound
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import accounts, people
from booking.services.accounts import LiveToken
from booking.services.people import Member

blp = Blueprint("people", __name__, url_prefix="/organisation", description="An organisation's people and tokens")
STAFF_ROLES = sorted(REFERRERS | PROVIDERS | COMMISSIONERS)
managers = allow(*sorted(people.MANAGERS), via=Via.BEARER)


def role_field(**kwargs: Any) -> ma.fields.Enum[Role]:
    return ma.fields.Enum(Role, by_value=True, validate=ma.validate.OneOf(STAFF_ROLES), **kwargs)


class NewPersonSchema(StrictSchema):
    username = bounded(100, required=True, metadata={"description": "Their e-mail address, where they sign in by OIDC"})
    name = bounded(200, required=True, metadata={"description": "As referrals show it"})
    password = ma.fields.String(
        validate=[ma.validate.Length(accounts.SHORTEST_PASSWORD, 200), no_control_characters], load_only=True,
        metadata={"description": "Left out where they sign in with the organisation's OpenID provider only"},
    )  # fmt: skip
    roles = ma.fields.List(role_field(), required=True, validate=ma.validate.Length(1, len(STAFF_ROLES)))


class PersonSchema(ma.Schema):
    id = ma.fields.Integer()
    username = ma.fields.String()
    name = ma.fields.String()
    active = ma.fields.Boolean()
    system_client = ma.fields.Boolean()
    roles = ma.fields.List(ma.fields.Enum(Role, by_value=True))


class PeopleSchema(ma.Schema):
    people = ma.fields.List(ma.fields.Nested(PersonSchema))


class RoleSchema(StrictSchema):
    role = role_field(required=True)


class NewTokenSchema(StrictSchema):
    client = bounded(80, required=True, metadata={"description": "The system's name; made where it is new"})
    role = role_field(required=True)
    days = ma.fields.Integer(
        strict=True, load_default=365, validate=ma.validate.Range(1, accounts.LONGEST_TOKEN_DAYS)
    )  # fmt: skip


class TokenSchema(ma.Schema):
    id = ma.fields.Integer()
    client = ma.fields.String()
    role = ma.fields.Enum(Role, by_value=True)
    created_at = ma.fields.AwareDateTime()
    last_seen_at = ma.fields.AwareDateTime()
    expires_at = ma.fields.AwareDateTime()


class TokenListSchema(ma.Schema):
    tokens = ma.fields.List(ma.fields.Nested(TokenSchema))


class IssuedTokenSchema(ma.Schema):
    id = ma.fields.Integer()
    client = ma.fields.String()
    role = ma.fields.Enum(Role, by_value=True)
    expires_at = ma.fields.AwareDateTime()
    token = ma.fields.String(metadata={"description": "Shown once. Send as Authorization: Bearer"})


def _person(member: Member) -> dict[str, Any]:
    names = ("id", "username", "name", "active", "system_client")
    return {**{name: getattr(member.account, name) for name in names}, "roles": member.roles}


def _token(one: LiveToken) -> dict[str, Any]:
    names = ("id", "created_at", "last_seen_at", "expires_at")
    return {**{name: getattr(one.session, name) for name in names}, "client": one.account.name, "role": one.role.role}


@blp.route("/people")
@managers
@blp.response(200, PeopleSchema)
def list_people() -> Any:
    """Everybody who has, or had, a role at your organisation."""
    return {"people": [_person(member) for member in people.list_people(work())]}


@blp.route("/people", methods=["POST"])
@managers
@blp.arguments(NewPersonSchema)
@blp.response(201, PersonSchema)
@blp.alt_response(409, description="ACCOUNT_EXISTS")
@blp.alt_response(422, description="A role that your kind of organisation has not, or another field at fault")
@blp.doc(**IDEMPOTENCY_DOC)
def add_person(body: dict[str, Any]) -> Any:
    """Make an account for somebody, with roles at your organisation."""
    made = people.add_person(work(), body["username"], body["name"], body.get("password"), body["roles"])
    return _person(made), 201, {"Location": f"/api/v1/organisation/people/{made.account.id}"}


@blp.route("/people/<key:account_id>")
@managers
@blp.response(200, PersonSchema)
def read_person(account_id: int) -> Any:
    """One of your organisation's people."""
    return _person(people.read_person(work(), account_id))


@blp.route("/people/<key:account_id>/roles", methods=["POST"])
@managers
@blp.arguments(RoleSchema)
@blp.response(200, PersonSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def grant_role(body: dict[str, Any], account_id: int) -> Any:
    """Give one of your people a further role at your organisation."""
    return _person(people.grant(work(), account_id, body["role"]))


@blp.route("/people/<key:account_id>/roles/<role>", methods=["DELETE"])
@managers
@blp.response(200, PersonSchema)
@blp.alt_response(409, description="LAST_MANAGER: nobody would be left to manage your people")
def withdraw_role(account_id: int, role: str) -> Any:
    """Withdraw a role at your organisation; whoever is signed in with it is signed out."""
    if role not in STAFF_ROLES:
        raise NotFound("There is no such role.")
    return _person(people.withdraw(work(), account_id, Role(role)))


@blp.route("/people/<key:account_id>/deactivate", methods=["POST"])
@managers
@blp.response(200, PersonSchema)
@blp.alt_response(409, description="LAST_MANAGER, or ROLES_ELSEWHERE: they work for another organisation too")
@blp.doc(**IDEMPOTENCY_DOC)
def deactivate_person(account_id: int) -> Any:
    """Shut an account out and sign it out everywhere."""
    return _person(people.set_active(work(), account_id, active=False))


@blp.route("/people/<key:account_id>/reactivate", methods=["POST"])
@managers
@blp.response(200, PersonSchema)
@blp.alt_response(409, description="ROLES_ELSEWHERE: they work for another organisation too")
@blp.doc(**IDEMPOTENCY_DOC)
def reactivate_person(account_id: int) -> Any:
    """Let an account in again that was shut out."""
    return _person(people.set_active(work(), account_id, active=True))


@blp.route("/tokens")
@managers
@blp.response(200, TokenListSchema)
def list_tokens() -> Any:
    """The tokens of your organisation's system clients that still work, without the secrets."""
    return {"tokens": [_token(one) for one in people.list_tokens(work())]}


@blp.route("/tokens", methods=["POST"])
@managers
@blp.arguments(NewTokenSchema)
@blp.response(201, IssuedTokenSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def issue_token(body: dict[str, Any]) -> Any:
    """A bearer token for a system client, good in one role at your organisation. It is shown once."""
    made, client = people.issue_token(work(), body["client"], body["role"], body["days"])
    return {
        "id": made.session_id, "client": client.name, "role": made.role, "expires_at": made.expires_at,
        "token": made.token,
    }  # fmt: skip


@blp.route("/tokens/<key:token_id>", methods=["DELETE"])
@managers
@blp.response(204)
def revoke_token(token_id: int) -> Response:
    """End a token: it stops working at once."""
    people.revoke_token(work(), token_id)
    return Response(status=204)
