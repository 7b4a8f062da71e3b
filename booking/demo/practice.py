"""What a practice’s day needs besides referrals: services that read first or give advice, questions, a draft.

Made through the services, like everything else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sqlalchemy import Select, select

from booking.demo.directory import OPEN_SINCE, Directory
from booking.demo.region import PRACTICES, WINDOWS
from booking.domain.advice import AdviceAction
from booking.domain.words import BookingMode, Priority, Role
from booking.models import Organisation, Patient, Service, ServiceClinicType, ServicePriority
from booking.services import advice, referrals
from booking.services.advice import NewAdvice, Said
from booking.services.referrals import NewReferral
from booking.services.work import Actor, Work

ADVISING = ("skin-general", "heart-general", "bowel-weirside")
QUESTIONS = (
    ("skin-general", "A rash that comes and goes", "Six weeks, worse after work. Steroid cream helps for days only. "
     "Would you patch-test before seeing her?",
     "Please stop the cream for a fortnight and send a picture. If it is back on the hands, refer."),
    ("heart-general", "Palpitations on thyroxine", "TSH is normal now. Is a tracing at home worth it, or a clinic?",
     None),
    ("skin-general", "A mole in a child", "Grown slowly over two years, even in colour. Happy to watch it?",
     None),
)  # fmt: skip


def fill(work: Work, directory: Directory) -> None:
    """Add it to the region's first practice."""
    triage = _triage(work, directory)
    for key in ADVISING:
        directory.services[key].gives_advice = True
    work.session.flush()
    practice = directory.practices[PRACTICES[0][0]]
    gp = replace(work, actor=Actor("Dr Ottoline Marsh", Role.REFERRING_CLINICIAN, practice.id, practice.ods_code))
    people = list(work.session.scalars(_of(work, practice, adults=True).limit(6)))
    children = list(work.session.scalars(_of(work, practice, adults=False).limit(1)))
    for person, question in zip([*people[:2], *children], QUESTIONS, strict=False):
        _ask(gp, directory, person, *question)
    if len(people) > 4:
        _refer(gp, people[3], [directory.services["skin-general"]], draft=True)
        _refer(gp, people[4], [triage], draft=False)


def _of(work: Work, practice: Organisation, *, adults: bool) -> Select[Patient]:
    """The practice's people who came last, not those whose stories are told: grown-ups, or schoolchildren."""
    born = Patient.date_of_birth
    of_age = born < _years_ago(work, 20) if adults else born.between(_years_ago(work, 15), _years_ago(work, 5))
    query = select(Patient).where(Patient.practice_id == practice.id, of_age)
    return query.order_by(Patient.id.desc())


def _years_ago(work: Work, years: int) -> date:
    return work.today.replace(year=work.today.year - years, day=1)


def _triage(work: Work, directory: Directory) -> Service:
    """A service whose clinician reads the referral first."""
    site = directory.sites["ZZH0101"]
    made = Service(
        organisation_id=site.organisation_id, site_id=site.id, name="Skin assessment", specialty_code="330",
        booking_mode=BookingMode.TRIAGE, operational_from=OPEN_SINCE, indicative_wait_days=21,
        instructions="A specialist reads the referral first, and looks at any pictures that come with it.",
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    work.session.add_all(
        ServiceClinicType(service_id=made.id, clinic_type_code=code) for code in ("330-SKIN", "330-RASH")
    )
    for priority, (first, last) in WINDOWS.items():
        work.session.add(
            ServicePriority(service_id=made.id, priority=priority, window_from_days=first, window_to_days=last)
        )
    work.session.flush()
    return made


def _ask(
    gp: Work, directory: Directory, person: Patient, key: str, subject: str, text: str, answer: str | None
) -> None:
    service = directory.services[key]
    asked = advice.ask(gp, NewAdvice(person.id, service.id, Priority.ROUTINE, subject, text, convertible=True))
    if answer is not None:
        provider = gp.session.get_one(Organisation, service.organisation_id)
        name = directory.clinicians[key][0].name
        clinician = replace(gp, actor=Actor(name, Role.PROVIDER_CLINICIAN, provider.id, provider.ods_code))
        advice.contribute(clinician, asked.reference, AdviceAction.ANSWER, Said(answer), version=asked.version)


def _refer(gp: Work, person: Patient, services: list[Service], *, draft: bool) -> None:
    new = NewReferral(
        patient_id=person.id, specialty="330", clinic_type="330-SKIN", priority=Priority.ROUTINE,
        reason="A dark patch on the cheek", shortlist=[one.id for one in services], draft=draft,
        clinical_information="Present for a year, slowly wider. No itching, no bleeding.",
    )  # fmt: skip
    referrals.create_referral(gp, new)
