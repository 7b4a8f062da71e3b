"""What everybody may ask about themselves: where they are signed in, and for patients which referral they look at."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import IDEMPOTENCY_DOC, Blueprint, StrictSchema, bounded
from booking.api.sessions import ActingSchema
from booking.domain.ids import show_ubrn
from booking.domain.referral import ReferralState
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Referral
from booking.services import acting, identity, own_sessions

blp = Blueprint("me", __name__, description="Your own sessions")
everybody = allow(*Role, via=Via.BEARER)


class OwnSessionSchema(ma.Schema):
    id = ma.fields.Integer()
    current = ma.fields.Boolean(metadata={"description": "The session this was asked with"})
    system_client = ma.fields.Boolean(metadata={"description": "A token of a system client, with no idle limit"})
    created_at = ma.fields.AwareDateTime()
    last_seen_at = ma.fields.AwareDateTime(metadata={"description": "To the minute"})
    expires_at = ma.fields.AwareDateTime(metadata={"description": "At the latest; an idle session ends sooner"})


class OwnSessionListSchema(ma.Schema):
    sessions = ma.fields.List(ma.fields.Nested(OwnSessionSchema))


class OwnReferralSchema(ma.Schema):
    ubrn = ma.fields.String()
    ubrn_shown = ma.fields.String()
    state = ma.fields.Enum(ReferralState, by_value=True)
    specialty = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    current = ma.fields.Boolean()


class OwnReferralsSchema(ma.Schema):
    referrals = ma.fields.List(ma.fields.Nested(OwnReferralSchema))


class ChooseReferralSchema(StrictSchema):
    ubrn = bounded(20, required=True)


@blp.route("/me/sessions")
@everybody
@blp.response(200, OwnSessionListSchema)
def list_sessions() -> Any:
    """Where you are signed in."""
    unit = work()
    names = ("id", "created_at", "last_seen_at", "expires_at")
    rows = [
        {
            **{name: getattr(one, name) for name in names},
            "current": one.id == unit.actor.session_id,
            "system_client": one.idle_minutes is None,
        }
        for one in own_sessions.my_sessions(unit)
    ]
    return {"sessions": rows}


@blp.route("/me/sessions", methods=["DELETE"])
@everybody
@blp.response(204)
def end_sessions() -> Response:
    """Sign out everywhere, here too."""
    own_sessions.end_all(work())
    return Response(status=204)


@blp.route("/me/sessions/<key:session_id>", methods=["DELETE"])
@everybody
@blp.response(204)
def end_session(session_id: int) -> Response:
    """Sign out in one place."""
    own_sessions.end_session(work(), session_id)
    return Response(status=204)


def _own(one: Referral, current: int | None) -> dict[str, Any]:
    return {
        "ubrn": one.ubrn, "ubrn_shown": show_ubrn(one.ubrn), "state": one.state, "specialty": one.specialty_code,
        "created_at": one.created_at, "current": one.id == current,
    }  # fmt: skip


@blp.route("/session/referrals")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, OwnReferralsSchema)
def own_referrals() -> Any:
    """The referrals you may go on with: one if you came by its access code, all if you proved who you are."""
    unit = work()
    return {"referrals": [_own(one, unit.actor.referral_id) for one in identity.my_referrals(unit)]}


@blp.route("/session/referral", methods=["POST"])
@allow(Role.PATIENT, via=Via.BEARER)
@blp.arguments(ChooseReferralSchema)
@blp.response(200, OwnReferralSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def choose_referral(body: dict[str, Any]) -> Any:
    """Go on with another of your referrals."""
    chosen = identity.choose_referral(work(), body["ubrn"])
    return _own(chosen, chosen.id)


@blp.route("/me/acting", methods=["PUT"])
@allow(Role.PATIENT, via=Via.BEARER)
@blp.arguments(ActingSchema)
@blp.response(200, ActingSchema)
def begin_acting(body: dict[str, Any]) -> Any:
    """Say who does this for the patient; from now on what this session does is recorded as theirs."""
    return acting.begin(work(), acting.checked(body["name"], body["relation"]))


@blp.route("/me/acting", methods=["DELETE"])
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(204)
def end_acting() -> Response:
    """Say that it is the patient again."""
    acting.end(work())
    return Response(status=204)
