"""Finding a service to refer to, and comparing a few side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Invalid
from booking.domain.geo import distance_km, miles
from booking.domain.words import BookingMode, Priority, Sex
from booking.edge.flask_app import work
from booking.models import Service, ServicePriority, Specialty
from booking.services import directory, reference, service_facts
from booking.services.advice import gives_advice
from booking.services.search import FoundService, ServiceSearch, SortBy, find_services
from booking.services.service_facts import Free
from booking.web import say
from booking.web.base import blp
from booking.web.forms import Form, read_keys
from booking.web.referrer.common import clinics, items, my_practice, read_priority, referrers_only

MOST = 20
MOST_COMPARED = 4
FIELDS = ("specialty", "clinic", "term", "practitioner", "postcode", "within_miles", "max_wait_days", "age")
SORTS = (("distance", "Nearest first"), ("wait", "Shortest wait first"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A service as it stands in a list."""

    service: Service
    miles: str | None
    free: Free | None
    takes: list[str]
    clinic: str
    """The first kind of clinic, as the referral form takes it."""
    gives_advice: bool
    takes_referrals: bool

    @property
    def who(self) -> str:
        return ages(self.service.min_age, self.service.max_age, self.service.sex)


def ages(youngest: int, oldest: int, sex: Sex | None) -> str:
    """``Adults of 18 and over, women only``"""
    if youngest == 0 and oldest >= 120:
        said = "All ages"
    elif oldest >= 120:
        said = f"{youngest} and over"
    elif youngest == 0:
        said = f"Up to {oldest}"
    else:
        said = f"{youngest} to {oldest}"
    return said if sex is None else f"{said}, {say.label(sex).lower()} patients only"


def shown(found: FoundService, free: Free | None) -> Shown:
    service = found.service
    far = None if found.distance_km is None else f"{miles(found.distance_km):.1f}"
    kinds = sorted(row.clinic_type_code for row in service.clinic_types)
    return Shown(
        service, far, free, [say.label(row.priority) for row in sorted(service.priorities, key=_order)],
        f"{service.specialty_code}|{kinds[0]}" if kinds else "", gives_advice(service),
        service.booking_mode is not BookingMode.ADVICE_ONLY,
    )  # fmt: skip


def _order(row: ServicePriority) -> int:
    return list(Priority).index(row.priority)


def with_times(found: list[FoundService], priority: Priority) -> list[Shown]:
    """Each with its next free time, in one look at the slots."""
    free = service_facts.next_free(work(), [one.service for one in found], priority)
    return [shown(one, free.get(one.service.id)) for one in found]


@blp.get("/staff/services", endpoint="find_services")
@referrers_only
def find_services_page() -> ResponseReturnValue:
    """Find services by specialty, condition, clinician, distance and wait; nearest or shortest wait first."""
    form = Form(request.args)
    asked = any(form.get(name).strip() for name in ("clinic", "specialty", "term", "practitioner"))
    found = _search(form) if asked or "sort" in request.args else None
    page = render_template(
        "referrer/services.html", form=form, found=found, most=MOST, options=items(clinics().items(), "Any"),
        specialties=items(((one.code, one.name) for one in _specialties()), "Any"), sorts=items(SORTS),
        priority=(read_priority(form.get("priority")) or Priority.ROUTINE).value, chosen=form.all("service"),
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _specialties() -> list[Specialty]:
    """Those that have kinds of clinic: the code list holds many that nobody offers here."""
    offered = {key.partition("|")[0] for key in clinics()}
    return [one for one in reference.specialties(work()) if one.code in offered]


def _search(form: Form) -> list[Shown] | None:
    clinic = form.get("clinic")
    specialty, _, kind = clinic.partition("|") if clinic in clinics() else (form.get("specialty"), "", "")
    priority = read_priority(form.get("priority")) or Priority.ROUTINE
    within = form.number("within_miles", "Enter a distance in miles, like 10", most=1000)
    longest = form.number("max_wait_days", "Enter a number of days, like 60", most=1000)
    age = form.number("age", "Enter an age in years, like 45", most=150) if form.get("age") != "0" else 0.0
    postcode, practice = form.text("postcode", most=10), my_practice()
    if form.errors:
        return None
    here = postcode or practice.latitude is None
    search = ServiceSearch(
        specialty=specialty or None, clinic_type=kind or None, term=form.text("term", most=80) or None,
        practitioner=form.text("practitioner", most=40) or None, priority=priority,
        age=None if age is None else int(age), postcode=postcode or None,
        latitude=None if here else practice.latitude, longitude=None if here else practice.longitude,
        within_miles=within, max_wait_days=None if longest is None else int(longest),
        sort=SortBy.WAIT if form.get("sort") == "wait" else SortBy.DISTANCE, limit=MOST + 1,
    )  # fmt: skip
    try:
        return with_times(find_services(work(), search, practice), priority)
    except Invalid as refused:
        names = {"specialty": "term"} if not search.specialty else {}
        for fault in refused.errors:
            form.fail(names.get(fault.field, fault.field), fault.message)
        return None


@blp.get("/staff/services/compare")
@referrers_only
def compare_services() -> ResponseReturnValue:
    """Up to four services side by side: distance, wait, next free time, whom they take, how they are booked."""
    ids = list(dict.fromkeys(read_keys(request.args.getlist("service"))))[:MOST_COMPARED]
    priority = read_priority(request.args.get("priority", "")) or Priority.ROUTINE
    practice = my_practice()
    visible = directory.visible_ids(work().session, ids, practice, work().today)
    known = directory.services_by_id(work().session, [key for key in ids if key in visible])
    found = [FoundService(known[key], _far(known[key])) for key in ids if key in known]
    side_by_side = with_times(found, priority)
    return render_template(
        "referrer/compare.html", found=side_by_side, bookable=_together(side_by_side), priority=priority,
        too_many=len(request.args.getlist("service")) > MOST_COMPARED,
        back=url_for("web.find_services", **_back()),
    )  # fmt: skip


def _together(found: list[Shown]) -> list[Shown]:
    """Those that can stand on one shortlist: of one specialty, and none that reads the referral first."""
    fit = [one for one in found if one.takes_referrals and one.service.booking_mode is not BookingMode.TRIAGE]
    return [one for one in fit if one.service.specialty_code == fit[0].service.specialty_code]


def _back() -> dict[str, Any]:
    return {name: value for name in (*FIELDS, "priority", "sort") if (value := request.args.get(name, ""))}


def _far(service: Service) -> float | None:
    practice, site = my_practice(), service.site
    if None in (practice.latitude, practice.longitude, site.latitude, site.longitude):
        return None
    return distance_km(practice.latitude or 0.0, practice.longitude or 0.0, site.latitude or 0.0, site.longitude or 0.0)
