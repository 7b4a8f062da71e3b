"""A file of services into the directory: what a provider offers at a site, with its priorities and clinic types."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select, tuple_

from booking.domain.eligibility import PRIORITY_BIT, Window
from booking.domain.service_definition import (
    LONGEST_INDICATIVE_WAIT,
    LONGEST_WINDOW_DAYS,
    OLDEST,
    Definition,
    faults_of,
    wrong_clinic_types,
)
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
        "indicative_wait_days", "instructions", "telephone", "clinic_types", REASON,
    }
)  # fmt: skip
_OTHERWISE = frozenset({"provider", "site", "specialty_code", "priorities", "clinic_types"})
"""Values of a row that a definition has under another name, or in another form."""
_TO_BE_SEEN = "000000"
"""Where the file has no telephone numbers, the service's own is looked at later."""
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
        oldest = cells.maybe(cell.read_whole, "max_age", 0, OLDEST)
        values = {
            "provider": cells.read(cell.read_ods_code, "provider"),
            "site": cells.read(cell.read_ods_code, "site"),
            "name": cells.read(cell.read_text, "name", 200),
            "specialty_code": cells.read(cell.read_specialty, "specialty"),
            "booking_mode": cells.maybe(_mode, "booking_mode") or BookingMode.DIRECTLY_BOOKABLE,
            "priorities": cells.maybe(_priorities, "priorities") or 7,
            "min_age": cells.maybe(cell.read_whole, "min_age", 0, OLDEST) or 0,
            "max_age": OLDEST if oldest is None else oldest,
            "sex": cells.maybe(cell.read_sex, "sex"),
            "operational_from": cells.read(cell.read_date, "operational_from"),
            "operational_to": cells.maybe(cell.read_date, "operational_to"),
            "polling_range_days": cells.maybe(cell.read_whole, "polling_range_days", 1, LONGEST_WINDOW_DAYS) or 182,
            "indicative_wait_days": cells.maybe(cell.read_whole, "indicative_wait_days", 0, LONGEST_INDICATIVE_WAIT),
            "instructions": cells.text("instructions"),
            **({"telephone": cells.text("telephone") or None} if cells.has("telephone") else {}),
            "clinic_types": cells.read(cell.read_clinic_types, "clinic_types") if cells.has("clinic_types") else None,
        }
        if not cells.faults:
            _check_together(cells, values)
        return values

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
        wrong = _wrong(work, good, there)
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


def _check_together(cells: Cells, values: Values) -> None:
    """The rules that every definition of a service keeps, however it comes in."""
    windows = {one: Window(0, LONGEST_WINDOW_DAYS) for one, bit in PRIORITY_BIT.items() if values["priorities"] & bit}
    taken = {name: value for name, value in values.items() if name not in _OTHERWISE}
    taken.setdefault("telephone", _TO_BE_SEEN)
    given = Definition(
        site=values["site"], specialty=values["specialty_code"], windows=windows,
        clinic_types=tuple(values["clinic_types"] or ()), **taken,
    )  # fmt: skip
    for fault in faults_of(given):
        cells.faults.append(RowFault(fault.field, fault.message[0].lower() + fault.message[1:].rstrip(".")))


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


def _wrong(work: Work, rows: list[Parsed], there: dict[Name, Known]) -> dict[Parsed, RowFault]:
    """Rows that do not go with what is there: clinic types, given or kept, unknown or of another specialty than the
    service would be; no telephone number, neither given nor kept."""
    wanted: dict[Parsed, frozenset[str]] = {}
    for row in rows:
        known = there.get((row.values["organisation_id"], row.values["name"]))
        given = row.values["clinic_types"]
        wanted[row] = frozenset(known.clinic_types if known else ()) if given is None else given
    kinds = existing(work.session, ClinicType, "code", sorted(frozenset[str]().union(*wanted.values())))
    refused: dict[Parsed, RowFault] = {}
    for row in rows:
        known = there.get((row.values["organisation_id"], row.values["name"]))
        number = row.values.get("telephone", known.service.telephone if known and known.service else None)
        if row.values["booking_mode"] is BookingMode.INDIRECTLY_BOOKABLE and not number:
            refused[row] = RowFault("booking_mode", "a service booked by telephone needs its number")
    for row, codes in wanted.items():
        specialty = row.values["specialty_code"]
        column = "specialty" if row.values["clinic_types"] is None else "clinic_types"
        reasons = wrong_clinic_types(specialty, codes, {code: kind.specialty_code for code, kind in kinds.items()})
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
