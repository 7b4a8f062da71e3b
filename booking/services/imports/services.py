"""A file of services into the directory: what a provider offers at a site, with its priorities."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select, tuple_

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.specialties import SPECIALTIES
from booking.domain.words import BookingMode, OrganisationKind, Priority, Sex
from booking.models import Organisation, Service, ServicePriority, Site
from booking.services.imports import cells as cell
from booking.services.imports.cells import RowFault
from booking.services.imports.loading import Cells, Parsed, Values
from booking.services.imports.report import REASON, Report
from booking.services.imports.upserting import existing
from booking.services.work import Work

REQUIRED = ("provider", "site", "name", "specialty", "operational_from")
OPTIONAL = frozenset(
    {
        "booking_mode", "priorities", "min_age", "max_age", "sex", "operational_to", "polling_range_days",
        "indicative_wait_days", "instructions", REASON,
    }
)  # fmt: skip
LONGEST_WINDOW_DAYS = 730


class Services:
    """A row is a service, named by provider and name; importing it again changes what differs."""

    key = ("provider", "name")

    def parse(self, cells: Cells) -> Values:
        first, last = cells.read(cell.read_date, "operational_from"), cells.maybe(cell.read_date, "operational_to")
        _in_order(cells, "operational_to", first, last, date.max)
        youngest = cells.maybe(cell.read_whole, "min_age", 0, 150) or 0
        oldest = cells.maybe(cell.read_whole, "max_age", 0, 150) if cells.text("max_age") else 150
        _in_order(cells, "max_age", youngest, oldest, 150)
        return {
            "provider": cells.read(cell.read_ods_code, "provider"),
            "site": cells.read(cell.read_ods_code, "site"),
            "name": cells.read(cell.read_text, "name", 200),
            "specialty_code": cells.read(_specialty, "specialty"),
            "booking_mode": cells.maybe(_mode, "booking_mode") or BookingMode.DIRECTLY_BOOKABLE,
            "priorities": cells.maybe(_priorities, "priorities") or 7,
            "min_age": youngest,
            "max_age": oldest,
            "sex": cells.maybe(_sex, "sex"),
            "operational_from": first,
            "operational_to": last,
            "polling_range_days": cells.maybe(cell.read_whole, "polling_range_days", 1, LONGEST_WINDOW_DAYS) or 182,
            "indicative_wait_days": cells.maybe(cell.read_whole, "indicative_wait_days", 0, 1000),
            "instructions": cells.text("instructions"),
        }

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        providers = existing(work.session, Organisation, "ods_code", sorted({row.values["provider"] for row in rows}))
        sites = existing(work.session, Site, "ods_code", sorted({row.values["site"] for row in rows}))
        refused: dict[Parsed, RowFault] = {}
        for row in rows:
            provider, site = providers.get(row.values.pop("provider")), sites.get(row.values.pop("site"))
            if provider is None or provider.kind is not OrganisationKind.PROVIDER:
                refused[row] = RowFault("provider", "no provider with this code is in the directory")
            elif site is None or site.organisation_id != provider.id:
                refused[row] = RowFault("site", "the provider has no site with this code")
            else:
                row.values.update(organisation_id=provider.id, site_id=site.id)
        self._write(work, [row.values for row in rows if row not in refused], report)
        return refused

    def _write(self, work: Work, rows: list[Values], report: Report) -> None:
        names = [(row["organisation_id"], row["name"]) for row in rows]
        query = select(Service).where(tuple_(Service.organisation_id, Service.name).in_(names))
        there = {(found.organisation_id, found.name): found for found in work.session.scalars(query)}
        taken = _taken(work, [found.id for found in there.values()])
        for row in rows:
            bits = row.pop("priorities")
            found = there.get((row["organisation_id"], row["name"]))
            if found is None:
                found = Service(**row)
                work.session.add(found)
                work.session.flush()
                report.counts["added"] += 1
            elif _differs(found, row, taken.get(found.id, {}), bits):
                for name, value in row.items():
                    setattr(found, name, value)
                found.version += 1
                report.counts["changed"] += 1
            else:
                report.counts["unchanged"] += 1
                continue
            _set_priorities(work, found, taken.get(found.id, {}), bits)
        work.session.flush()
        work.session.expunge_all()


def _in_order(cells: Cells, column: str, first: Any, last: Any, highest: Any) -> None:
    if first is not None and (highest if last is None else last) < first:
        cells.faults.append(RowFault(column, "before what it should follow"))


def _taken(work: Work, ids: list[int]) -> dict[int, dict[Priority, ServicePriority]]:
    found: dict[int, dict[Priority, ServicePriority]] = {}
    for row in work.session.scalars(select(ServicePriority).where(ServicePriority.service_id.in_(ids))):
        found.setdefault(row.service_id, {})[row.priority] = row
    return found


def _differs(found: Service, row: Values, taken: dict[Priority, ServicePriority], bits: int) -> bool:
    other = any(getattr(found, name) != value for name, value in row.items())
    return other or sum(PRIORITY_BIT[priority] for priority in taken) != bits


def _set_priorities(work: Work, service: Service, taken: dict[Priority, ServicePriority], bits: int) -> None:
    """The priorities the service takes. The booking window of one that it took before stays as it is."""
    for priority, bit in PRIORITY_BIT.items():
        if bits & bit and priority not in taken:
            last = service.polling_range_days
            work.session.add(
                ServicePriority(service_id=service.id, priority=priority, window_from_days=0, window_to_days=last)
            )
        elif not bits & bit and priority in taken:
            work.session.delete(taken[priority])


def _specialty(text: str, column: str) -> str:
    if text.upper() not in SPECIALTIES:
        raise RowFault(column, "not a treatment function code such as 330")
    return text.upper()


def _mode(text: str, column: str) -> BookingMode:
    try:
        return BookingMode("_".join(text.upper().split()))
    except ValueError:
        raise RowFault(column, f"one of {', '.join(BookingMode)}") from None


def _sex(text: str, column: str) -> Sex:
    if text.lower() not in (Sex.FEMALE, Sex.MALE):
        raise RowFault(column, "female, male, or empty for everybody")
    return Sex(text.lower())


def _priorities(text: str, column: str) -> int:
    return cell.read_priorities(text)
