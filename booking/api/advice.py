"""Advice and guidance: asking, answering, closing, referring on."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api import present
from booking.api.attachments import AttachmentSchema, UploadFileSchema, shown, uploaded
from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    key,
    not_modified,
    required_version,
)
from booking.api.referring import NewReferralSchema
from booking.domain.advice import ANSWERERS, CLINICIANS, LONGEST_MESSAGE, AdviceAction
from booking.domain.ids import show_ubrn
from booking.domain.words import REFERRERS, AdviceState, AdviceTurn, Priority, Role, Worklist
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import AdviceRequest, Attachment
from booking.services import advice, advice_files, advice_referral
from booking.services.advice import NewAdvice, Said
from booking.services.advice_referral import Conversion
from booking.services.referrals import NewReferral

blp = Blueprint("advice", __name__, description="Advice and guidance")
ANYBODY_IN_IT = (*REFERRERS, *sorted(ANSWERERS))
CHANGE_DOC = {"parameters": [IF_MATCH_DOC, *IDEMPOTENCY_DOC["parameters"]]}
STALE = "Stale version, or a state that does not allow it"


class NewAdviceSchema(StrictSchema):
    patient_id = key(required=True, strict=True)
    service_id = key(required=True, strict=True, metadata={"description": "One service that gives advice"})
    specialty = bounded(8, metadata={"description": "If given, the service must be of it"})
    priority = ma.fields.Enum(Priority, by_value=True, required=True)
    subject = bounded(300, required=True)
    text = bounded(LONGEST_MESSAGE, required=True)
    convertible = ma.fields.Boolean(
        required=True, metadata={"description": "Whether the provider may make a referral of it"}
    )
    referrer = bounded(200, metadata={"description": "The clinician who asks; an admin must name them"})


class AdviceQuery(StrictSchema):
    state = ma.fields.Enum(AdviceState, by_value=True)
    before = key(metadata={"description": "Cursor: next of the page before"})
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class AdviceRowSchema(ma.Schema):
    reference = ma.fields.String()
    reference_shown = ma.fields.String()
    state = ma.fields.Enum(AdviceState, by_value=True)
    version = ma.fields.Integer()
    priority = ma.fields.Enum(Priority, by_value=True)
    subject = ma.fields.String()
    convertible = ma.fields.Boolean()
    patient_id = ma.fields.Integer()
    patient = ma.fields.String()
    referrer = ma.fields.String()
    practice = ma.fields.String()
    service_id = ma.fields.Integer()
    service = ma.fields.String()
    provider = ma.fields.String()
    specialty = ma.fields.String()
    worklist = ma.fields.Enum(Worklist, by_value=True, allow_none=True)
    worklist_due = ma.fields.Date(allow_none=True)
    created_at = ma.fields.AwareDateTime()


class AdviceListSchema(ma.Schema):
    advice = ma.fields.List(ma.fields.Nested(AdviceRowSchema))
    next = ma.fields.Integer(allow_none=True)


class AdviceMessageSchema(ma.Schema):
    id = ma.fields.Integer()
    sequence = ma.fields.Integer()
    turn = ma.fields.Enum(AdviceTurn, by_value=True)
    author = ma.fields.String()
    role = ma.fields.Enum(Role, by_value=True)
    on_behalf_of = ma.fields.String(allow_none=True)
    text = ma.fields.String()
    at = ma.fields.AwareDateTime()


class AdviceFileSchema(AttachmentSchema):
    message_id = ma.fields.Integer(allow_none=True)


class AdviceFileListSchema(ma.Schema):
    attachments = ma.fields.List(ma.fields.Nested(AdviceFileSchema))


class AdviceFormSchema(StrictSchema):
    message_id = key(metadata={"description": "What your side said that the file goes with"})


class AdviceSchema(AdviceRowSchema):
    messages = ma.fields.List(ma.fields.Nested(AdviceMessageSchema))
    attachments = ma.fields.List(ma.fields.Nested(AdviceFileSchema))
    ubrn = ma.fields.String(allow_none=True, metadata={"description": "Of the referral it became"})


class MessageSchema(StrictSchema):
    text = bounded(LONGEST_MESSAGE, required=True)
    asks_back = ma.fields.Boolean(
        load_default=False, metadata={"description": "The provider needs to know more before it can advise"}
    )
    on_behalf_of = bounded(200, metadata={"description": "The clinician; a provider's admin must name them"})


class CloseSchema(StrictSchema):
    text = bounded(LONGEST_MESSAGE, metadata={"description": "The final advice: due from the provider"})
    on_behalf_of = bounded(200)


class ConversionSchema(StrictSchema):
    service_id = key(required=True, strict=True, metadata={"description": "Yours, bookable or triage"})
    comment = bounded(LONGEST_MESSAGE, required=True, metadata={"description": "The referrer reads it"})
    priority = ma.fields.Enum(Priority, by_value=True)


class ReferOnSchema(NewReferralSchema):
    class Meta(NewReferralSchema.Meta):
        exclude = ("patient_id", "draft")


class ConvertedSchema(AdviceSchema):
    referral = ma.fields.Nested(present.ReferralSchema)


class ReferredOnSchema(AdviceSchema):
    referral = ma.fields.Nested(present.IssuedReferralSchema)


@blp.route("/advice", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(NewAdviceSchema)
@blp.response(201, AdviceSchema)
@blp.alt_response(422, description="The service can't be asked about this patient; the field is named")
@blp.doc(**IDEMPOTENCY_DOC)
def ask(body: dict[str, Any]) -> Any:
    """Ask one service for advice about a patient of yours."""
    made = advice.ask(work(), NewAdvice(**body))
    return _whole(made), 201, {"Location": f"/api/v1/advice/{made.reference}", "ETag": etag_of(made.version)}


@blp.route("/advice")
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.arguments(AdviceQuery, location="query")
@blp.response(200, AdviceListSchema)
def list_advice(query: dict[str, Any]) -> Any:
    """Your practice's requests for advice, or those to your services; newest first."""
    found = advice.list_advice(
        work(), state=query.get("state"), before_id=query.get("before"), limit=query["limit"]
    )  # fmt: skip
    more = found[-1].id if len(found) == query["limit"] else None
    return {"advice": [_row(one) for one in found], "next": more}


