"""Commissioning rules: which practices may use a service that is not open to everybody."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

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
from booking.domain.words import COMMISSIONERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import commissioning
from booking.services.commissioning import NewRule, Ruled

blp = Blueprint("commissioning", __name__, description="Which practices may use which services")
EXPLANATION = 2000


class NewRuleSchema(StrictSchema):
    service_id = key(required=True, strict=True)
    organisation = bounded(12, metadata={"description": "ODS code of one practice; all of yours if left out"})
    starts_on = ma.fields.Date(required=True, metadata={"description": "Today or later"})
    ends_on = ma.fields.Date(metadata={"description": "The last day; without one it stays"})
    explanation = bounded(EXPLANATION, required=True)


class RuleChangeSchema(StrictSchema):
    starts_on = ma.fields.Date(metadata={"description": "Only before the rule begins"})
    ends_on = ma.fields.Date(allow_none=True, metadata={"description": "null: no last day"})
    explanation = bounded(EXPLANATION)


class EndRuleSchema(StrictSchema):
    last_day = ma.fields.Date(required=True, metadata={"description": "Today or later"})
    explanation = bounded(EXPLANATION, required=True)


class RuleSchema(ma.Schema):
    id = ma.fields.Integer()
    version = ma.fields.Integer()
    service_id = ma.fields.Integer()
    service = ma.fields.String()
    provider = ma.fields.String()
    organisation = ma.fields.String(metadata={"description": "ODS code of the commissioner or the one practice"})
    organisation_name = ma.fields.String()
    starts_on = ma.fields.Date()
    ends_on = ma.fields.Date(allow_none=True)
    explanation = ma.fields.String()
    open_referrals = ma.fields.Integer(
        allow_none=True,
        metadata={
            "description": "Open referrals of its practices that list the service, rounded as in reports, null where "
            "they are too few to be told; ending the rule leaves them"
        },
    )


class RuleListSchema(ma.Schema):
    rules = ma.fields.List(ma.fields.Nested(RuleSchema))


class RuleQuery(StrictSchema):
    ended = ma.fields.Boolean(load_default=False, metadata={"description": "Those that have ended too"})
    service_id = key()


class RestrictedQuery(StrictSchema):
    term = bounded(80, metadata={"description": "Part of the name"})
    specialty = bounded(8)
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class RestrictedServiceSchema(ma.Schema):
    id = ma.fields.Integer()
    name = ma.fields.String()
    provider = ma.fields.String()
    site = ma.fields.String()
    specialty = ma.fields.String()


class RestrictedListSchema(ma.Schema):
    services = ma.fields.List(ma.fields.Nested(RestrictedServiceSchema))


def _shown(found: Ruled) -> dict[str, Any]:
    rule, service, organisation = found.rule, found.service, found.organisation
    return {
        "id": rule.id, "version": rule.version, "service_id": service.id, "service": service.name,
        "provider": service.organisation.name, "organisation": organisation.ods_code,
        "organisation_name": organisation.name, "starts_on": rule.starts_on, "ends_on": rule.ends_on,
        "explanation": rule.explanation, "open_referrals": found.open_referrals,
    }  # fmt: skip


def _answer(found: Ruled) -> Any:
    return _shown(found), 200, {"ETag": etag_of(found.rule.version)}


@blp.route("/commissioning-rules")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.arguments(RuleQuery, location="query")
@blp.response(200, RuleListSchema)
def list_rules(query: dict[str, Any]) -> Any:
    """Your rules: which services are open to your practices, from when and until when."""
    found = commissioning.list_rules(work(), ended=query["ended"], service_id=query.get("service_id"))
    return {"rules": [_shown(one) for one in found]}


@blp.route("/commissioning-rules", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(NewRuleSchema)
@blp.response(201, RuleSchema)
@blp.alt_response(409, description="OVERLAPS: another rule covers part of that time")
@blp.doc(**IDEMPOTENCY_DOC)
def create_rule(body: dict[str, Any]) -> Any:
    """Open a service to all your practices, or to one of them."""
    made = commissioning.create_rule(work(), NewRule(**body))
    location = f"/api/v1/commissioning-rules/{made.rule.id}"
    return _shown(made), 201, {"Location": location, "ETag": etag_of(made.rule.version)}


@blp.route("/commissioning-rules/services")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.arguments(RestrictedQuery, location="query")
@blp.response(200, RestrictedListSchema)
def services_to_rule(query: dict[str, Any]) -> Any:
    """Services that are open only where a commissioner opens them."""
    found = commissioning.services_to_rule(
        work(), term=query.get("term"), specialty=query.get("specialty"), limit=query["limit"]
    )
    rows = [
        {
            "id": one.id, "name": one.name, "provider": one.organisation.name, "site": one.site.name,
            "specialty": one.specialty_code,
        }
        for one in found
    ]  # fmt: skip
    return {"services": rows}


@blp.route("/commissioning-rules/<key:rule_id>")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, RuleSchema)
def read_rule(rule_id: int) -> Any:
    """One of your rules."""
    return _answer(commissioning.own_rule(work(), rule_id))


@blp.route("/commissioning-rules/<key:rule_id>", methods=["PATCH"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(RuleChangeSchema)
@blp.response(200, RuleSchema)
@blp.alt_response(409, description="STALE_VERSION, OVERLAPS or RULE_ENDED")
@blp.doc(parameters=[IF_MATCH_DOC])
def change_rule(body: dict[str, Any], rule_id: int) -> Any:
    """Change dates or explanation of a rule; referrals already made stay as they are."""
    version = required_version()
    for_ever = "ends_on" in body and body["ends_on"] is None
    return _answer(commissioning.change_rule(work(), rule_id, version=version, for_ever=for_ever, **body))


@blp.route("/commissioning-rules/<key:rule_id>/end", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(EndRuleSchema)
@blp.response(200, RuleSchema)
@blp.alt_response(409, description="STALE_VERSION or RULE_ENDED")
@blp.doc(parameters=[IF_MATCH_DOC, *IDEMPOTENCY_DOC["parameters"]])
def end_rule(body: dict[str, Any], rule_id: int) -> Any:
    """End a rule: no new referrals by it; those that list the service keep it, and are counted."""
    version = required_version()
    return _answer(
        commissioning.end_rule(work(), rule_id, body["last_day"], explanation=body["explanation"], version=version)
    )
