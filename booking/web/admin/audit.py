"""The audit trail, searchable: who changed what, who looked at whose record. For commissioners without identities."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, NotFound
from booking.domain.ids import show_ubrn
from booking.domain.words import COMMISSIONERS, REFERRERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import AccessEntry, AuditEntry
from booking.services import audit_search, people
from booking.services.audit_search import AuditSearch
from booking.services.reports.csv_file import BOM, safe
from booking.services.work import HOME_ZONE
from booking.web import say
from booking.web.admin import admins_only, audit_words
from booking.web.base import blp
from booking.web.forms import Form, read_date, read_key
from booking.web.staff import my_organisation

PER_PAGE = 50
MOST_IN_FILE = 5000
CHANGES, READS = "changes", "reads"
KEPT = ("kind", "person", "action", "reference", "first", "last", "patient")
"""What the filter holds, and the links to the next page and the file carry on."""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as the page and the file show it; what a commissioner may not see is empty."""

    at: datetime
    who: str
    role: str
    where: str
    for_whom: str
    what: str
    about: str
    ubrn: str
    """Where it is about a referral that the reader may open."""
    details: list[str]


@blp.get("/staff/admin/audit")
@admins_only
def audit() -> ResponseReturnValue:
    """Who did what, and who looked at whose record: your own organisation's people, newest first."""
    form = Form({name: request.args.get(name, "") for name in KEPT})
    search = _search(form)
    return _page(form, search)


def _page(form: Form, search: AuditSearch | None) -> ResponseReturnValue:
    unit = work()
    found, lines = _look(form, search, PER_PAGE + 1) if search is not None else ([], [])
    nameless = unit.actor.role in COMMISSIONERS
    more = found[PER_PAGE - 1].id if len(found) > PER_PAGE else None
    kept = {name: form.get(name) for name in KEPT if form.get(name)}
    page = render_template(
        "admin/audit.html", form=form, lines=lines[:PER_PAGE], more=more, kept=kept, nameless=nameless,
        reads=form.get("kind") == READS, groups=audit_words.GROUPS, organisation=my_organisation(),
        members=[] if nameless else [one.account for one in people.list_people(unit)],
        referrers=unit.actor.role in REFERRERS, most=MOST_IN_FILE,
    )  # fmt: skip
    return (page, 422) if form.errors else page


@blp.post("/staff/admin/audit/patient")
@allow(Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN, via=Via.COOKIE)
def audit_patient() -> ResponseReturnValue:
    """Look one patient up by NHS number: sent in a form, so that the number stands in no address and no log."""
    form = Form(request.form)
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    if not form.errors:
        try:
            found = audit_search.find_patient(work(), number)
        except BookingError as refused:
            if isinstance(refused, NotFound):
                form = Form()  # the number may be somebody else's patient's: it is not shown again
            form.refuse(refused, ("nhs_number",), "nhs_number")
        else:
            return redirect(url_for("web.audit", kind=READS, patient=found))
    return _page(form, AuditSearch())


@blp.get("/staff/admin/audit.csv")
@admins_only
def audit_file() -> ResponseReturnValue:
    """What the page shows, as a file for a spreadsheet."""
    form = Form({name: request.args.get(name, "") for name in KEPT})
    search = _search(form)
    if search is None:
        return _page(form, None)
    _, lines = _look(form, search, MOST_IN_FILE)
    if form.errors:
        return _page(form, None)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    nameless = work().actor.role in COMMISSIONERS
    names = ("at", "role", "organisation", "what")
    writer.writerow(names if nameless else (*names, "who", "on_behalf_of", "about", "details"))
    for one in lines:
        row = [one.at.astimezone(HOME_ZONE).isoformat(timespec="seconds"), one.role, one.where, one.what]
        more = [] if nameless else [one.who, one.for_whom, one.about, "; ".join(one.details)]
        writer.writerow([safe(cell) for cell in (*row, *more)])
    answer = Response(BOM + out.getvalue(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="audit-{work().today}.csv"'
    return answer


def _search(form: Form) -> AuditSearch | None:
    """What to look for; None where the form can't be understood, with the faults noted in it."""
    first, last = _day(form, "first"), _day(form, "last")
    if first and last and last < first:
        form.fail("last", "The last day is before the first")
    actor = None
    if (key := read_key(form.get("person"))) is not None:
        try:
            actor = people.read_person(work(), key).account.name
        except BookingError as refused:
            form.fail("person", refused.message)
    if form.errors:
        return None
    return AuditSearch(
        action=form.get("action") or None if form.get("kind") != READS else None, actor=actor,
        ubrn=form.get("reference").strip() or None, patient_id=read_key(form.get("patient")),
        since=_midnight(first), until=_midnight(last + timedelta(days=1) if last else None),
        before=read_key(request.args.get("before")),
    )  # fmt: skip


def _day(form: Form, name: str) -> date | None:
    found = read_date(form.get(name))
    if form.get(name) and found is None:
        form.fail(name, "Enter a day like 2026-03-27")
    return found


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), HOME_ZONE) if day is not None else None


Entry = AuditEntry | AccessEntry


def _look(form: Form, search: AuditSearch, limit: int) -> tuple[Sequence[Entry], list[Line]]:
    """The entries and how they are shown; a refusal becomes a fault of the form."""
    wanted = replace(search, limit=limit)
    found: Sequence[Entry]
    try:
        found = (audit_search.reads if form.get("kind") == READS else audit_search.changes)(work(), wanted)
    except BookingError as refused:
        form.fail("reference" if search.ubrn else "person", refused.message)
        return [], []
    about = {one.id: key for one in found if (key := _referral_of(one)) is not None}
    shown = audit_search.shown_references(work(), about.values())
    nameless = work().actor.role in COMMISSIONERS
    return found, [_line(one, shown.get(about.get(one.id, 0), ""), nameless=nameless) for one in found]


def _referral_of(entry: Entry) -> int | None:
    if isinstance(entry, AccessEntry):
        return entry.referral_id
    kind, _, key = entry.chain.partition(":")
    return int(key) if kind == "referral" and key.isdigit() else None


def _line(entry: Entry, ubrn: str, *, nameless: bool) -> Line:
    what = audit_words.action(entry.action) if isinstance(entry, AuditEntry) else audit_words.read(entry.what)
    about = "" if nameless else f"Referral {show_ubrn(ubrn)}" if ubrn else _thing(entry)
    details = audit_words.details(entry.before, entry.after) if isinstance(entry, AuditEntry) and not nameless else []
    return Line(
        entry.at, "" if nameless else entry.actor, say.label(entry.role), entry.organisation or "",
        "" if nameless else entry.on_behalf_of or "", what, about, ubrn, details,
    )  # fmt: skip


def _thing(entry: Entry) -> str:
    """What an entry is about, where that is no referral of the reader's."""
    chain = entry.chain if isinstance(entry, AuditEntry) else f"patient:{entry.patient_id}"
    kind, _, key = chain.partition(":")
    return f"{kind.replace('_', ' ').capitalize()} {key}".strip()
