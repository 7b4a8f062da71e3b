"""From advice to a referral: by the provider where the referrer allowed it, or by the referrer who refers on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select

from booking.domain.advice import TURN, AdviceAction
from booking.domain.errors import Conflict, FieldError, Invalid
from booking.domain.referral import Action, ReferralState
from booking.domain.targets import due_date
from booking.domain.words import Priority
from booking.models import AdviceRequest, Organisation, Patient, Referral, ReferralService, Service
from booking.services import advice, outbox
from booking.services.directory import services_by_id
from booking.services.policy import current_policy
from booking.services.referrals import NewReferral, create_referral, fresh_ubrn, own_referral
from booking.services.refusals import translated
from booking.services.shortlists import check_shortlist
from booking.services.transitions import Why, relist, transition
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Conversion:
    """The service of the provider that takes the patient, and what the clinician says to the referrer."""

    service_id: int
    comment: str
    priority: Priority | None = None
    """The clinician's own, where it is not that of the request."""


def convert(work: Work, reference: str, how: Conversion, *, version: int) -> tuple[AdviceRequest, Referral]:
    """Make a referral of a request (e-RS A027), to be booked by the provider.

    Its RTT clock starts today. The practice issues the letter with the access code, which the provider never sees;
    the request goes to the practice's list of advice until somebody there has read the answer.
    """
    request, step = advice.lock_advice(work, reference, AdviceAction.CONVERT, version=version)
    if not request.convertible:
        raise Conflict("The referrer did not allow a referral to be made of this request.", code="NOT_CONVERTIBLE")
    patient = work.session.get_one(Patient, request.patient_id)
    priority = how.priority or request.priority
    service = _service_for(work, request, patient, how.service_id, priority)
    advice.say(work, request, TURN[AdviceAction.CONVERT], how.comment)
    made = _draft(work, request, service, priority)
    transition(
        work, made, Action.CONVERT_FROM_ADVICE, Why(comment=how.comment),
        detail={"advice": request.reference, "service": service.id, "priority": priority},
    )  # fmt: skip
    outbox.enqueue(work, "referral-ready", f"referral:{made.id}:ready", {"ubrn": made.ubrn}, referral_id=made.id)
    request.referral_id = made.id
    advice.move(work, request, AdviceAction.CONVERT, step)
    advice.tell(work, request)
    work.session.flush()
    return advice.own_advice(work, reference), own_referral(work, made.ubrn)


def _service_for(work: Work, request: AdviceRequest, patient: Patient, service_id: int, priority: Priority) -> Service:
    """The service chosen, if it is the provider's own, takes referrals, and the patient may be referred to it."""
    if patient.practice_id is None:
        raise Conflict("The patient has no registered practice and can't be referred.", code="NO_PRACTICE")
    own = services_by_id(work.session, [service_id]).get(service_id)
    if own is None or own.organisation_id != work.actor.organisation_id:
        raise Invalid.field("service_id", "SERVICE_UNKNOWN", f"Service {service_id} is not one of yours.")
    practice = work.session.get_one(Organisation, request.practice_id)
    try:
        check_shortlist(
            work, [service_id], practice=practice, patient=patient, specialty=own.specialty_code, clinic_type=None,
            priority=priority,
        )  # fmt: skip
    except Invalid as error:
        raise Invalid(*(FieldError("service_id", fault.code, fault.message) for fault in error.errors)) from None
    return own


def _draft(work: Work, request: AdviceRequest, service: Service, priority: Priority) -> Referral:
    """The referral before it is sent, with the request's own number if it is free, as in e-RS."""
    taken = work.session.scalar(select(Referral.id).where(Referral.ubrn == request.reference))
    targets = current_policy(work.session, work.today).target_days
    made = Referral(
        ubrn=request.reference if taken is None else fresh_ubrn(work), patient_id=request.patient_id,
        practice_id=request.practice_id, referrer=request.referrer, specialty_code=service.specialty_code,
        priority=priority, reason=request.subject, clinical_information=_as_text(work, request),
        rtt_clock_start=work.today, due_date=due_date(work.today, priority, targets), state=ReferralState.DRAFT,
        service_id=service.id, version=0, created_at=work.now, letter_outstanding=False,
    )  # fmt: skip
    relist(work, made)
    work.session.add(made)
    with translated():
        work.session.flush()
    work.session.add(ReferralService(referral_id=made.id, service_id=service.id, position=1))
    return made


def _as_text(work: Work, request: AdviceRequest) -> str:
    """The conversation as the referral's clinical information."""
    work.session.flush()
    said = [
        f"{one.at:%d %B %Y}, {one.on_behalf_of or one.author}:\n{one.text}"
        for one in advice.conversation(work, request)
    ]
    return f"From the request for advice {request.reference}.\n\n" + "\n\n".join(said)


def refer_on(
    work: Work, reference: str, new: Callable[[int], NewReferral], *, version: int
) -> tuple[AdviceRequest, Referral, str]:
    """The referrer refers the patient after all: an ordinary referral, linked. Returns its access code too.

    ``new`` makes the referral's particulars from the key of the request's patient.
    """
    request, step = advice.lock_advice(work, reference, AdviceAction.REFER_ON, version=version)
    wanted = new(request.patient_id)
    if wanted.referrer is None:
        wanted = replace(wanted, referrer=request.referrer)
    made, code = create_referral(work, wanted)
    request.referral_id = made.id
    acting = advice.acting_for(work, None, field="referrer", known=made.referrer)
    advice.move(acting, request, AdviceAction.REFER_ON, step)
    work.session.flush()
    return advice.own_advice(work, reference), made, code
