"""Publishing sessions: filled in, looked at slot by slot, then written; kept as a template; copied to further weeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain.errors import BookingError, Conflict, Invalid, NotFound
from booking.domain.slot import Result
from booking.domain.words import PROVIDERS, ConsultationMode, Priority
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Publication, Service, Site
from booking.services import clinic_calendar, session_copies, session_templates
from booking.services.clinic_calendar import Own
from booking.services.publication_input import NewPublication
from booking.services.publication_preview import Keep, Line, Tried
from booking.services.publication_preview import publish as try_out
from booking.web import forms, say
from booking.web.base import blp
from booking.web.clinics import session_form
from booking.web.clinics.calendar import clock
from booking.web.forms import Form
from booking.web.staff import my_organisation

LATEST = 8
STEPS = {"all": Keep.ALL, "good": Keep.GOOD}
MODES = [(mode.value, say.label(mode)) for mode in ConsultationMode]
PRIORITIES = [(one.value, say.label(one)) for one in Priority]
RESULTS = {
    Result.ADDED: ("New", "green"), Result.CHANGED: ("Changes", "yellow"), Result.UNCHANGED: ("There already", "grey"),
    Result.REFUSED: ("Does not fit", "red"),
}  # fmt: skip


def _page(form: Form, known: Own) -> str:
    latest = select(Publication).where(Publication.organisation_id == work().actor.organisation_id)
    return render_template(
        "clinics/publish.html", organisation=my_organisation(), form=form, known=known, modes=MODES,
        priorities=PRIORITIES, weekdays=[(name, name) for name in session_form.WEEKDAYS],
        templates=session_templates.listed(work()), services=service_options(known),
        practitioners=[("", "Nobody in particular"), *((one.more, one.name) for one in known.practitioners)],
        latest=list(work().session.scalars(latest.order_by(Publication.id.desc()).limit(LATEST))),
    )  # fmt: skip


def service_options(known: Own) -> list[tuple[str, str]]:
    return [(str(one.id), f"{one.name}, {one.more}") for one in known.services]


@blp.get("/staff/publish")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish() -> str:
    """Publish times: by a session that comes again every week, from a template, or by a file."""
    known = clinic_calendar.own(work())
    key = forms.read_key(request.args.get("template"))
    if key is not None:
        kept = session_templates.own(work(), key)
        form = session_form.from_template(kept.fields, kept.service_id, work().today)
    else:
        form = session_form.fresh(work().today, request.args.get("service", ""))
    return _page(form, known)


@blp.post("/staff/publish")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_send() -> ResponseReturnValue:
    """Look at every slot of a session before it is published; then publish all, or those that fit."""
    known, form = clinic_calendar.own(work()), Form(request.form)
    if form.get("step") == "change":
        return _page(form, known)
    new = session_form.read(form, known)
    if new is None:
        return _page(form, known), 422
    return _publish(form, new, Asked("web.publish_send", "service", "/staff/publish"), lambda: _page(form, known))


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a preview came from."""

    endpoint: str
    otherwise: str
    """The box that a fault goes beside where it names none."""
    action: str


@dataclass(frozen=True, slots=True)
class PreviewDay:
    day: date
    lines: list[tuple[Line, str]] = field(default_factory=list)
    """With the time as it is shown."""

    @property
    def refused(self) -> int:
        return sum(line.refused for line, _ in self.lines)


def _publish(form: Form, new: NewPublication, asked: Asked, again: Callable[[], str]) -> ResponseReturnValue:
    keep = STEPS.get(form.get("step"), Keep.NOTHING)
    try:
        tried = try_out(work(), new, keep)
    except NotFound:
        raise
    except BookingError as error:
        session_form.beside(form, error, asked.otherwise)
        return again(), 422
    if tried.kept:
        return _done(form, new, tried)
    if not tried.lines:
        form.fail(asked.otherwise if asked.endpoint != "web.publish_send" else "leave_out", "No day is left to publish")
        return again(), 422
    return _preview(form, new, tried, asked, refused=keep is Keep.ALL)


def _preview(form: Form, new: NewPublication, tried: Tried, asked: Asked, *, refused: bool) -> ResponseReturnValue:
    service = work().session.get_one(Service, new.service_id)
    site = work().session.get_one(Site, service.site_id)
    first, last = tried.lines[0].local.date(), tried.lines[-1].local.date()
    days = [
        PreviewDay(day, [(line, clock(line.local)) for line in lines])
        for day, lines in groupby(tried.lines, key=lambda line: line.local.date())
    ]
    kept = [(n, v) for n in form.values for v in form.all(n) if n not in ("csrf_token", "step", "strike", "leave_out")]
    struck = sorted(session_form.left_out(form))
    weekdays = {line.local.weekday() for line in tried.lines} | {day.weekday() for day in struck}
    page = render_template(
        "clinics/preview.html", organisation=my_organisation(), form=form, tried=tried, days=days, kept=kept,
        service=service, site=site, results=RESULTS, struck=struck, asked=asked, refused=refused,
        holidays={
            day: name for day, name in session_form.holidays(form, first, last).items()
            if day not in struck and day.weekday() in weekdays
        },
    )  # fmt: skip
    return (page, 409) if refused else page


