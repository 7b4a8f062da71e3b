"""Referrals: made, found, changed in state, cancelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, or_, select
from sqlalchemy.orm import joinedload, selectinload

from booking.domain.errors import Forbidden, Invalid, NotFound, StaleVersion
from booking.domain.ids import new_ubrn, parse_ubrn
from booking.domain.referral import TERMINAL, Action, ReferralState, next_state
from booking.domain.targets import clock_start, due_date
from booking.domain.words import PROVIDERS, REFERRERS, BookingMode, BookingState, Priority, Role
from booking.models import (
    Booking,
    ClinicType,
    Organisation,
    Practitioner,
    Referral,
    ReferralService,
    Service,
    Slot,
    Specialty,
)
from booking.services import access, access_log, audit, freed, outbox, places
from booking.services.directory import LOADED
from booking.services.patients import own_patient
from booking.services.policy import current_policy
from booking.services.shortlists import check_shortlist, letter_due
from booking.services.transitions import Why, permit, relist, transition
from booking.services.work import Work

WITH_DETAIL = (
    joinedload(Referral.patient),
    joinedload(Referral.practice),
    selectinload(Referral.shortlist).joinedload(ReferralService.service).options(*LOADED),
)


@dataclass(frozen=True, slots=True)
class NewReferral:
    patient_id: int
    specialty: str
    priority: Priority
    reason: str
    shortlist: Sequence[int]
    clinic_type: str | None = None
    named_practitioner: str | None = None
    referrer: str | None = None
    clinical_information: str = ""
    rtt_clock_start: date | None = None
    draft: bool = False


def create_referral(work: Work, new: NewReferral) -> tuple[Referral, str]:
    """Make and issue a referral. Returns it with its access code, which is never readable again.

    A draft (``new.draft``) is only kept, with no code: ``""``.
    """
    patient = own_patient(work, new.patient_id, stays=True)
    if patient.practice_id is None:
        raise Invalid.field("patient_id", "NO_PRACTICE", "A patient with no registered practice can't be referred.")
    practice = work.session.get_one(Organisation, patient.practice_id)
    if practice.closed_on is not None and practice.closed_on <= work.today:
        raise Invalid.field("patient_id", "PRACTICE_CLOSED", f"{practice.name} has closed.")
    referrer = _referrer(work, new.referrer)
    if work.actor.role is Role.REFERRING_ADMIN and work.actor.on_behalf_of is None:
        work = replace(work, actor=replace(work.actor, on_behalf_of=referrer))
    _check_specialty(work, new.specialty, new.clinic_type)
    practitioner = named_practitioner(work, new.named_practitioner)
    services = check_shortlist(
        work, new.shortlist, practice=practice, patient=patient, specialty=new.specialty, clinic_type=new.clinic_type,
        priority=new.priority, named=practitioner.id if practitioner else None,
    )  # fmt: skip
    start = clock_start(new.rtt_clock_start, today=work.today)
    referral = Referral(
        ubrn=fresh_ubrn(work),
        patient_id=patient.id,
        practice_id=practice.id,
        referrer=referrer,
        specialty_code=new.specialty,
        clinic_type_code=new.clinic_type,
        named_practitioner_id=practitioner.id if practitioner else None,
        priority=new.priority,
        reason=new.reason.strip(),
        clinical_information=new.clinical_information,
        rtt_clock_start=start,
        due_date=due_date(start, new.priority, current_policy(work.session, work.today).target_days),
        state=ReferralState.DRAFT,
        version=0,
        created_at=work.now,
        letter_outstanding=letter_due(services, new.clinical_information),
    )
    relist(work, referral)
    work.session.add(referral)
    work.session.flush()
    work.session.add_all(
        ReferralService(referral_id=referral.id, service_id=service.id, position=place)
        for place, service in enumerate(services, 1)
    )
    if new.draft:
        audit.record(work, f"referral:{referral.id}", "referral.draft", after={"state": referral.state})
        work.session.flush()
        return own_referral(work, referral.ubrn), ""
    return issue(work, referral, services)


def issue(work: Work, referral: Referral, services: Sequence[Service]) -> tuple[Referral, str]:
    """Send a locked draft on its way: for the patient to book, or to its triage service; with its access code."""
    detail = {"priority": referral.priority, "shortlist": [service.id for service in services]}
    triage = services[0].booking_mode is BookingMode.TRIAGE
    if triage:
        referral.service_id = services[0].id
    transition(work, referral, Action.SEND_FOR_TRIAGE if triage else Action.ISSUE, detail=detail)
    code = access.issue(work, referral)
    outbox.enqueue(
        work, "referral-ready", f"referral:{referral.id}:ready", {"ubrn": referral.ubrn}, referral_id=referral.id
    )
    work.session.flush()
    return own_referral(work, referral.ubrn), code


def fresh_ubrn(work: Work) -> str:
    # Twelve digits at random: a clash among a hundred million referrals has odds of one in 9,000, and the
    # unique constraint refuses it all the same.
    while True:
        ubrn = new_ubrn()
        if work.session.scalar(select(Referral.id).where(Referral.ubrn == ubrn)) is None:
            return ubrn


def _referrer(work: Work, given: str | None) -> str:
    if work.actor.role is Role.REFERRING_ADMIN and not (given or "").strip():
        raise Invalid.field("referrer", "REQUIRED", "Name the clinician you refer for.")
    return (given or work.actor.name).strip()


def _check_specialty(work: Work, specialty: str, clinic_type: str | None) -> None:
    if work.session.get(Specialty, specialty) is None:
        raise Invalid.field("specialty", "SPECIALTY_UNKNOWN", f"{specialty!r} is not a specialty code we know.")
    if clinic_type is not None:
        clinic = work.session.get(ClinicType, clinic_type)
        if clinic is None or clinic.specialty_code != specialty:
            raise Invalid.field(
                "clinic_type", "CLINIC_TYPE_UNKNOWN", f"{clinic_type!r} is not a clinic type of specialty {specialty}."
            )


def named_practitioner(work: Work, identifier: str | None) -> Practitioner | None:
    """The clinician of this registration; :class:`Invalid` where nobody has it."""
    if identifier is None:
        return None
    found = work.session.scalars(select(Practitioner).where(Practitioner.identifier == identifier)).first()
    if found is None:
        raise Invalid.field(
            "named_practitioner", "PRACTITIONER_UNKNOWN", f"No clinician has the identifier {identifier!r}."
        )
    return found


def sent_to(organisation_id: Any) -> ColumnElement[bool]:
    """SQL: the referral was sent to a service of the provider: it is there now, or was booked there once.

    To be on the patient's shortlist is not enough: a provider never sees who only thought of it. But where a service
    is booked by telephone, whoever answers must find the patient.
    """
    own = select(Service.id).where(Service.organisation_id == organisation_id)
    booked = (
        select(Booking.id)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Booking.referral_id == Referral.id, Booking.booked_at.is_not(None), Slot.service_id.in_(own))
    )
    by_telephone = (
        select(ReferralService.service_id)
        .join(Service, Service.id == ReferralService.service_id)
        .where(
            ReferralService.referral_id == Referral.id, Service.organisation_id == organisation_id,
            Service.booking_mode == BookingMode.INDIRECTLY_BOOKABLE, Referral.state != ReferralState.DRAFT,
        )
    )  # fmt: skip
    return or_(Referral.service_id.in_(own), booked.exists(), by_telephone.exists())


def _visible(work: Work, query: Select[Referral]) -> Select[Referral]:
    """Narrow a query to the referrals the actor may see; everybody else's don't exist for them."""
    actor = work.actor
    return query.where(_seen_by(actor.role, actor.referral_id, actor.organisation_id))


def visible_ids_of(work: Work, patient_id: int) -> list[int]:
    """Keys of a patient's referrals, those that the actor may see."""
    query = _visible(work, select(Referral).where(Referral.patient_id == patient_id))
    return list(work.session.scalars(query.with_only_columns(Referral.id)))


