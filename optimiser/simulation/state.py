"""Who is where on a day: the list, the bookings, the places; and the record of everything that happened.

Every change goes through here, so that a place is never given twice, nobody is booked twice, and nobody is lost.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from optimiser.arrays import I32, I64
from optimiser.simulation.draws import Kind, cancels_after, gumbel, uniform
from optimiser.simulation.settings import HISTORY_DAYS, LATE_SHOW_DAYS, PUBLISHED_DAYS, SLOT_MINUTES
from optimiser.simulation.world import NEVER, World


class Where(IntEnum):
    """Where a referral is; the last three are ends."""

    TO_COME = 0
    WAITING = 1
    BOOKED = 2
    SEEN = 3
    DISCHARGED = 4  # did not come, once too often
    RETURNED = 5  # to the practice, after declining too often


class Fault(AssertionError):
    """The simulation did what must never happen: a place given twice, somebody booked twice or lost."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One time that a patient was offered something."""

    day: int
    person: int
    first: bool
    shown: int
    providers: bool  # whether there were two of these to choose from
    days: bool
    times: bool
    took: bool
    in_time: bool  # whether anything shown was within the target
    soonest: int  # days from clock start to the soonest shown


@dataclass(frozen=True, slots=True)
class Clock:
    """A wait that ended: by an appointment kept or missed, or with the referral returned."""

    person: int
    started: int
    ended: int
    end: Where
    lead: int  # days from booking to appointment; -1 if there was none
    declined_in_time: bool


@dataclass(frozen=True, slots=True)
class Clinic:
    """A session that was held."""

    day: int
    service: int
    places: int  # without those overbooked
    extra: int
    booked: int
    came: int
    shared: int  # slots for which two came
    overtime: int  # minutes


@dataclass(slots=True)
class Record:
    """Everything that happened, day by day, from day 0."""

    asked: list[Asking] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    clinics: list[Clinic] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)  # the day of each appointment cancelled by its patient
    displaced: list[int] = field(default_factory=list)  # the day of each one lost with its clinic
    plans: int = 0
    plan_seconds: float = 0.0


