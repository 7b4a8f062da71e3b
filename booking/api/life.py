"""A referral's life after it was made: what can be done to it, doing it, and everything that happened."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api import present
from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    key,
    required_version,
)
from booking.domain.actions import RULES
from booking.domain.reasons import REASONS, reasons_for
from booking.domain.referral import Action, ReferralState
from booking.domain.words import PROVIDERS, REFERRERS, ClockChange, ClockState, Priority, Relation, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import history, life, referrals
from booking.services.life import Given

blp = Blueprint("life", __name__, description="Triage, deferral, review, attendance, return, closing")
CHANGES = {"parameters": [IF_MATCH_DOC, *IDEMPOTENCY_DOC["parameters"]]}


class GivenSchema(StrictSchema):
    reason = bounded(40, metadata={"description": "A code of the action's reason list, where it has one"})
    comment = bounded(2000)
    service_id = key(strict=True, metadata={"description": "The service sent to, redirected to or deferred to"})
    priority = ma.fields.Enum(Priority, by_value=True)
    shortlist = ma.fields.List(key(strict=True), metadata={"description": "1 to 20 service ids"})


class AmendSchema(StrictSchema):
    reason = bounded(500)
    clinical_information = bounded(20_000, text_min=0)


class ReasonSchema(ma.Schema):
    code = ma.fields.String()
    text = ma.fields.String()
    comment_due = ma.fields.Boolean()


class AvailableSchema(ma.Schema):
    action = ma.fields.Enum(Action, by_value=True)
    comment_due = ma.fields.Boolean()
    reasons = ma.fields.List(ma.fields.Nested(ReasonSchema))


class AvailableListSchema(ma.Schema):
    state = ma.fields.Enum(ReferralState, by_value=True)
    actions = ma.fields.List(ma.fields.Nested(AvailableSchema))


class DoneSchema(present.ReferralSchema):
    access_code = ma.fields.String(metadata={"description": "Shown once, where the action made one"})


class EventSchema(ma.Schema):
    sequence = ma.fields.Integer()
    action = ma.fields.Enum(Action, by_value=True)
    from_state = ma.fields.Enum(ReferralState, by_value=True, allow_none=True)
    to_state = ma.fields.Enum(ReferralState, by_value=True)
    at = ma.fields.AwareDateTime()
    actor = ma.fields.String()
    role = ma.fields.Enum(Role, by_value=True)
    on_behalf_of = ma.fields.String(allow_none=True)
    reason_code = ma.fields.String(allow_none=True)
    comment = ma.fields.String(allow_none=True)
    detail = ma.fields.Dict()


class TickSchema(ma.Schema):
    change = ma.fields.Enum(ClockChange, by_value=True)
    on_date = ma.fields.Date()
    reason = ma.fields.String()
    event_sequence = ma.fields.Integer()
    at = ma.fields.AwareDateTime()


class ClockSchema(ma.Schema):
    state = ma.fields.Enum(ClockState, by_value=True)
    start = ma.fields.Date()
    stopped_on = ma.fields.Date(allow_none=True)
    weeks_waited = ma.fields.Integer()
    due_date = ma.fields.Date()
    breach_date = ma.fields.Date()
    changes = ma.fields.List(ma.fields.Nested(TickSchema))


class HelperSchema(ma.Schema):
    actor = ma.fields.String()
    name = ma.fields.String()
    relation = ma.fields.Enum(Relation, by_value=True)


class HistorySchema(ma.Schema):
    ubrn = ma.fields.String()
    state = ma.fields.Enum(ReferralState, by_value=True)
    recomputed_state = ma.fields.Enum(
        ReferralState, by_value=True, metadata={"description": "What the events lead to: always the state"}
    )
    events = ma.fields.List(ma.fields.Nested(EventSchema))
    clock = ma.fields.Nested(ClockSchema)
    helpers = ma.fields.List(
        ma.fields.Nested(HelperSchema),
        metadata={"description": "Of the events' actors those who acted for the patient"},
    )


@blp.route("/referrals/<ubrn>/actions")
@allow(*REFERRERS, *PROVIDERS, Role.PATIENT, via=Via.BEARER)
@blp.response(200, AvailableListSchema)
def available_actions(ubrn: str) -> Any:
    """What you could do to the referral now, with the reasons you may give (e-RS A029). Not to be kept."""
    referral = referrals.own_referral(work(), ubrn)
    shown = []
    for action in life.available(work(), referral):
        rule = RULES[action]
        reasons = reasons_for(rule.reasons, work().actor.role, work().today) if rule.reasons is not None else []
        shown.append({"action": action, "comment_due": rule.comment_due, "reasons": reasons})
    return {"state": referral.state, "actions": shown}


@blp.route("/referrals/<ubrn>/history")
@allow(*REFERRERS, *PROVIDERS, Role.PATIENT, via=Via.BEARER)
@blp.response(200, HistorySchema)
def read_history(ubrn: str) -> Any:
    """Everything that happened to the referral, and to its RTT clock."""
    referral = referrals.own_referral(work(), ubrn)
    found = history.of(work(), referral)
    return {
        "ubrn": referral.ubrn, "state": referral.state, "recomputed_state": found.state, "events": found.events,
        "clock": {
            "state": referral.rtt_clock_state, "start": referral.rtt_clock_start,
            "stopped_on": referral.rtt_clock_stopped_on, "weeks_waited": found.weeks_waited,
            "due_date": referral.due_date, "breach_date": found.breach_date, "changes": found.ticks,
        },
        "helpers": [
            {"actor": actor, "name": one.name, "relation": one.relation} for actor, one in found.helpers.items()
        ],
    }  # fmt: skip


@blp.route("/referrals/<ubrn>", methods=["PATCH"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(AmendSchema)
@blp.response(200, present.ReferralSchema)
@blp.doc(parameters=[IF_MATCH_DOC])
def amend_referral(body: dict[str, Any], ubrn: str) -> Any:
    """Change what was written in the referral."""
    made = life.amend(
        work(), ubrn, reason=body.get("reason"), clinical_information=body.get("clinical_information"),
        version=required_version(),
    )  # fmt: skip
    return present.referral(made), 200, {"ETag": etag_of(made.version)}


@blp.route("/referrals/<ubrn>/acknowledge", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(200, present.ReferralSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def acknowledge_referral(ubrn: str) -> Any:
    """Note that you have seen what somebody else cancelled: it leaves your worklist."""
    made = life.acknowledge(work(), ubrn)
    return present.referral(made), 200, {"ETag": etag_of(made.version)}


def _slug(action: Action) -> str:
    return action.lower().replace("_", "-")


SAID = {
    Action.ISSUE: "Send a draft on its way; answers with the access code.",
    Action.SEND_FOR_TRIAGE: "Send it to a triage service (service_id), whose clinician reads it first.",
    Action.CHANGE_SHORTLIST: "Refer on with another shortlist, and priority if need be.",
    Action.CHANGE_PRIORITY: "Change the priority; a comment is due.",
    Action.DEFER_TO_PROVIDER: "Leave the booking to a service that has no slots (an appointment slot issue).",
    Action.ACCEPT: "Accept a booked referral after its review.",
    Action.REJECT: "Send a referral back to the referrer with a reason and a comment.",
    Action.TRIAGE_ACCEPT: "Accept after triage, to be booked later; the priority may change.",
    Action.TRIAGE_RETURN: "Return it to the referrer with advice.",
    Action.REDIRECT: "Redirect to another of your services (service_id), bookable or triage.",
    Action.CANCEL_AND_ACT_LATER: "Cancel the appointment and keep the referral to act on.",
    Action.RECORD_ATTENDED: "Record that the patient came.",
    Action.RECORD_DID_NOT_ATTEND: "Record that the patient did not come.",
    Action.REBOOK_AFTER_NON_ATTENDANCE: "Offer the patient another appointment after not attending.",
    Action.ADVISE_REFERRER: "Leave a patient who did not attend to the referrer; a comment is due.",
    Action.RECORD_ASSESSMENT_RESULT: "Return the result of the assessment to the referrer; a comment is due.",
    Action.CLOSE: "Close the pathway with a reason; stops the RTT clock.",
}


def _add(action: Action) -> None:
    """One route for each action, with its own roles: the path says what is done."""

    def view(body: dict[str, Any], ubrn: str) -> Any:
        done = life.perform(work(), ubrn, action, Given(**body), version=required_version())
        answer = present.referral(done.referral)
        if done.access_code is not None:
            answer["access_code"] = done.access_code
        return answer, 200, {"ETag": etag_of(done.referral.version)}

    view.__name__ = f"do_{action.lower()}"
    view.__doc__ = SAID[action]
    rule = RULES[action]
    codes = ""
    if rule.reasons is not None:
        codes = f" Reasons: {', '.join(reason.code for reason in REASONS[rule.reasons])}."
    made = blp.doc(**CHANGES)(view)
    made = blp.alt_response(409, description="ILLEGAL_TRANSITION (names state and action) or STALE_VERSION")(made)
    made = blp.response(200, DoneSchema, description=f"The referral after it.{codes}")(made)
    made = blp.arguments(GivenSchema)(made)
    made = allow(*sorted(rule.roles), via=Via.BEARER)(made)
    blp.route(f"/referrals/<ubrn>/actions/{_slug(action)}", methods=["POST"])(made)


for _action in SAID:
    _add(_action)
