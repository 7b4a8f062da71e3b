"""Signing in with an OpenID provider: one for staff, one for patients. The way there, the way back, and what may fail.

What an attempt must come back with travels in the visitor's own cookie, sealed: nobody else can bring their answer to
it, and it works once. Nothing is asked of a provider while a transaction is open.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from cryptography.fernet import InvalidToken
from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from booking.domain.errors import BookingError, NotSignedIn
from booking.edge.flask_app import COOKIE_TOKEN, BookingApp, current_app, work
from booking.edge.policy import public
from booking.models import Specialty
from booking.openid.client import Attempt, Identified, OpenIdClient
from booking.openid.errors import ProviderRefused, ProviderUnavailable, TokenInvalid
from booking.services import identity
from booking.services.sign_in import SignedIn
from booking.services.work import HOME_ZONE, Work
from booking.web.base import blp, local_path, my_ubrn, patient_only
from booking.web.sign_in import come_in, offer_times

ATTEMPT = "openid"
"""The key in the cookie."""
GOOD_FOR = timedelta(minutes=15)
LONGEST_NEXT = 500
LOST = "This sign-in was not begun in this browser, took too long, or was used before. Please start again."
BROKEN = "The answer we got could not be trusted, so you are not signed in. Please start again."
DOWN = "The sign-in service does not answer at the moment. Please try again in a few minutes."
DECLINED = "You are not signed in, because the sign-in was stopped before it was complete."
log = logging.getLogger("booking.openid")


@dataclass(frozen=True, slots=True)
class Begun:
    """One attempt, as it waits in the cookie."""

    kind: str
    attempt: Attempt
    next: str
    at: datetime


def register(app: BookingApp) -> None:
    """Set up a client for each provider that is configured."""
    given = {"staff": app.settings.oidc_staff, "patient": app.settings.oidc_patient}
    app.extensions["openid"] = {kind: OpenIdClient(provider) for kind, provider in given.items() if provider}
    app.context_processor(lambda: {"openid": {kind: one.provider.name for kind, one in _clients().items()}})


def _clients() -> dict[str, OpenIdClient]:
    return cast(dict[str, OpenIdClient], current_app().extensions["openid"])


def _client(kind: str) -> OpenIdClient:
    found = _clients().get(kind)
    if found is None:
        raise NotFound
    return found


@blp.get("/sign-in/<any(staff, patient):kind>/start")
@public()
def openid_start(kind: str) -> ResponseReturnValue:
    """Send the browser to the provider."""
    client, unit = _client(kind), work()
    # Not from the request's Host header: it must be, letter by letter, what the provider has on record.
    back = unit.config.public_url + url_for("web.openid_callback", kind=kind)
    attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), back)
    target = local_path(request.args.get("next"))[:LONGEST_NEXT]
    unit.session.rollback()
    try:
        url = client.authorization_url(attempt, unit.now)
    except ProviderUnavailable as error:
        log.warning("sign-in of %s: %s", kind, error)
        return _refused(kind, DOWN, 502)
    begun = {"kind": kind, "attempt": asdict(attempt), "next": target, "at": unit.now.isoformat()}
    session[ATTEMPT] = unit.keys.seal(json.dumps(begun).encode()).decode()
    return redirect(url)


@blp.get("/sign-in/<any(staff, patient):kind>/callback")
@public()
def openid_callback(kind: str) -> ResponseReturnValue:
    """The browser is back: check that the answer belongs to its question, and let the person in."""
    client, unit = _client(kind), work()
    begun = _begun(unit, kind, request.args)
    unit.session.rollback()
    if begun is None:
        return _refused(kind, LOST, 400)
    if request.args.get("iss", client.provider.issuer) != client.provider.issuer:  # RFC 9207: a mix-up of providers
        return _refused(kind, BROKEN, 400)
    if "error" in request.args:
        log.info("sign-in of %s: the provider says %.60r", kind, request.args["error"])
        return _refused(kind, DECLINED, 403)
    try:
        who = client.identify(begun.attempt, request.args.get("code", ""), unit.now)
    except (ProviderRefused, TokenInvalid) as error:
        log.warning("sign-in of %s refused: %s", kind, error)
        return _refused(kind, BROKEN, 403)
    except ProviderUnavailable as error:
        log.warning("sign-in of %s: %s", kind, error)
        return _refused(kind, DOWN, 502)
    try:
        return _come_in(client, kind, who, begun.next)
    except NotSignedIn as refused:
        return _refused(kind, refused.message, 403)
    except BookingError as refused:
        return _refused(kind, refused.message, refused.status)


def _begun(unit: Work, kind: str, answer: Mapping[str, str]) -> Begun | None:
    """The attempt this browser began, if the answer is to it; taken out of the cookie, for it counts once."""
    try:
        raw = json.loads(unit.keys.open(str(session.get(ATTEMPT, "")).encode()))
    except InvalidToken:
        return None
    begun = Begun(raw["kind"], Attempt(**raw["attempt"]), raw["next"], datetime.fromisoformat(raw["at"]))
    ours = secrets.compare_digest(answer.get("state", "").encode(), begun.attempt.state.encode())
    if not ours or begun.kind != kind:
        return None
    del session[ATTEMPT]
    return begun if begun.at <= unit.now < begun.at + GOOD_FOR else None


def _come_in(client: OpenIdClient, kind: str, who: Identified, target: str) -> ResponseReturnValue:
    """In one transaction of its own, for a GET's is read-only: end the old session, begin the new."""
    unit = work()
    with current_app().database.unit_of_work() as apart:
        mine = replace(unit, session=apart)
        several = False
        if kind == "staff":
            signed = identity.staff_sign_in(mine, who, client.provider.claim)
        else:
            signed = identity.patient_sign_in(mine, who)
            several = _ready(mine, signed)
        come_in(mine, signed)
    if kind == "staff":
        return redirect(url_for("web.staff_role", next=target or None))
    target = "" if target.startswith("/staff") else target
    return redirect(url_for("web.my_referrals", next=target or None) if several else target or url_for("web.choices"))


def _ready(unit: Work, signed: SignedIn) -> bool:
    """Have times ready for a patient who comes in; whether there are several referrals to choose from."""
    mine = offer_times(unit, signed.token)
    return mine is not None and len(identity.my_referrals(mine)) > 1


def _refused(kind: str, message: str, status: int) -> ResponseReturnValue:
    return render_template("web/openid_refused.html", kind=kind, message=message), status


@blp.get("/my-referrals")
@patient_only
def my_referrals() -> str:
    """Which of one's referrals to go on with."""
    unit, target = work(), local_path(request.args.get("next"))
    found = identity.my_referrals(unit)
    wanted = select(Specialty.code, Specialty.name).where(Specialty.code.in_({one.specialty_code for one in found}))
    names = {row.code: row.name for row in unit.session.execute(wanted)}
    rows = [(one, names[one.specialty_code], one.created_at.astimezone(HOME_ZONE).date()) for one in found]
    return render_template("web/my_referrals.html", rows=rows, current=my_ubrn(unit), next=target)


@blp.post("/my-referrals")
@patient_only
def my_referrals_send() -> ResponseReturnValue:
    """Go on with another of one's own referrals."""
    identity.choose_referral(work(), request.form.get("ubrn", "")[:40])
    work().session.flush()
    offer_times(work(), session[COOKIE_TOKEN])
    target = local_path(request.form.get("next"))
    return redirect(target if target and not target.startswith("/staff") else url_for("web.choices"))
