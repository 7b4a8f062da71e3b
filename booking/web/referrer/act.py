"""What a practice can do to a referral beside booking: one page for each action, with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.actions import RULES
from booking.domain.errors import BookingError, Conflict, IllegalTransition, Invalid, NotFound, StaleVersion
from booking.domain.reasons import ReasonList, reasons_for
from booking.domain.referral import Action
from booking.domain.targets import age_on
from booking.domain.words import BookingMode
from booking.edge.flask_app import work
from booking.models import Referral, Specialty
from booking.services import booking, life, referrals
from booking.services.life import Given
from booking.services.search import ServiceSearch, find_services
from booking.services.work import Work
from booking.web import shown
from booking.web.base import blp
from booking.web.forms import Form, read_keys, read_version
from booking.web.referrer.common import (
    PRIORITIES,
    acting_for,
    attempt,
    is_admin,
    keep_code,
    my_practice,
    read_priority,
    referrers_only,
)
from booking.web.referrer.services import Shown, with_times

MOST = 20
MODES: Mapping[Action | None, frozenset[BookingMode]] = {
    Action.CHANGE_SHORTLIST: frozenset({BookingMode.DIRECTLY_BOOKABLE, BookingMode.INDIRECTLY_BOOKABLE}),
    Action.SEND_FOR_TRIAGE: frozenset({BookingMode.TRIAGE}),
    Action.DEFER_TO_PROVIDER: frozenset({BookingMode.DIRECTLY_BOOKABLE}),
}
"""The actions that name services, and how those are booked that each can name."""
CHANGED = "The referral has changed since you opened this page. Look at it as it is now, and send again."


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do: the words of its page."""

    slug: str
    action: Action | None
    link: str
    title: str
    about: str
    button: str
    done: str
    danger: bool = False


ACTS: Mapping[str, Act] = {
    one.slug: one
    for one in (
        Act("change-shortlist", Action.CHANGE_SHORTLIST, "Change the shortlist, or refer on", "Change the shortlist",
            "The patient chooses from these services from now on. Times proposed until now are let go, and they are "
            "told.", "Save the shortlist", "The shortlist is changed, and the patient is told."),
        Act("send-for-triage", Action.SEND_FOR_TRIAGE, "Have a clinician read it first",
            "Send it to a clinician to read first", "The clinician reads the referral and decides what is best. Until "
            "then nothing is booked.", "Send for reading", "Sent. A clinician reads it first."),
        Act("defer-to-provider", Action.DEFER_TO_PROVIDER, "Leave it to a clinic to find a time",
            "Leave it to a clinic to find a time", "For a clinic of the shortlist that has no time for this patient. "
            "It then has to find one, by a date that stands on its list.", "Leave it to this clinic",
            "The clinic now has to find a time."),
        Act("change-priority", Action.CHANGE_PRIORITY, "Change the priority", "Change the priority",
            "The date by which the patient should be seen follows. Times proposed for the old priority are let go.",
            "Change the priority", "The priority is changed."),
        Act("amend", None, "Correct what is written", "Correct what is written",
            "The patient can read both: the reason with their choices, the rest in their record.", "Save",
            "What is written is corrected."),
        Act("cancel-appointment", Action.CANCEL_APPOINTMENT_BY_PATIENT, "Cancel the appointment",
            "Cancel the appointment", "The time goes to somebody else at once. The referral stays, its wait goes on, "
            "and the patient can choose again.", "Cancel the appointment",
            "The appointment is cancelled. The patient can choose again.", danger=True),
        Act("close", Action.CLOSE, "Close the referral", "Close the referral",
            "Nothing more happens with it, and the waiting-time clock stops.", "Close the referral",
            "The referral is closed."),
        Act("cancel-referral", Action.CANCEL_REFERRAL, "Cancel the referral", "Cancel the referral",
            "Any appointment is cancelled and its time given to others. The patient is told, unless they have died.",
            "Cancel the referral", "The referral is cancelled.", danger=True),
    )
}  # fmt: skip
AMENDABLE = "amend"


def offered(found: Referral) -> list[Act]:
    """What the actor can do to the referral now, in the order to show."""
    can = set(life.available(work(), found))
    return [act for act in ACTS.values() if act.action in can or (act.slug == AMENDABLE and can)]


@blp.get("/staff/referrals/<ubrn>/do/<action>")
@referrers_only
def referral_act(ubrn: str, action: str) -> ResponseReturnValue:
    """Before one action on a referral: what it means, and the reason for it."""
    found = referrals.own_referral(work(), ubrn)
    act = _known(action)
    if act not in offered(found):
        return _not_now(found, act)
    return _page(found, act, Form(_start(found)))


def _known(slug: str) -> Act:
    act = ACTS.get(slug)
    if act is None:
        raise NotFound("There is no such page.")
    return act


def _not_now(found: Referral, act: Act) -> ResponseReturnValue:
    flash(f"“{act.link}” is not possible now: look at where the referral stands.", "told")
    return redirect(url_for("web.referral", ubrn=found.ubrn))


def _start(found: Referral) -> dict[str, str]:
    return {
        "reason_text": found.reason, "clinical_information": found.clinical_information, "acting_for": found.referrer,
        "priority": str(found.priority),
    }  # fmt: skip


def _page(found: Referral, act: Act, form: Form, status: int | None = None) -> ResponseReturnValue:
    reasons: ReasonList | None = RULES[act.action].reasons if act.action is not None else None
    listed = [str(row.service_id) for row in found.shortlist]
    chosen = form.all("shortlist") if "shortlist" in form.values else listed
    booked = booking.current_booking(work(), found) if act.slug == "cancel-appointment" else None
    page = render_template(
        "referrer/act.html", slot=shown.slot(work(), booked.slot, found) if booked else None, booked=booked,
        referral=found, act=act, form=form, priorities=PRIORITIES, admin=is_admin(),
        reasons=reasons_for(reasons, work().actor.role, work().today) if reasons is not None else [],
        comment_due=act.action is not None and RULES[act.action].comment_due,
        services=_services(found, act, chosen), chosen=chosen,
    )  # fmt: skip
    return page, status or (422 if form.errors else 200)


