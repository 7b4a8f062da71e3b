"""Attachments of referrals and requests for advice, and the PDFs of a referral."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import marshmallow as ma
from flask import Response
from flask_smorest.fields import Upload
from werkzeug.datastructures import FileStorage

from booking.api.base import IDEMPOTENCY_DOC, Blueprint, StrictSchema
from booking.domain.errors import Invalid
from booking.domain.words import PROVIDERS, REFERRERS, AttachmentKind, AttachmentState, Language, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Attachment
from booking.services import attachments, referral_documents
from booking.services.file_types import LARGEST
from booking.services.referrals import own_referral

blp = Blueprint("attachments", __name__, description="Attachments, letters and summaries")
READERS = (*REFERRERS, *PROVIDERS, Role.PATIENT)
PDF = "application/pdf"


class UploadFormSchema(StrictSchema):
    kind = ma.fields.Enum(AttachmentKind, by_value=True, required=True)


class UploadFileSchema(StrictSchema):
    file = Upload(required=True, metadata={"description": "pdf, txt, rtf, doc, docx, xml, png, jpg, gif, tiff; 5 MB"})


class AttachmentSchema(ma.Schema):
    id = ma.fields.Integer()
    kind = ma.fields.Enum(AttachmentKind, by_value=True)
    file_name = ma.fields.String()
    content_type = ma.fields.String()
    size = ma.fields.Integer(metadata={"description": "Bytes"})
    sha256 = ma.fields.String()
    state = ma.fields.Enum(AttachmentState, by_value=True)
    scan_overdue = ma.fields.Boolean(metadata={"description": "Has waited for more than an hour to be looked into"})
    uploaded_at = ma.fields.AwareDateTime()
    uploaded_by = ma.fields.String()


class AttachmentListSchema(ma.Schema):
    attachments = ma.fields.List(ma.fields.Nested(AttachmentSchema))


class LetterQuery(StrictSchema):
    language = ma.fields.Enum(Language, by_value=True, metadata={"description": "As the patient prefers if left out"})
    large_print = ma.fields.Boolean(metadata={"description": "18 point; as the patient prefers if left out"})


def shown(row: Attachment) -> dict[str, Any]:
    """An attachment as JSON values."""
    names = ("id", "kind", "file_name", "content_type", "size", "sha256", "state", "uploaded_at", "uploaded_by")
    return {**{name: getattr(row, name) for name in names}, "scan_overdue": attachments.scan_overdue(work(), row)}


def uploaded(file: FileStorage) -> tuple[str, bytes]:
    """Name and bytes of a file of a form, never more of it than may be."""
    data = file.stream.read(LARGEST + 1)
    if not file.filename:
        raise Invalid.field("file", "FILE_NAME", "The file has no name.")
    return file.filename, data


@blp.route("/referrals/<ubrn>/attachments", methods=["POST"])
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.arguments(UploadFormSchema, location="form")
@blp.arguments(UploadFileSchema, location="files")
@blp.response(201, AttachmentSchema)
@blp.alt_response(409, description="REFERRAL_ENDED")
@blp.alt_response(422, description="Too large, of no kind that is taken, or one file too many")
@blp.doc(**IDEMPOTENCY_DOC)
def add_attachment(form: dict[str, Any], files: dict[str, Any], ubrn: str) -> Any:
    """Attach a file to a referral: a letter or clinical file by the referrer, a triage file by the provider."""
    name, data = uploaded(files["file"])
    made = attachments.attach_to_referral(work(), ubrn, kind=form["kind"], file_name=name, data=data)
    return shown(made), 201, {"Location": f"/api/v1/attachments/{made.id}"}


@blp.route("/referrals/<ubrn>/attachments")
@allow(*READERS, via=Via.BEARER)
@blp.response(200, AttachmentListSchema)
def list_attachments(ubrn: str) -> Any:
    """The files attached to a referral you may see."""
    found = attachments.attachments_of(work(), own_referral(work(), ubrn))
    return {"attachments": [shown(row) for row in found]}


@blp.route("/attachments/<key:attachment_id>")
@allow(*READERS, via=Via.BEARER)
@blp.response(200, AttachmentSchema)
def read_attachment(attachment_id: int) -> Any:
    """What a file is, and whether it may be downloaded yet."""
    return shown(attachments.own_attachment(work(), attachment_id)[0])


@blp.route("/attachments/<key:attachment_id>/content")
@allow(*READERS, via=Via.BEARER)
@blp.response(200, content_type="*/*", description="The file, as what it was found to be")
@blp.alt_response(422, description="ATTACHMENT_NOT_AVAILABLE: not looked into yet, or refused")
def download_attachment(attachment_id: int) -> Response:
    """The file itself; that you read it is recorded."""
    content = attachments.read(work(), attachment_id)
    return _file(content.data, content.row.content_type, content.row.file_name)


def _file(data: bytes, content_type: str, name: str) -> Response:
    """A download (RFC 6266): a plain name for old programs, the real one for all others; run by no browser."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)
    answer = Response(data, content_type=content_type)
    answer.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


@blp.route("/attachments/<key:attachment_id>", methods=["DELETE"])
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.response(204)
@blp.alt_response(409, description="ATTACHMENT_WAS_READ by the other side: it stays")
def remove_attachment(attachment_id: int) -> None:
    """Take away a file of your organisation's that the other side has not read."""
    attachments.remove(work(), attachment_id)


@blp.route("/referrals/<ubrn>/patient-letter", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(LetterQuery, location="query")
@blp.response(201, content_type=PDF, description="PDF/UA-1")
@blp.alt_response(409, description="A state in which nobody chooses any more")
@blp.doc(**IDEMPOTENCY_DOC)
def print_patient_letter(query: dict[str, Any], ubrn: str) -> Response:
    """The letter for the patient, with a new access code: the one before it stops working."""
    data = referral_documents.patient_letter(
        work(), ubrn, language=query.get("language"), large_print=query.get("large_print")
    )
    answer = _file(data, PDF, "letter.pdf")
    answer.status_code = 201
    return answer


@blp.route("/referrals/<ubrn>/summary.pdf")
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.response(200, content_type=PDF, description="PDF/UA-1")
def referral_summary(ubrn: str) -> Response:
    """The referral on paper, for those who may see it; that you read it is recorded."""
    return _file(referral_documents.summary(work(), ubrn), PDF, "referral.pdf")
