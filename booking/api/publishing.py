"""Publishing slots: for the provider's own systems and people."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import IDEMPOTENCY_DOC, LARGEST_KEY, Blueprint, StrictSchema, bounded, key
from booking.domain.errors import Invalid
from booking.domain.sessions import LONGEST_SESSION_ID, MOST_SLOT_MINUTES, LeftOut, Session
from booking.domain.slot import LONGEST_SLOT_ID, MOST_PLACES, Result
from booking.domain.words import PROVIDERS, ConsultationMode, Priority, SlotStatus
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import imports, publishing
from booking.services.publication_input import Detail, NewPublication, SessionDraft, SlotDraft
from booking.services.publishing import CountedSlot, SlotList

blp = Blueprint("publishing", __name__, description="Publishing slots")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DETAIL = ("practitioner", "appointment_type", "mode", "priorities", "capacity")


class DetailSchema(StrictSchema):
    practitioner = bounded(40, metadata={"description": "Professional identifier of a clinician of yours"})
    appointment_type = bounded(80, load_default="New appointment")
    mode = ma.fields.Enum(ConsultationMode, by_value=True, load_default=ConsultationMode.IN_PERSON)
    priorities = ma.fields.List(
        ma.fields.Enum(Priority, by_value=True), load_default=lambda: list(Priority),
        validate=ma.validate.Length(min=1, max=3), metadata={"description": "Who may have it; all if left out"},
    )  # fmt: skip
    capacity = ma.fields.Integer(strict=True, load_default=1, validate=ma.validate.Range(1, MOST_PLACES))


class NewSlotSchema(DetailSchema):
    provider_slot_id = bounded(LONGEST_SLOT_ID, required=True, metadata={"description": "Your own identifier for it"})
    starts_at = ma.fields.DateTime(
        required=True, metadata={"description": "Local to the site, or with an offset", "example": "2026-03-03T09:00"}
    )
    ends_at = ma.fields.DateTime(required=True)


class LeftOutSchema(StrictSchema):
    first_date = ma.fields.Date(required=True)
    last_date = ma.fields.Date(metadata={"description": "Included; the first date if left out"})
    starts = ma.fields.Time(metadata={"description": "With ends: only this part of the day"})
    ends = ma.fields.Time()


class BreakSchema(StrictSchema):
    starts = ma.fields.Time(required=True)
    ends = ma.fields.Time(required=True)


class SessionSchema(DetailSchema):
    """Slots one after another on some weekdays, by the clock on the wall of the site."""

    id = bounded(LONGEST_SESSION_ID, required=True, metadata={"description": "Slots are named id/20260303T0900"})
    first_date = ma.fields.Date(required=True)
    last_date = ma.fields.Date(required=True)
    weekdays = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(WEEKDAYS)), required=True, validate=ma.validate.Length(min=1, max=7)
    )
    starts = ma.fields.Time(required=True, metadata={"example": "09:00"})
    ends = ma.fields.Time(required=True, metadata={"example": "12:30"})
    slot_minutes = ma.fields.Integer(strict=True, required=True, validate=ma.validate.Range(1, MOST_SLOT_MINUTES))
    break_ = ma.fields.Nested(BreakSchema, data_key="break")
    exceptions = ma.fields.List(
        ma.fields.Nested(LeftOutSchema), load_default=list, validate=ma.validate.Length(max=400)
    )
    utc_offset_minutes = ma.fields.Integer(
        strict=True, validate=ma.validate.Range(-840, 840),
        metadata={"description": "For a session in the hour that comes twice: which of the two"},
    )  # fmt: skip


class ReplacesSchema(StrictSchema):
    """These are all the slots of the service on these dates: those not named are withdrawn."""

    first_date = ma.fields.Date(required=True)
    last_date = ma.fields.Date(required=True)


class PublicationSchema(StrictSchema):
    service_id = key(required=True, strict=True)
    slots = ma.fields.List(ma.fields.Nested(NewSlotSchema), load_default=list)
    sessions = ma.fields.List(ma.fields.Nested(SessionSchema), load_default=list, validate=ma.validate.Length(max=1000))
    withdraw = ma.fields.List(bounded(LONGEST_SLOT_ID), load_default=list)
    replaces = ma.fields.Nested(ReplacesSchema)


class OutcomeSchema(ma.Schema):
    provider_slot_id = ma.fields.String()
    result = ma.fields.Enum(Result, by_value=True)
    code = ma.fields.String(allow_none=True, metadata={"description": "Stable, for programs; why it was refused"})
    message = ma.fields.String(allow_none=True)


class PublishedSchema(ma.Schema):
    id = ma.fields.Integer()
    received_at = ma.fields.AwareDateTime()
    added = ma.fields.Integer()
    changed = ma.fields.Integer()
    unchanged = ma.fields.Integer()
    withdrawn = ma.fields.Integer()
    refused = ma.fields.Integer()
    outcomes = ma.fields.List(ma.fields.Nested(OutcomeSchema))


class OwnSlotSchema(ma.Schema):
    id = ma.fields.Integer()
    provider_slot_id = ma.fields.String()
    service_id = ma.fields.Integer()
    starts_at = ma.fields.AwareDateTime()
    ends_at = ma.fields.AwareDateTime()
    local_date = ma.fields.Date()
    time_zone = ma.fields.String()
    practitioner = ma.fields.String(allow_none=True)
    appointment_type = ma.fields.String()
    mode = ma.fields.Enum(ConsultationMode, by_value=True)
    status = ma.fields.Enum(SlotStatus, by_value=True)
    capacity = ma.fields.Integer(metadata={"description": "Places, those overbooked included"})
    overbooked_places = ma.fields.Integer(metadata={"description": "Of these, extra ones against missed appointments"})
    free = ma.fields.Integer()
    held = ma.fields.Integer()
    booked = ma.fields.Integer()
    version = ma.fields.Integer()


class OwnSlotListSchema(ma.Schema):
    slots = ma.fields.List(ma.fields.Nested(OwnSlotSchema))
    next = ma.fields.String(allow_none=True, metadata={"description": "Send as cursor for the next page"})


class OwnSlotQuery(StrictSchema):
    service_id = key()
    first_date = ma.fields.Date()
    last_date = ma.fields.Date()
    status = ma.fields.Enum(SlotStatus, by_value=True, load_default=SlotStatus.PUBLISHED)
    cursor = bounded(120)
    limit = ma.fields.Integer(load_default=100, validate=ma.validate.Range(1, 500))


@blp.route("/slots/publications", methods=["POST"])
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(PublicationSchema)
@blp.response(201, PublishedSchema)
@blp.alt_response(404, description="No such service, or not yours")
@blp.alt_response(422, description="Nothing was published; every field at fault is named, as slots.3.starts_at")
@blp.doc(**IDEMPOTENCY_DOC)
def publish_slots(body: dict[str, Any]) -> Any:
    """Publish slots and sessions at one of your services. The same again changes nothing.

    A slot that somebody holds or has booked is left as it is and its outcome says refused.
    """
    replaces = body.get("replaces")
    done = publishing.publish(
        work(),
        NewPublication(
            service_id=body["service_id"],
            slots=[_slot(one) for one in body["slots"]],
            sessions=[_session(one) for one in body["sessions"]],
            withdraw=body["withdraw"],
            replaces=(replaces["first_date"], replaces["last_date"]) if replaces else None,
        ),
    )
    counts = {result.value: getattr(done.publication, result.value) for result in Result}
    made = done.publication
    return {"id": made.id, "received_at": made.received_at, **counts, "outcomes": done.outcomes}


@blp.route("/slots")
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(OwnSlotQuery, location="query")
@blp.response(200, OwnSlotListSchema)
def list_slots(query: dict[str, Any]) -> Any:
    """Your own slots by service and start, with how many places are free, held and booked."""
    cursor = query.pop("cursor", None)
    found = publishing.own_slots(work(), SlotList(**query, after=_read_cursor(cursor) if cursor else None))
    more = _cursor(found[-1]) if len(found) == query["limit"] else None
    return {"slots": [_own_slot(one) for one in found], "next": more}


@blp.route("/slots/<key:slot_id>/withdraw", methods=["POST"])
@allow(*PROVIDERS, via=Via.BEARER)
@blp.response(200, OutcomeSchema)
@blp.alt_response(404, description="No such slot, or not yours")
@blp.doc(**IDEMPOTENCY_DOC)
def withdraw_slot(slot_id: int) -> Any:
    """Take a slot off. One that is booked is closed to others and its appointment stands; the code says so."""
    return publishing.withdraw_slot(work(), slot_id)


@blp.route("/slots/template.csv")
@allow(*PROVIDERS, via=Via.BEARER)
@blp.response(200, content_type="text/csv", description="A file to fill in")
def slots_template() -> Response:
    """The CSV template for slots; its columns are explained in docs/slots-csv.md."""
    text = Path(imports.SLOTS_TEMPLATE).read_bytes()
    headers = {"Content-Disposition": 'attachment; filename="slots-template.csv"'}
    return Response(text, content_type="text/csv; charset=utf-8", headers=headers)


def _detail(body: dict[str, Any]) -> Detail:
    given = {name: body[name] for name in _DETAIL if name in body}
    return Detail(**{**given, "priorities": frozenset(given["priorities"])})


def _slot(body: dict[str, Any]) -> SlotDraft:
    return SlotDraft(body["provider_slot_id"], body["starts_at"], body["ends_at"], _detail(body))


def _session(body: dict[str, Any]) -> SessionDraft:
    pause, offset = body.get("break_", {}), body.get("utc_offset_minutes")
    session = Session(
        identifier=body["id"],
        first_date=body["first_date"],
        last_date=body["last_date"],
        weekdays=frozenset(WEEKDAYS.index(name) for name in body["weekdays"]),
        starts=body["starts"],
        ends=body["ends"],
        minutes=body["slot_minutes"],
        break_starts=pause.get("starts"),
        break_ends=pause.get("ends"),
        exceptions=tuple(LeftOut(**gap) for gap in body["exceptions"]),
        utc_offset=None if offset is None else timedelta(minutes=offset),
    )
    return SessionDraft(session, _detail(body))


def _own_slot(counted: CountedSlot) -> dict[str, Any]:
    slot = counted.slot
    same = ("id", "provider_slot_id", "service_id", "starts_at", "ends_at", "local_date", "time_zone")
    more = ("appointment_type", "mode", "status", "capacity", "overbooked_places", "version")
    return {
        **{name: getattr(slot, name) for name in (*same, *more)},
        "practitioner": slot.practitioner.identifier if slot.practitioner else None,
        "free": counted.free if slot.status is SlotStatus.PUBLISHED else 0,
        "held": counted.held,
        "booked": counted.booked,
    }


def _cursor(last: CountedSlot) -> str:
    slot = last.slot
    return base64.urlsafe_b64encode(f"{slot.service_id}|{slot.starts_at.isoformat()}|{slot.id}".encode()).decode()


def _read_cursor(text: str) -> tuple[int, datetime, int]:
    try:
        service_id, when, slot_id = base64.urlsafe_b64decode(text.encode()).decode().split("|")
        moment = datetime.fromisoformat(when)
        keys = int(service_id), int(slot_id)
        if moment.tzinfo is None or not all(0 < one <= LARGEST_KEY for one in keys):
            raise ValueError(text)
        return keys[0], moment.astimezone(UTC), keys[1]
    except (ValueError, OverflowError, binascii.Error, UnicodeError):
        raise Invalid.field("cursor", "CURSOR", "This cursor is not one we gave out.") from None
