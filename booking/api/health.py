"""Liveness, and the specification with its readable form."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response, jsonify, render_template
from sqlalchemy import text

from booking import migrate
from booking.api.base import ProblemApi
from booking.edge.flask_app import BookingApp, work
from booking.edge.policy import Via, public


def register(app: BookingApp, api: ProblemApi) -> None:
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"bearer": []}]

    @cache
    def document() -> dict[str, Any]:
        spec: dict[str, Any] = api.spec.to_dict()
        return spec

    @cache
    def head() -> str | None:
        return migrate.head()

    @app.get("/healthz")
    @public(Via.BEARER)
    def healthz() -> tuple[Response, int]:
        """200 when the database answers and has the newest schema, else 503."""
        connection = work().session.connection()
        connection.execute(text("SELECT 1"))
        current = migrate.revision_of(connection)
        fine = current == head()
        return jsonify(status="ok" if fine else "schema out of step", schema=current), 200 if fine else 503

    @app.get("/api/openapi.json")
    @public(Via.BEARER)
    def openapi() -> Response:
        return jsonify(document())

    @app.get("/api/docs")
    @public(Via.COOKIE)
    def docs() -> str:
        return render_template("api_docs.html", spec=document())
