"""The JSON API: parsing, authorising and documents; everything else is the services'."""

from __future__ import annotations

from flask_wtf.csrf import CSRFProtect

from booking.api.base import KeyConverter, ProblemApi
from booking.edge.flask_app import BookingApp


def register(app: BookingApp, csrf: CSRFProtect) -> None:
    """Hang every blueprint under ``/api/v1`` and the OpenAPI document at ``/api/openapi.json``."""
    from booking.api import (
        advice,
        attachments,
        audit,
        bookings,
        clinics,
        commissioning,
        health,
        life,
        me,
        messages,
        needs,
        people,
        plans,
        policies,
        practices,
        publishing,
        record,
        reference,
        referring,
        reports,
        service_definitions,
        sessions,
        worklists,
    )
    from booking.api import services as services_api

    app.config.update(
        API_TITLE="Choose and book",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,
    )
    app.url_map.converters["key"] = KeyConverter
    api = ProblemApi(app)
    api.register_converter(KeyConverter, lambda _converter: {"type": "integer", "format": "int64"})
    for module in (
        sessions,
        me,
        messages,
        needs,
        people,
        advice,
        attachments,
        audit,
        services_api,
        service_definitions,
        referring,
        reports,
        bookings,
        clinics,
        life,
        worklists,
        plans,
        policies,
        commissioning,
        reference,
        practices,
        publishing,
        record,
    ):
        api.register_blueprint(module.blp, url_prefix=f"/api/v1{module.blp.url_prefix or ''}")
        csrf.exempt(module.blp)
    health.register(app, api)
