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
from booking.models import Referral
from booking.services import finding
from booking.services.finding import Found, Wanted, monday
from booking.services.needs import change_needs
from booking.services.slots import usable_services
from booking.web import forms, say, shown
from booking.web.base import blp, my_referral
from booking.web.forms import Form
from booking.web.patient import wishes
from booking.web.patient.common import my_appointment, patient_only, waits, with_needs
from booking.web.patient.wishes import Wishes
from booking.web.spoken import gettext

PER_PAGE = 12
VIEWS = ("soonest", "week", "clinic")


@dataclass(frozen=True, slots=True)
class GlanceDay:
    """A day of a week at a glance, with how many times are free in each part of it."""

    day: date
    words: str
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Week:
    first: date
    words: str
    times: int


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
    whole = _without(finding.find(unit, referral, asked.wanted), booked.slot_id if booked else None)
    if view == "week" and asked.week is None:
        first = whole.times[0].local_date if whole.times else unit.today
        asked = replace(asked, week=monday(asked.on or first))
    week = _in_week(referral, whole, asked)
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
        first=after is None, form=_filled(asked), glance=_glance(asked, week),
        weeks=_weeks(asked, whole), waits=waits(referral) if view == "clinic" else {}, wishes=wishes,
        relaxed=_relaxed(whole), booked=shown.slot(unit, booked.slot, referral) if booked else None,
        never=never, clinics=sorted(whole.places.values(), key=lambda place: (place.first, place.service_id)),
    )  # fmt: skip
    return page, 409 if notice else 200


def _without(found: Found, slot_id: int | None) -> Found:
    """The present appointment's own slot may have another free place: moving there is no move."""
    found.times = [row for row in found.times if row.id != slot_id]
    return found


def _in_week(referral: Referral, whole: Found, asked: Wishes) -> Found:
    """What was read may end before the week (or the day) asked for: that is read by itself then."""
    first = asked.week or asked.on
    if first is None or not whole.cut:
        return whole
    days = replace(asked.wanted, first=first, last=first + timedelta(days=6))
    return finding.find(work(), referral, days)


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
    days = [GlanceDay(day, say.short_day(day), tuple(found.parts[day, part] for part in range(3))) for day in week]
    return [one for one in days if one.day.weekday() < 5 or any(one.parts)]


def _weeks(asked: Wishes, whole: Found) -> tuple[Week | None, Week | None]:
    """The weeks before and after with free times; beyond what was read, simply the next one."""
    if asked.week is None:
        return None, None
    before = max((week for week in whole.weeks if week < asked.week), default=None)
    after = min((week for week in whole.weeks if week > asked.week), default=None)
    return _week(before, whole), _week(after or (asked.week + timedelta(days=7) if whole.cut else None), whole)


def _week(first: date | None, whole: Found) -> Week | None:
    return Week(first, say.day(first), whole.weeks[first]) if first is not None else None


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
    form = request.form
    asked = wishes.read(form, (), 0)
    changes: dict[str, object] = {}
    if asked.wanted.weekdays or asked.wanted.parts:
        changes["unsuitable_times"] = wishes.never_mask(asked.wanted.weekdays, asked.wanted.parts)
    if asked.wanted.step_free:
        changes["step_free"] = True
    if asked.wanted.clinician is not None:
        changes["clinician_sex"] = asked.wanted.clinician
    if asked.wanted.within_miles is not None:
        changes["farthest_miles"] = asked.wanted.within_miles
    try:
        with work().session.begin_nested():
            change_needs(work(), changes)
    except BookingError as refused:
        flash(refused.errors[0].message if refused.errors else refused.message, "refused")
        return redirect(url_for("web.times", **asked.link()))
    flash(gettext("We will remember what suits you. Times proposed to you from now on fit it."), "success")
    booked = my_referral().state is ReferralState.BOOKED
    return redirect(url_for("web.move_times" if booked else "web.times", **asked.link()))
