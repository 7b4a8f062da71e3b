"""Local rules: services that are open only where a commissioner opens them, to all practices or to one."""

from __future__ import annotations

from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Conflict, Invalid, StaleVersion
from booking.edge.flask_app import work
from booking.services import commissioning, practices
from booking.services.commissioning import NewRule, Ruled
from booking.services.reports import options
from booking.web import say
from booking.web.base import blp
from booking.web.commissioner import changing, may_change, reading
from booking.web.forms import Form, read_key

FOUND_MOST = 20
EVERYBODY = ""
CREATING = ("service_id", "organisation", "starts_on", "ends_on", "explanation")
CHANGING = ("starts_on", "ends_on", "explanation")
ENDING = ("last_day", "end_explanation")


@blp.get("/staff/rules")
@reading
def rules() -> str:
    """Your rules: which services are open to your practices, from when until when; those that have ended apart."""
    ended, term = request.args.get("ended") == "yes", request.args.get("q", "").strip()[:80]
    page = read_key(request.args.get("page")) or 1
    found = commissioning.page_of_rules(work(), ended=ended, term=term, page=min(page, 10_000))
    return render_template(
        "commissioner/rules.html", found=found, ended=ended, term=term, may_change=may_change(), today=work().today,
        form=Form({"q": term}),
    )  # fmt: skip


@blp.get("/staff/rules/new")
@changing
def rule_new() -> str:
    """Open a service: first find it, then say to whom, from when and why."""
    service_id = read_key(request.args.get("service"))
    if service_id is not None:
        return _new_page(Form({**_today("starts_on"), "service_id": str(service_id)}))
    term, specialty = request.args.get("q", "").strip()[:80], request.args.get("specialty", "")
    found = commissioning.services_to_rule(work(), term=term or None, specialty=specialty or None, limit=FOUND_MOST + 1)
    return render_template(
        "commissioner/rule_find.html", found=found[:FOUND_MOST], more=len(found) > FOUND_MOST, term=term,
        specialty=specialty, specialties=options.specialties(work()), form=Form({"q": term}),
    )  # fmt: skip


@blp.post("/staff/rules/new")
@changing
def rule_new_send() -> ResponseReturnValue:
    """Open the service to all of your practices, or to one."""
    form = Form(request.form)
    starts, ends = form.date("starts_on", "the first day"), _optional_date(form, "ends_on", "the last day")
    explanation = form.text("explanation", "Say why the service is opened", most=2000)
    service_id = read_key(form.get("service_id"))
    if form.errors or starts is None or service_id is None:
        return _new_page(form), 422
    new = NewRule(service_id, starts, explanation, ends, form.get("organisation") or None)
    try:
        with work().session.begin_nested():
            made = commissioning.create_rule(work(), new)
    except Conflict as error:
        if (same := _same(new)) is not None:
            return redirect(url_for("web.rule", rule_id=same.rule.id))
        form.fail("starts_on", error.message)
        return _new_page(form), 409
    except Invalid as error:
        form.refuse(error, CREATING, "starts_on")
        return _new_page(form), 422
    whom = "all your practices" if made.organisation.id == work().actor.organisation_id else made.organisation.name
    flash(f"{made.service.name} is open to {whom} from {say.whole_day(made.rule.starts_on)}.", "success")
    return redirect(url_for("web.rule", rule_id=made.rule.id))


def _same(new: NewRule) -> Ruled | None:
    """The rule that this very form made a moment ago: a button pressed twice."""
    for one in commissioning.list_rules(work(), service_id=new.service_id):
        rule = one.rule
        whom = None if one.organisation.id == work().actor.organisation_id else one.organisation.ods_code
        asked = (new.starts_on, new.ends_on, new.explanation.strip(), new.organisation)
        if (rule.starts_on, rule.ends_on, rule.explanation, whom) == asked:
            return one
    return None


def _new_page(form: Form) -> str:
    service = commissioning.service_to_rule(work(), read_key(form.get("service_id")))
    return render_template(
        "commissioner/rule_new.html", form=form, service=service, practices=practices.open_names(work())
    )  # fmt: skip


