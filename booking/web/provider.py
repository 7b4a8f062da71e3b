"""The provider's page: a week of a service's slots, and who comes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from flask import render_template, request
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.words import PROVIDERS, BookingState, SlotStatus
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Booking, Patient, Referral, Service, Slot
from booking.services.places import occupying
from booking.web import forms
from booking.web.base import blp
from booking.web.staff import my_organisation


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody booked on a slot."""

    name: str
    ubrn: str
    priority: str
    needs: str


@dataclass(frozen=True, slots=True)
class ClinicSlot:
    day: date
    time: str
    minutes: int
    practitioner: str
    mode: str
    closed: bool
    free: int
    held: int
    guests: list[Guest]


@blp.get("/staff/clinic")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic() -> str:
    unit = work()
    services = list(
        unit.session.scalars(
            select(Service).where(Service.organisation_id == unit.actor.organisation_id).order_by(Service.name)
        )
    )
    wanted = request.args.get("service", type=int)
    service = next((one for one in services if one.id == wanted), services[0] if services else None)
    # At a weekend the week that matters is the next one.
    given = forms.read_date(request.args.get("week")) or unit.today + timedelta(
        days=2 if unit.today.weekday() > 4 else 0
    )
    monday = given - timedelta(days=given.weekday())
    slots = _slots(service, monday) if service else []
    days = [(day, list(rows)) for day, rows in groupby(slots, key=lambda row: row.day)]
    totals = {
        "Free": sum(row.free for row in slots),
        "Held for patients": sum(row.held for row in slots),
        "Booked": sum(len(row.guests) for row in slots),
    }
    return render_template(
        "web/provider_clinic.html", organisation=my_organisation(), services=services, service=service, days=days,
        monday=monday, before=monday - timedelta(days=7), after=monday + timedelta(days=7), totals=totals,
    )  # fmt: skip


def _slots(service: Service, monday: date) -> list[ClinicSlot]:
    unit = work()
    query = (
        select(Slot)
        .where(
            Slot.service_id == service.id,
            Slot.local_date.between(monday, monday + timedelta(days=6)),
            Slot.status != SlotStatus.WITHDRAWN,
        )
        .options(joinedload(Slot.practitioner))
        .order_by(Slot.starts_at, Slot.id)
    )
    slots = list(unit.session.scalars(query))
    taken = _taken([slot.id for slot in slots])
    return [_row(slot, taken.get(slot.id, [])) for slot in slots]


def _taken(ids: list[int]) -> dict[int, list[tuple[Booking, Referral, Patient]]]:
    query = (
        select(Booking, Referral, Patient)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Booking.patient_id)
        .where(Booking.slot_id.in_(ids), occupying(work().now))
        .order_by(Booking.place)
    )
    found: dict[int, list[tuple[Booking, Referral, Patient]]] = {}
    for booked, referral, patient in work().session.execute(query):
        found.setdefault(booked.slot_id, []).append((booked, referral, patient))
    return found


def _row(slot: Slot, taken: list[tuple[Booking, Referral, Patient]]) -> ClinicSlot:
    local = slot.starts_at.astimezone(ZoneInfo(slot.time_zone))
    held = sum(booked.state is BookingState.HELD for booked, _, _ in taken)
    guests = [_guest(referral, patient) for booked, referral, patient in taken if booked.state is not BookingState.HELD]
    return ClinicSlot(
        day=slot.local_date, time=f"{local:%H:%M}",
        minutes=int((slot.ends_at - slot.starts_at).total_seconds() // 60),
        practitioner=slot.practitioner.name if slot.practitioner else "", mode=slot.mode,
        closed=slot.status is SlotStatus.CLOSED, free=max(0, slot.capacity - len(taken)), held=held, guests=guests,
    )  # fmt: skip


def _guest(referral: Referral, patient: Patient) -> Guest:
    needs = [f"interpreter: {patient.interpreter_language}"] if patient.interpreter_language else []
    needs += ["step-free"] if patient.step_free else []
    name = f"{patient.given_name} {patient.family_name}"
    return Guest(name, referral.ubrn, referral.priority, ", ".join(needs))
