"""Nothing typed is lost: a form that comes when the session has ended goes through signing in and can be sent after it.

The fields travel sealed in the sign-in page itself, with who filled them in; only that person gets them back, and they
see them before anything is sent. Files can't be kept: the page says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from flask import g, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session

from booking.domain.errors import NotSignedIn
from booking.edge import problems
from booking.edge.flask_app import ANYBODY, COOKIE_TOKEN, BookingApp, current_app, request_id
from booking.services import acting, sign_in
from booking.services.work import Work
from booking.web.forms import Form

FIELD = "kept"
OWNER = "whose"
"""The field that says whose page a form stands on."""
SECRETS = ("csrf_token", "password", "old", "new", "again", "given", "access_code", FIELD, OWNER)
LARGEST = 120_000
"""Bytes of a form that is kept: more than any form of ours holds in any script."""
NOT_YOURS = "This page belonged to another sign-in. Nothing was sent."
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
    """Whose session this browser has, though it may have ended, as one opaque word; empty where there is none."""
    token = session.get(COOKIE_TOKEN)
    if not token:
        return ""
    unit: Work | None = g.get("work")
    if unit is not None and not g.get("over"):
        return _named(unit.session, token)
    with current_app().database.unit_of_work(write=False) as looked:
        return _named(looked, token)


def _named(looked: Session, token: str) -> str:
    keys = current_app().keys
    found = sign_in.owner_of(looked, keys, token)
    return keys.hash("kept form", found) if found else ""


def page_owner() -> str:
    """For a form: whose page it stands on. Found once for a page."""
    token = session.get(COOKIE_TOKEN)
    if g.get("page_owner", (None, ""))[0] != token:
        g.page_owner = token, _whose()
    return str(g.page_owner[1]) if token else ""


def seal_form() -> str | None:
    """The form of this request, sealed for its owner; empty where it is too large, None where there is none to keep."""
    if request.method != "POST" or problems.is_api() or "/sign-" in request.path:
        return None
    whose = _whose()
    if not whose:
        return None
    fields = [(name, text) for name, text in request.form.items(multi=True) if name not in SECRETS]
    raw = json.dumps(
        {"path": request.path, "fields": fields, "whose": whose, "at": current_app().clock().isoformat(),
         "files": any(one.filename for one in request.files.values())},
        ensure_ascii=False,
    ).encode()  # fmt: skip
    return current_app().keys.seal(raw).decode() if len(raw) <= LARGEST else ""


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
    if sealed is None:
        return problems.on_booking_error(error)
    page = "web/staff_sign_in.html" if request.path.startswith("/staff") else "web/sign_in.html"
    # No 401: that asks for a WWW-Authenticate header. To a form the refusal is a page to fill in.
    return render_template(page, form=Form(_helper()), next="", kept=sealed, ended=True), 422


def _helper() -> dict[str, str]:
    """Who acted for the patient in the session that ended: they need not say it again."""
    with current_app().database.unit_of_work(write=False) as looked:
        found = acting.of_session(looked, current_app().keys, session.get(COOKIE_TOKEN, ""))
    return {"acting_name": found.name, "acting_relation": str(found.relation)} if found else {}


def _too_old(error: CSRFError) -> ResponseReturnValue:
    """The page was made for another session than this browser has now. From our own page it may be sent again.

    Only by whose page it was: what somebody else typed is not shown, and never sent into another's record.
    """
    own = request.headers.get("Sec-Fetch-Site", "") == "same-origin"
    if problems.is_api() or not own or not request.form:
        return problems.on_http_error(error)
    if sealed := request.form.get(FIELD):  # signed in in another window: what was kept goes on from here
        found = _opened(sealed)
        return (go_on_page(found), 200) if found else problems.on_http_error(error)
    if "/sign-" in request.path or OWNER not in request.form:
        return problems.on_http_error(error)
    if request.form[OWNER] != _whose():
        return render_template("error.html", status=400, message=NOT_YOURS, request_id=request_id()), 400
    fields = [(name, text) for name, text in request.form.items(multi=True) if name not in SECRETS]
    files = any(one.filename for one in request.files.values())
    kept = Kept(request.path, fields, request.form[OWNER], current_app().clock(), files)
    return render_template("kept.html", kept=kept), 400


def _opened(sealed: str) -> Kept | None:
    app = current_app()
    with app.database.unit_of_work(write=False) as looked:
        return open_form(Work(looked, ANYBODY, app.clock(), app.settings, app.keys), sealed)


def register(app: BookingApp) -> None:
    app.jinja_env.globals["page_owner"] = page_owner
    app.register_error_handler(NotSignedIn, _session_ended)
    app.register_error_handler(CSRFError, _too_old)
