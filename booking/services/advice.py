"""Advice and guidance: a question to one service about one patient, and the conversation that follows.

The practice of the patient and the provider of the service see it; for everybody else there is no such request.
What was said stays as it was said. Making a referral of it stands in :mod:`booking.services.advice_referral`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import joinedload

from booking.domain.advice import ANSWERERS, ROLES, TURN, AdviceAction, AdviceStep, next_step
from booking.domain.eligibility import why_service_not
from booking.domain.errors import Forbidden, Invalid, NotFound, StaleVersion
from booking.domain.ids import new_ubrn, parse_ubrn
from booking.domain.words import REFERRERS, AdviceState, AdviceTurn, BookingMode, Priority, Role, Worklist
from booking.domain.worklists import OWNER, Owner, contact_by
from booking.models import (
    AdviceMessage,
    AdviceRequest,
    Attachment,
    Organisation,
    Patient,
    Referral,
    Service,
    Specialty,
)
from booking.services import access_log, audit, outbox
from booking.services.directory import rules_of, services_by_id, visible_ids, visible_to
from booking.services.holidays import bank_holidays
from booking.services.patients import own_patient
from booking.services.refusals import translated
from booking.services.work import Work

ADMINS = frozenset({Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN})
MISSING = "There is no such request for advice, or it is not yours."
WITH_DETAIL = (
    joinedload(AdviceRequest.patient),
    joinedload(AdviceRequest.practice),
    joinedload(AdviceRequest.service).joinedload(Service.organisation),
)


@dataclass(frozen=True, slots=True)
class NewAdvice:
    patient_id: int
    service_id: int
    priority: Priority
    subject: str
    text: str
    convertible: bool
    specialty: str | None = None
    referrer: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says, and for which clinician where an admin says it."""

    text: str
    on_behalf_of: str | None = None


def gives_advice(service: Service) -> bool:
    """Whether the service takes requests for advice (e-RS: the request type ADVICE_REQUEST)."""
    return service.gives_advice or service.booking_mode is BookingMode.ADVICE_ONLY


def specialties(work: Work) -> dict[str, str]:
    """Code and name of the specialties in which a service that the practice sees gives advice."""
    practice = work.session.get_one(Organisation, work.actor.organisation_id)
    asked = select(Service.specialty_code).where(
        or_(Service.gives_advice, Service.booking_mode == BookingMode.ADVICE_ONLY), visible_to(practice, work.today)
    )
    rows = work.session.execute(
        select(Specialty.code, Specialty.name).where(Specialty.code.in_(asked)).order_by(Specialty.name)
    )
    return {row.code: row.name for row in rows}


def ask(work: Work, new: NewAdvice) -> AdviceRequest:
    """Ask a service about a patient of the caller's practice; :class:`Invalid` where it can't be asked."""
    patient = own_patient(work, new.patient_id, stays=True)
    if patient.practice_id is None:
        raise Invalid.field("patient_id", "NO_PRACTICE", "A patient with no registered practice can't be asked about.")
    acting = acting_for(work, new.referrer, field="referrer")
    referrer = acting.actor.on_behalf_of or work.actor.name
    service = _advising(work, new, patient)
    made = AdviceRequest(
        reference=_fresh_reference(work), patient_id=patient.id, practice_id=patient.practice_id,
        service_id=service.id, referrer=referrer, priority=new.priority, subject=new.subject.strip(),
        convertible=new.convertible, state=AdviceState.AWAITING_PROVIDER, version=1, created_at=work.now,
    )  # fmt: skip
    _enlist(work, made, service, Worklist.ADVICE_REQUESTS)
    work.session.add(made)
    with translated():
        work.session.flush()
    say(acting, made, AdviceTurn.QUESTION, new.text)
    _record(acting, made, "ask", {"service": service.id, "priority": new.priority, "convertible": new.convertible})
    tell(work, made)
    work.session.flush()
    return own_advice(work, made.reference)


def _advising(work: Work, new: NewAdvice, patient: Patient) -> Service:
    practice = work.session.get_one(Organisation, patient.practice_id)
    service = services_by_id(work.session, [new.service_id]).get(new.service_id)
    if service is None or not visible_ids(work.session, [new.service_id], practice, work.today):
        raise Invalid.field("service_id", "SERVICE_UNKNOWN", f"Service {new.service_id} is not one you can ask.")
    why = _why_not(service, new, patient, work.today)
    if why is not None:
        raise Invalid.field("service_id", why[0], f"{service.name} {why[1]}.")
    return service


