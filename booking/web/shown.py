"""A slot as its patient sees it: when in words, where and how far, how long the wait, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from booking.domain.geo import distance_km, miles
from booking.domain.words import ConsultationMode, Sex
from booking.languages import _
from booking.models import Offer, Patient, Referral, Slot
from booking.services import offer_words
from booking.services.work import HOME_ZONE, Work
from booking.web import say
from booking.web.spoken import gettext

CLOCKS = {
    (1, 0): _("The clocks go forward that day. The time shown is the time by the clock at the clinic."),
    (-1, 0): _("The clocks go back that day. The time shown is the time by the clock at the clinic."),
    (-1, 1): _("The clocks go back that day, and this hour comes twice. Your time is in the second one."),
    (-1, -1): _("The clocks go back that day, and this hour comes twice. Your time is in the first one."),
}
"""By which way the clocks go, and whether the time is in the hour that comes twice."""


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
    in_person: bool
    by_video: bool
    practitioner: str | None
    practitioner_sex: str | None
    clinician_sex: Sex | None
    interpreters: bool
    miles: str | None
    step_free: bool
    instructions: str
    telephone: str | None
    clocks: str | None
    """Said where the clocks change on that day."""
    service_id: int
    site_id: int
    latitude: float | None
    longitude: float | None
    offer_id: int | None = None
    reasons: tuple[str, ...] = ()
    kept_until: datetime | None = None
    kept_words: str = ""
    pin: str = ""
    """The letter of its place on a map beside it."""
    against: tuple[str, ...] = ()
    """What the patient needs and this time does not have."""


def slot(work: Work, found: Slot, referral: Referral, **more: object) -> ShownSlot:
    """``found`` with service, provider, site and clinician loaded."""
    local = found.starts_at.astimezone(ZoneInfo(found.time_zone))
    who = found.practitioner
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
        mode=say.spoken_label(found.mode),
        in_person=found.mode is ConsultationMode.IN_PERSON,
        by_video=found.mode is ConsultationMode.VIDEO,
        practitioner=who.name if who else None,
        practitioner_sex=say.spoken_label(who.sex) if who and who.sex in (Sex.FEMALE, Sex.MALE) else None,
        clinician_sex=who.sex if who else None,
        interpreters=found.service.interpreters,
        miles=_miles(found, referral.patient),
        step_free=found.site.step_free,
        instructions=found.service.instructions,
        telephone=found.service.telephone,
        clocks=clocks(local),
        service_id=found.service_id,
        site_id=found.site_id,
        latitude=found.site.latitude,
        longitude=found.site.longitude,
        **more,  # type: ignore[arg-type]
    )


def offer(work: Work, made: Offer, referral: Referral) -> ShownSlot:
    until = min(made.expires_at, made.slot.starts_at) if made.guaranteed else None
    said = [reason(words) for words in made.reasons.get("words", ()) if words != offer_words.KEPT or until is None]
    kept = say.until(until.astimezone(HOME_ZONE)) if until is not None else ""
    return slot(
        work, made.slot, referral, reasons=tuple(said), kept_until=until, kept_words=kept, offer_id=made.id
    )  # fmt: skip


def clocks_go(day: date, zone: tzinfo | None) -> int:
    """1 where the clocks go forward on that day, -1 where they go back, else 0."""
    before, after = (datetime.combine(one, time(), zone).utcoffset() for one in (day, day + timedelta(days=1)))
    return 0 if before is None or after is None else (after > before) - (after < before)


def clocks(local: datetime) -> str | None:
    """A sentence where the clocks change on that day."""
    way = clocks_go(local.date(), local.tzinfo)
    if not way:
        return None
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return gettext(CLOCKS[way, (1 if local.fold else -1) if twice and way < 0 else 0])


def _miles(found: Slot, patient: Patient) -> str | None:
    site = found.site
    if None in (patient.latitude, patient.longitude, site.latitude, site.longitude):
        return None
    far = distance_km(patient.latitude or 0.0, patient.longitude or 0.0, site.latitude or 0.0, site.longitude or 0.0)
    return say.miles(miles(far))


def reason(words: str) -> str:
    """One of the reasons kept with an offer, in the language of the page."""
    return offer_words.said(words, gettext)


class Needing(Protocol):
    """What is known of somebody's needs: a patient, or their row of a list."""

    @property
    def step_free(self) -> bool: ...
    @property
    def interpreter_language(self) -> str | None: ...
    @property
    def clinician_sex(self) -> Sex | None: ...
    @property
    def video_possible(self) -> bool: ...


def needs(patient: Needing) -> list[str]:
    """What was recorded that the patient needs of an appointment."""
    said = [gettext("step-free access")] if patient.step_free else []
    if patient.interpreter_language:
        said.append(gettext("an interpreter ({language})").format(language=patient.interpreter_language))
    if patient.clinician_sex is not None:
        said.append(
            gettext("a female clinician") if patient.clinician_sex is Sex.FEMALE else gettext("a male clinician")
        )
    if not patient.video_possible:
        said.append(gettext("no video appointments"))
    return said
