"""A scenario into an empty database: real organisations, sites and waiting lists, invented people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, select

from booking.domain.ids import new_ubrn
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    BookingMode,
    Channel,
    ClockState,
    ConsultationMode,
    Language,
    OrganisationKind,
    Priority,
    Role,
    Sex,
    SlotStatus,
    Worklist,
)
from booking.domain.worklists import contact_by
from booking.models import (
    Organisation,
    Patient,
    Referral,
    ReferralEvent,
    ReferralService,
    Service,
    ServicePriority,
    Site,
    Slot,
    Specialty,
)
from booking.scenario.data import Data
from booking.scenario.england import SLOT_MINUTES, TARGET_DAYS, England, slot_instants
from booking.services import audit
from booking.services.bulk import continue_keys, insert
from booking.services.holidays import bank_holidays
from booking.services.work import Work
from optimiser.arrays import I64

PRIORITIES = (Priority.ROUTINE, Priority.URGENT, Priority.TWO_WEEK_WAIT)
FIRST_NHS_NUMBER = 900_000_000
"""The first nine digits of the first patient: a range that is given to nobody."""
GIVEN = ("Ada", "Ben", "Cora", "Dev", "Elsie", "Farid", "Grace", "Hugo", "Iris", "Jon", "Kezia", "Leo", "Maya", "Noor")
FAMILY = ("Ash", "Birch", "Cedar", "Dale", "Elm", "Fell", "Glen", "Heath", "Isle", "Juniper", "Knoll", "Lea", "Moor")
WINDOW_DAYS = 182


class NotEmpty(RuntimeError):
    """A scenario goes into an empty database only."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows went in, by table."""

    rows: dict[str, int]


def load(work: Work, data: Data, england: England, *, seed: int) -> Loaded:
    """Fill the empty database in the caller's transaction; :class:`NotEmpty` where it is not."""
    if work.session.scalar(select(Organisation.id).limit(1)) is not None:
        raise NotEmpty("The database holds organisations already: a scenario needs an empty one of its own.")
    connection = work.session.connection()
    filler = _Filler(connection, data, england, work.now, np.random.default_rng([seed, 1]), {})
    filler.directory()
    filler.slots()
    filler.people()
    continue_keys(connection, [_table(m) for m in (Organisation, Site, Service, Slot, Patient, Referral)])
    audit.record(work, "scenario:england", "scenario.load", after={**filler.rows, "as_of": england.as_of.isoformat()})
    return Loaded(filler.rows)


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