def _done(form: Form, new: NewPublication, tried: Tried) -> ResponseReturnValue:
    counts = tried.counts
    parts = [(Result.ADDED, "published"), (Result.CHANGED, "changed"), (Result.UNCHANGED, "there already"),
             (Result.REFUSED, "left out because they do not fit")]  # fmt: skip
    said = ", ".join(f"{say.count(counts[kind], 'time')} {words}" for kind, words in parts if counts[kind])
    name = form.get("keep").strip()
    if name:
        said += f". {_keep(form, new.service_id, name[:100])}"
    flash(f"{said}.", "success")
    day = tried.first_day or work().today
    return redirect(url_for("web.clinic", service=new.service_id, week=day.isoformat()))


def _keep(form: Form, service_id: int, name: str) -> str:
    """Keep what was filled in as a template, and say so; what is published stays where there is no room for it."""
    try:
        with work().session.begin_nested():
            session_templates.save(work(), service_id, name, session_form.lasting(form))
    except Conflict as full:
        return f"Not kept as the template “{name}”. {full.message.removesuffix('.')}"
    return f"Kept as the template “{name}”"


@blp.post("/staff/publish/templates/<key:template_id>/delete")
@allow(*PROVIDERS, via=Via.COOKIE)
def template_delete(template_id: int) -> ResponseReturnValue:
    """Delete a template; the times that were published by it stay."""
    name = session_templates.delete(work(), template_id)
    flash(f"The template “{name}” is deleted. Its times stay published.", "success")
    return redirect(url_for("web.publish"))


def _copy_page(form: Form, known: Own, chosen: tuple[int, int | None, date]) -> str:
    service, practitioner, day = chosen
    slots = session_copies.clinic_on(work(), service, practitioner, day)
    if not slots:
        raise NotFound("There is no published clinic on that day.")
    names = {one.id: one.name for one in (*known.services,)}
    return render_template(
        "clinics/copy.html", organisation=my_organisation(), form=form, slots=slots, day=day,
        service=names.get(service, ""), times=[clock(session_copies.draft(slot).starts_at) for slot in slots],
        practitioner=slots[0].practitioner.name if slots[0].practitioner else "",
        back=url_for("web.clinic_day", date=day.isoformat(), service=service),
    )  # fmt: skip


def _copied(form: Form) -> tuple[int, int | None, date] | None:
    """Which clinic; None where the form names none."""
    service, day = forms.read_key(form.get("service")), forms.read_date(form.get("date"))
    return None if service is None or day is None else (service, forms.read_key(form.get("practitioner")), day)


def _nothing_chosen() -> ResponseReturnValue:
    flash("Choose the clinic to copy: open its day in the calendar.")
    return redirect(url_for("web.clinic"))


@blp.get("/staff/publish/copy")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_copy() -> ResponseReturnValue:
    """Copy one day's clinic to the weeks that follow."""
    chosen = _copied(Form(request.args))
    if chosen is None:
        return _nothing_chosen()
    usual = {"every": "1", "bank": "yes", "last": (chosen[2] + timedelta(weeks=8)).isoformat()}
    form = Form(MultiDict({**request.args.to_dict(), **usual}))
    return _copy_page(form, clinic_calendar.own(work()), chosen)


@blp.post("/staff/publish/copy")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_copy_send() -> ResponseReturnValue:
    """Look at the copies of a clinic, slot by slot, and publish them."""
    known, form = clinic_calendar.own(work()), Form(request.form)
    chosen = _copied(form)
    if chosen is None:
        return _nothing_chosen()
    service, practitioner, day = chosen
    slots = session_copies.clinic_on(work(), service, practitioner, day)
    if form.get("step") == "change" or not slots:
        return _copy_page(form, known, chosen)
    every = session_form.whole(form, "every", "The number of weeks", 1, session_form.MOST_EVERY)
    last, struck = session_form.day(form, "last", "the last date"), session_form.left_out(form)
    if every is None or last is None or form.errors:
        return _copy_page(form, known, chosen), 422
    out = struck | set(session_form.holidays(form, day, last))
    try:
        drafts = session_copies.copies(slots, session_copies.days(day, last, every, out))
    except Invalid as error:
        session_form.beside(form, error, "last")
        return _copy_page(form, known, chosen), 422
    new = NewPublication(service, slots=drafts, source="Copy of a clinic")
    asked = Asked("web.publish_copy_send", "last", url_for("web.publish_copy_send"))
    return _publish(form, new, asked, lambda: _copy_page(form, known, chosen))
