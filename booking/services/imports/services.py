"""A file of services into the directory: what a provider offers at a site, with its priorities and clinic types."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.words import BookingMode, OrganisationKind, Priority
from booking.models import ClinicType, Organisation, Service, ServiceClinicType, ServicePriority, Site
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
        "indicative_wait_days", "instructions", "clinic_types", REASON,
    }
)  # fmt: skip
LONGEST_WINDOW_DAYS = 730
Name = tuple[int, str]
"""The provider's key and the service's name."""


class Known(NamedTuple):
    """A service as it is in the directory; new ones have nothing."""

    service: Service | None
    priorities: dict[Priority, ServicePriority]
    clinic_types: dict[str, ServiceClinicType]


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
            "specialty_code": cells.read(cell.read_specialty, "specialty"),
            "booking_mode": cells.maybe(_mode, "booking_mode") or BookingMode.DIRECTLY_BOOKABLE,
            "priorities": cells.maybe(_priorities, "priorities") or 7,
            "min_age": youngest,
            "max_age": oldest,
            "sex": cells.maybe(cell.read_sex, "sex"),
            "operational_from": first,
            "operational_to": last,
            "polling_range_days": cells.maybe(cell.read_whole, "polling_range_days", 1, LONGEST_WINDOW_DAYS) or 182,
            "indicative_wait_days": cells.maybe(cell.read_whole, "indicative_wait_days", 0, 1000),
            "instructions": cells.text("instructions"),
            "clinic_types": cells.read(cell.read_clinic_types, "clinic_types") if cells.has("clinic_types") else None,
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
        good = [row for row in rows if row not in refused]
        there = _there(work, good)
        wrong = _wrong_clinic_types(work, good, there)
        self._write(work, [row.values for row in good if row not in wrong], there, report)
        return refused | wrong

    def _write(self, work: Work, rows: list[Values], there: dict[Name, Known], report: Report) -> None:
        for row in rows:
            bits, codes = row.pop("priorities"), row.pop("clinic_types")
            found, taken, offered = there.get((row["organisation_id"], row["name"]), Known(None, {}, {}))
            if found is None:
                found = Service(**row)
                work.session.add(found)
                work.session.flush()
                report.counts["added"] += 1
            elif _differs(found, row, taken, bits) or (codes is not None and codes != offered.keys()):
                for name, value in row.items():
                    setattr(found, name, value)
                found.version += 1
                report.counts["changed"] += 1
            else:
                report.counts["unchanged"] += 1
                continue
            _set_priorities(work, found, taken, bits)
            _set_clinic_types(work, found, offered, codes)
        work.session.flush()
        work.session.expunge_all()


def _in_order(cells: Cells, column: str, first: Any, last: Any, highest: Any) -> None:
    if first is not None and (highest if last is None else last) < first:
        cells.faults.append(RowFault(column, "before what it should follow"))


def _there(work: Work, rows: list[Parsed]) -> dict[Name, Known]:
    """The services of these names that are in the directory."""
    names = [(row.values["organisation_id"], row.values["name"]) for row in rows]
    query = select(Service).where(tuple_(Service.organisation_id, Service.name).in_(names))
    found = {service.id: Known(service, {}, {}) for service in work.session.scalars(query)}
    for priority in work.session.scalars(select(ServicePriority).where(ServicePriority.service_id.in_(found))):
        found[priority.service_id].priorities[priority.priority] = priority
    for offered in work.session.scalars(select(ServiceClinicType).where(ServiceClinicType.service_id.in_(found))):
        found[offered.service_id].clinic_types[offered.clinic_type_code] = offered
    return {(known.service.organisation_id, known.service.name): known for known in found.values() if known.service}


def _wrong_clinic_types(work: Work, rows: list[Parsed], there: dict[Name, Known]) -> dict[Parsed, RowFault]:
    """Rows whose clinic types, given or kept, are unknown or of another specialty than the service would be."""
    wanted: dict[Parsed, frozenset[str]] = {}
    for row in rows:
        known = there.get((row.values["organisation_id"], row.values["name"]))
        given = row.values["clinic_types"]
        wanted[row] = frozenset(known.clinic_types if known else ()) if given is None else given
    kinds = existing(work.session, ClinicType, "code", sorted(frozenset[str]().union(*wanted.values())))
    refused: dict[Parsed, RowFault] = {}
    for row, codes in wanted.items():
        specialty = row.values["specialty_code"]
        column = "specialty" if row.values["clinic_types"] is None else "clinic_types"
        reasons = [f"there is no clinic type {code}" for code in sorted(codes - kinds.keys())]
        reasons += [
            f"clinic type {code} is of specialty {kinds[code].specialty_code}, not {specialty}"
            for code in sorted(codes & kinds.keys())
            if kinds[code].specialty_code != specialty
        ]
        if reasons:
            refused[row] = RowFault(column, "; ".join(reasons))
    return refused


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


def _set_clinic_types(
    work: Work, service: Service, offered: dict[str, ServiceClinicType], codes: frozenset[str] | None
) -> None:
    """The clinic types the service offers; None leaves them as they are."""
    if codes is None:
        return
    for code in sorted(codes - offered.keys()):
        work.session.add(ServiceClinicType(service_id=service.id, clinic_type_code=code))
    for code in sorted(offered.keys() - codes):
        work.session.delete(offered[code])


def _mode(text: str, column: str) -> BookingMode:
    try:
        return BookingMode("_".join(text.upper().split()))
    except ValueError:
        raise RowFault(column, f"one of {', '.join(BookingMode)}") from None


def _priorities(text: str, column: str) -> int:
    return cell.read_priorities(text)
