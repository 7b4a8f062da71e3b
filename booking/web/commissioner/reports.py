"""Every report as a page: filters, a chart, the table, downloads, what each column means."""

from __future__ import annotations

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict, Invalid
from booking.domain.words import Priority
from booking.edge.flask_app import work
from booking.services.reports import kept, options
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.csv_file import csv_of
from booking.services.reports.kept import AtHand
from booking.services.reports.publish import Asked, Published, report_named
from booking.services.reports.table import Report
from booking.web.base import blp
from booking.web.commissioner import asked as asking
from booking.web.commissioner import reading
from booking.web.commissioner.shown import view_of
from booking.web.forms import Form

SHOWN = ("by", "measure", "show")
"""What of a report the page shows: not part of the question."""


@blp.get("/staff/reports")
@reading
def reports() -> str:
    """Every report there is, and what it answers."""
    return render_template("commissioner/reports.html", reports=list(REPORTS.values()))


@blp.get("/staff/reports/<name>")
@reading
def report(name: str) -> ResponseReturnValue:
    """One report about the patients of your practices, with filters, chart and table; small numbers kept back."""
    found, form = report_named(name), Form(request.args)
    question, at_hand = _look(found, form)
    page = render_template(
        "commissioner/report.html", report=found, form=form, question=question, at_hand=at_hand, asking=asking,
        view=view_of(at_hand.published, request.args) if at_hand and at_hand.published else None,
        months=asking.month_choices(work().today), chosen=_chosen(found, question, form), **_options(found),
    )  # fmt: skip
    return (page, 422) if form.errors else page


@blp.post("/staff/reports/<name>")
@reading
def report_send(name: str) -> ResponseReturnValue:
    """Have the report made, or made anew."""
    found, form = report_named(name), Form(request.form)
    question = asking.read(found, form.values, work().today, form)
    if not form.errors:
        try:
            kept.ask(work(), name, question)
        except Invalid as error:
            asking.refused(form, error)
        except Conflict as error:
            flash(f"{error.message} Ask again when some of them are there.", "info")
            return redirect(asking.address(name, question))
    if form.errors:
        flash("That can’t be asked of this report. Choose again.", "info")
        return redirect(url_for("web.report", name=name))
    flash("The report is being made. This page shows it as soon as it is there.", "info")
    more = {one: form.get(one) for one in SHOWN if form.get(one)}
    return redirect(asking.address(name, question, **more))


@blp.get("/staff/reports/<name>/csv")
@reading
def report_csv(name: str) -> ResponseReturnValue:
    """The report as a file for a spreadsheet."""
    _, made = _download(name)
    if made is None:
        return redirect(url_for("web.report", name=name) + "?" + request.query_string.decode("ascii", "replace"))
    headers = {"Content-Disposition": f'attachment; filename="{made.file_name}.csv"'}
    return Response(csv_of(made, bom=True), content_type="text/csv; charset=utf-8; header=present", headers=headers)


@blp.get("/staff/reports/<name>/json")
@reading
def report_json(name: str) -> ResponseReturnValue:
    """The report for a program."""
    found, made = _download(name)
    if made is None:
        return redirect(url_for("web.report", name=name) + "?" + request.query_string.decode("ascii", "replace"))
    period = made.period
    answer = jsonify(
        name=found.name, title=found.title, about=found.about, made_at=made.made_at.isoformat(), filters=made.filters,
        period={"from": period.first.isoformat(), "to": period.last.isoformat()} if period is not None else None,
        small_numbers={"least": made.least, "rule": made.rule}, rows=made.rows,
        columns=[{"name": one.name, "kind": one.kind, "about": one.about} for one in found.columns],
    )  # fmt: skip
    answer.headers["Content-Disposition"] = f'attachment; filename="{made.file_name}.json"'
    return answer


def _look(found: Report, form: Form) -> tuple[Asked, AtHand | None]:
    question = asking.read(found, form.values, work().today, form)
    if form.errors:
        return question, None
    try:
        return question, kept.look(work(), found.name, question)
    except Invalid as error:
        asking.refused(form, error)
        return question, None


def _download(name: str) -> tuple[Report, Published | None]:
    found = report_named(name)
    _, at_hand = _look(found, Form(request.args))
    return found, at_hand.published if at_hand is not None else None


def _chosen(found: Report, question: Asked, form: Form) -> dict[str, str]:
    """What stands in the filters: as typed where it was refused, so that it can be put right."""
    stated = asking.written(question)
    return {name: form.get(name) or stated.get(name, "") for name in asking.NAMES}


def _options(found: Report) -> dict[str, list[tuple[str, str]]]:
    return {
        "specialties": options.specialties(work()) if "specialty" in found.filters else [],
        "providers": options.providers(work()) if "provider" in found.filters else [],
        "priorities": [(str(one), str(one)) for one in Priority] if "priority" in found.filters else [],
    }
