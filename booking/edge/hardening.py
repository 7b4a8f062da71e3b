"""Headers on every answer, and one log line for it that holds nothing personal."""

from __future__ import annotations

import sys
import time

import structlog
from flask import Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from booking.edge import quiet
from booking.edge.flask_app import BookingApp, request_id
from booking.edge.squeeze import squeeze

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
log = structlog.get_logger("booking.requests")


def configure_logging() -> None:
    quiet.configure()
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def register(app: BookingApp) -> None:
    if app.settings.trusted_proxies:
        count = app.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Request-ID"] = request_id()
        request.environ[quiet.ROUTE] = str(request.url_rule or "unmatched")
        if app.settings.cookie_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
            squeeze(response)
            if not app.settings.testing:
                _log(response)
        return response


def _log(response: Response) -> None:
    # The route's pattern, not the path: a path can hold a booking reference.
    log.info(
        "request",
        method=quiet.known(request.method),
        route=str(request.url_rule or "unmatched"),
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
        request_id=request_id(),
    )
