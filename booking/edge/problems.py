"""Errors to HTTP, in one place: RFC 9457 problem documents for the API, plain pages for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, json, redirect, render_template, request, url_for
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from booking.domain.errors import (
    BookingError,
    FieldError,
    IllegalTransition,
    NotSignedIn,
    TooManyAttempts,
)
from booking.edge.flask_app import BookingApp, request_id
from booking.edge.quiet import place_of
from booking.services.refusals import translate

log = logging.getLogger("booking.errors")
PROBLEM = "application/problem+json"


def is_api() -> bool:
    return request.path.startswith("/api/")


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """A problem document (RFC 9457) with our stable ``code`` and, where due, the fields at fault."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id(),
        **extra,
    }
    if errors:
        body["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in errors]
    return Response(json.dumps(body), status=status, content_type=PROBLEM, headers=dict(headers or {}))


def _page(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    if request_ctx.url_adapter is None:  # the Host header is no host name, and no page can be linked to
        return Response(f"{message}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
    html = render_template("error.html", status=status, message=message, request_id=request_id())
    return Response(html, status=status, content_type="text/html; charset=utf-8", headers=dict(headers or {}))


def on_booking_error(error: BookingError) -> ResponseReturnValue:
    headers: dict[str, str] = {}
    extra: dict[str, Any] = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn) and is_api():
        headers["WWW-Authenticate"] = 'Bearer realm="choose-and-book"'
    if isinstance(error, IllegalTransition):
        extra = {"state": error.state, "action": error.action}
    if is_api():
        return problem(error.status, error.code, error.message, errors=error.errors, headers=headers, **extra)
    if isinstance(error, NotSignedIn):
        page = "web.staff_sign_in" if request.path.startswith("/staff") else "web.sign_in"
        return redirect(url_for(page, next=request.full_path.rstrip("?") if request.method == "GET" else None))
    return _page(error.status, error.message, headers)


_LOCATIONS = ("json", "query", "headers", "path", "_schema", "view_args", "form", "files")


def _field_errors(messages: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten marshmallow's nested messages to one line per field, with a dotted path."""
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            step = "" if key in _LOCATIONS and not path else str(key)
            yield from _field_errors(value, ".".join(p for p in (path, step) if p))
    else:
        for message in messages if isinstance(messages, (list, tuple)) else [messages]:
            text = str(message)
            code = "UNKNOWN_FIELD" if text == "Unknown field." else "REQUIRED" if "Missing data" in text else "INVALID"
            yield FieldError(path or "body", code, text)


def on_http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()
    headers = {k: v for k, v in error.get_headers() if k.lower() in ("allow", "retry-after", "www-authenticate")}
    data = getattr(error, "data", None) or {}
    if not is_api():
        words = {404: "There is no such page.", 413: "What you sent is too large.", 405: ""}
        message = "The form was open too long. Go back, reload the page and send it again."
        return _page(
            status, message if isinstance(error, CSRFError) else words.get(status, error.description or ""), headers
        )
    if "messages" in data:
        errors = tuple(_field_errors(data["messages"]))
        return problem(status, "INVALID", "; ".join(f"{e.field}: {e.message}" for e in errors), errors=errors)
    code = HTTPStatus(status).phrase.upper().replace(" ", "_").replace("-", "_")
    return problem(status, code, data.get("message") or error.description or "", headers=headers)


def on_database_error(error: DBAPIError) -> ResponseReturnValue:
    known = translate(error)
    if known is not None:
        return on_booking_error(known)
    return on_any_error(error)


def on_any_error(error: Exception) -> ResponseReturnValue:
    # The exception's text may hold personal data (SQL parameters do), so only its kind and place are logged.
    where = place_of(error.__traceback__)
    log.error("unhandled %s at %s request=%s", type(error).__name__, where, request_id())
    if current_app.config.get("PROPAGATE_EXCEPTIONS") or current_app.config.get("TESTING"):
        raise error
    message = "Something went wrong on our side. Nothing was changed."
    return problem(500, "INTERNAL_ERROR", message) if is_api() else _page(500, message)


def register(app: BookingApp) -> None:
    app.register_error_handler(BookingError, on_booking_error)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(DBAPIError, on_database_error)
    app.register_error_handler(Exception, on_any_error)
