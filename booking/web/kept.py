"""Nothing typed is lost: a form that comes when the session has ended goes through signing in and can be sent after it.

The fields travel sealed in the sign-in page itself, with who filled them in; only that person gets them back, and they
see them before anything is sent. Files can't be kept: the page says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from flask import render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from booking.domain.errors import NotSignedIn
from booking.edge import problems
from booking.edge.flask_app import COOKIE_TOKEN, BookingApp, current_app
from booking.services import sign_in
from booking.services.work import Work
from booking.web.forms import Form

FIELD = "kept"
SECRETS = ("csrf_token", "password", "old", "new", "again", "given", FIELD)
LARGEST = 60_000
"""Characters of a form, sealed: more than any form of ours holds."""
GOOD_FOR = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that was not sent."""

    path: str
    fields: list[tuple[str, str]]
    whose: str
    at: datetime
    files: bool

    @property
    def shown(self) -> list[tuple[str, str]]:
        """What the person typed or chose, without the page's own keys."""
        return [(name, value) for name, value in self.fields if value.strip() and not name.endswith(("_id", "version"))]


def _whose() -> str:
    """Whose session it was that ended, as one opaque word; empty where nobody ever signed in."""
    app, token = current_app(), session.get(COOKIE_TOKEN)
    if not token:
        return ""
    with app.database.unit_of_work(write=False) as looked:
        found = sign_in.owner_of(looked, app.keys, token)
    return app.keys.hash("kept form", found) if found else ""


def seal_form() -> str:
    """The form of this request, sealed for its owner; empty where there is nothing or nobody to keep it for."""
    if request.method != "POST" or problems.is_api() or "/sign-" in request.path:
        return ""
    whose = _whose()
    if not whose:
        return ""
    fields = [(name, text) for name, text in request.form.items(multi=True) if name not in SECRETS]
    raw = json.dumps(
        {"path": request.path, "fields": fields, "whose": whose, "at": current_app().clock().isoformat(),
         "files": any(one.filename for one in request.files.values())}
    )  # fmt: skip
    return current_app().keys.seal(raw.encode()).decode() if len(raw) <= LARGEST else ""


def open_form(unit: Work, sealed: str | None) -> Kept | None:
    """What was sealed, for the person who is signed in; None for anybody else, and for what is too old or not ours."""
    token = session.get(COOKIE_TOKEN)
    if not sealed or not token or len(sealed) > 2 * LARGEST:
        return None
    try:
        raw = json.loads(unit.keys.open(sealed.encode()))
    except (InvalidToken, ValueError):
        return None
    kept = Kept(
        raw["path"], [(str(name), str(text)) for name, text in raw["fields"]], raw["whose"],
        datetime.fromisoformat(raw["at"]), raw["files"],
    )  # fmt: skip
    mine = sign_in.owner_of(unit.session, unit.keys, token)
    same = mine is not None and unit.keys.hash("kept form", mine) == kept.whose
    return kept if same and unit.now - kept.at <= GOOD_FOR else None


def go_on_page(kept: Kept) -> str:
    """Signed in again: what was typed, not yet sent, and the button that sends it."""
    return render_template("kept.html", kept=kept)


def _session_ended(error: NotSignedIn) -> ResponseReturnValue:
    sealed = seal_form()
    if not sealed:
        return problems.on_booking_error(error)
    page = "web/staff_sign_in.html" if request.path.startswith("/staff") else "web/sign_in.html"
    # No 401: that asks for a WWW-Authenticate header. To a form the refusal is a page to fill in.
    return render_template(page, form=Form(), next="", kept=sealed, ended=True), 422


def _too_old(error: CSRFError) -> ResponseReturnValue:
    """The page was made for another session than this browser has now. From our own page it may be sent again."""
    own = request.headers.get("Sec-Fetch-Site", "") == "same-origin"
    if problems.is_api() or not own or not request.form:
        return problems.on_http_error(error)
    fields = [(name, text) for name, text in request.form.items(multi=True) if name not in SECRETS]
    files = any(one.filename for one in request.files.values())
    kept = Kept(request.path, fields, "", current_app().clock(), files)
    return render_template("kept.html", kept=kept), 400


def register(app: BookingApp) -> None:
    app.register_error_handler(NotSignedIn, _session_ended)
    app.register_error_handler(CSRFError, _too_old)
