"""A year behind the demo's today: clinics that ran, referrals that were made, seen and closed; all invented.

All of it is over: nothing is left on a worklist and nobody waits for a plan. Waits, breaches and patients who met no
free time become fewer month by month, so that a commissioner's charts have something to show. Small numbers are kept
back from reports, so a handful of referrals would show nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import sqrt
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from govuk_bank_holidays.bank_holidays import BankHolidays

from booking.demo import region
from booking.demo.directory import ZONE, Directory
from booking.demo.lives import Archive, Life, Referred
from booking.demo.people import FIRST_NHS_NUMBER, Person, people
from booking.demo.region import DemoService
from booking.domain.geo import distance_km
from booking.domain.referral import Action
from booking.domain.words import Channel, Priority, Role
from booking.models import Publication
from booking.services.reports.overview import year
from booking.services.transitions import NO_REASON, Why
from booking.services.work import Actor, Work

PATIENTS = 1_200
"""Registered; most of them have been referred once. A multiple of 60, so that those after them stay who they were, and
so few that with those of today reports are still made as they are read."""
NUMBERS_FROM = FIRST_NHS_NUMBER + 50_000
SESSIONS_RUN = (0.33, 0.3)
"""Of today's sessions, how many there were."""
TAKEN = (0.66, 0.84)
"""Share of the places that somebody had, in the first month and now; so all pairs below."""
PRIORITIES = {Priority.ROUTINE: 74, Priority.URGENT: 19, Priority.TWO_WEEK_WAIT: 7}
WAITS = {
    Priority.ROUTINE: ((8, 230, 75), (8, 170, 48)),
    Priority.URGENT: ((3, 72, 24), (3, 54, 16)),
    Priority.TWO_WEEK_WAIT: ((2, 22, 8), (2, 17, 6)),
}
"""Days to the appointment: least, most and usual."""
LONGER = {"110": 1.12, "130": 1.05, "301": 1.0, "330": 0.92, "320": 0.85}
"""Some specialties' lists are longer than others'."""
MET_NO_TIME = (0.22, 0.14)
CHOICE = (0.45, 0.95)
"""How many were offered more than one provider, where there is more than one."""
CLERKS = {"ZZH01": "Barnaby Frost", "ZZH02": "Odile Marchbanks", "ZZH03": "Petra Quince", "ZZH04": "Lowri Sandys",
          "ZZH05": "Casimir Boone"}  # fmt: skip
GPS = ("Ottoline Marsh", "Jasper Adeyemi", "Beatrix Holm", "Conrad Silva", "Leonie Sharpe", "Tobias Grange")
ENDS = ("TREATMENT_STARTED", "DISCHARGED_TO_GP", "DISCHARGED_TO_GP", "NO_TREATMENT_NEEDED")
GOLDEN = 0.6180339887
OFFERED = "Near the day that was best for everybody together."


@dataclass(frozen=True, slots=True)
class Clinic:
    """A service with those who work there."""

    planned: DemoService
    service_id: int
    clerk: Actor
    clinician: Actor


def fill(work: Work, directory: Directory, seed: int) -> None:
    """Write it, in one go, before anything of today is made: keys follow time."""
    _Past(work, directory, seed).fill()


