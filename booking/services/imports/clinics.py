"""Clinicians and clinic types into the directory: what files of slots and of services name."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.words import OrganisationKind
from booking.models import ClinicType, Organisation, Practitioner, Referral, ServiceClinicType
from booking.services.imports import cells as cell
from booking.services.imports.cells import RowFault
from booking.services.imports.directory import count
from booking.services.imports.loading import Cells, Parsed, Values
from booking.services.imports.report import REASON, Report
from booking.services.imports.upserting import existing, upsert
from booking.services.work import Work

PRACTITIONERS = ("organisation", "identifier", "name")
PRACTITIONERS_OPTIONAL = frozenset({"sex", REASON})
CLINIC_TYPES = ("code", "specialty", "name")


class Practitioners:
    """A row is a clinician of a provider. Nobody is moved to another one: their slots there would stay behind."""

    key = ("identifier",)

    def parse(self, cells: Cells) -> Values:
        found = {
            "organisation": cells.read(cell.read_ods_code, "organisation"),
            "identifier": cells.read(cell.read_identifier, "identifier"),
            "name": cells.read(cell.read_text, "name", 200),
        }
        return {**found, "sex": cells.maybe(cell.read_sex, "sex")} if cells.has("sex") else found

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        codes = sorted({row.values["organisation"] for row in rows})
        providers = existing(work.session, Organisation, "ods_code", codes)
        there = existing(work.session, Practitioner, "identifier", [row.values["identifier"] for row in rows])
        refused: dict[Parsed, RowFault] = {}
        for row in rows:
            provider = providers.get(row.values.pop("organisation"))
            found = there.get(row.values["identifier"])
            if provider is None or provider.kind is not OrganisationKind.PROVIDER:
                refused[row] = RowFault("organisation", "no provider with this code is in the directory")
            elif found is not None and found.organisation_id != provider.id:
                refused[row] = RowFault("identifier", "is a clinician of another provider in the directory")
            else:
                row.values["organisation_id"] = provider.id
        good = [row.values for row in rows if row not in refused]
        count(report, upsert(work.session, Practitioner, "identifier", good))
        return refused


class ClinicTypes:
    """A row is a clinic type. One that is in use keeps its specialty, which services and referrals share with it."""

    key = ("code",)

    def parse(self, cells: Cells) -> Values:
        return {
            "code": cells.read(cell.read_clinic_type, "code"),
            "specialty_code": cells.read(cell.read_specialty, "specialty"),
            "name": cells.read(cell.read_text, "name", 200),
        }

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        there = existing(work.session, ClinicType, "code", [row.values["code"] for row in rows])
        moved = {
            row.values["code"]: row
            for row in rows
            if row.values["code"] in there and there[row.values["code"]].specialty_code != row.values["specialty_code"]
        }
        refused = {
            moved[code]: RowFault("specialty", f"services or referrals use it with {there[code].specialty_code}")
            for code in _in_use(work, sorted(moved))
        }
        good = [row.values for row in rows if row not in refused]
        count(report, upsert(work.session, ClinicType, "code", good))
        return refused


def _in_use(work: Work, codes: list[str]) -> list[str]:
    if not codes:
        return []
    used: set[str] = set()
    for column in (ServiceClinicType.clinic_type_code, Referral.clinic_type_code):
        used.update(code for code in work.session.scalars(select(column).where(column.in_(codes)).distinct()) if code)
    return [code for code in codes if code in used]
