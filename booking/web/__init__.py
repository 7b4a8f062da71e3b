"""Pages: server-rendered, plain HTML that works without JavaScript. One package of views for each kind of visitor."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from booking.edge.flask_app import BookingApp


def register(app: BookingApp) -> None:
    from booking.web import assets, context, kept, oidc
    from booking.web.base import blp

    # Importing a module hangs its views on the blueprint.
    for found in pkgutil.walk_packages(__path__, f"{__name__}."):
        import_module(found.name)
    context.register(app)
    assets.register(app)
    oidc.register(app)
    kept.register(app)
    app.register_blueprint(blp)