def _services(found: Referral, act: Act, ticked: list[str]) -> list[Shown]:
    """Where the referral could go with this action; what is listed or ticked is among them however far away."""
    if act.action not in MODES:
        return []
    patient, practice, unit = found.patient, my_practice(), work()
    near = patient if patient.latitude is not None else practice
    listed = {row.service_id for row in found.shortlist}
    search = ServiceSearch(
        specialty=found.specialty_code, clinic_type=found.clinic_type_code, priority=found.priority,
        age=age_on(patient.date_of_birth, unit.today), sex=patient.sex, latitude=near.latitude,
        longitude=near.longitude, modes=MODES[act.action], limit=MOST, keep={*listed, *read_keys(ticked)},
    )  # fmt: skip
    services = find_services(unit, search, practice) if unit.session.get(Specialty, found.specialty_code) else []
    if act.action is Action.DEFER_TO_PROVIDER:
        services = [one for one in services if one.service.id in listed]
    return with_times(services, found.priority)


@blp.post("/staff/referrals/<ubrn>/do/<action>")
@referrers_only
def referral_act_send(ubrn: str, action: str) -> ResponseReturnValue:
    """Do it; what is refused is said beside its field."""
    found, act = referrals.own_referral(work(), ubrn), _known(action)
    if act not in offered(found):
        return _not_now(found, act)
    form = Form(request.form)
    unit, given = acting_for(form.text("acting_for", most=200)), _read(form, act)
    if not form.errors:
        try:
            with attempt():
                code = _DO.get(act.slug, _perform)(unit, found, act, form, given)
            if code:
                keep_code(found.ubrn, code)
            flash(act.done, "success")
            return redirect(url_for("web.referral", ubrn=found.ubrn))
        except StaleVersion:
            form.fail(_main_field(act), CHANGED)
            return _page(referrals.own_referral(work(), ubrn), act, form, 409)
        except IllegalTransition:
            return _not_now(found, act)
        except (Invalid, Conflict, NotFound) as refused:
            _refuse(form, act, refused)
    return _page(referrals.own_referral(work(), ubrn), act, form)


def _read(form: Form, act: Act) -> Given:
    reason = form.text("reason", most=40)
    if act.action is not None and RULES[act.action].reasons is not None and not reason:
        form.fail("reason", "Select the reason")
    keys = read_keys([form.get("service")])
    if act.action in (Action.SEND_FOR_TRIAGE, Action.DEFER_TO_PROVIDER) and not keys:
        form.fail("service", "Select the service")
    shortlist = read_keys(form.all("shortlist")) if act.action is Action.CHANGE_SHORTLIST else []
    if act.action is Action.CHANGE_SHORTLIST and not shortlist:
        form.fail("shortlist", "Select at least one service")
    priority = read_priority(form.get("priority")) if act.action is Action.CHANGE_PRIORITY else None
    comment = form.text("comment", most=1000) or None
    if act.slug == AMENDABLE:
        form.text("reason_text", "Enter the reason for referral", most=500)
        form.text("clinical_information", most=20_000)
    return Given(reason or None, comment, keys[0] if keys else None, priority, shortlist)


def _refuse(form: Form, act: Act, refused: BookingError) -> None:
    names = {"service_id": "service", "reason": "reason", "comment": "comment"}
    for fault in refused.errors:
        base = fault.field.split(".")[0]
        base = names.get(base, base)
        known = ("service", "shortlist", "reason", "comment", "priority", "reason_text", "clinical_information")
        form.fail(base if base in known else _main_field(act), fault.message)
    if not refused.errors:
        form.fail(_main_field(act), refused.message)


def _main_field(act: Act) -> str:
    """The first field of its page."""
    return {
        "change-shortlist": "shortlist", "send-for-triage": "service", "defer-to-provider": "service",
        "change-priority": "priority", "amend": "reason_text",
    }.get(act.slug, "reason")  # fmt: skip


def _perform(unit: Work, found: Referral, act: Act, form: Form, given: Given) -> str | None:
    if act.action is None:
        raise NotFound("There is no such page.")
    return life.perform(unit, found.ubrn, act.action, given, version=read_version(form.get("version"))).access_code


def _amend(unit: Work, found: Referral, act: Act, form: Form, given: Given) -> None:
    life.amend(
        unit, found.ubrn, reason=form.get("reason_text").strip(),
        clinical_information=form.get("clinical_information").strip(), version=read_version(form.get("version")),
    )  # fmt: skip


def _cancel_referral(unit: Work, found: Referral, act: Act, form: Form, given: Given) -> None:
    referrals.cancel_referral(
        unit, found.ubrn, reason=given.reason or "", comment=given.comment, version=read_version(form.get("version"))
    )


def _cancel_appointment(unit: Work, found: Referral, act: Act, form: Form, given: Given) -> None:
    booked = booking.current_booking(unit, found)
    if booked is None or booked.reference is None or booked.reference != form.get("reference"):
        raise Conflict("There is no such appointment any more. Look at where the referral stands.")
    booking.cancel_booking(unit, booked.reference, reason=given.reason or "", comment=given.comment)


_DO: Mapping[str, Callable[[Work, Referral, Act, Form, Given], str | None]] = {
    "amend": _amend,
    "cancel-referral": _cancel_referral,
    "cancel-appointment": _cancel_appointment,
}