@blp.route("/advice/<reference>")
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.response(200, AdviceSchema)
@blp.alt_response(304, description="Not changed since If-None-Match")
def read_advice(reference: str) -> Any:
    """A request for advice you may see, with the whole conversation."""
    found = advice.own_advice(work(), reference)
    if not_modified(found.version):
        return Response(status=304, headers={"ETag": etag_of(found.version)})
    return _whole(found), 200, {"ETag": etag_of(found.version)}


@blp.route("/advice/<reference>/messages", methods=["POST"])
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.arguments(MessageSchema)
@blp.response(201, AdviceSchema)
@blp.alt_response(409, description=STALE)
@blp.doc(**CHANGE_DOC)
def say(body: dict[str, Any], reference: str) -> Any:
    """Reply (the practice), or answer or ask back (the provider): it is then the other side's turn."""
    action = AdviceAction.REPLY
    if work().actor.role in ANSWERERS:
        action = AdviceAction.ASK_BACK if body["asks_back"] else AdviceAction.ANSWER
    said = Said(body["text"], body.get("on_behalf_of"))
    done = advice.contribute(work(), reference, action, said, version=required_version())
    return _whole(done), 201, {"ETag": etag_of(done.version)}


@blp.route("/advice/<reference>/close", methods=["POST"])
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.arguments(CloseSchema)
@blp.response(200, AdviceSchema)
@blp.alt_response(409, description=STALE)
@blp.doc(**CHANGE_DOC)
def close(body: dict[str, Any], reference: str) -> Any:
    """Close it: the provider with its final advice; the practice when nothing is left to do."""
    provider = work().actor.role in ANSWERERS
    action = AdviceAction.FINAL_ADVICE if provider else AdviceAction.CLOSE
    said = Said(body.get("text", ""), body.get("on_behalf_of"))
    done = advice.contribute(work(), reference, action, said, version=required_version())
    return _whole(done), 200, {"ETag": etag_of(done.version)}


