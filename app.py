"""The application, wired together. Start here: each line of ``create_app`` leads to one room of the house."""

from __future__ import annotations

from flask_wtf.csrf import CSRFProtect

from booking import api, cli, jobs, web
from booking.config import Config, from_environment
from booking.db import Database
from booking.edge import hardening, problems
from booking.edge.flask_app import BookingApp


def create_app(config: Config | None = None) -> BookingApp:
    """Build the application. ``config`` is read from the environment where none is given."""
    settings = config or from_environment()
    app = BookingApp(__name__, static_folder="booking/web/static", template_folder="booking/web/templates")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        TESTING=settings.testing,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_NAME="choose_and_book",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.attach(settings, Database(settings.database_url))
    hardening.configure_logging()
    hardening.register(app)
    problems.register(app)
    csrf = CSRFProtect(app)
    api.register(app, csrf)
    web.register(app)
    cli.register(app)
    jobs.register(app)
    return app
