"""What several of the practice's pages share: who acts for whom, lists to choose from, the code that is shown once.

The access code is shown once. Between a form and the letter it travels sealed in the referrer's own cookie, so that
reloading either page neither does a thing twice nor shows it again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cryptography.fernet import InvalidToken
from flask import g, session
from sqlalchemy import select

from booking.domain.errors import BookingError
from booking.domain.words import REFERRERS, Priority, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import ClinicType, Organisation, Specialty
from booking.services.work import Work
from booking.web import say
from booking.web.staff import my_organisation

referrers_only = allow(*REFERRERS, via=Via.COOKIE)
ONCE = "once"
PRIORITIES = [(one.value, say.label(one)) for one in Priority]
Items = list[dict[str, str]]


@contextmanager
def attempt() -> Iterator[None]:
    """What may be refused: then nothing of it is written, not even that something was looked at which never was."""
    unit = work()
    before = set(unit.looks)
    try:
        with unit.session.begin_nested():
            yield
    except BookingError:
        for look in set(unit.looks) - before:
            del unit.looks[look]
        raise


def my_practice() -> Organisation:
    return my_organisation()


def is_admin() -> bool:
    return work().actor.role is Role.REFERRING_ADMIN


def acting_for(name: str | None) -> Work:
    """This work, on behalf of the clinician named where an administrator does it: so it stands in the record.

    Nobody need be named: a referral itself is never made without its clinician.
    """
    unit = work()
    named = " ".join((name or "").split())
    if not named or not is_admin():
        return unit
    return replace(unit, actor=replace(unit.actor, on_behalf_of=named))


def clinics() -> dict[str, str]:
    """``330|330-SKIN`` → ``Dermatology: Skin lesions``; asked once in a request."""
    if "clinics" in g:
        kept: dict[str, str] = g.clinics
        return kept
    rows = work().session.execute(
        select(Specialty.code, Specialty.name, ClinicType.code, ClinicType.name)
        .join(ClinicType, ClinicType.specialty_code == Specialty.code)
        .order_by(Specialty.name, ClinicType.name)
    )
    g.clinics = {f"{row[0]}|{row[2]}": f"{row[1]}: {row[3]}" for row in rows}
    return clinics()


def items(options: Iterable[tuple[str, str]], first: str | None = None) -> Items:
    """Options of a select; ``first`` are the words of choosing none."""
    start = [{"value": "", "text": first}] if first is not None else []
    return [*start, *({"value": value, "text": text} for value, text in options)]


def read_priority(text: str) -> Priority | None:
    return Priority(text) if text in Priority.__members__ else None


def name_key(name: str) -> str:
    """A clinician's name as an opaque word: no address holds anybody's name."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def keep_code(ubrn: str, code: str) -> None:
    sealed = work().keys.seal(f"{ubrn}:{code}".encode())
    session[ONCE] = base64.urlsafe_b64encode(sealed).decode()


def take_code(ubrn: str) -> str | None:
    """The code kept for this referral, for the last time; one kept for another referral stays for its own page."""
    kept = session.get(ONCE)
    if kept is None:
        return None
    try:
        of, _, code = work().keys.open(base64.urlsafe_b64decode(kept)).decode().partition(":")
    except (InvalidToken, binascii.Error, UnicodeError):
        of, code = ubrn, ""
    if of != ubrn:
        return None
    session.pop(ONCE)
    return code or None
