"""What the API's blueprints share: problem documents in the specification, strict parsing, ETags."""

from __future__ import annotations

import http
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from flask import Request, request
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from flask_smorest.utils import prepare_response
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, PreconditionRequired, UnsupportedMediaType
from werkzeug.routing import IntegerConverter, Map

from booking.domain.errors import StaleVersion
from booking.edge.problems import PROBLEM


class StrictSchema(ma.Schema):
    """Unknown fields are refused by name."""

    class Meta:
        unknown = ma.RAISE


class ProblemFieldSchema(ma.Schema):
    field = ma.fields.String(metadata={"description": "Dotted path of the field at fault"})
    code = ma.fields.String()
    message = ma.fields.String()


class ProblemSchema(ma.Schema):
    """RFC 9457 problem document."""

    type = ma.fields.String()
    title = ma.fields.String()
    status = ma.fields.Integer()
    detail = ma.fields.String()
    code = ma.fields.String(metadata={"description": "Stable, for programs"})
    request_id = ma.fields.String()
    state = ma.fields.String(metadata={"description": "The referral's state, where the action is not for it"})
    action = ma.fields.String(metadata={"description": "The action that is not for the state"})
    errors = ma.fields.List(ma.fields.Nested(ProblemFieldSchema))


class ProblemApi(Api):
    """flask-smorest, but every error it documents is a problem document; errors are answered by our one place."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        return None

    def _register_responses(self) -> None:
        for status in http.HTTPStatus:
            answer: dict[str, Any] = {"description": status.phrase}
            if status >= 400:
                answer["schema"] = self.ERROR_SCHEMA
            prepare_response(answer, self.spec, PROBLEM if status >= 400 else self.DEFAULT_RESPONSE_CONTENT_TYPE)
            self.spec.components.response(status.name, answer, lazy=True)
        default: dict[str, Any] = {"description": "Any error, as a problem document", "schema": self.ERROR_SCHEMA}
        prepare_response(default, self.spec, PROBLEM)
        self.spec.components.response("DEFAULT_ERROR", default, lazy=True)


class StrictParser(FlaskParser):
    """Refuses a body that is not JSON with 415, and unknown query parameters with 422."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        **dict.fromkeys(("query", "json", "form", "files"), ma.RAISE),
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        if not req.is_json and (req.content_length or not req.mimetype == ""):
            raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
        try:
            return super().load_json(req, schema)
        except (RecursionError, ValueError) as error:
            if isinstance(error, ma.ValidationError):
                raise
            raise BadRequest("The body is not JSON that we can read.") from error


BINARY = {"type": "string", "format": "binary"}


class Blueprint(SmorestBlueprint):
    ARGUMENTS_PARSER = StrictParser()

    def response(self, status_code: int, schema: Any = None, **documented: Any) -> Any:
        """As flask-smorest's, but an answer that is a file is documented with its media type."""
        if schema is None and "content_type" in documented:
            schema = {"type": "object"} if documented["content_type"].endswith("json") else BINARY
        return super().response(status_code, schema, **documented)

    def alt_response(self, status_code: int, **documented: Any) -> Any:
        """As flask-smorest's, but an error is a problem document unless the route says otherwise."""
        if status_code >= 400 and not documented.keys() & {"response", "schema"}:
            documented |= {"schema": ProblemSchema, "content_type": PROBLEM}
        return super().alt_response(status_code, **documented)


def etag_of(version: int) -> str:
    return f'"{version}"'


def required_version() -> int:
    """The version named by ``If-Match``: 428 where the header is missing, 409 where it can't be ours."""
    given = request.headers.get("If-Match")
    if given is None:
        raise PreconditionRequired("Send If-Match with the ETag you read, so that nobody's change is overwritten.")
    text = given.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise StaleVersion("If-Match does not name a version we gave out.")
    return int(text)


def not_modified(version: int) -> bool:
    return etag_of(version) in [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]


IDEMPOTENCY_DOC = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "maxLength": 128},
            "description": "Same key and body: same answer, one effect. Same key, other body: 422.",
        }
    ]
}
IF_MATCH_DOC = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "schema": {"type": "string"},
    "description": "The ETag of the version you read. Stale: 409. Missing: 428.",
}


def no_control_characters(text: str) -> None:
    """A marshmallow validator: line breaks and tabs are text, other control characters are not."""
    if any((ord(c) < 32 and c not in "\n\r\t") or "\ud800" <= c <= "\udfff" for c in text):
        raise ma.ValidationError("Holds characters that are not text.")


def moment(**kwargs: Any) -> ma.fields.AwareDateTime:
    """A field that holds an instant: with its offset, and within the years there are in UTC too."""

    def in_time(value: datetime) -> None:
        try:
            value.astimezone(UTC)
        except OverflowError as error:
            raise ma.ValidationError("Not an instant of the years 1 to 9999.") from error

    return ma.fields.AwareDateTime(validate=in_time, **kwargs)


LARGEST_KEY = 2**63 - 1


def key(**kwargs: Any) -> ma.fields.Integer:
    """A field that holds a key: what the database can hold, and no more."""
    return ma.fields.Integer(validate=ma.validate.Range(1, LARGEST_KEY), **kwargs)


class KeyConverter(IntegerConverter):
    """``<key:…>`` in a path: a number too large for any key is no such page, not a database error."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST_KEY)


def bounded(text_max: int, *, text_min: int = 1, **kwargs: Any) -> ma.fields.String:
    """A string field of bounded length that holds something besides spaces."""

    def not_blank(text: str) -> None:
        if text_min and not text.strip():
            raise ma.ValidationError("Must not be blank.")

    return ma.fields.String(
        validate=[ma.validate.Length(min=text_min, max=text_max), not_blank, no_control_characters], **kwargs
    )
