"""What is done to a referral beside booking: triage, deferral, review, attendance, return, closing.

:func:`perform` is the one way in: it locks, asks the table of transitions, the action's own rule and whose turn it
is, then lets the action's handler do what goes with it. Booking, moving and cancelling have services of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from booking.domain.actions import RULES
from booking.domain.eligibility import why_service_not
from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.referral import Action, legal_actions
from booking.domain.targets import due_date
from booking.domain.words import (
    PROVIDERS,
    AttachmentKind,
    AttachmentState,
    BookingMode,
    BookingState,
    OfferState,
    Priority,
)
from booking.models import Attachment, Booking, Organisation, Referral, ReferralService, Service
from booking.services import audit, outbox, places, referrals
from booking.services.booking import current_booking
from booking.services.directory import rules_of, services_by_id
from booking.services.policy import current_policy
from booking.services.shortlists import check_shortlist, letter_due
from booking.services.slots import SlotSearch, free_slots
from booking.services.transitions import Why, permit, relist, transition
from booking.services.work import Work

RECORDED_FOR = timedelta(days=365)
"""How long after an appointment its attendance may be recorded or put right."""


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


@dataclass(frozen=True, slots=True)
class Done:
    """The referral after the action, and a fresh access code where the action made one."""

    referral: Referral
    access_code: str | None = None


Handler = Callable[[Work, Referral, Given], str | None]


def perform(work: Work, ubrn: str, action: Action, given: Given, *, version: int | None = None) -> Done:
    """Do ``action``. Refusals are typed: 404 not yours, 409 state and action, 403 role or not the one whose turn it is,
    422 a field; then nothing is written."""
    referral = referrals.lock_referral(work, ubrn, version=version)
    if action is Action.REDIRECT and _mode(work, given.service_id) is BookingMode.TRIAGE:
        action = Action.REDIRECT_FOR_TRIAGE
    permit(work, referral, action, given.why)
    if work.actor.role in PROVIDERS:
        referrals.must_be_responsible(work, referral)
    code = HANDLERS[action](work, referral, given)
    work.session.flush()
    return Done(referrals.own_referral(work, referral.ubrn), code or None)


def available(work: Work, referral: Referral) -> list[Action]:
    """What the actor could do to the referral now, as far as state and role decide (e-RS A029)."""
    if work.actor.role in PROVIDERS and not referrals.responsible(work, referral):
        return []
    return [action for action in legal_actions(referral.state) if work.actor.role in RULES[action].roles]


def _mode(work: Work, service_id: int | None) -> BookingMode | None:
    service = work.session.get(Service, service_id) if service_id is not None else None
    return service.booking_mode if service is not None else None


def amend(
    work: Work, ubrn: str, *, reason: str | None, clinical_information: str | None, version: int | None
) -> Referral:
    """Change what the referrer wrote, while the referral lives."""
    referral = referrals.lock_referral(work, ubrn, version=version)
    if not legal_actions(referral.state):
        raise Conflict(f"A referral that is {referral.state} can't be changed.", code="ILLEGAL_TRANSITION")
    if reason is not None:
        referral.reason = reason.strip()
    if clinical_information is not None:
        referral.clinical_information = clinical_information
    referral.version += 1
    _see_to_letter(work, referral, _shortlisted(work, referral))
    relist(work, referral)
    changed = [name for name, value in (("reason", reason), ("clinical_information", clinical_information)) if value]
    audit.record(work, f"referral:{referral.id}", "referral.amend", after={"changed": changed})
    work.session.flush()
    return referrals.own_referral(work, referral.ubrn)


def acknowledge(work: Work, ubrn: str) -> Referral:
    """The practice has seen that its referral was cancelled by somebody else: off the list."""
    referral = referrals.lock_referral(work, ubrn)
    if legal_actions(referral.state):
        raise Conflict(f"A referral that is {referral.state} needs more than to be seen.", code="ILLEGAL_TRANSITION")
    referral.worklist = referral.worklist_organisation_id = referral.worklist_since = None
    referral.worklist_due = referral.escalated_at = None
    referral.version += 1
    audit.record(work, f"referral:{referral.id}", "referral.acknowledge")
    work.session.flush()
    return referrals.own_referral(work, referral.ubrn)


# What goes with each action.


def _issue(work: Work, referral: Referral, given: Given) -> str:
    return referrals.issue(work, referral, _shortlisted(work, referral))[1]


def _send_for_triage(work: Work, referral: Referral, given: Given) -> str | None:
    service = _chosen(work, referral, given)
    if service.booking_mode is not BookingMode.TRIAGE:
        raise Invalid.field("service_id", "NOT_TRIAGE", f"{service.name} is not a triage service.")
    draft = not referral.version
    _set_shortlist(work, referral, [service])
    if draft:
        return referrals.issue(work, referral, [service])[1]
    referral.service_id = service.id
    transition(work, referral, Action.SEND_FOR_TRIAGE, given.why, detail={"service": service.id})
    return None


def _change_shortlist(work: Work, referral: Referral, given: Given) -> None:
    services = _checked(work, referral, given.shortlist, given.priority or referral.priority)
    if services[0].booking_mode is BookingMode.TRIAGE:
        raise Invalid.field("shortlist.0", "TRIAGE", f"{services[0].name} is a triage service: send it for triage.")
    _set_shortlist(work, referral, services)
    referral.service_id = None
    if given.priority is not None:
        _set_priority(work, referral, given.priority)
    detail = {"shortlist": [service.id for service in services], "priority": referral.priority}
    transition(work, referral, Action.CHANGE_SHORTLIST, given.why, detail=detail)


def _change_priority(work: Work, referral: Referral, given: Given) -> None:
    if given.priority is None:
        raise Invalid.field("priority", "REQUIRED", "Give the new priority.")
    _set_priority(work, referral, given.priority)
    transition(work, referral, Action.CHANGE_PRIORITY, given.why, detail={"priority": given.priority})


def _defer(work: Work, referral: Referral, given: Given) -> None:
    """Rule 6: only where the service has no slot for this referral. Not liking those there are is no ground."""
    if given.service_id is None:
        raise Invalid.field("service_id", "REQUIRED", "Say which service of the shortlist has no appointments.")
    service = next((one for one in _shortlisted(work, referral) if one.id == given.service_id), None)
    if service is None:
        raise Invalid.field("service_id", "NOT_SHORTLISTED", "That service is not on the shortlist.")
    if service.booking_mode is not BookingMode.DIRECTLY_BOOKABLE:
        raise Invalid.field("service_id", "NOT_DIRECTLY_BOOKABLE", f"{service.name} is not booked online.")
    whole = referrals.own_referral(work, referral.ubrn)
    free = free_slots(work, whole, SlotSearch(service_ids=(service.id,), limit=1))
    held = places.keeps_place_at(work, referral, service.id)
    if free or held:
        raise Conflict(
            f"{service.name} has appointments for this referral: it can't be left to the service to find one.",
            code="SLOTS_AVAILABLE",
        )
    _let_go(work, referral)
    referral.service_id = service.id
    transition(work, referral, Action.DEFER_TO_PROVIDER, given.why, detail={"service": service.id})
    _tell(work, referral, "deferred")


def _accept(work: Work, referral: Referral, given: Given) -> None:
    transition(work, referral, Action.ACCEPT, given.why, appointment=_live(work, referral).slot.local_date)


def _reject(work: Work, referral: Referral, given: Given) -> None:
    places.release_everything(work, referral, reason_code=given.reason or "REJECTED")
    transition(work, referral, Action.REJECT, given.why)
    _tell(work, referral, "referral-returned")


def _triage_accept(work: Work, referral: Referral, given: Given) -> None:
    if given.priority is not None:
        _set_priority(work, referral, given.priority)
    _let_go(work, referral)
    transition(work, referral, Action.TRIAGE_ACCEPT, given.why, detail={"priority": referral.priority})
    _tell(work, referral, "triage-accepted")


def _triage_return(work: Work, referral: Referral, given: Given) -> None:
    _let_go(work, referral)
    transition(work, referral, Action.TRIAGE_RETURN, given.why)
    _tell(work, referral, "referral-returned")


def _redirect(work: Work, referral: Referral, given: Given) -> None:
    """To another service of the same provider, which takes over; the patient chooses there, or its triage reads."""
    service = _chosen(work, referral, given, same_provider=True)
    action = Action.REDIRECT_FOR_TRIAGE if service.booking_mode is BookingMode.TRIAGE else Action.REDIRECT
    came_from = referral.service_id
    _let_go(work, referral)
    _set_shortlist(work, referral, [service])
    referral.service_id, referral.specialty_code = service.id, service.specialty_code
    offered = {row.clinic_type_code for row in service.clinic_types}
    referral.clinic_type_code = referral.clinic_type_code if referral.clinic_type_code in offered else None
    transition(work, referral, action, given.why, detail={"from": came_from, "service": service.id})
    if action is Action.REDIRECT:
        _tell(work, referral, "offers-ready")


def _cancel_and_act_later(work: Work, referral: Referral, given: Given) -> None:
    """Rule 9: the appointment goes, the referral stays with the provider; the priority may change."""
    _must_be_ahead(work, _live(work, referral))
    places.release_everything(work, referral, reason_code=given.reason or "OTHER")
    if given.priority is not None:
        _set_priority(work, referral, given.priority)
    transition(work, referral, Action.CANCEL_AND_ACT_LATER, given.why, detail={"priority": referral.priority})
    _tell(work, referral, "appointment-cancelled-by-provider", reason=given.reason)


def _attended(work: Work, referral: Referral, given: Given) -> None:
    booked = _over(work, referral, BookingState.DID_NOT_ATTEND)
    booked.state = BookingState.ATTENDED
    transition(work, referral, Action.RECORD_ATTENDED, given.why, detail={"booking": booked.reference})


def _did_not_attend(work: Work, referral: Referral, given: Given) -> None:
    booked = _over(work, referral, BookingState.ATTENDED)
    booked.state = BookingState.DID_NOT_ATTEND
    transition(work, referral, Action.RECORD_DID_NOT_ATTEND, given.why, detail={"booking": booked.reference})
    _tell(work, referral, "did-not-attend")


def _rebook(work: Work, referral: Referral, given: Given) -> None:
    transition(work, referral, Action.REBOOK_AFTER_NON_ATTENDANCE, given.why)
    _tell(work, referral, "offers-ready")


def _only(action: Action) -> Handler:
    """An action that moves the referral and nothing else."""

    def handler(work: Work, referral: Referral, given: Given) -> None:
        transition(work, referral, action, given.why)

    return handler


HANDLERS: Mapping[Action, Handler] = {
    Action.ISSUE: _issue,
    Action.SEND_FOR_TRIAGE: _send_for_triage,
    Action.CHANGE_SHORTLIST: _change_shortlist,
    Action.CHANGE_PRIORITY: _change_priority,
    Action.DEFER_TO_PROVIDER: _defer,
    Action.ACCEPT: _accept,
    Action.REJECT: _reject,
    Action.TRIAGE_ACCEPT: _triage_accept,
    Action.TRIAGE_RETURN: _triage_return,
    Action.REDIRECT: _redirect,
    Action.REDIRECT_FOR_TRIAGE: _redirect,
    Action.CANCEL_AND_ACT_LATER: _cancel_and_act_later,
    Action.RECORD_ATTENDED: _attended,
    Action.RECORD_DID_NOT_ATTEND: _did_not_attend,
    Action.REBOOK_AFTER_NON_ATTENDANCE: _rebook,
    Action.ADVISE_REFERRER: _only(Action.ADVISE_REFERRER),
    Action.RECORD_ASSESSMENT_RESULT: _only(Action.RECORD_ASSESSMENT_RESULT),
    Action.CLOSE: _only(Action.CLOSE),
}


# Pieces.


def _shortlisted(work: Work, referral: Referral) -> list[Service]:
    query = select(ReferralService.service_id).where(ReferralService.referral_id == referral.id)
    ids = list(work.session.scalars(query.order_by(ReferralService.position)))
    found = services_by_id(work.session, ids)
    return [found[service_id] for service_id in ids]


def _checked(work: Work, referral: Referral, ids: Sequence[int], priority: Priority) -> list[Service]:
    return check_shortlist(
        work, ids, practice=work.session.get_one(Organisation, referral.practice_id), patient=referral.patient,
        specialty=referral.specialty_code, clinic_type=referral.clinic_type_code, priority=priority,
    )  # fmt: skip


def _chosen(work: Work, referral: Referral, given: Given, *, same_provider: bool = False) -> Service:
    """The one service named, if the referral may use it."""
    if given.service_id is None:
        raise Invalid.field("service_id", "REQUIRED", "Name the service.")
    if not same_provider:
        return _checked(work, referral, [given.service_id], referral.priority)[0]
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


def _set_shortlist(work: Work, referral: Referral, services: Sequence[Service]) -> None:
    _let_go(work, referral)
    rows = select(ReferralService).where(ReferralService.referral_id == referral.id)
    for row in work.session.scalars(rows):
        work.session.delete(row)
    work.session.flush()
    work.session.add_all(
        ReferralService(referral_id=referral.id, service_id=service.id, position=place)
        for place, service in enumerate(services, 1)
    )
    _see_to_letter(work, referral, services)
    work.session.flush()


def _see_to_letter(work: Work, referral: Referral, services: Sequence[Service]) -> None:
    attached = select(Attachment.id).where(
        Attachment.referral_id == referral.id, Attachment.kind == AttachmentKind.REFERRAL_LETTER,
        Attachment.state.in_([AttachmentState.AVAILABLE, AttachmentState.PENDING]), Attachment.removed_at.is_(None),
    )  # fmt: skip
    due = letter_due(services, referral.clinical_information)
    referral.letter_outstanding = due and work.session.scalar(attached.limit(1)) is None


def _set_priority(work: Work, referral: Referral, priority: Priority) -> None:
    targets = current_policy(work.session, work.today).target_days
    referral.priority = priority
    referral.due_date = due_date(referral.rtt_clock_start, priority, targets)


def _let_go(work: Work, referral: Referral) -> None:
    """What was proposed no longer fits: holds and offers end."""
    places.release_holds(work, referral.id)
    places.close_offers(work, referral.id, OfferState.SUPERSEDED)


def _live(work: Work, referral: Referral) -> Booking:
    booked = current_booking(work, referral)
    if booked is None:
        raise NotFound("The referral has no live appointment.")
    return booked


def _must_be_ahead(work: Work, booked: Booking) -> None:
    if booked.starts_at <= work.now:
        raise Conflict("That appointment has begun or is over.", code="APPOINTMENT_OVER")


def _over(work: Work, referral: Referral, corrected: BookingState) -> Booking:
    """The appointment whose attendance is recorded: the live one, or the last one recorded the other way."""
    query = select(Booking).where(
        Booking.referral_id == referral.id, Booking.state.in_([BookingState.BOOKED, corrected])
    )
    booked = work.session.scalars(query.order_by(Booking.starts_at.desc()).limit(1)).first()
    if booked is None:
        raise NotFound("The referral has no such appointment.")
    if booked.starts_at > work.now:
        raise Conflict("That appointment is still ahead.", code="APPOINTMENT_AHEAD")
    if booked.starts_at < work.now - RECORDED_FOR:
        raise Conflict("That appointment is more than a year ago.", code="APPOINTMENT_LONG_OVER")
    return booked


def _tell(work: Work, referral: Referral, kind: str, *, reason: str | None = None) -> None:
    """Tell the patient, once for this event."""
    payload: dict[str, str] = {"ubrn": referral.ubrn, **({"reason": reason} if reason else {})}
    outbox.enqueue(
        work, kind, f"referral:{referral.id}:{referral.version}:{kind}", payload, referral_id=referral.id
    )  # fmt: skip
