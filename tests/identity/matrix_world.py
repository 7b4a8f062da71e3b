"""Two of everything for the matrix: two commissioners, each with a practice, a provider and a patient of their own.

Whatever belongs to a patient holds a canary, a word that occurs nowhere else: an answer that holds one it must not
hold is a leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.db import Database
from booking.domain.policy import BookingPolicy
from booking.domain.words import AttachmentKind, OrganisationKind, Priority, Role
from booking.models import (
    Account,
    AccountRole,
    AdviceRequest,
    Attachment,
    Booking,
    ClinicCancellation,
    CommissioningRule,
    Offer,
    Organisation,
    OutboxMessage,
    Patient,
    PlanRun,
    PolicyPreview,
    Referral,
    Service,
    SessionTemplate,
    Site,
    Slot,
    SlotUpload,
)
from booking.services import (
    accounts,
    advice,
    attachments,
    booking,
    offers,
    policy,
    session_templates,
    sign_in,
    slot_uploads,
)
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import factories

STAFF = tuple(sorted(role for roles in accounts.ROLES_AT.values() for role in roles))
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"  # noqa: E501


class ThrownAway(Database):
    """One connection in one transaction that is never committed: what looks like a commit is a savepoint.

    :meth:`cell` throws away what happened in it, so each cell of the matrix finds the world as it was made.
    """

    def __init__(self, of: Database) -> None:
        self.url, self.is_sqlite, self.engine = of.url, of.is_sqlite, of.engine
        self._connection = of.engine.connect()
        self._outer = self._connection.begin()

    def session(self, *, write: bool = True) -> Session:
        return Session(self._connection, expire_on_commit=False, join_transaction_mode="create_savepoint")

    @contextmanager
    def cell(self) -> Iterator[None]:
        savepoint = self._connection.begin_nested()
        try:
            yield
        finally:
            savepoint.rollback()

    def close(self) -> None:
        self._outer.rollback()
        self._connection.close()


@dataclass
class Whose:
    """A patient and all that belongs to them."""

    patient: Patient
    referral: Referral
    """Booked at the side's clinic, which so may see it."""
    booked: Booking
    choosing: Referral
    """A second one, with offers to choose from."""
    offer: Offer
    attachment: Attachment
    triage: Attachment
    """The clinic's own file."""
    request: AdviceRequest
    message: OutboxMessage
    session_id: int
    tokens: dict[int, str]
    """The patient's token for each of the two referrals."""
    canaries: tuple[str, ...]


@dataclass
class Side:
    """A commissioner's part of the world."""

    letter: str
    commissioner: Organisation
    practice: Organisation
    provider: Organisation
    site: Site
    service: Service
    slots: list[Slot]
    roles: dict[Role, AccountRole]
    tokens: dict[Role, str]
    """A bearer token for each role of staff."""
    sessions: dict[Role, int]
    """A second session of the same account."""
    client_tokens: dict[OrganisationKind, int]
    rule: CommissioningRule
    preview: PolicyPreview
    notice: OutboxMessage
    """To the provider, and failed."""
    cancellation: ClinicCancellation
    template: SessionTemplate
    upload: SlotUpload
    whose: list[Whose] = field(default_factory=list)
    run_id: int = 0

    def organisation(self, role: Role) -> Organisation:
        kind = next(kind for kind, roles in accounts.ROLES_AT.items() if role in roles)
        places = {
            OrganisationKind.PRACTICE: self.practice,
            OrganisationKind.PROVIDER: self.provider,
            OrganisationKind.COMMISSIONER: self.commissioner,
        }
        return places[kind]


