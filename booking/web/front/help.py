"""Pages that explain: how to get help, accessibility, what is kept about a visitor; and what robots may read."""

from __future__ import annotations

from flask import Response, render_template

from booking.edge.flask_app import work
from booking.edge.policy import public
from booking.web.base import blp


@blp.get("/help", endpoint="help")
@public()
def help_page() -> str:
    """What to do when something does not work, for patients and for staff."""
    return render_template("front/help.html", minutes=work().config.session_minutes)


@blp.get("/accessibility")
@public()
def accessibility() -> str:
    """The accessibility statement: how these pages were checked, what is known to fall short, whom to tell."""
    return render_template("front/accessibility.html")


@blp.get("/privacy")
@public()
def privacy() -> str:
    """What is kept about a patient and about a visitor, who sees it, and the one cookie."""
    config = work().config
    return render_template("front/privacy.html", minutes=config.session_minutes, code_days=config.access_code_days)


@blp.get("/robots.txt")
@public()
def robots() -> Response:
    """Robots may read what explains; everything else is somebody's own."""
    allowed = ("/$", "/help", "/accessibility", "/privacy", "/api/docs", "/static/")
    lines = ["User-agent: *", *(f"Allow: {path}" for path in allowed), "Disallow: /"]
    return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
