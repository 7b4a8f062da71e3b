"""Pages: server-rendered, plain HTML that works without JavaScript. One file of views for each kind of visitor."""

from __future__ import annotations

from booking.edge.flask_app import BookingApp


def register(app: BookingApp) -> None:
    from booking.web import assets, commissioner, context, front, oidc, patient, provider, referrer, sign_in, staff
    from booking.web.base import blp

    context.register(app)
    assets.register(app)
    oidc.register(app)
    # Importing a module hangs its views on the blueprint.
    if not all((front, sign_in, oidc, patient, staff, referrer, provider, commissioner)):
        raise RuntimeError("a room of the house is missing")
    app.register_blueprint(blp)
