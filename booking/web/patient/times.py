"""More times: the soonest, by week, by clinic, and by what suits; to choose from, or to move an appointment to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError
from booking.domain.referral import CHOOSING, ReferralState
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Referral
from booking.services import finding
from booking.services.finding import Found, Wanted, monday
from booking.services.needs import NEVER, change_needs
from booking.services.slots import first_days, usable_services
from booking.web import forms, say, shown
from booking.web.base import blp, my_referral, patient_only
from booking.web.forms import Form
from booking.web.patient import wishes
from booking.web.patient.common import my_appointment, waits, with_needs
from booking.web.patient.wishes import Wishes
from booking.web.spoken import gettext

PER_PAGE = 12
VIEWS = ("soonest", "week", "clinic")
NOTHING_LEFT = _(
    "With the times you said never suit you, that would leave no time of the week, so it was not remembered. You can "
    "change those times under “About you”."
)


@dataclass(frozen=True, slots=True)
class GlanceDay:
    """A day of a week at a glance, with how many times are free in each part of it."""

    day: date
    words: str
    parts: tuple[int, ...]
    whole: bool
    """All of its free times were looked at."""


@dataclass(frozen=True, slots=True)
class Week:
    first: date
    words: str
    times: int | None
    """None where it was not all looked at."""


@dataclass(frozen=True, slots=True)
class Clinic:
    service_id: int
    times: int | None
    """None where none of them was looked at."""


@blp.get("/times")
@patient_only
def times() -> ResponseReturnValue:
    """Every free time of the patient's clinics: the soonest, by week or by clinic, narrowed by what suits."""
    referral = my_referral()
    if referral.state not in CHOOSING:
        return redirect(url_for("web.choices"))
    return times_page(referral, "web.times")


@blp.get("/appointment/times")
@patient_only
def move_times() -> ResponseReturnValue:
    """The same for somebody who has an appointment and may move it; it stands until they do."""
    referral = my_referral()
    if referral.state is not ReferralState.BOOKED:
        return redirect(url_for("web.choices"))
    return times_page(referral, "web.move_times")


def times_page(referral: Referral, endpoint: str, notice: str | None = None) -> ResponseReturnValue:
    unit = work()
    services = [service for service, _rules in usable_services(referral)]
    never = referral.patient.unsuitable_times
    asked = wishes.read(request.args, [service.id for service in services], never)
    view = request.args.get("view", "")
    view = view if view in VIEWS else "week" if asked.week or asked.on else "soonest"
    booked = my_appointment(referral)
    own = booked.slot_id if booked else None
    whole = finding.find(unit, referral, asked.wanted, but=own, enough=0 if view == "week" else finding.ENOUGH)
    if view == "week" and asked.week is None:
        first = whole.times[0].local_date if whole.times else unit.today
        asked = replace(asked, week=monday(asked.on or first))
    week = _in_week(referral, whole, asked, own)
    inside = _narrowed(week, wishes.dated(asked))
    after = forms.read_cursor(request.args.get("after"))
    rows, more = finding.page(inside, after=after, size=PER_PAGE)
    full = {slot.id: slot for slot in finding.slots(unit, referral, [row.id for row in rows])}
    slots = with_needs(referral, [shown.slot(unit, full[row.id], referral) for row in rows if row.id in full])
    page = render_template(
        "patient/times.html", referral=referral, endpoint=endpoint, asked=asked, view=view, whole=whole, inside=inside,
        services={service.id: service for service in services}, slots=slots, notice=notice, said=wishes.said(asked),
        days=[(day, list(ones)) for day, ones in groupby(slots, key=lambda slot: slot.day)],
        more=forms.write_cursor(rows[-1].starts_at, rows[-1].id) if more else None,
        later=monday(whole.read_to) if whole.read_to and view != "week" else None,
        first=after is None, form=_filled(asked), glance=_glance(asked, week),
        weeks=_weeks(asked, whole), waits=waits(referral) if view == "clinic" else {}, wishes=wishes,
        relaxed=_relaxed(whole), booked=shown.slot(unit, booked.slot, referral) if booked else None,
        never=never, lasting=bool(wishes.lasting(asked, never)),
        clinics=_clinics(referral, whole) if view == "clinic" else [],
    )  # fmt: skip
    return page, 409 if notice else 200


