"""The language and the size of print of the pages: chosen for this browser, and for letters if the patient says so."""

from __future__ import annotations

from flask import current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from booking.domain.words import Language, Role
from booking.edge.flask_app import work
from booking.edge.policy import public
from booking.services import preferences
from booking.web import spoken
from booking.web.base import blp, local_path


@blp.post("/language")
@public()
def language() -> ResponseReturnValue:
    """Another language or size of print, and back to the page one was on."""
    chosen, large = request.form.get("language"), request.form.get("large_print")
    if chosen in set(Language):
        session[spoken.CHOSEN] = str(chosen)
        if request.form.get("remember") and work().actor.role is Role.PATIENT:
            mine = preferences.contact_of(work())
            preferences.change_contact(work(), {"language": Language(str(chosen))}, version=mine.version)
    if large in ("yes", "no"):
        session[spoken.LARGE] = large == "yes"
    return redirect(_back(local_path(request.form.get("next"))))


def _back(target: str) -> str:
    """The page one was on, if it can be asked for: one that answered a form may have no address of its own."""
    try:
        current_app.create_url_adapter(request).match(target.partition("?")[0], method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return url_for("web.choices" if work().actor.role is Role.PATIENT else "web.front")
    return target or url_for("web.front")
