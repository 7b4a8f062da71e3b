"""What the requests are aimed at: referrals in every state at two practices and two providers, and their people.

Every patient carries a mark of their own (``canary007q``) in name, address of mail, reason, notes and files. So
whatever answers can be searched for people whom the caller may not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.domain.ids import nhs_number_from
from booking.domain.reasons import REASONS
from booking.domain.referral import ReferralState
from booking.domain.words import AttachmentState, BookingMode, Role, Worklist
from booking.edge.flask_app import BookingApp
from booking.keys import Keys
from booking.models import (
    Account,
    AccountRole,
    AdviceRequest,
    Attachment,
    AuthSession,
    Booking,
    ClinicType,
    CommissioningRule,
    Offer,
    Organisation,
    OutboxMessage,
    Patient,
    PolicyPreview,
    PolicyVersion,
    Practitioner,
    Referral,
    Service,
    Site,
    Slot,
    Specialty,
)
from booking.services import sign_in
from booking.services.reports.catalogue import REPORTS
from booking.services.work import Work
from tests import factories
from tests.conftest import NOW, SECRET, SYSTEM
from tests.factories import Region, bearer
from tests.letters.conftest import upload
from tests.life.conftest import Life

S = ReferralState
MARK = re.compile(rb"canary(\d{3})q", re.IGNORECASE)
API = "/api/v1"


def marked(number: int) -> str:
    return f"Canary{number:03d}q"


class Marked(Life):
    """Referrals whose patients can be found again in any answer."""

    made: list[Referral]

    def refer(self, **more: Any) -> Referral:  # type: ignore[override]
        patient = more.pop("patient", None) or a_patient(self.region.practice)
        mark = patient.family_name
        words = {"reason": f"A mole of {mark}", "clinical_information": f"{mark} was seen on Monday."}
        made = super().refer(patient=patient, **{**words, **more})
        self.made.append(made)
        return made


def a_patient(practice: Organisation) -> Patient:
    made: Patient = factories.PatientFactory(practice_id=practice.id)
    made.family_name = marked(made.id)
    made.email = f"{made.family_name.lower()}@mail.example"
    made.mobile = f"07700 900{made.id:03d}"
    return made


@dataclass(frozen=True)
class Caller:
    """Somebody with a token: what marks their answers may hold, and which referrals they may reach."""

    name: str
    role: Role | None
    headers: dict[str, str]
    sees: frozenset[int]
    reaches: frozenset[str]


@dataclass
class World:
    callers: dict[str, Caller]
    known: dict[str, list[Any]]
    """Real values by the names that parameters and fields go by in the OpenAPI document."""
    slots: dict[int, dict[str, Any]]
    ubrns: frozenset[str] = field(default_factory=frozenset)


def build(app: BookingApp) -> World:
    """Fill the application's empty database and say what is in it."""
    keys = Keys(SECRET)
    with app.database.unit_of_work() as session, factories.using(session):
        work = Work(session, SYSTEM, NOW, app.settings, keys)
        region = factories.region(work)
        region.patient.family_name = marked(region.patient.id)
        groups = _referrals(work, region)
        tokens = _tokens(work, region, groups)
        advisers = list(session.scalars(select(Service.id).where(Service.gives_advice).order_by(Service.id)))
    policy = _through_the_api(app.test_client(), tokens, region, groups, advisers)
    with app.database.unit_of_work() as session:
        session.execute(update(Attachment).where(Attachment.id % 2 == 1).values(state=AttachmentState.AVAILABLE))
        session.execute(update(OutboxMessage).where(OutboxMessage.id % 3 == 0).values(failed_at=NOW, last_error="550"))
        delivered = update(OutboxMessage).where(OutboxMessage.failed_at.is_(None)).values(delivered_at=NOW)
        session.execute(delivered)
        session.execute(update(AuthSession).values(expires_at=NOW + timedelta(days=60), idle_minutes=None))
        known = {**_known(session), "body": [policy]}
        slots = {
            slot.id: {"starts_at": slot.starts_at.isoformat(), "ends_at": slot.ends_at.isoformat()}
            for slot in session.scalars(select(Slot))
        }
    callers = _callers(tokens, region, groups)
    return World(callers, known, slots, frozenset(known["ubrn"]))


Groups = dict[str, list[Referral]]
"""Own or other practice, then own or other provider: ``oo``, ``ox``, ``xo``, ``xx``."""