def _in_week(referral: Referral, whole: Found, asked: Wishes, own: int | None) -> Found:
    """What was read may end before the week (or the day) asked for does: that is read by itself then."""
    first = asked.week or asked.on
    if first is None or whole.read_to is None:
        return whole
    days = replace(asked.wanted, first=first, last=first + timedelta(days=6))
    return finding.find(work(), referral, days, but=own, enough=finding.ALL)


def _clinics(referral: Referral, whole: Found) -> list[Clinic]:
    """Those that have free times, the soonest first."""
    first = first_days(work(), referral)
    return [Clinic(key, whole.places[key] or None) for key in sorted(first, key=lambda key: (first[key], key))]


def _narrowed(found: Found, dates: Wanted) -> Found:
    first, last = dates.first or date.min, dates.last or date.max
    return replace(found, times=[row for row in found.times if first <= row.local_date <= last])


def _filled(asked: Wishes) -> Form:
    wanted = asked.wanted
    return Form(
        {
            "miles": str(int(wanted.within_miles)) if wanted.within_miles else "",
            "clinician": wanted.clinician or "", "mode": wanted.mode or "",
            "service": str(wanted.service_id or ""),
        }
    )  # fmt: skip


def _glance(asked: Wishes, found: Found) -> list[GlanceDay]:
    if asked.week is None:
        return []
    week = [asked.week + timedelta(days=n) for n in range(7)]
    days = [
        GlanceDay(
            day, say.short_day(day), tuple(found.parts[day, part] for part in range(3)),
            found.read_to is None or day < found.read_to,
        )
        for day in week
    ]  # fmt: skip
    return [one for one in days if one.day.weekday() < 5 or any(one.parts) or not one.whole]


def _weeks(asked: Wishes, whole: Found) -> tuple[Week | None, Week | None]:
    """The weeks before and after with free times; where not all was looked at, simply the next one, uncounted."""
    if asked.week is None:
        return None, None
    step, counted = timedelta(days=7), monday(whole.read_to) if whole.read_to is not None else date.max
    if asked.week - step >= counted:
        before: date | None = asked.week - step
    else:
        before = max((week for week in whole.weeks if week < asked.week), default=None)
    after = min((week for week in whole.weeks if asked.week < week < counted), default=None)
    if after is None and whole.read_to is not None:
        after = max(asked.week + step, counted)
    return _week(before, whole, counted), _week(after, whole, counted)


def _week(first: date | None, whole: Found, counted: date) -> Week | None:
    return Week(first, say.day(first), whole.weeks[first] if first < counted else None) if first is not None else None


def _relaxed(whole: Found) -> list[tuple[str, int, str]]:
    """Wishes that could be given up: name, how many more times that would bring, in words."""
    counts: Sequence[tuple[str, int]] = [
        *whole.without.most_common(),
        *([("never", whole.never)] if whole.never else []),
    ]
    return [(name, more, gettext(wishes.WITHOUT[name])) for name, more in counts]


@blp.post("/times/remember")
@patient_only
def remember_times() -> ResponseReturnValue:
    """Keep the days and parts of the day just asked for with the patient: others never suit from now on."""
    referral = my_referral()
    asked = wishes.read(request.form, [service.id for service, _rules in usable_services(referral)], 0)
    booked = referral.state is ReferralState.BOOKED
    back = redirect(url_for("web.move_times" if booked else "web.times", **asked.link()))
    changes = wishes.lasting(asked, referral.patient.unsuitable_times)
    if changes.get("unsuitable_times") == NEVER:
        flash(gettext(NOTHING_LEFT), "refused")
        return back
    if not changes:
        return back
    try:
        with work().session.begin_nested():
            change_needs(work(), changes)
    except BookingError as refused:
        flash(gettext(refused.errors[0].message if refused.errors else refused.message), "refused")
        return back
    flash(gettext("We will remember what suits you. Times proposed to you from now on fit it."), "success")
    return back