def visible_references(work: Work, ids: Iterable[int]) -> dict[int, str]:
    """References by key, of those of the referrals that the actor may see."""
    query = _visible(work, select(Referral).where(Referral.id.in_(list(ids))))
    return {row.id: row.ubrn for row in work.session.execute(query.with_only_columns(Referral.id, Referral.ubrn))}


def _seen_by(role: Role, own_id: Any, organisation_id: Any) -> ColumnElement[bool]:
    """SQL: a referral that somebody in this role may see; the keys are values or parameters."""
    seen: ColumnElement[bool]
    if role is Role.PATIENT:
        seen = Referral.id == own_id
    elif role in REFERRERS:
        seen = Referral.practice_id == organisation_id
    elif role in PROVIDERS:
        seen = sent_to(organisation_id)
    else:
        raise Forbidden("Your role does not see referrals.")
    return seen


@cache
def _lock(role: Role) -> Select[Referral]:
    """Built once for each role: a part of every booking transaction."""
    return (
        select(Referral)
        .where(
            Referral.ubrn == bindparam("ubrn"), _seen_by(role, bindparam("own_id"), bindparam("organisation_id"))
        )
        .options(joinedload(Referral.patient))
        .with_for_update(of=Referral)
        .execution_options(populate_existing=True)
    )  # fmt: skip