@blp.get("/staff/rules/<key:rule_id>")
@reading
def rule(rule_id: int) -> str:
    """One of your rules, with how many open referrals list the service; change or end it."""
    found = commissioning.own_rule(work(), rule_id)
    return _rule_page(found, Form(_filled(found)))


@blp.post("/staff/rules/<key:rule_id>")
@changing
def rule_change(rule_id: int) -> ResponseReturnValue:
    """Change dates or explanation of a rule; referrals already made stay as they are."""
    found, form = commissioning.own_rule(work(), rule_id), Form(request.form)
    begun = found.rule.starts_on <= work().today
    starts = None if begun else form.date("starts_on", "the first day")
    ends = _optional_date(form, "ends_on", "the last day")
    explanation = form.text("explanation", "Say why", most=2000)
    if form.errors:
        return _again(found, form), 422
    try:
        with work().session.begin_nested():
            commissioning.change_rule(
                work(), rule_id, version=read_key(form.get("version")) or 0, starts_on=starts, ends_on=ends,
                explanation=explanation, for_ever=ends is None,
            )  # fmt: skip
    except BookingError as error:
        return _refused(rule_id, form, error, CHANGING, "ends_on")
    flash("The rule is changed.", "success")
    return redirect(url_for("web.rule", rule_id=rule_id))


@blp.post("/staff/rules/<key:rule_id>/end")
@changing
def rule_end(rule_id: int) -> ResponseReturnValue:
    """End a rule after a day: no new referrals by it; those that list the service keep it."""
    found, form = commissioning.own_rule(work(), rule_id), Form(request.form)
    last = form.date("last_day", "the last day")
    explanation = form.text("end_explanation", "Say why it ends", most=2000)
    if form.errors or last is None:
        return _again(found, form), 422
    try:
        with work().session.begin_nested():
            commissioning.end_rule(
                work(), rule_id, last, explanation=explanation, version=read_key(form.get("version")) or 0
            )
    except BookingError as error:
        now = commissioning.own_rule(work(), rule_id).rule
        if (now.ends_on, now.explanation) == (last, explanation):
            return redirect(url_for("web.rule", rule_id=rule_id))
        return _refused(rule_id, form, error, ENDING, "last_day")
    flash(f"The rule ends after {say.whole_day(last)}. Referrals already made keep the service.", "success")
    return redirect(url_for("web.rule", rule_id=rule_id))


def _refused(
    rule_id: int, form: Form, error: BookingError, names: tuple[str, ...], otherwise: str
) -> ResponseReturnValue:
    form.refuse(error, names, otherwise)
    found = commissioning.own_rule(work(), rule_id)
    return _again(found, form, stale=isinstance(error, StaleVersion)), error.status


def _again(found: Ruled, form: Form, *, stale: bool = False) -> str:
    """The page with what was typed; the other form on it says what the rule says, not nothing."""
    given = {name: form.get(name) for name in form.values}
    if stale:  # what is on the page now is what they will change next
        given["version"] = str(found.rule.version)
    form.values = {**_filled(found), **given}
    return _rule_page(found, form)


def _rule_page(found: Ruled, form: Form) -> str:
    rule, today = found.rule, work().today
    return render_template(
        "commissioner/rule.html", found=found, rule=rule, form=form, may_change=may_change(),
        begun=rule.starts_on <= today, over=rule.ends_on is not None and rule.ends_on < today,
        everybody=found.organisation.id == work().actor.organisation_id,
    )  # fmt: skip


def _filled(found: Ruled) -> dict[str, str]:
    rule = found.rule
    return {
        **_parts("starts_on", rule.starts_on), **_parts("ends_on", rule.ends_on), **_today("last_day"),
        "explanation": rule.explanation, "version": str(rule.version),
    }  # fmt: skip


def _today(name: str) -> dict[str, str]:
    return _parts(name, work().today)


def _parts(name: str, day: date | None) -> dict[str, str]:
    if day is None:
        return {}
    return {f"{name}-day": str(day.day), f"{name}-month": str(day.month), f"{name}-year": str(day.year)}


def _optional_date(form: Form, name: str, what: str) -> date | None:
    """Three boxes that may all stay empty."""
    if not any(form.get(f"{name}-{part}").strip() for part in ("day", "month", "year")):
        return None
    return form.date(name, what)
