"""A service's definition as a form: filled in from what there is, read back with every fault beside its box."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain import service_definition as rules
from booking.domain.eligibility import Window
from booking.domain.errors import Invalid
from booking.domain.overbooking import MOST_PERCENT
from booking.domain.service_definition import Definition
from booking.domain.words import BookingMode, Priority, Sex
from booking.edge.flask_app import work
from booking.models import ClinicType, Practitioner, Site, Specialty
from booking.web.forms import Form

DEFAULT_WINDOWS = {Priority.ROUTINE: (3, 182), Priority.URGENT: (1, 60), Priority.TWO_WEEK_WAIT: (0, 14)}
SWITCHES = ("interpreters", "letter_required", "gives_advice", "nationally_visible")
NUMBERS = {
    "polling_range_days": ("Enter the days ahead, from 1 to 730", 1, rules.LONGEST_WINDOW_DAYS),
    "min_age": (f"Enter an age from 0 to {rules.OLDEST}", 0, rules.OLDEST),
    "max_age": (f"Enter an age from 0 to {rules.OLDEST}", 0, rules.OLDEST),
    "indicative_wait_days": (
        f"Enter days from 0 to {rules.LONGEST_INDICATIVE_WAIT}", 0, rules.LONGEST_INDICATIVE_WAIT
    ),
    "overbooking_percent": (f"Enter a per cent from 0 to {MOST_PERCENT}", 0, MOST_PERCENT),
}  # fmt: skip
OPTIONAL = {"indicative_wait_days"}
BOXES = (
    "name", "site", "specialty", "clinic_types", "booking_mode", "priorities", "polling_range_days", "min_age",
    "max_age", "sex", "operational_from", "operational_to", "indicative_wait_days", "instructions", "telephone",
    "overbooking_percent", "practitioners", "contact_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lists:
    """What may be chosen from."""

    sites: list[Site]
    specialties: list[Specialty]
    clinic_types: list[ClinicType]
    practitioners: list[Practitioner]


def lists() -> Lists:
    """The directory, as far as the form asks for it."""
    session, own = work().session, work().actor.organisation_id
    return Lists(
        list(session.scalars(select(Site).where(Site.organisation_id == own).order_by(Site.name))),
        list(session.scalars(select(Specialty).order_by(Specialty.name))),
        list(session.scalars(select(ClinicType).order_by(ClinicType.specialty_code, ClinicType.name))),
        list(
            session.scalars(
                select(Practitioner).where(Practitioner.organisation_id == own).order_by(Practitioner.name).limit(300)
            )
        ),
    )


def blank(today: date) -> Form:
    """The form of a new service, with what most services say."""
    return filled(
        Definition(
            name="", site="", specialty="", operational_from=today,
            windows={priority: Window(*days) for priority, days in DEFAULT_WINDOWS.items()},
        )
    )  # fmt: skip


def filled(given: Definition) -> Form:
    """The form of a service as it stands."""
    values: MultiDict[str, str] = MultiDict()
    for name in ("name", "site", "specialty", "instructions"):
        values[name] = getattr(given, name)
    values["booking_mode"], values["sex"] = given.booking_mode, given.sex or ""
    values["telephone"] = given.telephone or ""
    for name in NUMBERS:
        value = getattr(given, name)
        values[name] = "" if value is None else str(value)
    for name in SWITCHES:
        if getattr(given, name):
            values[name] = "yes"
    _write_date(values, "operational_from", given.operational_from)
    _write_date(values, "operational_to", given.operational_to)
    values.setlist("clinic_types", list(given.clinic_types))
    values.setlist("practitioners", list(given.practitioners))
    values.setlist("priorities", [str(priority) for priority in given.windows])
    for priority in Priority:
        window = given.windows.get(priority)
        first, last = (window.first_day, window.last_day) if window else DEFAULT_WINDOWS[priority]
        values[f"from-{priority}"], values[f"to-{priority}"] = str(first), str(last)
    return Form(values)


def _write_date(values: MultiDict[str, str], name: str, day: date | None) -> None:
    for part in ("day", "month", "year"):
        values[f"{name}-{part}"] = str(getattr(day, part)) if day is not None else ""


def read(form: Form, before: Definition | None = None) -> Definition | None:
    """The definition typed in; None where a box can't be read. What the form does not ask stays as in ``before``."""
    numbers = {name: _number(form, name) for name in NUMBERS}
    first = form.date("operational_from", "the first day")
    last = form.date("operational_to", "the last day") if _any(form, "operational_to") else None
    mode = form.one_of("booking_mode", BookingMode, "Select how it is booked")
    sex = form.one_of("sex", Sex, "Select whom it sees") if form.get("sex") else None
    windows = _windows(form)
    name = form.text("name", "Enter the name of the service", most=rules.LONGEST_NAME)
    site = form.text("site", "Select the site")
    specialty = form.text("specialty", "Select the specialty")
    instructions = form.text("instructions", most=rules.LONGEST_INSTRUCTIONS).replace("\r\n", "\n")
    telephone = form.text("telephone", most=20)
    if form.errors or first is None or mode is None:
        return None
    return Definition(
        name=name, site=site, specialty=specialty, operational_from=first, operational_to=last, booking_mode=mode,
        sex=sex, windows=windows, instructions=instructions, telephone=telephone or None,
        clinic_types=tuple(sorted({code for code in form.all("clinic_types") if code})),
        practitioners=tuple(sorted({code for code in form.all("practitioners") if code})),
        contact_by=before.contact_by if before is not None else {},
        polling_range_days=numbers["polling_range_days"] or 0, min_age=numbers["min_age"] or 0,
        max_age=numbers["max_age"] or 0, indicative_wait_days=numbers["indicative_wait_days"],
        overbooking_percent=numbers["overbooking_percent"] or 0,
        **{switch: form.get(switch) == "yes" for switch in SWITCHES},
    )  # fmt: skip


def _any(form: Form, name: str) -> bool:
    return any(form.get(f"{name}-{part}").strip() for part in ("day", "month", "year"))


def _number(form: Form, name: str) -> int | None:
    words, least, most = NUMBERS[name]
    return form.whole(name, words, least, most, needed=name not in OPTIONAL)


def _windows(form: Form) -> dict[Priority, Window]:
    found = {}
    for priority in Priority:
        if priority not in form.all("priorities"):
            continue
        first, last = (
            form.whole(f"{end}-{priority}", "Enter days ahead from 0 to 730", 0, rules.LONGEST_WINDOW_DAYS)
            for end in ("from", "to")
        )  # fmt: skip
        if first is None or last is None:
            continue
        if last < first:
            form.fail(f"to-{priority}", "The last day is before the first")
        found[priority] = Window(first, last)
    if not found and not form.errors:
        form.fail("priorities", "Select at least one priority that the service takes")
    return found


def refuse(form: Form, error: Invalid) -> None:
    """The services' faults beside their boxes."""
    form.refuse(error, BOXES, "name")


def differing(before: Definition, after: Definition) -> list[str]:
    """Names of the fields that a change touches, in the order of the form."""
    return [one.name for one in fields(before) if getattr(before, one.name) != getattr(after, one.name)]


def changes(before: Definition, after: Definition) -> dict[str, Any]:
    """Only what differs."""
    return {name: getattr(after, name) for name in differing(before, after)}