class _Past:
    def __init__(self, work: Work, directory: Directory, seed: int) -> None:
        self.work, self.directory, self.rng = work, directory, Random(1_000_003 + seed)  # noqa: S311
        self.archive = Archive(work)
        self.first = year(work.today)[0]
        self.days = (work.today - self.first).days
        self.clinics = {planned.key: self._clinic(planned) for planned in region.SERVICES}
        self.gps = {
            code: Actor(f"Dr {name}", Role.REFERRING_CLINICIAN, one.id, one.ods_code)
            for (code, one), name in zip(directory.practices.items(), GPS, strict=True)
        }
        self.free: dict[str, dict[date, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        self.grown_up: deque[Person] = deque()
        self.children: deque[Person] = deque()
        self.drawn: Counter[Priority] = Counter()
        self.shares: dict[str, float] = defaultdict(lambda: 0.5)

    def fill(self) -> None:
        slots = self._slots()
        for person in people(self.rng, PATIENTS, self.work.today, NUMBERS_FROM):
            age = self.work.today.year - person.new.date_of_birth.year
            (self.grown_up if age > 18 else self.children).append(person)
        # By the day the referral was made: keys follow time.
        planned = sorted(self._planned(slots), key=lambda one: one[0])
        for began, clinic, kind, priority, person, slot in planned:
            self._live(began, clinic, kind, priority, person, slot)
        for person in (*self.grown_up, *self.children):
            self._register(person, self._at(self.first, 11))
        self.archive.write()

    def _clinic(self, planned: DemoService) -> Clinic:
        site = self.directory.sites[planned.site]
        code = next(one.ods_code for one in self.directory.providers.values() if one.id == site.organisation_id)
        name = self.directory.clinicians[planned.key][0].name
        return Clinic(
            planned, self.directory.services[planned.key].id,
            Actor(CLERKS[code], Role.PROVIDER_ADMIN, site.organisation_id, code),
            Actor(name, Role.PROVIDER_CLINICIAN, site.organisation_id, code),
        )  # fmt: skip

    def _at(self, day: date, hour: int) -> datetime:
        return datetime.combine(day, time(hour, self.rng.randrange(60)), ZoneInfo(ZONE))

    def _slots(self) -> list[tuple[Clinic, dict[str, Any]]]:
        """The clinics that ran, up to yesterday; published eight weeks before the first of them."""
        holidays, made = BankHolidays(use_cached_holidays=True), []
        days = [self.first + timedelta(days=n) for n in range(self.days)]
        working = [day for day in days if holidays.is_work_day(day, division=BankHolidays.ENGLAND_AND_WALES)]
        for clinic in self.clinics.values():
            if not clinic.planned.sessions:
                continue
            publication, count = self.archive.key(Publication), 0
            for day in working:
                for slot in self._day(clinic, day, publication):
                    made.append((clinic, slot))
                    count += 1
            self.archive.add(
                Publication, id=publication, organisation_id=clinic.clerk.organisation_id, source="demo",
                received_at=self._at(self.first - timedelta(days=56), 8), added=count, changed=0, unchanged=0,
                withdrawn=0, refused=0,
            )  # fmt: skip
        return made

    def _day(self, clinic: Clinic, day: date, publication: int) -> Iterator[dict[str, Any]]:
        service = self.directory.services[clinic.planned.key]
        for session in clinic.planned.sessions:
            if session.weekday != day.weekday() or not self._falls(
                f"runs {clinic.planned.key}", self._now(SESSIONS_RUN, day)
            ):
                continue
            begins = datetime.combine(day, time.fromisoformat(session.start), ZoneInfo(ZONE))
            for number in range(session.slots):
                starts = begins + timedelta(minutes=clinic.planned.minutes * number)
                yield self.archive.slot(
                    {
                        "service_id": service.id, "site_id": service.site_id,
                        "practitioner_id": self.directory.clinicians[clinic.planned.key][session.practitioner].id,
                        "provider_slot_id": f"{clinic.planned.key}-{starts:%Y%m%d-%H%M}", "starts_at": starts,
                        "ends_at": starts + timedelta(minutes=clinic.planned.minutes), "local_date": day,
                        "time_zone": ZONE, "appointment_type": "New appointment", "mode": session.mode,
                        "priorities": 7, "capacity": 1, "overbooked_places": 0, "publication_id": publication,
                    }
                )  # fmt: skip

    def _so_far(self, day: date) -> float:
        return min(1.0, max(0.0, (day - self.first).days / self.days))

    def _now(self, between: tuple[float, float], day: date) -> float:
        return between[0] + (between[1] - between[0]) * self._so_far(day)

    def _falls(self, what: str, share: float) -> bool:
        """Whether it is this one's turn, where so many of all are to have one.

        Evenly spread, not thrown: a month has few people, and chance would hide what changes from month to month.
        """
        self.shares[what] += share
        if self.shares[what] < 1:
            return False
        self.shares[what] -= 1
        return True

    _Planned = tuple[datetime, Clinic, str, Priority, Person, dict[str, Any]]

    def _planned(self, slots: list[tuple[Clinic, dict[str, Any]]]) -> Iterator[_Planned]:
        """Who had which place, referred on which day."""
        for clinic, slot in sorted(slots, key=lambda one: one[1]["starts_at"]):
            day: date = slot["local_date"]
            if not self._falls("taken", self._now(TAKEN, day)) or not self.grown_up:
                self.free[clinic.planned.key][day].append(slot)
                continue
            kind = self.rng.choice(clinic.planned.clinic_types)
            if kind == "130-CHILD" and not self.children:
                kind = "130-GLAUCOMA"
            person = (self.children if kind == "130-CHILD" else self.grown_up).popleft()
            priority = self._priority(clinic)
            wait = self._wait(priority, day, region.CLINIC_TYPES[kind][0])
            yield self._at(_weekday(day - timedelta(days=wait)), 9), clinic, kind, priority, person, slot

    def _priority(self, clinic: Clinic) -> Priority:
        taken = clinic.planned.priorities
        return self.rng.choices(taken, [PRIORITIES[one] for one in taken])[0]

    def _wait(self, priority: Priority, day: date, specialty: str) -> int:
        least, most, usual = (self._now(pair, day) for pair in zip(*WAITS[priority], strict=True))
        self.drawn[priority] += 1
        return max(2, round(_triangular(self.drawn[priority] * GOLDEN % 1, least, most, usual) * LONGER[specialty]))

    def _register(self, person: Person, at: datetime) -> int:
        return self.archive.patient(person.new, self.gps[person.practice], at, self.rng.randint(1, 10))

    def _live(
        self, began: datetime, clinic: Clinic, kind: str, priority: Priority, person: Person, slot: dict[str, Any]
    ) -> None:
        new = person.new
        referred = Referred(
            self._register(person, began - timedelta(hours=self.rng.randrange(1, 4_000))),
            Channel.EMAIL if new.email else Channel.SMS if new.mobile else Channel.LETTER, self.gps[person.practice],
            region.CLINIC_TYPES[kind][0], kind, priority, self.rng.choice(region.CONDITIONS[kind]),
            region.LETTER.format(weeks=self.rng.randrange(3, 23)), self._shortlist(clinic, kind, priority, person),
        )  # fmt: skip
        life = Life(self.archive, referred, began)
        self._offer(life, began, slot)
        room = slot["starts_at"] - began
        booked_at = began + room * self.rng.uniform(0.1, 0.8)
        if self._falls("met no time", self._now(MET_NO_TIME, began.date())):
            life.row["service_id"] = clinic.service_id
            at = began + room * 0.05
            life.do(at, life.patient, Action.DEFER_TO_PROVIDER, Why("NO_SLOTS"), {"service": clinic.service_id})
            life.news(at, "deferred")
            life.book(booked_at, clinic.clerk, slot)
        else:
            self._change_of_mind(life, clinic, began, booked_at)
            life.book(booked_at, life.patient, slot)
        reviewed = booked_at + (slot["starts_at"] - booked_at) * 0.4
        life.do(reviewed, clinic.clinician, Action.ACCEPT)
        self._end(life, clinic, slot["ends_at"], lead=(slot["starts_at"] - booked_at).days)

    def _change_of_mind(self, life: Life, clinic: Clinic, began: datetime, booked_at: datetime) -> None:
        """Some book a time, give it back and take another."""
        if self.rng.random() > 0.08:
            return
        free = self.free[clinic.planned.key]
        day = next((n for n in range(1, 60) if free.get(booked_at.date() + timedelta(days=n))), None)
        if day is not None:
            one = free[booked_at.date() + timedelta(days=day)][0]
            life.book(began + (booked_at - began) * 0.3, life.patient, one)
            given_back = began + (booked_at - began) * 0.7
            life.settle(given_back, life.patient, Action.CANCEL_APPOINTMENT_BY_PATIENT, Why("UNABLE_TO_ATTEND"))

    def _end(self, life: Life, clinic: Clinic, ended: datetime, lead: int) -> None:
        """Came, or did not; closed the same day or within a fortnight, in any case before today."""
        at = ended + timedelta(minutes=10)
        last = at + min(timedelta(days=self.rng.choice((0, 0, 0, 5, 12)), hours=1), (self.work.now - at) * 0.9)
        if self.rng.random() > (0.03 if lead < 14 else 0.07 if lead < 56 else 0.12):
            life.settle(at, clinic.clerk, Action.RECORD_ATTENDED)
            life.do(last, clinic.clinician, Action.CLOSE, Why(self.rng.choice(ENDS)))
            life.news(last, "referral-closed")
            return
        life.settle(at, clinic.clerk, Action.RECORD_DID_NOT_ATTEND, NO_REASON)
        life.do(last, life.referred.practice, Action.CANCEL_REFERRAL, Why("NO_LONGER_REQUIRED"))
        life.tell(last, "referral-cancelled", f"referral:{life.key}:cancelled")

    def _shortlist(self, clinic: Clinic, kind: str, priority: Priority, person: Person) -> list[int]:
        """Up to three services that take the referral, nearest first; where it was seen in any case."""
        fit = [
            one for one in self.clinics.values()
            if kind in one.planned.clinic_types and priority in one.planned.priorities and one.planned.sessions
        ]  # fmt: skip
        fit.sort(key=lambda one: (one is not clinic, self._far(one, person)))
        return [one.service_id for one in sorted(fit[:3], key=lambda one: self._far(one, person))]

    def _far(self, clinic: Clinic, person: Person) -> float:
        site = self.directory.sites[clinic.planned.site]
        return distance_km(
            person.new.latitude or 0.0, person.new.longitude or 0.0, site.latitude or 0.0, site.longitude or 0.0
        )  # fmt: skip

    def _offer(self, life: Life, began: datetime, slot: dict[str, Any]) -> None:
        """The times of the night's plan: some at one place only, more and more at several."""
        own = next(key for key, one in self.clinics.items() if one.service_id == slot["service_id"])
        night = (began + timedelta(days=1)).replace(hour=3, minute=0)
        others = [key for key, one in self.clinics.items() if one.service_id in life.referred.shortlist and key != own]
        wide = others if others and self._falls("choice", self._now(CHOICE, began.date())) else []
        found = [slot] if slot["starts_at"] > night else []
        for key in (own, *wide):
            ahead = (self.free[key].get(night.date() + timedelta(days=n)) for n in range(3, 40))
            found += next(([slots[0]] for slots in ahead if slots), [])
        life.offer(night, found[:4], OFFERED)


def _triangular(share: float, least: float, most: float, usual: float) -> float:
    """What that share of people wait at most."""
    bend = (usual - least) / (most - least)
    if share < bend:
        return least + sqrt(share * (most - least) * (usual - least))
    return most - sqrt((1 - share) * (most - least) * (most - usual))


def _weekday(day: date) -> date:
    """The day, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))
