"""A slot as its patient sees it: when in words, where and how far, how long the wait, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from booking.domain.geo import distance_km, miles
from booking.models import Offer, Patient, Referral, Slot
from booking.services.work import Work
from booking.web import say

KEPT = "We are keeping this time for you."
"""A reason the page says by itself, with the time it ends."""


@dataclass(frozen=True, slots=True)
class ShownSlot:
    slot_id: int
    starts_at: str
    ends_at: str
    day: str
    year: int
    time: str
    clock: str
    """The time of day in words."""
    minutes: int
    ahead: str
    waited: str
    service: str
    provider: str
    site: str
    address: str
    mode: str
    practitioner: str | None
    miles: str | None
    step_free: bool
    instructions: str
    reasons: tuple[str, ...] = ()
    kept_until: datetime | None = None


def slot(work: Work, found: Slot, referral: Referral, **more: object) -> ShownSlot:
    """``found`` with service, provider, site and clinician loaded."""
    local = found.starts_at.astimezone(ZoneInfo(found.time_zone))
    return ShownSlot(
        slot_id=found.id,
        starts_at=found.starts_at.isoformat(),
        ends_at=found.ends_at.isoformat(),
        day=say.day(local),
        year=local.year,
        time=f"{local:%H:%M}",
        clock=say.clock(local),
        minutes=int((found.ends_at - found.starts_at).total_seconds() // 60),
        ahead=say.ahead(found.local_date, work.today),
        waited=say.span((found.local_date - referral.rtt_clock_start).days),
        service=found.service.name,
        provider=found.service.organisation.name,
        site=found.site.name,
        address=", ".join(part for part in (found.site.address, found.site.postcode) if part),
        mode=say.label(found.mode),
        practitioner=found.practitioner.name if found.practitioner else None,
        miles=_miles(found, referral.patient),
        step_free=found.site.step_free,
        instructions=found.service.instructions,
        **more,  # type: ignore[arg-type]
    )


def offer(work: Work, made: Offer, referral: Referral) -> ShownSlot:
    until = min(made.expires_at, made.slot.starts_at) if made.guaranteed else None
    said = [words for words in made.reasons.get("words", ()) if words != KEPT or until is None]
    return slot(work, made.slot, referral, reasons=tuple(said), kept_until=until)


def _miles(found: Slot, patient: Patient) -> str | None:
    site = found.site
    if None in (patient.latitude, patient.longitude, site.latitude, site.longitude):
        return None
    far = distance_km(patient.latitude or 0.0, patient.longitude or 0.0, site.latitude or 0.0, site.longitude or 0.0)
    shown = f"{miles(far):.1f}"
    return f"{shown} mile{'' if shown == '1.0' else 's'}"


def needs(patient: Patient) -> list[str]:
    """What the practice recorded that the patient needs of an appointment."""
    said = ["step-free access"] if patient.step_free else []
    if patient.interpreter_language:
        said.append(f"an interpreter ({patient.interpreter_language})")
    if patient.clinician_sex is not None:
        said.append(f"a {patient.clinician_sex.value} clinician")
    if not patient.video_possible:
        said.append("no video appointments")
    return said