def _why_not(service: Service, new: NewAdvice, patient: Patient, today: date) -> tuple[str, str] | None:
    if not gives_advice(service):
        return "NO_ADVICE", "takes no requests for advice"
    if service.operational_from > today:
        return "NOT_OPEN_YET", "has not opened yet"
    return why_service_not(
        rules_of(service), specialty_code=new.specialty or service.specialty_code, clinic_type=None,
        priority=new.priority, date_of_birth=patient.date_of_birth, sex=patient.sex, visible=True, today=today,
    )  # fmt: skip


def _fresh_reference(work: Work) -> str:
    """Of the same kind as a UBRN and none that is in use: a referral made of the request keeps it, as in e-RS."""
    while True:
        reference = new_ubrn()
        taken = select(AdviceRequest.id).where(AdviceRequest.reference == reference)
        referred = select(Referral.id).where(Referral.ubrn == reference)
        if work.session.scalar(taken) is None and work.session.scalar(referred) is None:
            return reference


def acting_for(work: Work, given: str | None, *, field: str, known: str | None = None) -> Work:
    """The same work on behalf of the clinician named, or ``known``. An admin must act for one; others need not."""
    named = (given or "").strip() or (known if work.actor.role in ADMINS else None)
    if named is None and work.actor.role in ADMINS:
        raise Invalid.field(field, "REQUIRED", "Name the clinician you act for.")
    return replace(work, actor=replace(work.actor, on_behalf_of=named)) if named else work


def _mine(work: Work, query: Select[AdviceRequest]) -> Select[AdviceRequest]:
    actor = work.actor
    if actor.role in REFERRERS:
        return query.where(AdviceRequest.practice_id == actor.organisation_id)
    if actor.role in ANSWERERS:
        own = select(Service.id).where(Service.organisation_id == actor.organisation_id)
        return query.where(AdviceRequest.service_id.in_(own))
    raise Forbidden("Your role does not see requests for advice.")


def own_advice(work: Work, reference: str) -> AdviceRequest:
    """The request with patient, practice and service loaded, if the actor may see it; else :class:`NotFound`."""
    query = _mine(
        work, select(AdviceRequest).where(AdviceRequest.reference == parse_ubrn(reference, field="reference"))
    )
    query = query.options(*WITH_DETAIL).execution_options(populate_existing=True)
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound(MISSING)
    access_log.note(work, f"advice {found.id}", patient_id=found.patient_id)
    return found


def list_advice(
    work: Work, *, state: AdviceState | None = None, before_id: int | None = None, limit: int = 50
) -> list[AdviceRequest]:
    """Newest first, paged by key."""
    query = _mine(work, select(AdviceRequest)).options(*WITH_DETAIL)
    if state is not None:
        query = query.where(AdviceRequest.state == state)
    if before_id is not None:
        query = query.where(AdviceRequest.id < before_id)
    return list(work.session.scalars(query.order_by(AdviceRequest.id.desc()).limit(limit)))


def conversation(work: Work, request: AdviceRequest) -> list[AdviceMessage]:
    """What was said, in order."""
    query = select(AdviceMessage).where(AdviceMessage.advice_id == request.id)
    return list(work.session.scalars(query.order_by(AdviceMessage.sequence)))


def files(work: Work, request: AdviceRequest) -> Sequence[Attachment]:
    """What is attached to the request and its messages and was not taken away."""
    query = select(Attachment).where(Attachment.advice_id == request.id, Attachment.removed_at.is_(None))
    return list(work.session.scalars(query.order_by(Attachment.id)))


def referral_of(work: Work, request: AdviceRequest) -> str | None:
    """The UBRN of the referral it became."""
    if request.referral_id is None:
        return None
    return work.session.scalar(select(Referral.ubrn).where(Referral.id == request.referral_id))


