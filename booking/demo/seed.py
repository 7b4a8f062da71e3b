"""Makes the region: the directory in bulk, patients, referrals and bookings through the services, so that every
event, audit entry and code is as real as in use.

The same seed on the same day makes the same region. What must not be guessed (references, access codes, passwords)
is drawn fresh each time and written to the file of sign-ins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select, update

from booking.demo import clinics, desk, history, practice, region, tour
from booking.demo.directory import Directory, build
from booking.demo.people import Person, people
from booking.demo.sign_ins import PatientSignIn, SignIns, StaffSignIn, parts
from booking.demo.stories import STORIES, person_of
from booking.domain.eligibility import why_service_not
from booking.domain.geo import distance_km
from booking.domain.ids import show_access_code, show_ubrn
from booking.domain.words import Priority, Role
from booking.keys import hash_password, readable_password
from booking.models import Account, AccountRole, Organisation, OutboxMessage, Patient, Referral, Service
from booking.services import booking, patients, referrals
from booking.services.booking import Choice
from booking.services.directory import rules_of, services_by_id
from booking.services.referrals import NewReferral
from booking.services.slots import SlotSearch, free_slots
from booking.services.work import HOME_ZONE, Actor, Work

PATIENTS = 320
OPEN = 250
BOOKED = 14
LONGEST_WAIT = {Priority.ROUTINE: 140, Priority.URGENT: 46, Priority.TWO_WEEK_WAIT: 14}


def is_there(work: Work) -> bool:
    code = region.COMMISSIONER[0]
    return work.session.scalar(select(Organisation.id).where(Organisation.ods_code == code)) is not None


def is_in_use(work: Work) -> bool:
    """Whether there is anything in the directory: the demo must not mix with it."""
    return work.session.scalar(select(Organisation.id).limit(1)) is not None


@dataclass
class Made:
    """A referral with what its patient needs to sign in."""

    person: Person
    referral: Referral
    code: str
    clinic: str


class Builder:
    """Refers the region's people, one after another, each on the day their wait began."""

    def __init__(self, work: Work, directory: Directory, rng: Random) -> None:
        self.work, self.directory, self.rng = work, directory, rng
        ids = [service.id for service in directory.services.values()]
        self.services = services_by_id(work.session, ids)
        self.rules = {service.id: rules_of(service) for service in self.services.values()}
        self.referrers = {code: f"Dr {name}" for code, name in zip(directory.practices, history.GPS, strict=True)}

    def actor(self, practice: str, role: Role = Role.REFERRING_CLINICIAN) -> Actor:
        organisation = self.directory.practices[practice]
        return Actor(self.referrers[practice], role, organisation.id, organisation.ods_code)

    def register(self, person: Person) -> Patient:
        return patients.create_patient(replace(self.work, actor=self.actor(person.practice)), person.new)

    def refer(
        self, person: Person, patient: Patient, clinic: str, priority: Priority, waited: int, *, only: str | None = None
    ) -> Made | None:
        """Refer to the nearest services, or to one ``only``; None where no service takes the referral."""
        chosen = self.services[self.directory.services[only].id] if only else None
        shortlist = [chosen] if chosen else self._shortlist(patient, clinic, priority)
        if not shortlist:
            return None
        at = self._day(waited)
        specialty = region.CLINIC_TYPES[clinic][0]
        new = NewReferral(
            patient_id=patient.id, specialty=specialty, clinic_type=clinic, priority=priority,
            reason=self.rng.choice(region.CONDITIONS[clinic]), shortlist=[service.id for service in shortlist],
            # Some letters are still to be written: the practice has a list for that.
            clinical_information="" if patient.id % 12 == 0 else region.LETTER.format(weeks=3 + patient.id % 20),
        )  # fmt: skip
        then = replace(self.work, now=at, actor=self.actor(person.practice))
        referral, code = referrals.create_referral(then, new)
        return Made(person, referral, code, clinic)

    def _day(self, waited: int) -> datetime:
        at = self.work.now.astimezone(HOME_ZONE).replace(hour=9, minute=self.rng.randrange(60), second=0, microsecond=0)
        return min(at - timedelta(days=waited), self.work.now)

    def _shortlist(self, patient: Patient, clinic: str, priority: Priority) -> list[Service]:
        """Up to three services that take the referral, nearest first."""
        fit = [service for service in self.services.values() if self._takes(service, patient, clinic, priority)]
        return sorted(fit, key=lambda service: _far(patient, service))[:3]

    def _takes(self, service: Service, patient: Patient, clinic: str, priority: Priority) -> bool:
        why_not = why_service_not(
            self.rules[service.id], specialty_code=region.CLINIC_TYPES[clinic][0], clinic_type=clinic,
            priority=priority, date_of_birth=patient.date_of_birth, sex=patient.sex, visible=True,
            today=self.work.today,
        )  # fmt: skip
        return why_not is None and service.id != self.directory.services[region.NOTHING_YET].id

    def book(self, made: Made) -> bool:
        """The patient takes the earliest free time of their shortlist."""
        mine = self._as_patient(made)
        slots = free_slots(mine, referrals.own_referral(mine, made.referral.ubrn), SlotSearch(limit=1))
        for slot in slots:
            booking.book(mine, made.referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
        return bool(slots)

    def cancel(self, made: Made) -> None:
        mine = self._as_patient(made)
        booked = booking.current_booking(mine, made.referral)
        if booked is not None and booked.reference is not None:
            booking.cancel_booking(mine, booked.reference, reason="UNABLE_TO_ATTEND", comment=None)

    def _as_patient(self, made: Made) -> Work:
        return replace(self.work, actor=Actor("patient", Role.PATIENT, referral_id=made.referral.id))


def _far(patient: Patient, service: Service) -> float:
    site = service.site
    return distance_km(
        patient.latitude or 0.0, patient.longitude or 0.0, site.latitude or 0.0, site.longitude or 0.0
    )  # fmt: skip


def seed(work: Work, number: int) -> SignIns:
    """Fill an empty region. The caller commits, then writes the sign-ins down."""
    rng = Random(number)  # noqa: S311  # the same region again, not a secret
    directory = build(work, rng)
    history.fill(work, directory, number)
    builder = Builder(work, directory, rng)
    stories = list(_stories(builder))
    crowd = list(_crowd(builder))
    for made in crowd[:BOOKED]:
        builder.book(made)
    for made in crowd[:3]:
        builder.cancel(made)
    practice.fill(work, builder.directory)
    desk.fill(work, builder.directory)
    clinics.templates(work, builder.directory)
    staff = _staff(work, builder.directory)
    first = builder.directory.practices[region.PRACTICES[0][0]]
    to_refer = tour.register(work, first.id)
    _mark_told(work)
    work.session.flush()
    return SignIns([_sign_in(made, about) for made, about in stories], staff, to_refer)


def _crowd(builder: Builder) -> Iterator[Made]:
    rng, made = builder.rng, 0
    clinics, weights = list(region.DEMAND), list(region.DEMAND.values())
    for person in people(rng, PATIENTS, builder.work.today):
        patient = builder.register(person)
        if made >= OPEN:
            continue
        priority = rng.choices(list(Priority), (74, 19, 7))[0]
        waited = int(rng.triangular(0, LONGEST_WAIT[priority], LONGEST_WAIT[priority] / 4))
        clinic = rng.choices(clinics, weights)[0]
        if clinic == "130-CHILD" and person.new.date_of_birth.year < builder.work.today.year - 16:
            clinic = "130-GLAUCOMA"
        one = builder.refer(person, patient, clinic, priority, waited)
        if one is not None:
            made += 1
            yield one


def _stories(builder: Builder) -> Iterator[tuple[Made, str]]:
    """A few people worth signing in as."""
    for story in STORIES:
        person = person_of(story, builder.work.today)
        patient = builder.register(person)
        made = builder.refer(person, patient, story.clinic, story.priority, story.waited, only=story.only)
        if made is None:
            raise RuntimeError(f"{story.name}'s referral fits no service")
        if story.booked:
            builder.book(made)
        yield made, story.about


def _sign_in(made: Made, about: str) -> PatientSignIn:
    new = made.person.new
    return PatientSignIn(
        f"{new.given_name} {new.family_name}", about, show_ubrn(made.referral.ubrn), show_access_code(made.code),
        parts(new.date_of_birth),
    )  # fmt: skip


def _staff(work: Work, directory: Directory) -> list[StaffSignIn]:
    practices, providers = directory.practices, directory.providers
    plan: tuple[tuple[str, str, str, str, tuple[tuple[Role, Organisation], ...]], ...] = (
        ("gp", "Dr Ottoline Marsh", "GP", "Refer a patient of Millbrook Surgery, and see the practice’s referrals.",
         ((Role.REFERRING_CLINICIAN, practices["ZZP01"]),)),
        ("practice", "Hetty Lamb", "Practice administrator", "Refers for the doctors of two practices: choose one.",
         ((Role.REFERRING_ADMIN, practices["ZZP01"]), (Role.REFERRING_ADMIN, practices["ZZP02"]))),
        ("clinic", "Barnaby Frost", "Clinic administrator", "The booking office of Ambervale Hospitals.",
         ((Role.PROVIDER_ADMIN, providers["ZZH01"]),)),
        ("triage", "Dr Perpetua Lindqvist", "Triage clinician", "Reads referrals, one after another.",
         ((Role.PROVIDER_CLINICIAN, providers["ZZH01"]),)),
        ("services", "Sorrel Penhallow", "Service definer", "Describes what Ambervale Hospitals offer.",
         ((Role.SERVICE_DEFINER, providers["ZZH01"]),)),
        ("harbour", "Dr Noor Castellane", "Clinician", "The clinic lists of the Harbour Eye and Skin Centre.",
         ((Role.PROVIDER_CLINICIAN, providers["ZZH04"]),)),
        ("commissioner", "Ione Blackwood", "Commissioner", "The latest plan, its proof, and who waits.",
         ((Role.COMMISSIONER, directory.commissioner),)),
        ("analyst", "Idris Vane", "Information analyst", "The reports behind the figures, for a spreadsheet.",
         ((Role.INFORMATION_ANALYST, directory.commissioner),)),
    )  # fmt: skip
    made: list[StaffSignIn] = []
    for username, name, role, about, roles in plan:
        password = readable_password()
        account = Account(username=username, name=name, password_hash=hash_password(password))
        work.session.add(account)
        work.session.flush()
        for kind, organisation in roles:
            work.session.add(AccountRole(account_id=account.id, organisation_id=organisation.id, role=kind))
            work.session.flush()
        made.append(StaffSignIn(name, role, about, username, password))
    return made


def _mark_told(work: Work) -> None:
    """Nobody is written to about what the seed made: these messages count as delivered."""
    work.session.flush()
    work.session.execute(
        update(OutboxMessage).where(OutboxMessage.delivered_at.is_(None)).values(delivered_at=work.now)
    )
