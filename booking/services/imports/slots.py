"""A file of slots, of any length, into the database: all of it or nothing, or the good rows of it.

Twice through the file: first every row is checked, without a lock on anything; only a file without a bad row
is then stored, in one transaction. ``keep_good`` goes through once. Memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.errors import Invalid
from booking.domain.slot import Outcome, Result
from booking.domain.times import zone
from booking.models import Organisation, Practitioner, Service, Site
from booking.services import publishing
from booking.services.imports.reading import BadCell, TableFile, TableRow
from booking.services.imports.report import BadRows, ImportRefused, Report, Step
from booking.services.imports.slot_rows import OPTIONAL, REQUIRED, Catalogue, SlotParser
from booking.services.slot_writing import SET_SIZE, AtService, Item, SlotWriter
from booking.services.work import Work

BadRow = tuple[TableRow | BadCell, list[BadCell]]


@dataclass(slots=True)
class SlotFile:
    """A file of slots opened for import; ``service`` where all its rows are for one."""

    table: TableFile
    catalogue: Catalogue
    service: AtService | None = None

    def parts(self) -> Iterator[Part]:
        """The file in sets, each row of them either an item or bad; the same slot twice is bad."""
        parser, seen, part = SlotParser(self.table, self.catalogue, self.service), _Seen(), Part()
        for row in self.table:
            part.rows += 1
            if isinstance(row, BadCell):
                part.bad.append((row, [row]))
            else:
                parsed = parser.parse(row)
                if isinstance(parsed, Item):
                    part.good.append(parsed)
                else:
                    part.bad.append((row, parsed))
            if part.rows >= SET_SIZE:
                yield self._without_repeats(part, seen)
                part = Part()
        yield self._without_repeats(part, seen)
        seen.close()

    def _without_repeats(self, part: Part, seen: _Seen) -> Part:
        repeats = seen.add(part.good)
        for item, line in repeats.items():
            bad = self.table.bad(item.token, "slot_id", f"the same slot as in line {line}")
            part.bad.append((item.token, [bad]))
        if repeats:
            part.good = [item for item in part.good if item not in repeats]
        return part


@dataclass(slots=True)
class Part:
    rows: int = 0
    good: list[Item] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


class _Seen:
    """Which slots the file has named so far: in a temporary database on disk, so that memory stays flat.

    Names are kept as 64-bit hashes; among a million, one pair meets by chance in 37 million files.
    """

    def __init__(self) -> None:
        self._store = sqlite3.connect("", isolation_level=None)
        self._store.execute("PRAGMA journal_mode=OFF")
        self._store.execute("CREATE TABLE seen (name INTEGER PRIMARY KEY, line INTEGER NOT NULL)")

    def add(self, items: Sequence[Item]) -> dict[Item, int]:
        """Note the items; those that were there before, with the line they were on."""
        rows = [(_hash(item), item.token.line) for item in items]
        self._store.execute("BEGIN")
        self._store.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        self._store.execute("COMMIT")
        repeats = {}
        for item, (name, line) in zip(items, rows, strict=True):
            first = self._store.execute("SELECT line FROM seen WHERE name = ?", (name,)).fetchone()[0]
            if first != line:
                repeats[item] = first
        return repeats

    def close(self) -> None:
        self._store.close()


def _hash(item: Item) -> int:
    name = f"{item.service.id}\0{item.slot.provider_slot_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def open_slots(
    session: Session, path: Path, *, service: str | None = None, organisation_id: int | None = None
) -> SlotFile:  # fmt: skip
    """Open a file of slots against the directory. Raises :class:`FileRefused` for what is no such table.

    ``service`` is a service's key, or ``RA1/Name of the service``; without it the file needs a service column.
    With ``organisation_id`` there are only that provider's services and clinicians.
    """
    required = REQUIRED if service is not None else (*REQUIRED, "service")
    table = TableFile(path, required=required, optional=OPTIONAL - set(required))
    catalogue, by_key = _catalogue(session, organisation_id)
    return SlotFile(table, catalogue, None if service is None else _named(service, catalogue, by_key))


def _catalogue(session: Session, only: int | None = None) -> tuple[Catalogue, dict[int, AtService]]:
    services: dict[tuple[str, str], AtService] = {}
    by_name: dict[str, list[AtService]] = defaultdict(list)
    by_key: dict[int, AtService] = {}
    query = (
        select(Service.id, Service.site_id, Service.name, Organisation.id.label("owner"), Organisation.ods_code)
        .add_columns(Site.time_zone)
        .join(Organisation, Organisation.id == Service.organisation_id)
        .join(Site, Site.id == Service.site_id)
    )
    rows = session.execute(query if only is None else query.where(Service.organisation_id == only))
    for row in rows:
        found = AtService(row.id, row.site_id, zone(row.time_zone), row.owner)
        services[row.ods_code, row.name.lower()] = found
        by_name[row.name.lower()].append(found)
        by_key[row.id] = found
    people = select(Practitioner.organisation_id, Practitioner.identifier, Practitioner.id)
    clinicians = session.execute(people if only is None else people.where(Practitioner.organisation_id == only))
    practitioners = {(row.organisation_id, row.identifier): row.id for row in clinicians}
    return Catalogue(services, by_name, practitioners), by_key


def _named(text: str, catalogue: Catalogue, by_key: dict[int, AtService]) -> AtService:
    provider, _, name = text.partition("/")
    found = by_key.get(int(text)) if text.isdigit() else catalogue.services.get((provider.upper(), name.lower()))
    if found is None:
        message = f"There is no service {text!r}: give its key, or RA1/Its name."
        raise Invalid.field("service", "SERVICE_UNKNOWN", message)
    return found


def check_slots(opened: SlotFile, step: Step) -> Report:
    """Go through the file and report every bad row; nothing is written and no lock is held."""
    report = Report(opened.table.name)
    for part in opened.parts():
        report.rows += part.rows
        for _, cells in part.bad:
            report.refuse(cells)
        step(report.rows, opened.table.position)
    return report


def store_slots(work: Work, opened: SlotFile, step: Step, *, keep: BadRows | None) -> Report:
    """Store the file in this transaction. Raises :class:`ImportRefused` at its end where a row was refused.

    With ``keep``, good rows are stored and bad ones written there: the caller commits, then keeps that file.
    """
    report = Report(opened.table.name)
    publication = publishing.begin(work, source=f"file {opened.table.name}", organisation_id=_owner(opened))
    writer = SlotWriter(work, publication.id)
    totals: Counter[Result] = Counter()

    def refuse(row: TableRow | BadCell, cells: list[BadCell]) -> None:
        report.refuse(cells)
        totals[Result.REFUSED] += 1
        if keep is not None:
            keep.add(row, cells)

    def count(decided: list[tuple[Item, Outcome]]) -> None:
        for item, outcome in decided:
            if outcome.result is Result.REFUSED:
                refuse(item.token, [_refusal(opened.table, item, outcome)])
            else:
                totals[outcome.result] += 1

    for part in opened.parts():
        report.rows += part.rows
        for row, cells in part.bad:
            refuse(row, cells)
        if part.good:
            count(writer.put(part.good))
        step(report.rows, opened.table.position)
    count(writer.finish())
    if report.refused and keep is None:
        raise ImportRefused(report)
    publishing.end(work, publication, totals, overbooked=writer.overbooked)
    report.counts = Counter({result.value: totals[result] for result in Result if totals[result]})
    report.counts.pop(Result.REFUSED.value, None)
    report.stored = True
    return report


def _owner(opened: SlotFile) -> int | None:
    """The provider where the file can only be one's; None where it may be several's."""
    if opened.service is not None:
        return opened.service.organisation_id
    owners = {service.organisation_id for service in opened.catalogue.services.values()}
    return owners.pop() if len(owners) == 1 else None


def _refusal(table: TableFile, item: Item, outcome: Outcome) -> BadCell:
    column = "practitioner" if outcome.code == "PRACTITIONER_ELSEWHERE" else "slot_id"
    return table.bad(item.token, column, outcome.message or "refused")
