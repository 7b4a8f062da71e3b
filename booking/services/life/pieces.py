"""What the handlers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from booking.domain.eligibility import why_service_not
from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.targets import due_date
from booking.domain.words import (
    AttachmentKind,
    AttachmentState,
    BookingMode,
    OfferState,
    Priority,
)
from booking.models import Attachment, Booking, Organisation, Referral, ReferralService, Service
from booking.services import freed, offers, outbox, places, referrals
from booking.services.booking import current_booking
from booking.services.directory import rules_of, services_by_id
from booking.services.policy import current_policy
from booking.services.shortlists import check_shortlist, letter_due
from booking.services.transitions import Why
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Given:
    """What an action is given; each takes what it needs."""

    reason: str | None = None
    comment: str | None = None
    service_id: int | None = None
    priority: Priority | None = None
    shortlist: Sequence[int] = ()

    @property
    def why(self) -> Why:
        return Why(self.reason, self.comment)


Handler = Callable[[Work, Referral, Given], str | None]


def shortlisted(work: Work, referral: Referral) -> list[Service]:
    query = select(ReferralService.service_id).where(ReferralService.referral_id == referral.id)
    ids = list(work.session.scalars(query.order_by(ReferralService.position)))
    found = services_by_id(work.session, ids)
    return [found[service_id] for service_id in ids]


def checked(work: Work, referral: Referral, ids: Sequence[int], priority: Priority) -> list[Service]:
    return check_shortlist(
        work, ids, practice=work.session.get_one(Organisation, referral.practice_id), patient=referral.patient,
        specialty=referral.specialty_code, clinic_type=referral.clinic_type_code, priority=priority,
        named=referral.named_practitioner_id,
    )  # fmt: skip


def chosen(work: Work, referral: Referral, given: Given, *, same_provider: bool = False) -> Service:
    """The one service named, if the referral may use it."""
    if given.service_id is None:
        raise Invalid.field("service_id", "REQUIRED", "Name the service.")
    if not same_provider:
        return checked(work, referral, [given.service_id], referral.priority)[0]
    service = services_by_id(work.session, [given.service_id]).get(given.service_id)
    if service is None or service.organisation_id != work.actor.organisation_id:
        raise NotFound("There is no such service, or it is not yours.")
    if service.booking_mode is BookingMode.ADVICE_ONLY:
        raise Invalid.field("service_id", "ADVICE_ONLY", f"{service.name} gives advice only.")
    why = why_service_not(
        rules_of(service), specialty_code=service.specialty_code, clinic_type=None, priority=referral.priority,
        date_of_birth=referral.patient.date_of_birth, sex=referral.patient.sex, visible=True, today=work.today,
    )  # fmt: skip
    if why is not None:
        raise Invalid.field("service_id", why[0], f"{service.name} {why[1]}.")
    return service


def set_shortlist(work: Work, referral: Referral, services: Sequence[Service]) -> None:
    let_go(work, referral)
    rows = select(ReferralService).where(ReferralService.referral_id == referral.id)
    for row in work.session.scalars(rows):
        work.session.delete(row)
    work.session.flush()
    work.session.add_all(
        ReferralService(referral_id=referral.id, service_id=service.id, position=place)
        for place, service in enumerate(services, 1)
    )
    see_to_letter(work, referral, services)
    work.session.flush()


def see_to_letter(work: Work, referral: Referral, services: Sequence[Service]) -> None:
    attached = select(Attachment.id).where(
        Attachment.referral_id == referral.id, Attachment.kind == AttachmentKind.REFERRAL_LETTER,
        Attachment.state.in_([AttachmentState.AVAILABLE, AttachmentState.PENDING]), Attachment.removed_at.is_(None),
    )  # fmt: skip
    due = letter_due(services, referral.clinical_information)
    referral.letter_outstanding = due and work.session.scalar(attached.limit(1)) is None


def set_priority(work: Work, referral: Referral, priority: Priority) -> None:
    targets = current_policy(work.session, work.today).target_days
    referral.priority = priority
    referral.due_date = due_date(referral.rtt_clock_start, priority, targets)


def let_go(work: Work, referral: Referral) -> None:
    """What was proposed no longer fits: holds and offers end."""
    places.release_holds(work, referral.id)
    places.close_offers(work, referral.id, OfferState.SUPERSEDED)
    freed.settle(work, referral)


def offer_now(work: Work, referral: Referral) -> bool:
    """Offer a locked referral that is choosing what is free; False where nothing suits: then don't say there is."""
    work.session.flush()
    return bool(offers.ensure_offers(work, referrals.own_referral(work, referral.ubrn)))


def live(work: Work, referral: Referral) -> Booking:
    booked = current_booking(work, referral)
    if booked is None:
        raise NotFound("The referral has no live appointment.")
    return booked


def must_be_ahead(work: Work, booked: Booking) -> None:
    if booked.starts_at <= work.now:
        raise Conflict("That appointment has begun or is over.", code="APPOINTMENT_OVER")


def give_back(work: Work, referral: Referral, slot_ids: Sequence[int]) -> None:
    """Places that became free with this: offered in turn to whom they help most."""
    freed.settle(work, referral)
    for slot_id in slot_ids:
        freed.freed(work, slot_id)


def tell(work: Work, referral: Referral, kind: str, *, reason: str | None = None, reference: str | None = None) -> None:
    """Tell the patient, once for this event; ``reference`` names the appointment it is about."""
    about = {"ubrn": referral.ubrn, "reason": reason, "reference": reference}
    payload = {name: value for name, value in about.items() if value is not None}
    key = f"referral:{referral.id}:{referral.version}:{kind}"
    outbox.enqueue(work, kind, key, payload, referral_id=referral.id)
