"""Commissioners, practices and sites into the directory, and their postcodes into the gazetteer.

Two layouts: plain CSV with a header (``ods_code,name,…``) and the Organisation Data Service's ``epraccur``,
which has 27 columns and no header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from booking.domain.words import OrganisationKind
from booking.models import Organisation, Postcode, Site
from booking.services.imports import cells as cell
from booking.services.imports.cells import RowFault
from booking.services.imports.loading import Cells, Parsed, Values
from booking.services.imports.reading import TableFile
from booking.services.imports.report import REASON, Report
from booking.services.imports.upserting import existing, upsert
from booking.services.work import Work

COMMISSIONERS = ("ods_code", "name", "latitude", "longitude")
PRACTICES = ("ods_code", "name", "postcode", "latitude", "longitude", "commissioner")
SITES = (
    "ods_code", "name", "sector", "postcode", "latitude", "longitude", "provider_ods_code", "provider_name",
)  # fmt: skip
EPRACCUR = (
    "code", "name", "national_grouping", "high_level_health_geography", "address_1", "address_2", "address_3",
    "address_4", "address_5", "postcode", "open_date", "close_date", "status_code", "organisation_sub_type",
    "commissioner", "join_provider_date", "left_provider_date", "telephone", "null_19", "null_20", "null_21",
    "amended", "null_23", "provider_purchaser", "null_25", "prescribing_setting", "null_27",
)  # fmt: skip
"""ODS, GP practices data file (epraccur): the columns in order; those without a use are called null."""
GP_PRACTICE = "4"
"""Prescribing setting of a GP practice; others are walk-in centres, prisons, hospices …"""


def open_table(path: Path, columns: Sequence[str], *, header: bool = True) -> TableFile:
    return TableFile(path, required=columns, optional=(REASON,) if header else (), header=header)


def count(report: Report, result: tuple[int, int, int], what: str = "") -> None:
    for name, number in zip(("added", "changed", "unchanged"), result, strict=True):
        report.counts[f"{what}{name}"] += number


class Commissioners:
    key = ("ods_code",)

    def parse(self, cells: Cells) -> Values:
        return {**_named(cells), "kind": OrganisationKind.COMMISSIONER}

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        return _store_organisations(work, rows, report)


class Practices:
    key = ("ods_code",)

    def parse(self, cells: Cells) -> Values:
        return {
            **_named(cells),
            "kind": OrganisationKind.PRACTICE,
            "postcode": cells.read(cell.read_postcode, "postcode"),
            "commissioner": cells.read(cell.read_ods_code, "commissioner"),
        }

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        known = _commissioners(work, rows)
        refused: dict[Parsed, RowFault] = {}
        for row in rows:
            code = row.values.pop("commissioner")
            row.values["commissioner_id"] = known.get(code)
            if code not in known:
                refused[row] = RowFault("commissioner", "no commissioner with this code is in the directory")
        good = [row for row in rows if row not in refused]
        refused |= _store_organisations(work, good, report)
        gazetteer(work, [row.values for row in good if row not in refused])
        return refused


class Sites:
    """A row is a site and names its provider, which is made where it is new."""

    key = ("ods_code",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def parse(self, cells: Cells) -> Values:
        found = _named(cells)
        code = cells.read(cell.read_ods_code, "provider_ods_code")
        name = cells.read(cell.read_text, "provider_name", 200)
        if code is not None and name is not None and self._names.setdefault(code, name) != name:
            cells.faults.append(RowFault("provider_name", f"provider {code} is {self._names[code]!r} further up"))
        found |= {"sector": cells.maybe(cell.read_text, "sector", 40), "provider": code}
        return {**found, "postcode": cells.read(cell.read_postcode, "postcode")}

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        codes = sorted({row.values["provider"] for row in rows})
        kind = OrganisationKind.PROVIDER
        other = _of_other_kind(work, codes, kind)
        providers = [{"ods_code": code, "name": self._names[code], "kind": kind} for code in codes if code not in other]
        count(report, upsert(work.session, Organisation, "ods_code", providers), "providers ")
        ids = {code: made.id for code, made in existing(work.session, Organisation, "ods_code", codes).items()}
        refused, good = {}, []
        for row in rows:
            code = row.values.pop("provider")
            if code in other:
                refused[row] = RowFault("provider_ods_code", f"{code} is a {other[code].lower()} in the directory")
            else:
                good.append({**row.values, "organisation_id": ids[code]})
        count(report, upsert(work.session, Site, "ods_code", good))
        gazetteer(work, good)
        return refused


class Epraccur:
    """Every GP practice of England and Wales, open and closed, by the Organisation Data Service."""

    key = ("code",)

    def __init__(self) -> None:
        self.passed_over: Counter[str] = Counter()
        self.unknown_commissioners: Counter[str] = Counter()

    def parse(self, cells: Cells) -> Values | None:
        if cells.text("prescribing_setting") != GP_PRACTICE:
            self.passed_over["not a GP practice"] += 1
            return None
        status = cells.text("status_code").upper()
        if status in ("D", "P"):
            self.passed_over["dormant" if status == "D" else "proposed"] += 1
            return None
        if status not in ("A", "C"):
            cells.faults.append(RowFault("status_code", "neither A, C, D nor P"))
        found = {
            "ods_code": cells.read(cell.read_ods_code, "code"), "name": cells.read(cell.read_text, "name", 200),
            "kind": OrganisationKind.PRACTICE, "postcode": cells.maybe(cell.read_postcode, "postcode"),
            "opened_on": cells.maybe(cell.read_compact_date, "open_date"),
            "closed_on": cells.read(cell.read_compact_date, "close_date") if status == "C" else None,
            "commissioner": cells.maybe(cell.read_ods_code, "commissioner"),
        }  # fmt: skip
        if found["opened_on"] and found["closed_on"] and found["closed_on"] < found["opened_on"]:
            cells.faults.append(RowFault("close_date", "before the open date"))
        return found

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        known = _commissioners(work, rows)
        codes = [row.values["ods_code"] for row in rows]
        there = existing(work.session, Organisation, "ods_code", codes)
        wanted = sorted({row.values["postcode"] for row in rows if row.values["postcode"]})
        places = existing(work.session, Postcode, "postcode", wanted)
        for row in rows:
            self._complete(row.values, known, there.get(row.values["ods_code"]), places)
        return _store_organisations(work, rows, report)

    def _complete(self, values: Values, known: dict[str, int], found: Organisation | None, places: Any) -> None:
        """Commissioner and coordinates, where the directory has them; what it knows already is not forgotten."""
        code = values.pop("commissioner")
        if code in known:
            values["commissioner_id"] = known[code]
        elif code is not None:
            self.unknown_commissioners[code] += 1
        place = places.get(values["postcode"])
        if place is not None:
            values |= {"latitude": place.latitude, "longitude": place.longitude}
        elif found is not None and found.postcode != values["postcode"]:
            values |= {"latitude": None, "longitude": None}

    def notes(self) -> list[str]:
        """What the report should say beside its counts."""
        said = [f"{number} rows passed over: {why}" for why, number in sorted(self.passed_over.items())]
        if self.unknown_commissioners:
            codes = sorted(self.unknown_commissioners)
            shown = ", ".join(codes[:10]) + (" …" if len(codes) > 10 else "")
            said.append(
                f"{self.unknown_commissioners.total()} practices name {len(codes)} commissioners that are not in the "
                f"directory ({shown}): they were stored without one"
            )
        return said


def _named(cells: Cells) -> Values:
    return {
        "ods_code": cells.read(cell.read_ods_code, "ods_code"),
        "name": cells.read(cell.read_text, "name", 200),
        "latitude": cells.read(cell.read_degrees, "latitude", 90.0),
        "longitude": cells.read(cell.read_degrees, "longitude", 180.0),
    }


def _of_other_kind(work: Work, codes: Sequence[str], kind: OrganisationKind) -> dict[str, OrganisationKind]:
    there = existing(work.session, Organisation, "ods_code", codes)
    return {code: found.kind for code, found in there.items() if found.kind is not kind}


def _commissioners(work: Work, rows: list[Parsed]) -> dict[str, int]:
    codes = sorted({row.values["commissioner"] for row in rows if row.values["commissioner"]})
    there = existing(work.session, Organisation, "ods_code", codes)
    return {code: found.id for code, found in there.items() if found.kind is OrganisationKind.COMMISSIONER}


def _store_organisations(work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
    if not rows:
        return {}
    kind = rows[0].values["kind"]
    other = _of_other_kind(work, [row.values["ods_code"] for row in rows], kind)
    refused = {
        row: RowFault("ods_code", f"is a {other[row.values['ods_code']].lower()} in the directory")
        for row in rows
        if row.values["ods_code"] in other
    }
    good = [row.values for row in rows if row not in refused]
    count(report, upsert(work.session, Organisation, "ods_code", good))
    return refused


def gazetteer(work: Work, rows: Sequence[Values]) -> None:
    """Add postcodes we had no coordinates of. The first to name one is believed: neighbours differ by metres."""
    new = {row["postcode"]: row for row in rows}
    there = existing(work.session, Postcode, "postcode", sorted(new))
    work.session.add_all(
        Postcode(postcode=name, latitude=row["latitude"], longitude=row["longitude"])
        for name, row in new.items()
        if name not in there
    )
    work.session.flush()