def _referrals(work: Work, region: Region) -> Groups:
    some = (S.NOT_BOOKED, S.BOOKED, S.AWAITING_TRIAGE, S.TRIAGE_RESPONSE, S.ATTENDED)
    other = replace(
        region, provider=region.other_provider, other_provider=region.provider, services=region.services[::-1]
    )
    wanted: dict[str, tuple[Region, Iterable[ReferralState]]] = {
        "oo": (region, S),
        "xo": (replace(region, practice=region.other_practice, other_practice=region.practice), some),
        "ox": (other, some),
        "xx": (replace(other, practice=region.other_practice, other_practice=region.practice), (*some, S.DRAFT)),
    }
    made: Groups = {}
    services: dict[int, tuple[Service, Service]] = {}
    for name, (place, states) in wanted.items():
        if place.provider.id not in services:
            site = work.session.get_one(Site, place.services[0].site_id)
            triage = factories.service(work, place.provider, site, name="Triage", booking_mode=BookingMode.TRIAGE)
            full = factories.service(work, place.provider, site, name="Full clinic", gives_advice=True)
            services[place.provider.id] = (triage, full)
        life = Marked(work, place, *services[place.provider.id])
        life.made = []
        for state in states:
            life.to(state)
        if name == "oo":  # a patient with two referrals, who may go from one to the other
            life.refer(patient=work.session.get_one(Patient, life.made[-1].patient_id))
        made[name] = life.made
    return made


def _tokens(work: Work, region: Region, groups: Groups) -> dict[str, str]:
    """Bearer tokens by name: every role of the first organisations, system clients, patients, and some strangers."""
    made = {role.value: factories.token(work, region, role) for role in region.account_roles}
    for role in (Role.PROVIDER_ADMIN, Role.REFERRING_ADMIN):
        place = region.practice if role is Role.REFERRING_ADMIN else region.provider
        row = factories.account(work, role, place, f"client-{role.lower()}")
        work.session.get_one(Account, row.account_id).system_client = True
        made[f"client {role}"] = sign_in.system_token(work, row.id, days=30).token
    for referral in groups["oo"]:
        if referral.state in (S.NOT_BOOKED, S.BOOKED, S.APPT_CANCELLED_BY_PATIENT, S.REJECTED):
            made.setdefault(f"patient {referral.state}", factories.patient_token(work, referral))
    last = groups["oo"][-1]
    proven = sign_in.open_session(work, referral_id=last.id, patient_id=last.patient_id, role=Role.PATIENT)
    made["patient by identity"] = proven.token
    for name, role, place in (
        ("stranger gp", Role.REFERRING_CLINICIAN, region.other_practice),
        ("stranger clinician", Role.PROVIDER_CLINICIAN, region.other_provider),
    ):
        row = factories.account(work, role, place)
        made[name] = factories.token(work, replace(region, account_roles={role: row}), role)
    return made


def _through_the_api(
    client: FlaskClient, tokens: dict[str, str], region: Region, groups: Groups, advisers: list[int]
) -> dict[str, Any]:
    """Advice, files, a commissioning rule, a preview and offers: made as people make them. Answers with the policy."""

    def post(who: str, path: str, wanted: int, **body: Any) -> None:
        answer = client.post(API + path, json=body, headers=bearer(tokens[who]))
        assert answer.status_code == wanted, answer.text

    for group, who in (("oo", "REFERRING_CLINICIAN"), ("ox", "REFERRING_CLINICIAN"), ("xx", "stranger gp")):
        for referral in [one for one in groups[group] if one.state is not S.DRAFT][:3]:
            mark = marked(referral.patient_id)
            asked = {"patient_id": referral.patient_id, "priority": "ROUTINE", "convertible": True}
            asked["service_id"] = advisers[0 if group == "oo" else 1]
            post(who, "/advice", 201, **asked, subject=f"Of {mark}", text=f"{mark} has a mole.")
            sent = upload(client, bearer(tokens[who]), referral.ubrn, name=f"{mark}.pdf")
            assert sent.status_code == 201, sent.text
    rule = {"service_id": region.services[1].id, "explanation": "Agreed locally.", "starts_on": "2026-03-03"}
    post("COMMISSIONER", "/commissioning-rules", 201, **rule)
    current = client.get(f"{API}/policies/current", headers=bearer(tokens["COMMISSIONER"])).json
    post("COMMISSIONER", "/policies/preview", 202, body=current["body"])
    for referral in (*groups["oo"], *groups["ox"]):
        client.post(f"{API}/referrals/{referral.ubrn}/offers", headers=bearer(tokens["REFERRING_CLINICIAN"]))
    policy: dict[str, Any] = current["body"]
    return policy


