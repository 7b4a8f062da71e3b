"""Worklists: how much waits on each, and what."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import marshmallow as ma

from booking.api.base import LARGEST_KEY, Blueprint, StrictSchema, bounded, key
from booking.domain.errors import Invalid
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Priority, Worklist
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import worklists
from booking.services.worklists import Entry, Order, Wanted

blp = Blueprint("worklists", __name__, description="What waits for whom, by when")
ROLES = (*REFERRERS, *PROVIDERS, *COMMISSIONERS)


class CountSchema(ma.Schema):
    worklist = ma.fields.Enum(Worklist, by_value=True)
    entries = ma.fields.Integer()
    overdue = ma.fields.Integer()
    oldest_due = ma.fields.Date(allow_none=True)


class CountsSchema(ma.Schema):
    worklists = ma.fields.List(ma.fields.Nested(CountSchema))


class WorklistQuery(StrictSchema):
    service_id = key()
    priority = ma.fields.Enum(Priority, by_value=True)
    overdue = ma.fields.Boolean()
    sort = ma.fields.Enum(Order, by_value=True, load_default=Order.DUE)
    cursor = bounded(120)
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class EntrySchema(ma.Schema):
    reference = ma.fields.String(metadata={"description": "UBRN, or the reference of a request for advice"})
    kind = ma.fields.String(metadata={"description": "referral or advice"})
    state = ma.fields.String()
    patient = ma.fields.String(allow_none=True)
    nhs_number = ma.fields.String(allow_none=True)
    priority = ma.fields.Enum(Priority, by_value=True)
    specialty = ma.fields.String()
    service = ma.fields.String(allow_none=True)
    since = ma.fields.AwareDateTime()
    due = ma.fields.Date()
    overdue = ma.fields.Boolean()
    rtt_clock_start = ma.fields.Date(allow_none=True)
    escalated_at = ma.fields.AwareDateTime(allow_none=True)
    first_in_line = ma.fields.Boolean()


class EntriesSchema(ma.Schema):
    entries = ma.fields.List(ma.fields.Nested(EntrySchema))
    next = ma.fields.String(allow_none=True, metadata={"description": "Send as cursor for the next page"})


@blp.route("/worklists")
@allow(*ROLES, via=Via.BEARER)
@blp.response(200, CountsSchema)
def count_worklists() -> Any:
    """Your organisation's worklists: entries, how many are overdue, and the oldest due date."""
    return {"worklists": worklists.counts(work())}


@blp.route("/worklists/<worklist>")
@allow(*ROLES, via=Via.BEARER)
@blp.arguments(WorklistQuery, location="query")
@blp.response(200, EntriesSchema)
def read_worklist(query: dict[str, Any], worklist: str) -> Any:
    """One worklist: soonest due first, or longest waiting, or newest."""
    if worklist not in Worklist.__members__:
        raise Invalid.field("worklist", "WORKLIST", f"There is no worklist {worklist!r}.")
    found = worklists.entries(
        work(),
        Wanted(
            Worklist(worklist), service_id=query.get("service_id"), priority=query.get("priority"),
            overdue=query.get("overdue"), order=query["sort"],
            after=_read_cursor(query["cursor"]) if "cursor" in query else None, limit=query["limit"],
        ),
    )  # fmt: skip
    return {"entries": found, "next": _cursor(found[-1]) if len(found) == query["limit"] else None}


def _cursor(last: Entry) -> str:
    return base64.urlsafe_b64encode(f"{last.cursor}|{last.key}".encode()).decode()


def _read_cursor(text: str) -> tuple[str, int]:
    try:
        sorted_by, _, row = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        if not 0 < int(row) <= LARGEST_KEY:
            raise ValueError(text)
        return sorted_by, int(row)
    except (ValueError, binascii.Error, UnicodeError):
        raise Invalid.field("cursor", "CURSOR", "This cursor is not one we gave out.") from None