def responsible(work: Work, referral: Referral) -> bool:
    """Whether the referral is with a service of the actor's organisation now."""
    service = work.session.get(Service, referral.service_id) if referral.service_id is not None else None
    return service is not None and service.organisation_id == work.actor.organisation_id


def must_be_responsible(work: Work, referral: Referral) -> None:
    """Only the provider where the referral is now may act on it: one that had it once may look, no more."""
    if not responsible(work, referral):
        raise Forbidden("The referral is not with one of your services now.", code="NOT_RESPONSIBLE")


def own_referral(work: Work, ubrn: str) -> Referral:
    """The referral with all detail, if the actor may see it; else :class:`NotFound`."""
    query = _visible(work, select(Referral).where(Referral.ubrn == parse_ubrn(ubrn))).options(*WITH_DETAIL)
    found = work.session.scalars(query.execution_options(populate_existing=True)).unique().first()
    if found is None:
        raise NotFound("There is no such referral, or it is not yours.")
    access_log.note(work, "referral", patient_id=found.patient_id, referral_id=found.id)
    return found


def lock_referral(work: Work, ubrn: str, *, version: int | None = None) -> Referral:
    """The referral locked for change; :class:`StaleVersion` where ``version`` is not the current one (rule 12)."""
    actor = work.actor
    names = {"ubrn": parse_ubrn(ubrn), "organisation_id": actor.organisation_id, "own_id": actor.referral_id}
    found = work.session.scalars(_lock(actor.role), names).first()
    if found is None:
        raise NotFound("There is no such referral, or it is not yours.")
    if version is not None and found.version != version:
        raise StaleVersion("The referral has changed since you read it. Read it again and repeat.")
    return found


def lock_own_referral(work: Work, ubrn: str) -> Referral:
    """:func:`lock_referral` for somebody to whom it is shown besides: staff leave an entry that they looked."""
    referral = lock_referral(work, ubrn)
    access_log.note(work, "referral", patient_id=referral.patient_id, referral_id=referral.id)
    return referral


def list_referrals(
    work: Work, *, states: Sequence[ReferralState] = (), before_id: int | None = None, limit: int = 50
) -> list[Referral]:
    """Newest first, paged by key."""
    query = _visible(work, select(Referral)).options(joinedload(Referral.patient), joinedload(Referral.practice))
    if states:
        query = query.where(Referral.state.in_(states))
    if before_id is not None:
        query = query.where(Referral.id < before_id)
    return list(work.session.scalars(query.order_by(Referral.id.desc()).limit(limit)))


def cancel_referral(work: Work, ubrn: str, *, reason: str, comment: str | None, version: int | None = None) -> Referral:
    """Cancel the referral and let go of everything it holds (domain rule 8)."""
    referral = lock_referral(work, ubrn, version=version)
    why = Why(reason, comment)
    permit(work, referral, Action.CANCEL_REFERRAL, why)
    if work.actor.role in PROVIDERS:
        must_be_responsible(work, referral)
    unheard = referral.state is ReferralState.DRAFT
    given_back = places.booked_ahead(work, referral)
    appointment = _appointment_ahead(work, referral)
    released = places.release_everything(work, referral, reason_code=reason)
    transition(work, referral, Action.CANCEL_REFERRAL, why, detail={"released": released})
    freed.settle(work, referral)
    for slot_id in given_back:
        freed.freed(work, slot_id)
    if reason != "PATIENT_DECEASED" and not unheard:  # nobody writes to the dead, nor of a draft
        outbox.enqueue(
            work, "referral-cancelled", f"referral:{referral.id}:cancelled",
            {"ubrn": referral.ubrn, **({"reference": appointment} if appointment else {})}, referral_id=referral.id,
        )  # fmt: skip
    work.session.flush()
    return own_referral(work, referral.ubrn)


def _appointment_ahead(work: Work, referral: Referral) -> str | None:
    """The reference of the appointment that the patient would come to."""
    return work.session.scalar(
        select(Booking.reference).where(
            Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED, Booking.starts_at > work.now
        )
    )


def reissue_access_code(work: Work, ubrn: str) -> tuple[Referral, str]:
    """A new code for a patient who has lost theirs; the old one and its open sessions stop working."""
    referral = lock_referral(work, ubrn)
    if referral.state in TERMINAL or referral.state is ReferralState.DRAFT:
        next_state(referral.state, Action.BOOK)  # raises, naming the state
    code = access.issue(work, referral)
    access.revoke_patient_sessions(work, referral.id)
    audit.record(work, f"referral:{referral.id}", "referral.reissue_access_code")
    work.session.flush()
    return own_referral(work, referral.ubrn), code
