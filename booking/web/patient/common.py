"""What the patient's pages share: who may open them, maps, what a clinic's wait is, what a page says at the top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from flask import flash

from booking.domain.referral import ReferralState
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Booking, Referral, Service
from booking.services import booking
from booking.services.slots import first_days
from booking.web import say
from booking.web.patient.map_sketch import Sketch, Spot, bearing, sketch
from booking.web.shown import ShownSlot
from booking.web.spoken import gettext

LETTERS = "ABCDEFGH"
GONE = _("That time has just been taken by somebody else. Nothing was booked. These times are free now.")
CHANGED = _("The clinic has changed that time. Nothing was booked. These times are free now.")
AGAIN = _("Somebody is changing your referral at this moment. Please try again.")
NOTICES = {
    "expired": _("We no longer keep the time you had chosen. Nothing was booked. Please choose again."),
    "cancelled": _("Your appointment is cancelled and its time given back. You can choose another time now."),
    "looked": _("We looked for free times just now."),
    "declined": _("That time is not kept for you any more, and we will not propose it again."),
    "unsuited": _(
        "That time is not kept for you any more, and we will not propose it again. If such times or places never suit "
        "you, say so under “About you”: then none like it is proposed."
    ),
    "joined": _("The clinic has been asked to find you a time."),
    "not_joined": _("The clinic was not asked: a time may have come free meanwhile. This is how things stand now."),
    "again": AGAIN,
    "kept": _("Your appointment stays as it was."),
    "moved": _("Your appointment is moved. The time you had before is given back."),
}
DONE = frozenset({"cancelled", "declined", "unsuited", "joined", "kept", "moved"})
"""What of it is good news: the visitor did it."""
DIRECTIONS = {
    "north": _("{miles} north of you"),
    "north-east": _("{miles} north-east of you"),
    "east": _("{miles} east of you"),
    "south-east": _("{miles} south-east of you"),
    "south": _("{miles} south of you"),
    "south-west": _("{miles} south-west of you"),
    "west": _("{miles} west of you"),
    "north-west": _("{miles} north-west of you"),
}
FROM_PRACTICE = {
    "north": _("{miles} north of your GP practice"),
    "north-east": _("{miles} north-east of your GP practice"),
    "east": _("{miles} east of your GP practice"),
    "south-east": _("{miles} south-east of your GP practice"),
    "south": _("{miles} south of your GP practice"),
    "south-west": _("{miles} south-west of your GP practice"),
    "west": _("{miles} west of your GP practice"),
    "north-west": _("{miles} north-west of your GP practice"),
}


def tell(name: str) -> None:
    """Say it once, at the top of the next page; not by the page's address, which may say so to anybody."""
    flash(gettext(NOTICES[name]), "success" if name in DONE else "notice")


def my_appointment(referral: Referral) -> Booking | None:
    return booking.current_booking(work(), referral) if referral.state is ReferralState.BOOKED else None


@dataclass(frozen=True, slots=True)
class Map:
    """A map sketch and the same facts in words."""

    sketch: Sketch
    facts: tuple[tuple[str, str, str], ...]
    """Letter, place, where it is."""
    home: bool
    """It starts at the patient's home; else at their practice."""
    bar: str


def map_of(referral: Referral, slots: Sequence[ShownSlot]) -> tuple[Map | None, list[ShownSlot]]:
    """The map of the places of these slots, and the slots with the letters of their places."""
    sites: dict[int, ShownSlot] = {}
    for one in slots:
        if one.in_person and one.latitude is not None and one.longitude is not None:
            sites.setdefault(one.site_id, one)
    sites = dict(list(sites.items())[: len(LETTERS)])
    pins = dict(zip(sites, LETTERS, strict=False))
    start, home = _start(referral)
    spots = [Spot(pins[key], one.latitude or 0.0, one.longitude or 0.0) for key, one in sites.items()]
    if start is None or not spots:
        return None, list(slots)
    drawn = sketch([start, *spots])
    if drawn is None:
        return None, list(slots)
    facts = tuple(
        (spot.label, one.site, _where(start, spot, one, home=home))
        for spot, one in zip(spots, sites.values(), strict=True)
    )
    lettered = [replace(one, pin=pins[one.site_id]) if one.in_person and one.site_id in pins else one for one in slots]
    return Map(drawn, facts, home, say.round_miles(drawn.bar.miles)), lettered


def _start(referral: Referral) -> tuple[Spot | None, bool]:
    for whose, home in ((referral.patient, True), (referral.practice, False)):
        if whose.latitude is not None and whose.longitude is not None:
            words = gettext("You") if home else gettext("GP")
            return Spot(words, whose.latitude, whose.longitude, home=True), home
    return None, False


def _where(start: Spot, spot: Spot, one: ShownSlot, *, home: bool) -> str:
    way = bearing(start, spot)
    if way is None:
        return gettext("close to you") if home else gettext("close to your GP practice")
    far = one.miles or say.miles_between(start.latitude, start.longitude, spot.latitude, spot.longitude)
    return gettext((DIRECTIONS if home else FROM_PRACTICE)[way]).format(miles=far)


def waits(referral: Referral) -> dict[int, str]:
    """How long people wait at each bookable clinic of the shortlist and when its first free time is, in words."""
    first = first_days(work(), referral)
    return {row.service_id: _wait(row.service, first) for row in referral.shortlist}


def _wait(service: Service, first: Mapping[int, date]) -> str:
    free, usual = first.get(service.id), service.indicative_wait_days
    if free is None:
        return gettext("No free time at the moment.")
    said = gettext("First free time: {day}.").format(day=say.day(free))
    if usual is None:
        return said
    return gettext("People usually wait about {span} here.").format(span=say.about(usual)) + " " + said


def against(referral: Referral, one: ShownSlot) -> tuple[str, ...]:
    """What the patient needs and this time does not offer, in words."""
    patient = referral.patient
    faults = (
        (patient.step_free and one.in_person and not one.step_free, _("No step-free access")),
        (patient.interpreter_language is not None and not one.interpreters, _("No interpreters")),
        (patient.clinician_sex not in (None, one.clinician_sex), _("Not the clinician you asked for")),
        (not patient.video_possible and one.by_video, _("By video, which you said you can’t use")),
    )
    return tuple(gettext(words) for wrong, words in faults if wrong)


def with_needs(referral: Referral, slots: Iterable[ShownSlot]) -> list[ShownSlot]:
    return [replace(one, against=against(referral, one)) for one in slots]
