"""The audit trail of one's own organisation: what its people changed, and what they looked at."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import Blueprint, StrictSchema, bounded, key, moment
from booking.domain.words import COMMISSIONERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import AccessEntry, AuditEntry
from booking.services import audit_search
from booking.services.audit_search import AuditSearch

blp = Blueprint("audit", __name__, description="Who did what")
READERS = (Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN, *COMMISSIONERS)


class AccessQuery(StrictSchema):
    actor = bounded(200, metadata={"description": "The name of whoever did it. Not for commissioners"})
    ubrn = bounded(20, metadata={"description": "Of one referral. Not for commissioners"})
    since = moment()
    until = moment(metadata={"description": "Before this instant"})
    before = key(metadata={"description": "Cursor: next of the page before"})
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class AuditQuery(AccessQuery):
    action = bounded(60, metadata={"example": "referral.book"})


class EntrySchema(ma.Schema):
    """Commissioners and analysts get neither names nor keys nor what was changed."""

    at = ma.fields.AwareDateTime(metadata={"description": "UTC, milliseconds"})
    role = ma.fields.Enum(Role, by_value=True)
    organisation = ma.fields.String(allow_none=True, metadata={"description": "ODS code"})
    actor = ma.fields.String()
    on_behalf_of = ma.fields.String(allow_none=True)
    request_id = ma.fields.String(allow_none=True)


class AuditEntrySchema(EntrySchema):
    action = ma.fields.String()
    chain = ma.fields.String(metadata={"description": "The thing it was done to"})
    sequence = ma.fields.Integer()
    before = ma.fields.Dict(allow_none=True)
    after = ma.fields.Dict(allow_none=True)


class AccessEntrySchema(EntrySchema):
    what = ma.fields.String()
    patient_id = ma.fields.Integer()
    referral_id = ma.fields.Integer(allow_none=True)


class AuditListSchema(ma.Schema):
    entries = ma.fields.List(ma.fields.Nested(AuditEntrySchema))
    next = ma.fields.Integer(allow_none=True)


class AccessListSchema(ma.Schema):
    entries = ma.fields.List(ma.fields.Nested(AccessEntrySchema))
    next = ma.fields.Integer(allow_none=True)


_ANONYMOUS = ("at", "role", "organisation")
_NAMED = (*_ANONYMOUS, "actor", "on_behalf_of", "request_id")


def _page(found: list[AuditEntry] | list[AccessEntry], own: tuple[str, ...], kind: str, limit: int) -> dict[str, Any]:
    fields = (*_ANONYMOUS, kind) if work().actor.role in COMMISSIONERS else (*_NAMED, kind, *own)
    entries = [{name: getattr(entry, name) for name in fields} for entry in found]
    return {"entries": entries, "next": found[-1].id if len(found) == limit else None}


@blp.route("/audit")
@allow(*READERS, via=Via.BEARER)
@blp.arguments(AuditQuery, location="query")
@blp.response(200, AuditListSchema)
def search_changes(query: dict[str, Any]) -> Any:
    """What people of your organisation did, newest first; for commissioners without identities."""
    found = audit_search.changes(work(), AuditSearch(**query))
    return _page(found, ("chain", "sequence", "before", "after"), "action", query["limit"])


@blp.route("/audit/access")
@allow(*READERS, via=Via.BEARER)
@blp.arguments(AccessQuery, location="query")
@blp.response(200, AccessListSchema)
def search_reads(query: dict[str, Any]) -> Any:
    """Which patients' records people of your organisation looked at, newest first."""
    found = audit_search.reads(work(), AuditSearch(**query))
    return _page(found, ("patient_id", "referral_id"), "what", query["limit"])
