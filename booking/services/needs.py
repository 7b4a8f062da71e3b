"""What a patient needs of an appointment, and the times that never suit: set by themselves or by their practice.

Offers follow at once: those that no longer suit end, the time kept for them goes to others, and a new one is kept
where there is any. What still suits stays as it is, and nobody loses a booked appointment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from booking.domain.errors import Invalid, StaleVersion
from booking.domain.geo import KM_PER_MILE
from booking.domain.needs import WEEK_PARTS
from booking.domain.referral import CHOOSING
from booking.domain.words import HoldKind, OfferState, Sex
from booking.models import Patient, Referral
from booking.services import audit, candidates, freed, offers, outbox, places
from booking.services.preferences import contact_of
from booking.services.referrals import WITH_DETAIL
from booking.services.so_far import so_far
from booking.services.work import Work

FIELDS = ("step_free", "interpreter_language", "clinician_sex", "video_possible", "unsuitable_times", "farthest_km")
NEVER = 2**WEEK_PARTS - 1
"""All of the week."""
LONGEST_LANGUAGE = 40
FARTHEST_MILES = 1000


def change_needs(
    work: Work, changes: Mapping[str, Any], *, version: int | None = None, patient_id: int | None = None
) -> Patient:
    """Change some of :data:`FIELDS` (``farthest_miles`` may stand for ``farthest_km``) and make offers follow.

    ``version`` is the patient's as it was read; None where the caller changes what nobody else does, such as "remember
    these times". :class:`Invalid` names the field at fault.
    """
    wanted = _checked(changes)
    whose = contact_of(work, patient_id).id
    referrals = _lock_choosing(work, whose)  # before the patient: so does everybody who books
    patient = contact_of(work, patient_id, lock=True)
    if version is not None and patient.version != version:
        raise StaleVersion("Your details have changed since you read them. Read them again and repeat.")
    changed = [name for name, value in wanted.items() if value != getattr(patient, name)]
    if not changed:
        return patient
    for name in changed:
        setattr(patient, name, wanted[name])
    patient.version += 1
    # Which, not what: health is no business of the trail's readers.
    audit.record(work, f"patient:{patient.id}", "patient.needs", after={"changed": changed})
    work.session.flush()
    for referral in referrals:
        _follow(work, referral)
    return patient


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {name: changes[name] for name in FIELDS if name in changes}
    if "farthest_miles" in changes:
        wanted["farthest_km"] = _km(changes["farthest_miles"])
    times = wanted.get("unsuitable_times", 0)
    if not 0 <= times <= NEVER:
        raise Invalid.field("unsuitable_times", "OUT_OF_RANGE", "These are not times of a week.")
    if times == NEVER:
        raise Invalid.field(
            "unsuitable_times", "NOTHING_LEFT", "Leave at least one time of the week free, or no appointment can fit."
        )
    spoken = (wanted.get("interpreter_language") or "").strip()
    if len(spoken) > LONGEST_LANGUAGE:
        raise Invalid.field("interpreter_language", "TOO_LONG", f"At most {LONGEST_LANGUAGE} characters.")
    if "interpreter_language" in wanted:
        wanted["interpreter_language"] = spoken or None
    if wanted.get("clinician_sex") not in (None, Sex.FEMALE, Sex.MALE):
        raise Invalid.field("clinician_sex", "NOT_ALLOWED", "Choose a female or a male clinician, or either.")
    return wanted


def _km(miles: float | None) -> float | None:
    if miles is None:
        return None
    if not 0 < miles <= FARTHEST_MILES:
        said = f"A distance is more than 0 and at most {FARTHEST_MILES} miles."
        raise Invalid.field("farthest_miles", "OUT_OF_RANGE", said)
    return miles * KM_PER_MILE


def _lock_choosing(work: Work, patient_id: int) -> list[Referral]:
    """The patient's referrals that times are proposed to, in order of key, with what proposing needs."""
    query = select(Referral).where(Referral.patient_id == patient_id, Referral.state.in_(sorted(CHOOSING)))
    query = query.order_by(Referral.id).with_for_update(of=Referral).options(*WITH_DETAIL)
    return list(work.session.scalars(query.execution_options(populate_existing=True)))


def _follow(work: Work, referral: Referral) -> None:
    """End the referral's offers that no longer suit, and propose anew where none is kept any more."""
    known = so_far(work, referral)
    asked = {one.slot_id for one in known.open()}
    wish = candidates.wish_of(work, referral, known)
    suit = {one.id for one in candidates.among(work, wish, asked, full=True)} if asked else set()
    lost = [one for one in known.open() if one.slot_id not in suit]
    if lost:
        offers.close(work, [one.id for one in lost], OfferState.SUPERSEDED)
        if known.had_turn():
            freed.settle(work, referral)  # a freed place passes on with its hold still on it
        gone = {one.slot_id for one in lost}
        places.let_go(work, [one.id for one in known.holds(HoldKind.OFFER) if one.slot_id in gone])
    offers.ensure_offers(work, referral)
    if lost and referral.id != work.actor.referral_id:  # they see it at once on the page they are on
        key = f"referral:{referral.id}:{referral.version}:needs-{referral.patient.version}"
        outbox.enqueue(work, "offers-changed", key, {"ubrn": referral.ubrn}, referral_id=referral.id)
