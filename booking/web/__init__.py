"""Pages."""

from __future__ import annotations

from flask import Blueprint

from booking.edge.flask_app import BookingApp
from booking.edge.policy import public

blp = Blueprint("web", __name__)


@blp.get("/")
@public()
def front() -> str:
    return "Choose and book"


@blp.get("/sign-in")
@public()
def sign_in() -> str:
    return "Sign in"


def register(app: BookingApp) -> None:
    app.register_blueprint(blp)