def side(work: Work, letter: str) -> Side:
    """One side; its services are seen by everybody, its slots start tomorrow."""
    factories.SpecialtyFactory()
    factories.ClinicTypeFactory()
    make = factories.OrganisationFactory
    commissioner = make(ods_code=f"C0{letter}", kind=OrganisationKind.COMMISSIONER, name=f"Commissioners {letter}")
    practice = make(ods_code=f"G8100{letter}", commissioner_id=commissioner.id, name=f"Practice {letter}")
    provider = make(
        ods_code=f"R0{letter}", kind=OrganisationKind.PROVIDER, name=f"Trust {letter}", commissioner_id=commissioner.id
    )
    site = factories.SiteFactory(ods_code=f"R0{letter}01", organisation_id=provider.id, name=f"Hospital {letter}")
    service = factories.service(work, provider, site, name=f"Clinic {letter}", letter_required=False, gives_advice=True)
    slots = factories.slots(work, service, work.now.replace(hour=10) + timedelta(days=3), 12)
    roles: dict[Role, AccountRole] = {}
    tokens: dict[Role, str] = {}
    sessions: dict[Role, int] = {}
    made = Side(
        letter, commissioner, practice, provider, site, service, slots, roles, tokens, sessions, {},
        _rule(work, service, commissioner), _preview(work, commissioner),
        _failed(work, f"notice:{letter}", {"organisation_id": provider.id}, None), _cancellation(work, provider),
        *_publishing(work, provider, service),
    )  # fmt: skip
    for role in STAFF:
        roles[role] = factories.account(work, role, made.organisation(role), f"{role.lower()}@{letter}".lower())
        work.session.get_one(Account, roles[role].account_id).name = f"{role} {letter}"
        tokens[role] = sign_in.open_session(work, role=role, account_role_id=roles[role].id).token
        sessions[role] = sign_in.open_session(work, role=role, account_role_id=roles[role].id).session_id
    for kind, organisation, role in (
        (OrganisationKind.PRACTICE, practice, Role.REFERRING_CLINICIAN),
        (OrganisationKind.PROVIDER, provider, Role.PROVIDER_CLINICIAN),
        (OrganisationKind.COMMISSIONER, commissioner, Role.INFORMATION_ANALYST),
    ):
        client = accounts.create_account(work, f"client {kind} {letter}", f"Client {letter}", None, system_client=True)
        held = accounts.grant_role(work, client, role, organisation.ods_code)
        made.client_tokens[kind] = accounts.issue_token(work, held, days=9).session_id
    work.session.flush()
    return made


def _rule(work: Work, service: Service, commissioner: Organisation) -> CommissioningRule:
    made = CommissioningRule(
        service_id=service.id, organisation_id=commissioner.id, starts_on=date(2026, 1, 1), explanation="Bought"
    )
    work.session.add(made)
    work.session.flush()
    return made


def _preview(work: Work, commissioner: Organisation) -> PolicyPreview:
    made = PolicyPreview(organisation_id=commissioner.id, body={}, requested_at=work.now, requested_by="somebody")
    work.session.add(made)
    work.session.flush()
    return made


