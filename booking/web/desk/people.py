"""Who may open the booking office's pages, and what several of them show of a patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from booking.domain.clock import weeks_waited
from booking.domain.targets import age_on
from booking.domain.words import PROVIDERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import ClinicType, Referral, Service, Specialty
from booking.services.worklists import Entry
from booking.web import say, shown
from booking.web.base import blp
from booking.web.forms import Form, read_key

desk_only = allow(*PROVIDERS, via=Via.COOKIE)
TRIAGERS = (Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN)
triagers_only = allow(*TRIAGERS, via=Via.COOKIE)


@dataclass(frozen=True, slots=True)
class Card:
    """A referral as the office reads it."""

    ubrn: str
    name: str
    nhs_number: str
    born: date
    age: int
    sex: str
    telephone: str | None
    email: str | None
    needs: tuple[str, ...]
    clinic: str
    service: str | None
    weeks: int


def card(referral: Referral) -> Card:
    """``referral`` with all detail, as ``own_referral`` gives it."""
    session, patient = work().session, referral.patient
    specialty = session.get_one(Specialty, referral.specialty_code)
    kind = session.get(ClinicType, referral.clinic_type_code) if referral.clinic_type_code else None
    service = session.get(Service, referral.service_id) if referral.service_id else None
    clock = (referral.rtt_clock_start, referral.rtt_clock_state, referral.rtt_clock_stopped_on)
    return Card(
        ubrn=referral.ubrn, name=f"{patient.given_name} {patient.family_name}",
        nhs_number=say.nhs_number(patient.nhs_number), born=patient.date_of_birth,
        age=age_on(patient.date_of_birth, work().today), sex=say.label(patient.sex), telephone=patient.mobile,
        email=patient.email, needs=tuple(shown.needs(patient)),
        clinic=f"{specialty.name}: {kind.name}" if kind else specialty.name,
        service=service.name if service else None, weeks=weeks_waited(*clock, work().today),
    )  # fmt: skip


def write_after(entry: Entry) -> str:
    """Where the next page begins, or the next entry is."""
    return f"{entry.cursor}~{entry.key}"


def read_after(text: str | None) -> tuple[str, int] | None:
    """Behind which entry to go on; anything we did not write is the beginning."""
    sorted_by, _, last = (text or "").partition("~")
    key = read_key(last)
    return (sorted_by[:40], key) if key is not None and sorted_by else None


def since_box(since: date | None) -> Form:
    """The box of the day from which to look for times."""
    return Form({"since": since.isoformat() if since is not None else ""})


def slot_time_at(instant: datetime, zone: str) -> str:
    """``Tuesday 3 March at 14:30``, on the clock of the site."""
    return say.day_time(instant.astimezone(ZoneInfo(zone)))


blp.add_app_template_filter(slot_time_at, "slot_time")
blp.add_app_template_filter(say.day_time, "local_time")
