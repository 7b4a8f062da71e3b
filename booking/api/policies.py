"""The planning policy: its versions, what changed between them, publishing, reverting, previews."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    LARGEST_KEY,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    required_version,
)
from booking.domain.policy import BookingPolicy
from booking.domain.words import COMMISSIONERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import PolicyPreview, PolicyVersion
from booking.services import policy as policies
from booking.services import previews
from booking.services.previews import PreviewState

blp = Blueprint("policies", __name__, description="The planning policy, its versions and previews")
NEWEST = "Number of the newest version you know of (0: none)"


def _document(**kwargs: Any) -> ma.fields.Dict:
    """The policy document; which fields it has, and their bounds, is the domain's to say."""
    return ma.fields.Dict(keys=bounded(60), metadata={"description": "See docs/local-rules.md"}, **kwargs)


class NewPolicySchema(StrictSchema):
    body = _document(required=True)
    effective_from = ma.fields.Date(required=True, metadata={"description": "Today or later"})
    explanation = bounded(4000, required=True)


class RevertSchema(StrictSchema):
    effective_from = ma.fields.Date(required=True, metadata={"description": "Today or later"})
    explanation = bounded(4000, required=True)


class PolicyPreviewBodySchema(StrictSchema):
    body = _document(required=True)


class PolicyVersionSchema(ma.Schema):
    version = ma.fields.Integer(metadata={"description": "0: the defaults, never published"})
    effective_from = ma.fields.Date(allow_none=True)
    body = ma.fields.Dict(metadata={"description": "As it was published"})
    policy = ma.fields.Dict(metadata={"description": "With everything that was left out"})
    explanation = ma.fields.String()
    reverts_to = ma.fields.Integer(allow_none=True)
    created_at = ma.fields.AwareDateTime(allow_none=True)
    created_by = ma.fields.String(allow_none=True)
    in_force = ma.fields.Boolean()


class PolicyVersionListSchema(ma.Schema):
    versions = ma.fields.List(ma.fields.Nested(PolicyVersionSchema))
    newest = ma.fields.Integer()


class PolicyChangeSchema(ma.Schema):
    field = ma.fields.String()
    before = ma.fields.Raw()
    after = ma.fields.Raw()
    words = ma.fields.String()


class PolicyChangeListSchema(ma.Schema):
    changes = ma.fields.List(ma.fields.Nested(PolicyChangeSchema))


class SinceQuery(StrictSchema):
    since = ma.fields.Integer(
        validate=ma.validate.Range(0, LARGEST_KEY), metadata={"description": "The one before it if left out"}
    )


class PolicyPreviewSchema(ma.Schema):
    id = ma.fields.Integer()
    state = ma.fields.Enum(PreviewState, by_value=True)
    body = ma.fields.Dict()
    requested_at = ma.fields.AwareDateTime()
    requested_by = ma.fields.String()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    result = ma.fields.Dict(allow_none=True)
    error = ma.fields.String(allow_none=True)


def _shown(row: PolicyVersion | None, in_force: int) -> dict[str, Any]:
    if row is None:
        default = BookingPolicy().document()
        return {
            "version": 0, "effective_from": None, "body": {}, "policy": default, "explanation": "", "reverts_to": None,
            "created_at": None, "created_by": None, "in_force": in_force == 0,
        }  # fmt: skip
    names = ("version", "effective_from", "body", "explanation", "reverts_to", "created_at", "created_by")
    policy = BookingPolicy.from_document(row.body, row.version)
    shown = {name: getattr(row, name) for name in names}
    return {**shown, "policy": policy.document(), "in_force": row.version == in_force}


def _in_force() -> int:
    found = policies.current_version(work().session, work().today)
    return found.version if found is not None else 0


def _published(row: PolicyVersion) -> Any:
    headers = {"Location": f"/api/v1/policies/{row.version}", "ETag": etag_of(row.version)}
    return _shown(row, _in_force()), 201, headers


def _preview(row: PolicyPreview) -> dict[str, Any]:
    names = ("id", "body", "requested_at", "requested_by", "finished_at", "result", "error")
    return {**{name: getattr(row, name) for name in names}, "state": previews.state_of(row)}


@blp.route("/policies")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, PolicyVersionListSchema)
def list_policies() -> Any:
    """Every version of the planning policy, the newest first; its number is the ETag to publish with."""
    session, in_force = work().session, _in_force()
    newest = policies.newest_number(session)
    rows = [_shown(row, in_force) for row in policies.versions(session)]
    return {"versions": rows, "newest": newest}, 200, {"ETag": etag_of(newest)}


@blp.route("/policies", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(NewPolicySchema)
@blp.response(201, PolicyVersionSchema)
@blp.alt_response(409, description="STALE_VERSION: another version was published meanwhile")
@blp.alt_response(422, description="The document is wrong; every field at fault is named")
@blp.doc(parameters=[{**IF_MATCH_DOC, "description": NEWEST}, *IDEMPOTENCY_DOC["parameters"]])
def publish_policy(body: dict[str, Any]) -> Any:
    """Publish a version of the planning policy, in force from a day on."""
    return _published(
        policies.publish_policy(
            work(), body["body"], effective_from=body["effective_from"], explanation=body["explanation"],
            newest=required_version(),
        )
    )  # fmt: skip


@blp.route("/policies/current")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, PolicyVersionSchema)
def current_policy() -> Any:
    """The policy in force today."""
    row = policies.current_version(work().session, work().today)
    number = row.version if row is not None else 0
    return _shown(row, number), 200, {"ETag": etag_of(policies.newest_number(work().session))}


@blp.route("/policies/<key:version>")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, PolicyVersionSchema)
def read_policy(version: int) -> Any:
    """One version of the planning policy."""
    return _shown(policies.one_version(work().session, version) if version else None, _in_force())


@blp.route("/policies/<key:version>/changes")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.arguments(SinceQuery, location="query")
@blp.response(200, PolicyChangeListSchema)
def policy_changes(query: dict[str, Any], version: int) -> Any:
    """In what a version differs from another, field by field and in words."""
    return {"changes": policies.difference(work().session, query.get("since", max(0, version - 1)), version)}


@blp.route("/policies/<key:version>/revert", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(RevertSchema)
@blp.response(201, PolicyVersionSchema)
@blp.alt_response(409, description="STALE_VERSION: another version was published meanwhile")
@blp.doc(parameters=[{**IF_MATCH_DOC, "description": NEWEST}, *IDEMPOTENCY_DOC["parameters"]])
def revert_policy(body: dict[str, Any], version: int) -> Any:
    """Bring a version back: a new one with its document; version 0 brings the defaults back."""
    return _published(policies.revert_policy(work(), version, newest=required_version(), **body))


@blp.route("/policies/preview", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(PolicyPreviewBodySchema)
@blp.response(202, PolicyPreviewSchema)
@blp.alt_response(422, description="The document is wrong; every field at fault is named")
@blp.doc(**IDEMPOTENCY_DOC)
def request_preview(body: dict[str, Any]) -> Any:
    """Ask what the next plan would look like under a policy not published; read the answer where Location says."""
    made = previews.request_preview(work(), body["body"])
    return _preview(made), 202, {"Location": f"/api/v1/policies/preview/{made.id}"}


@blp.route("/policies/preview/<key:preview_id>")
@allow(*COMMISSIONERS, via=Via.BEARER)
@blp.response(200, PolicyPreviewSchema)
def read_preview(preview_id: int) -> Any:
    """A preview your commissioner asked for: its state and, once done, both plans side by side."""
    return _preview(previews.own_preview(work(), preview_id))