def _cancellation(work: Work, provider: Organisation) -> ClinicCancellation:
    made = ClinicCancellation(
        organisation_id=provider.id, reason_code="OTHER", cancelled_at=work.now, cancelled_by="somebody", slots=1,
        appointments=0,
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def _publishing(work: Work, provider: Organisation, service: Service) -> tuple[SessionTemplate, SlotUpload]:
    mine = factories.acting(work, Role.PROVIDER_ADMIN, provider)
    template = session_templates.save(mine, service.id, "Mornings", {"weekday": ["Monday"], "starts": "09:00"})
    content = b"slot_id,date,start,minutes\nA,2026-09-01,09:00,20\nB,never,09:00,20\n"
    return template, slot_uploads.look(mine, "slots.csv", content, service.id)


def _failed(work: Work, key: str, payload: dict[str, Any], referral_id: int | None) -> OutboxMessage:
    made = OutboxMessage(
        event_key=key, kind="referral-ready", referral_id=referral_id, payload=payload, created_at=work.now,
        next_attempt_at=work.now, failed_at=work.now, last_error="no address",
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def whose(work: Work, at: Side, letter: str) -> Whose:
    """A patient of the side, booked at its clinic and choosing once more, with files, advice, a failed message."""
    words = [f"Canary{letter}{what}" for what in ("name", "reason", "clinical", "advice", "file")]
    patient = factories.PatientFactory(practice_id=at.practice.id, given_name="Ada", family_name=words[0])
    gp = replace(work, actor=_actor(at, Role.REFERRING_CLINICIAN))
    new = factories.referrals.NewReferral(
        patient_id=patient.id, specialty="330", priority=Priority.ROUTINE, reason=words[1],
        clinical_information=words[2], shortlist=[at.service.id],
    )  # fmt: skip
    referral, _ = factories.referrals.create_referral(gp, new)
    choosing, _ = factories.referrals.create_referral(gp, new)
    me, again = (_as_patient(work, one) for one in (referral, choosing))
    slot = offers.ensure_offers(me, factories.referrals.own_referral(me, referral.ubrn))[0].slot
    booked = booking.book(me, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    offered = offers.ensure_offers(again, factories.referrals.own_referral(again, choosing.ubrn))[0]
    clinic = replace(work, actor=_actor(at, Role.PROVIDER_CLINICIAN))
    files = [
        attachments.attach_to_referral(by, referral.ubrn, kind=kind, file_name=f"{words[4]}.pdf", data=PDF)
        for by, kind in ((gp, AttachmentKind.REFERRAL_LETTER), (clinic, AttachmentKind.TRIAGE))
    ]
    request = advice.ask(
        gp, advice.NewAdvice(patient.id, at.service.id, Priority.ROUTINE, words[3], words[3], convertible=True)
    )
    message = _failed(work, f"failed:{letter}", {"ubrn": referral.ubrn}, referral.id)
    tokens = {
        one.id: sign_in.open_session(work, role=Role.PATIENT, referral_id=one.id).token for one in (referral, choosing)
    }
    second = sign_in.open_session(work, role=Role.PATIENT, referral_id=referral.id)
    made = Whose(
        patient, referral, booked, choosing, offered, *files, request, message, second.session_id, tokens,
        (*words, patient.nhs_number),
    )  # fmt: skip
    at.whose.append(made)
    return made


def _as_patient(work: Work, one: Referral) -> Work:
    return replace(work, actor=Actor("patient", Role.PATIENT, referral_id=one.id))


def _actor(at: Side, role: Role) -> Actor:
    organisation = at.organisation(role)
    return Actor(f"{role} {at.letter}", role, organisation.id, organisation.ods_code)


@dataclass
class World:
    """Ours (A, with two patients) and theirs (B)."""

    a: Side
    b: Side

    @property
    def everybody(self) -> list[Whose]:
        return [*self.a.whose, *self.b.whose]


def build(work: Work) -> World:
    made = World(side(work, "A"), side(work, "B"))
    whose(work, made.a, "One")
    whose(work, made.a, "Two")
    whose(work, made.b, "Three")
    run: dict[str, Any] = {"state": "APPLIED", "started_at": work.now, "heartbeat_at": work.now}
    planned = PlanRun(**run, finished_at=work.now, as_of=work.today, policy_version=1)
    work.session.add(planned)
    work.session.flush()
    made.a.run_id = made.b.run_id = planned.id  # of the whole region: nobody's
    policy.publish_policy(work, BookingPolicy().document(), effective_from=work.today, explanation="The first")
    work.session.commit()
    work.session.expire_all()
    for one in made.everybody:  # what changed since it was made, such as versions
        things = (one.patient, one.referral, one.booked, one.choosing, one.offer, one.attachment, one.triage)
        for thing in (*things, one.request, one.message):
            work.session.refresh(thing)
    for at in (made.a, made.b):
        things = (at.commissioner, at.practice, at.provider, at.site, at.service, at.rule, at.preview, at.notice)
        for thing in (*things, at.cancellation, at.template, at.upload, *at.slots, *at.roles.values()):
            work.session.refresh(thing)
    work.session.commit()
    assert work.session.scalar(select(Referral.id).limit(1)) is not None
    work.session.commit()
    return made
