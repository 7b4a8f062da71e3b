"""The blueprint every page hangs on, and what several pages need: safe links back, who signed in as what."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint

from booking.domain.errors import NotFound
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Referral
from booking.services import referrals
from booking.services.work import Work

blp = Blueprint("web", __name__)
patient_only = allow(Role.PATIENT, via=Via.COOKIE)


def local_path(target: str | None) -> str:
    """``target`` if it is a path of our own, else empty: nobody is led to another site after signing in."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return ""
    if "\\" in target or any(ord(c) < 33 for c in target):
        return ""
    parts = urlsplit(target)
    return "" if parts.scheme or parts.netloc else target


def my_ubrn(unit: Work) -> str:
    """The reference of the signed-in patient's one referral."""
    found = unit.session.get(Referral, unit.actor.referral_id)
    if found is None:
        raise NotFound("There is no such referral, or it is not yours.")
    return found.ubrn


def my_referral(*, lock: bool = False) -> Referral:
    """The signed-in patient's referral with all detail; locked first where it is about to change."""
    ubrn = my_ubrn(work())
    if lock:
        referrals.lock_referral(work(), ubrn)
    return referrals.own_referral(work(), ubrn)