def lock_own_advice(work: Work, reference: str) -> AdviceRequest:
    """The request locked for change, with its service, if the actor may see it; else :class:`NotFound`."""
    query = _mine(
        work, select(AdviceRequest).where(AdviceRequest.reference == parse_ubrn(reference, field="reference"))
    )
    locked = query.options(joinedload(AdviceRequest.service)).with_for_update(of=AdviceRequest)
    found = work.session.scalars(locked.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound(MISSING)
    return found


def lock_advice(work: Work, reference: str, action: AdviceAction, *, version: int) -> tuple[AdviceRequest, AdviceStep]:
    """The request locked for change and where ``action`` leads it, if version, role and state allow it."""
    found = lock_own_advice(work, reference)
    if work.actor.role not in ROLES[action]:
        raise Forbidden("Your role does not allow this.")
    if found.version != version:
        raise StaleVersion("The request has changed since you read it. Read it again and repeat.")
    return found, next_step(found.state, action, listed=found.worklist is not None)


def contribute(work: Work, reference: str, action: AdviceAction, said: Said, *, version: int) -> AdviceRequest:
    """One turn of the conversation: a reply, an answer, a question back, the final advice, or closing it.

    Closing by the practice needs no words; everything else does.
    """
    request, step = lock_advice(work, reference, action, version=version)
    acting = for_clinician(work, request, said)
    move(acting, request, action, step)
    if said.text.strip():
        say(acting, request, TURN[action], said.text)
    elif action is not AdviceAction.CLOSE:
        raise Invalid.field("text", "REQUIRED", "Say something.")
    tell(work, request)
    work.session.flush()
    return own_advice(work, reference)


def for_clinician(work: Work, request: AdviceRequest, said: Said) -> Work:
    """The work on behalf of whom the actor writes for: at the practice the referrer unless another is named."""
    known = request.referrer if work.actor.role in REFERRERS else None
    return acting_for(work, said.on_behalf_of, field="on_behalf_of", known=known)


def move(work: Work, request: AdviceRequest, action: AdviceAction, step: AdviceStep) -> None:
    """Bring a locked request to its next state and list, with its audit entry."""
    before = request.state
    request.state = step.to
    request.version += 1
    _enlist(work, request, request.service, step.worklist)
    _record(work, request, action.lower(), before=before)


def say(work: Work, request: AdviceRequest, turn: AdviceTurn, text: str) -> AdviceMessage:
    """Add to the conversation of a locked request, in the name of the actor and of whom they act for."""
    last = work.session.scalar(select(func.max(AdviceMessage.sequence)).where(AdviceMessage.advice_id == request.id))
    made = AdviceMessage(
        advice_id=request.id, sequence=(last or 0) + 1, author=work.actor.name, role=work.actor.role,
        on_behalf_of=work.actor.on_behalf_of, organisation_id=work.actor.organisation_id, turn=turn,
        text=text.strip(), at=work.now,
    )  # fmt: skip
    work.session.add(made)
    return made


def _enlist(work: Work, request: AdviceRequest, service: Service, worklist: Worklist | None) -> None:
    """On its owner's list with a due date; one that stays where it is keeps its date."""
    if worklist is None:
        request.worklist = request.worklist_organisation_id = request.worklist_since = None
        request.worklist_due = request.escalated_at = None
        return
    if request.worklist is worklist:
        return
    provider = OWNER[worklist] is Owner.PROVIDER
    request.worklist = worklist
    request.worklist_organisation_id = service.organisation_id if provider else request.practice_id
    request.worklist_since, request.escalated_at = work.now, None
    request.worklist_due = contact_by(worklist, request.priority, work.today, bank_holidays(), service.contact_by)


def tell(work: Work, request: AdviceRequest) -> None:
    """A notice to whoever must act now, if they are not the ones who acted. It names nobody."""
    owner = request.worklist_organisation_id
    if owner is None or owner == work.actor.organisation_id:
        return
    to = work.session.scalar(select(Organisation.worklist_email).where(Organisation.id == owner))
    if to:
        outbox.enqueue(
            work, "advice", f"advice:{request.id}:{request.version}",
            {"to": to, "worklist": request.worklist, "entries": 1},
        )  # fmt: skip


def _record(
    work: Work,
    request: AdviceRequest,
    action: str,
    detail: dict[str, object] | None = None,
    *,
    before: AdviceState | None = None,
) -> None:
    audit.record(
        work, f"advice:{request.id}", f"advice.{action}", before={"state": before} if before else None,
        after={"state": request.state, **(detail or {})},
    )  # fmt: skip