def _callers(tokens: dict[str, str], region: Region, groups: Groups) -> dict[str, Caller]:
    def of(names: Iterable[str]) -> list[Referral]:
        return [referral for name in names for referral in groups[name]]

    practice, last = of(("oo", "ox")), groups["oo"][-1]
    provider = [one for one in of(("oo", "xo")) if one.state is not S.DRAFT]
    made = {}
    for name, token in tokens.items():
        extra: set[int] = set()
        if name.startswith("patient"):
            state = name.split()[1]
            own = next((one.ubrn for one in groups["oo"] if one.state == state), last.ubrn)
            same = next(one.patient_id for one in practice if one.ubrn == own)
            mine = [one for one in practice if one.ubrn == own or (one.patient_id == same == last.patient_id)]
        elif name.startswith("stranger"):
            continue
        elif "REFERRING" in name:
            mine, extra = practice, {region.patient.id}
        else:
            mine = provider if "PROVIDER" in name or "DEFINER" in name else []
        seen = frozenset({one.patient_id for one in mine} | extra)
        role = Role.PATIENT if name.startswith("patient") else Role(name.split()[-1])
        made[name] = Caller(name, role, bearer(token), seen, frozenset(one.ubrn for one in mine))
    made["nobody"] = Caller("nobody", None, {}, frozenset(), frozenset())
    made["somebody signed out"] = Caller("somebody signed out", None, bearer("x" * 43), frozenset(), frozenset())
    return made


def _known(session: Any) -> dict[str, list[Any]]:
    def all_of(column: Any) -> list[Any]:
        return [value for value in session.scalars(select(column).distinct()) if value is not None]

    references = all_of(Booking.reference) + all_of(AdviceRequest.reference)
    codes = all_of(Organisation.ods_code)
    return {
        "ubrn": all_of(Referral.ubrn),
        "reference": references,
        "slot_id": all_of(Slot.id), "slot_ids": all_of(Slot.id),
        "service_id": all_of(Service.id), "shortlist": all_of(Service.id), "service": all_of(Service.id),
        "patient_id": all_of(Patient.id),
        "nhs_number": [*all_of(Patient.nhs_number), *_unknown_numbers()],
        "attachment_id": all_of(Attachment.id),
        "message_id": all_of(OutboxMessage.id),
        "rule_id": all_of(CommissioningRule.id),
        "preview_id": all_of(PolicyPreview.id),
        "version": all_of(PolicyVersion.version), "since": [*all_of(PolicyVersion.version), "2026-03-01"],
        "account_id": all_of(Account.id), "username": all_of(Account.username),
        "account_role_id": all_of(AccountRole.id),
        "session_id": all_of(AuthSession.id), "token_id": all_of(AuthSession.id),
        "offer_id": all_of(Offer.id),
        "code": codes, "organisation": codes, "successor": codes, "provider": codes,
        "site": all_of(Site.ods_code), "site_id": all_of(Site.id),
        "specialty": all_of(Specialty.code), "clinic_type": all_of(ClinicType.code),
        "clinic_types": all_of(ClinicType.code),
        "practitioner": all_of(Practitioner.identifier), "practitioners": all_of(Practitioner.identifier),
        "provider_slot_id": all_of(Slot.provider_slot_id), "withdraw": all_of(Slot.provider_slot_id),
        "password": [factories.PASSWORD],
        "access_code": ["CDFGH-JKMNP"],
        "digest": ["0" * 64],
        "cursor": [], "before": all_of(Referral.id),
        "reason": sorted({reason.code for reasons in REASONS.values() for reason in reasons}),
        "name": sorted(REPORTS), "worklist": list(Worklist),
        "from": ["2026-01", "2025-12"], "to": ["2026-01", "2026-02"],
        "action": ["referral.issue", "referral.book"],
        "ends_at": [], "starts_at": [],
        "starts": ["08:00", "09:00", "13:30"], "ends": ["12:00", "17:00", "09:20"],
    }  # fmt: skip


def _unknown_numbers() -> list[str]:
    """NHS numbers that are well formed and nobody's yet."""
    return [number for number in map(nhs_number_from, range(888_000_000, 888_000_050)) if number]