class State:
    """The region on a day, for one policy."""

    def __init__(self, world: World) -> None:
        sessions, people = world.sessions, world.people
        self.world = world
        self.behaviour = world.settings.behaviour
        self.day = -1
        self.record = Record()
        self.where = np.full(len(people), Where.TO_COME, np.int8)
        self.clock = people.day.astype(np.int64).copy()
        self.session = np.full(len(people), -1, np.int64)
        self.booked_on = np.zeros(len(people), np.int64)
        self.bookings = np.zeros(len(people), np.int64)
        self.asked = np.zeros(len(people), np.int64)
        self.declined = np.zeros(len(people), np.int64)
        self.missed = np.zeros(len(people), np.int64)
        self.ask_on = np.zeros(len(people), np.int64)
        self.first_asked = np.full(len(people), -1, np.int64)
        self.declined_in_time = np.zeros(len(people), np.bool_)
        self.free = np.zeros(len(sessions), np.int64)  # 0 until published
        self.extra = np.zeros(len(sessions), np.int64)
        self.places: list[list[int]] = [[] for _ in range(len(sessions))]  # who is on each place, -1 nobody
        self.displaced: list[int] = []
        self._leaving: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._at = np.searchsorted(sessions.day, np.arange(int(sessions.day.max(initial=0)) + 2))
        self._published = 0
        self._arrived = int(np.searchsorted(people.day, -NEVER))
        self._service_days = [sessions.day[own] for own in sessions.of_service]
        self._kept = np.zeros((2, len(world.weekly_places)))  # appointments missed and due, by service
        self._carried = np.zeros(len(world.weekly_places))

    # What a day brings, in this order

    def begin(self, day: int) -> I64:
        """Clinics are published, clinics are cancelled, appointments held, patients cancel, referrals come.

        Returns the sessions published on this day.
        """
        self.day = day
        fresh = self._publish()
        for session in np.flatnonzero(self.world.sessions.cancelled_on == day).tolist():
            self._cancel_clinic(session)
        for session in range(int(self._at[day]), int(self._at[day + 1])) if day > 0 else ():
            if self.world.sessions.cancelled_on[session] == NEVER:
                self._hold(session)
        for person, booking in self._leaving.pop(day, ()):
            if self.where[person] == Where.BOOKED and self.bookings[person] == booking:
                self._release(person)
                self._wait(person, day)
                self.record.cancelled.append(day)
        arrived = int(np.searchsorted(self.world.people.day, day, side="right"))
        listed = self.world.people.on_list
        for person in listed[(listed >= self._arrived) & (listed < arrived)].tolist():
            self._wait(person, day)
        self._arrived = arrived
        return fresh

    def _publish(self) -> I64:
        last = min(self.day + PUBLISHED_DAYS, len(self._at) - 2)
        fresh = np.arange(self._published, int(self._at[last + 1]))
        self._published = int(self._at[last + 1])
        for session in fresh.tolist():
            places, extra = int(self.world.sessions.places[session]), self._overbook(session)
            self.extra[session] = extra
            if self.world.sessions.cancelled_on[session] > self.day:
                self.free[session] = places + extra
            self.places[session] = [-1] * (places + extra)
        return fresh

    def _overbook(self, session: int) -> int:
        """Extra places of a session: the share of the service's own missed appointments, fractions carried on."""
        percent = self.world.settings.overbook
        if percent == 0:
            return 0
        service = int(self.world.sessions.service[session])
        missed, due = self._kept[:, service]
        rate = missed / due if due >= 50 else self.behaviour.no_show(self.behaviour.backlog_days[0])
        self._carried[service] += int(self.world.sessions.places[session]) * rate * percent / 100
        extra = int(self._carried[service])
        self._carried[service] -= extra
        return min(extra, int(self.world.sessions.places[session]))

    def _cancel_clinic(self, session: int) -> None:
        self.free[session] = 0
        for person in [p for p in self.places[session] if p >= 0]:
            self._leave_place(person)
            self._wait(person, self.day)
            self.displaced.append(person)
            self.record.displaced.append(self.day)
        self.free[session] = 0

    def _hold(self, session: int) -> None:
        """The session takes place: who comes, who does not, and how long the clinic works."""
        sessions, base = self.world.sessions, int(self.world.sessions.places[session])
        self.free[session] = 0
        came = np.zeros(base, np.int64)
        booked = 0
        for place, person in enumerate(self.places[session]):
            if person < 0:
                continue
            lead = self.day - int(self.booked_on[person])
            self.places[session][place] = -1
            self.session[person] = -1
            if self._cancels(person) == self.day:
                self.record.cancelled.append(self.day)
                self._wait(person, self.day)
                continue
            booked += 1
            absent = uniform(self.world.seed, Kind.NO_SHOW, person, int(self.bookings[person]))
            if absent < self.behaviour.no_show(lead):
                self._miss(person, lead)
                self._kept[0, sessions.service[session]] += 1
            else:
                self._end(person, Where.SEEN, lead)
                came[self._slot(session, place)] += 1
            self._kept[1, sessions.service[session]] += 1
        self.record.clinics.append(
            Clinic(
                self.day, int(sessions.service[session]), base, int(self.extra[session]), booked, int(came.sum()),
                int((came > 1).sum()), overtime(came),
            )
        )  # fmt: skip

    def _slot(self, session: int, place: int) -> int:
        """The slot of a place: extra places are spread evenly, the first one on the first slot."""
        base = int(self.world.sessions.places[session])
        return place if place < base else (place - base) * base // int(self.extra[session])

    def _cancels(self, person: int) -> int:
        """The day on which the patient would cancel the present booking."""
        days = cancels_after(
            self.behaviour.cancel_a_day, self.world.seed, Kind.CANCEL, person, int(self.bookings[person])
        )
        return int(self.booked_on[person]) + days

    def _miss(self, person: int, lead: int) -> None:
        """The clock ends with a missed appointment; who comes back begins a new one, as waiting times are counted."""
        self.missed[person] += 1
        self._end(person, Where.DISCHARGED, lead)
        if self.missed[person] <= self.behaviour.comes_back:
            self.clock[person], self.declined[person] = self.day, 0
            self.declined_in_time[person] = False
            self._wait(person, self.day)

    def _end(self, person: int, end: Where, lead: int) -> None:
        self.record.clocks.append(
            Clock(person, int(self.clock[person]), self.day, end, lead, bool(self.declined_in_time[person]))
        )
        self.where[person] = end

    def _wait(self, person: int, ask_on: int) -> None:
        self.where[person], self.ask_on[person] = Where.WAITING, ask_on

    # What a policy may do

    def waiting(self) -> list[int]:
        """Those on the list who may be asked today, by number; who lost their clinic are in ``displaced`` too."""
        return np.flatnonzero((self.where == Where.WAITING) & (self.ask_on <= self.day)).tolist()

    def take_displaced(self) -> list[int]:
        """Those whose clinic was cancelled and who have not been asked since: first in line."""
        first, self.displaced = [p for p in self.displaced if self.where[p] == Where.WAITING], []
        return first

    def sessions_of(self, service: int, first_day: int, last_day: int) -> I64:
        """Published sessions of a service on these days, counted from today, by day."""
        days = self._service_days[service]
        last = min(self.day + last_day, self.day + PUBLISHED_DAYS)
        low, high = np.searchsorted(days, (self.day + first_day, last + 1))
        return self.world.sessions.of_service[service][low:high]

    def ask(self, person: int, offers: list[int]) -> int:
        """Show these sessions, best first; the patient takes one or declines. The session taken, or -1."""
        if self.where[person] != Where.WAITING:
            raise Fault(f"person {person} is asked and not waiting")
        sessions = self.world.sessions
        due = int(self.clock[person]) + self.behaviour.target_days[int(self.world.people.priority[person])]
        chosen = self._chooses(person, offers)
        days, at = sessions.day[offers], sessions.part[offers] % 3
        in_time = bool((days <= due).any())
        self.record.asked.append(
            Asking(
                self.day, person, bool(self.asked[person] == 0), len(offers),
                len(set(sessions.provider[offers].tolist())) > 1, int(days.max() - days.min()) >= LATE_SHOW_DAYS,
                len(set(at.tolist())) > 1, chosen >= 0, in_time,
                int(days.min()) - int(self.clock[person]),
            )
        )  # fmt: skip
        if self.first_asked[person] < 0:
            self.first_asked[person] = self.day
        self.asked[person] += 1
        if chosen >= 0:
            self._book(person, chosen)
            return chosen
        self.declined[person] += 1
        self.declined_in_time[person] |= in_time
        if self.declined[person] >= self.behaviour.most_declines:
            self._end(person, Where.RETURNED, -1)
        else:
            again = self.behaviour.asked_again_days[int(self.world.people.priority[person])]
            self._wait(person, self.day + again)
        return -1

    def _chooses(self, person: int, offers: list[int]) -> int:
        """Multinomial logit by its random utilities: each half-day has its own taste, the same under every policy."""
        people, sessions, how, seed = self.world.people, self.world.sessions, self.behaviour, self.world.seed
        best, most = -1, gumbel(seed, Kind.DECLINE, person, int(self.asked[person]))
        for session in offers:
            listed = people.services[person].tolist().index(int(sessions.service[session]))
            value = how.attraction + how.wait_a_day * (int(sessions.day[session]) - self.day)
            value += how.travel_a_km * float(people.km[person, listed])
            if int(sessions.part[session]) % 3 == int(people.likes[person]):
                value += how.liked_time
            value += gumbel(seed, Kind.TASTE, person, session)
            if value > most:
                best, most = session, value
        return best

    def _book(self, person: int, session: int) -> None:
        if self.free[session] <= 0 or self.world.sessions.day[session] <= self.day or self.session[person] >= 0:
            raise Fault(f"person {person} can't be booked in session {session} on day {self.day}")
        self.places[session][self.places[session].index(-1)] = person
        self.free[session] -= 1
        self.session[person], self.where[person] = session, Where.BOOKED
        self.booked_on[person] = self.day
        self.bookings[person] += 1
        leaves = self._cancels(person)
        if leaves < self.world.sessions.day[session]:
            self._leaving[leaves].append((person, int(self.bookings[person])))

    def _release(self, person: int) -> None:
        session = self._leave_place(person)
        self.free[session] += 1

    def _leave_place(self, person: int) -> int:
        session = int(self.session[person])
        self.places[session][self.places[session].index(person)] = -1
        self.session[person] = -1
        return session

    def check(self) -> None:
        """Raise Fault unless bookings, places and the list agree."""
        booked = np.flatnonzero(self.where == Where.BOOKED)
        held = sorted(p for places in self.places for p in places if p >= 0)
        if held != booked.tolist():
            raise Fault("the places and the bookings differ")
        if bool((self.session[booked] < 0).any()) or bool((self.free < 0).any()):
            raise Fault("a session is overfull")

    def counts(self) -> I32:
        """How many are where, by ``Where``."""
        return np.bincount(self.where, minlength=len(Where)).astype(np.int32)


def history(state: State) -> I64:
    """Referrals of each whole day of the last weeks by nearest service: [service, priority, day], the newest last."""
    people = state.world.people
    first = state.day - HISTORY_DAYS
    low, high = np.searchsorted(people.day, (first, state.day))
    counts = np.zeros((len(state.world.weekly_places), 3, HISTORY_DAYS), np.int64)
    where = (people.services[low:high, 0], people.priority[low:high], people.day[low:high] - first)
    np.add.at(counts, where, 1)
    return counts


def overtime(came: I64) -> int:
    """Minutes a session works beyond its end, from how many came to each slot; each takes one slot's time.

    Whoever is seen by the clinician keeps the next one waiting: a slot starts when it is time and the last is done.
    """
    done = 0
    for slot, count in enumerate(came.tolist()):
        if count:
            done = max(done, slot * SLOT_MINUTES) + count * SLOT_MINUTES
    return max(0, done - len(came) * SLOT_MINUTES)
