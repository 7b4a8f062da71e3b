"""Plan runs: what was planned, with its certificate."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from sqlalchemy import select

from booking.api.base import Blueprint
from booking.domain.errors import NotFound
from booking.domain.words import COMMISSIONERS, PlanRunState, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import PlanRun
from booking.services.planning.prices import of_the_region

AS_REPORTS = ("fairness", "next_session")
"""Parts of the summary that tell of small groups: they are reports, which keep small numbers back."""

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
    summary = ma.fields.Dict()

    @ma.post_dump
    def reports_apart(self, made: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The summary without what is told as reports."""
        return {**made, "summary": {name: of for name, of in made["summary"].items() if name not in AS_REPORTS}}


@blp.route("/plan-runs/latest")
@allow(*COMMISSIONERS, Role.PROVIDER_ADMIN, via=Via.BEARER)
@blp.response(200, PlanRunSchema)
@blp.alt_response(404, description="Nothing has been planned yet")
def latest_plan_run() -> Any:
    """The newest plan that was applied: how many were placed, breaches beside first-come-first-served, the bound."""
    query = select(PlanRun).where(PlanRun.state == PlanRunState.APPLIED, of_the_region()).order_by(PlanRun.id.desc())
    found = work().session.scalars(query.limit(1)).first()
    if found is None:
        raise NotFound("Nothing has been planned yet.")
    return found
