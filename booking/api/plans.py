"""Plan runs: what was planned, with its certificate."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import Blueprint
from booking.domain.errors import NotFound
from booking.domain.words import COMMISSIONERS, PlanRunState, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services.planning import runs
from booking.services.reports.told_plan import told_summary

blp = Blueprint("plans", __name__, description="Plan runs and their certificates")


class PlanRunSchema(ma.Schema):
    id = ma.fields.Integer()
    state = ma.fields.Enum(PlanRunState, by_value=True)
    started_at = ma.fields.AwareDateTime()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    as_of = ma.fields.Date()
    policy_version = ma.fields.Integer()
    input_digest = ma.fields.String(allow_none=True)
    certified = ma.fields.Boolean()
    summary = ma.fields.Dict(metadata={"description": "Counts of people as in reports: null where not told, rounded"})


@blp.route("/plan-runs/latest")
@allow(*COMMISSIONERS, Role.PROVIDER_ADMIN, via=Via.BEARER)
@blp.response(200, PlanRunSchema)
@blp.alt_response(404, description="Nothing has been planned yet")
def latest_plan_run() -> Any:
    """The newest plan that was applied: how many were placed, breaches beside first-come-first-served, the bound."""
    found = runs.latest(work())
    if found is None:
        raise NotFound("Nothing has been planned yet.")
    shown = {name: getattr(found, name) for name in PlanRunSchema().fields if name != "summary"}
    return {**shown, "summary": told_summary(work(), found.id, found.summary)}