@dataclass(slots=True)
class _Filler:
    connection: Connection
    data: Data
    england: England
    now: datetime
    rng: np.random.Generator
    rows: dict[str, int]

    def put(self, model: Any, columns: str, rows: Iterator[Any] | list[Any]) -> None:
        table = _table(model)
        self.rows[table.name] = insert(self.connection, table, columns.split(), rows)

    def directory(self) -> None:
        names = self.data.names()
        self.put(Specialty, "code name", [(code, names[code]) for code in self.england.functions])
        self.put(
            Organisation,
            "id ods_code kind name postcode latitude longitude commissioner_id version",
            self._organisations(),
        )
        sites, providers = self.data.sites, self._providers()
        columns = zip(
            sites.code, sites.name, sites.more["sector"], sites.more["postcode"], sites.latitude.tolist(),
            sites.longitude.tolist(), sites.more["provider_ods_code"], strict=True,
        )  # fmt: skip
        self.put(
            Site,
            "id ods_code organisation_id name sector postcode latitude longitude time_zone step_free",
            (
                (at, code, providers[provider], name, sector, postcode, lat, lon, "Europe/London", True)
                for at, (code, name, sector, postcode, lat, lon, provider) in enumerate(columns, 1)
            ),
        )
        self.put(
            Service,
            "id organisation_id site_id name specialty_code booking_mode min_age max_age operational_from "
            "polling_range_days indicative_wait_days interpreters letter_required instructions nationally_visible "
            "version contact_by",
            self._services(names),
        )
        self.put(
            ServicePriority,
            "service_id priority window_from_days window_to_days",
            (
                (service, priority, 0, WINDOW_DAYS)
                for service in range(1, len(self.england.service_site) + 1)
                for priority in PRIORITIES
            ),
        )

    def _providers(self) -> dict[str, int]:
        """Keys of the providers: after the commissioners and the practices."""
        first = len(self.data.commissioners) + len(self.data.practices) + 1
        codes = sorted(set(self.data.sites.more["provider_ods_code"]))
        return {code: at for at, code in enumerate(codes, first)}

    def _organisations(self) -> Iterator[tuple[Any, ...]]:
        commissioners, practices, sites = self.data.commissioners, self.data.practices, self.data.sites
        key = {code: at for at, code in enumerate(commissioners.code, 1)}
        places = zip(commissioners.latitude.tolist(), commissioners.longitude.tolist(), strict=True)
        for at, (lat, lon) in enumerate(places):
            name = commissioners.name[at]
            yield at + 1, commissioners.code[at], OrganisationKind.COMMISSIONER, name, None, lat, lon, None, 1
        places = zip(practices.latitude.tolist(), practices.longitude.tolist(), strict=True)
        for at, (lat, lon) in enumerate(places):
            name, postcode = practices.name[at], practices.more["postcode"][at]
            owner = key.get(practices.more["commissioner"][at])
            number = len(commissioners) + at + 1
            yield number, practices.code[at], OrganisationKind.PRACTICE, name, postcode, lat, lon, owner, 1
        names = dict(zip(sites.more["provider_ods_code"], sites.more["provider_name"], strict=True))
        for code, number in self._providers().items():
            yield number, code, OrganisationKind.PROVIDER, names[code], None, None, None, None, 1

    def _services(self, names: dict[str, str]) -> Iterator[tuple[Any, ...]]:
        england, sites, providers = self.england, self.data.sites, self._providers()
        pairs = zip(england.service_site.tolist(), england.service_function.tolist(), strict=True)
        opened = england.as_of - timedelta(days=365)
        for at, (site, function) in enumerate(pairs, 1):
            code = england.functions[function]
            # The site's code keeps the name unique within a provider with two sites of one name.
            name = f"{names[code]}, {sites.name[site]} ({sites.code[site]})"
            yield (
                at, providers[sites.more["provider_ods_code"][site]], site + 1, name[:200], code,
                BookingMode.DIRECTLY_BOOKABLE, 0, 150, opened, WINDOW_DAYS, None, True, False, "", True, 1, {},
            )  # fmt: skip

    def slots(self) -> None:
        england = self.england
        start, _ = slot_instants(england)
        site = england.service_site[england.slot_service] + 1
        columns = (england.slot_service + 1, site, england.slot_day, england.slot_places, start)
        dates = [england.as_of + timedelta(days=day) for day in range(int(england.slot_day.max(initial=0)) + 1)]
        self.put(
            Slot,
            "id service_id site_id provider_slot_id starts_at ends_at local_date time_zone appointment_type mode "
            "priorities capacity status version",
            (
                (
                    at, service, place, f"E{at}", _instant(minute), _instant(minute + SLOT_MINUTES), dates[day],
                    "Europe/London", "New appointment", ConsultationMode.IN_PERSON, 7, capacity,
                    SlotStatus.PUBLISHED, 1,
                )
                for at, (service, place, day, capacity, minute) in enumerate(
                    zip(*(column.tolist() for column in columns), strict=True), 1
                )
            ),
        )  # fmt: skip

    def people(self) -> None:
        england, practices = self.england, self.data.practices
        count = len(england)
        home = england.practice
        born = self.rng.integers(1, 90 * 365, count)
        female = self.rng.random(count) < 0.5
        practice = (home + len(self.data.commissioners) + 1).tolist()
        lat, lon = practices.latitude[home].tolist(), practices.longitude[home].tolist()
        postcode = practices.more["postcode"]
        births = [england.as_of - timedelta(days=days) for days in born.tolist()]
        numbers = nhs_numbers(count)
        self.put(
            Patient,
            "id nhs_number given_name family_name date_of_birth sex postcode latitude longitude practice_id email "
            "step_free video_possible unsuitable_times version created_at channel language large_print",
            (
                (
                    at + 1, numbers[at], GIVEN[at % len(GIVEN)], f"{FAMILY[at % len(FAMILY)]} {at + 1}", births[at],
                    Sex.FEMALE if woman else Sex.MALE, postcode[where], lat[at], lon[at], practice[at],
                    f"patient{at + 1}@example.invalid", False, True, 0, 1, self.now,
                    Channel.EMAIL, Language.ENGLISH, False,
                )
                for at, (where, woman) in enumerate(zip(home.tolist(), female.tolist(), strict=True))
            ),
        )  # fmt: skip
        self.put(
            Referral,
            "id ubrn patient_id practice_id referrer specialty_code priority reason clinical_information "
            "rtt_clock_start due_date state version created_at worklist worklist_organisation_id worklist_since "
            "worklist_due rtt_clock_state letter_outstanding",
            self._referrals(practice),
        )
        self.put(
            ReferralEvent,
            "referral_id sequence action to_state from_state actor role at detail",
            (
                (
                    at, 1, Action.ISSUE, ReferralState.NOT_BOOKED, ReferralState.DRAFT, "scenario", Role.SYSTEM,
                    self.now, {},
                )
                for at in range(1, count + 1)
            ),
        )  # fmt: skip
        lists = england.lists.of(england.list_of)
        sizes = np.diff(lists.indptr)
        row = np.repeat(np.arange(1, count + 1), sizes)
        position = np.arange(len(row)) - np.repeat(lists.indptr[:-1], sizes) + 1
        self.put(
            ReferralService,
            "referral_id service_id position",
            zip(row.tolist(), (lists.service + 1).tolist(), position.tolist(), strict=True),
        )

    def _referrals(self, practice: list[int]) -> Iterator[tuple[Any, ...]]:
        england = self.england
        ubrns = _ubrns(len(england))
        awaiting = Worklist.AWAITING_BOOKING
        by = {one: contact_by(awaiting, one, england.as_of, bank_holidays()) for one in Priority}
        people = zip(england.function.tolist(), england.priority.tolist(), england.waited.tolist(), strict=True)
        for at, (function, priority, waited) in enumerate(people):
            start = england.as_of - timedelta(days=waited)
            yield (
                at + 1, ubrns[at], at + 1, practice[at], "Dr Scenario", england.functions[function],
                PRIORITIES[priority], "Scenario", "", start, start + timedelta(days=TARGET_DAYS[priority]),
                ReferralState.NOT_BOOKED, 1, self.now, Worklist.AWAITING_BOOKING, practice[at], self.now,
                by[PRIORITIES[priority]], ClockState.RUNNING, False,
            )  # fmt: skip


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def _ubrns(count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found[new_ubrn()] = None
    return list(found)


def nhs_numbers(count: int) -> list[str]:
    """Valid numbers (modulus 11), one after another from :data:`FIRST_NHS_NUMBER`, all at once."""
    body: I64 = FIRST_NHS_NUMBER + np.arange(count + count // 8 + 10, dtype=np.int64)
    digits = body[:, None] // 10 ** np.arange(8, -1, -1, dtype=np.int64)[None, :] % 10
    check = (11 - (digits * np.arange(10, 1, -1)).sum(axis=1) % 11) % 11
    fine = check != 10
    return [f"{nine:09d}{last}" for nine, last in zip(body[fine].tolist(), check[fine].tolist(), strict=True)][:count]