@blp.route("/advice/<reference>/attachments", methods=["POST"])
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.arguments(AdviceFormSchema, location="form")
@blp.arguments(UploadFileSchema, location="files")
@blp.response(201, AdviceFileSchema)
@blp.alt_response(409, description="ADVICE_ENDED")
@blp.alt_response(422, description="Too large, of no kind that is taken, or one file too many")
@blp.doc(**IDEMPOTENCY_DOC)
def attach(form: dict[str, Any], files: dict[str, Any], reference: str) -> Any:
    """Attach a file to a request for advice, or to something your side has said in it."""
    name, data = uploaded(files["file"])
    made = advice_files.attach(work(), reference, message_id=form.get("message_id"), file_name=name, data=data)
    return _file(made), 201, {"Location": f"/api/v1/attachments/{made.id}"}


@blp.route("/advice/<reference>/attachments")
@allow(*ANYBODY_IN_IT, via=Via.BEARER)
@blp.response(200, AdviceFileListSchema)
def list_attachments(reference: str) -> Any:
    """The files of a request for advice you may see; each is downloaded as an attachment."""
    found = advice.own_advice(work(), reference)
    return {"attachments": [_file(one) for one in advice.files(work(), found)]}


@blp.route("/advice/<reference>/convert", methods=["POST"])
@allow(*sorted(CLINICIANS), via=Via.BEARER)
@blp.arguments(ConversionSchema)
@blp.response(201, ConvertedSchema)
@blp.alt_response(409, description="NOT_CONVERTIBLE, a stale version, or a state that does not allow it")
@blp.doc(**CHANGE_DOC)
def convert(body: dict[str, Any], reference: str) -> Any:
    """Make a referral of it to a service of yours, where the referrer allowed that."""
    done, made = advice_referral.convert(work(), reference, Conversion(**body), version=required_version())
    answer = {**_whole(done), "referral": present.referral(made)}
    return answer, 201, {"Location": f"/api/v1/referrals/{made.ubrn}", "ETag": etag_of(done.version)}


@blp.route("/advice/<reference>/refer", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(ReferOnSchema)
@blp.response(201, ReferredOnSchema)
@blp.alt_response(409, description=STALE)
@blp.alt_response(422, description="A rule of referring is broken; every field at fault is named")
@blp.doc(**CHANGE_DOC)
def refer_on(body: dict[str, Any], reference: str) -> Any:
    """Refer the patient after all; the referral is linked to the request. Answers with UBRN and access code."""
    done, made, code = advice_referral.refer_on(
        work(), reference, lambda patient_id: NewReferral(patient_id=patient_id, **body), version=required_version()
    )  # fmt: skip
    answer = {**_whole(done), "referral": {**present.referral(made), "access_code": code}}
    return answer, 201, {"Location": f"/api/v1/referrals/{made.ubrn}", "ETag": etag_of(done.version)}


def _row(one: AdviceRequest) -> dict[str, Any]:
    return {
        **{
            name: getattr(one, name)
            for name in (
                "reference", "state", "version", "priority", "subject", "convertible", "patient_id", "referrer",
                "service_id", "worklist", "worklist_due", "created_at",
            )
        },
        "reference_shown": show_ubrn(one.reference),
        "patient": f"{one.patient.given_name} {one.patient.family_name}",
        "practice": one.practice.name,
        "service": one.service.name,
        "provider": one.service.organisation.name,
        "specialty": one.service.specialty_code,
    }  # fmt: skip


def _file(one: Attachment) -> dict[str, Any]:
    return {**shown(one), "message_id": one.advice_message_id}


def _whole(one: AdviceRequest) -> dict[str, Any]:
    unit = work()
    return {
        **_row(one),
        "messages": advice.conversation(unit, one),
        "attachments": [_file(file) for file in advice.files(unit, one)],
        "ubrn": advice.referral_of(unit, one),
    }
