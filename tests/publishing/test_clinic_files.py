"""``flask import practitioners`` and ``clinic-types``, and the clinic types of services."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text

from booking.db import Database
from booking.services.work import Work
from tests import factories

Run = Callable[..., Result]
Query = Callable[[str], list[tuple[Any, ...]]]
Write = Callable[..., Path]
PRACTITIONERS = ("organisation,identifier,name,sex", "RA1,C1000001,Dr Ann Smith,Female", "ra1,c1000002,Dr Bo Lee,")
CLINIC_TYPES = ("code,specialty,name", "330-SKIN,330,Skin lesions", "330-rash,330,Rashes", "320-PAIN,320,Chest pain")
SERVICES = "provider,site,name,specialty,operational_from"
OFFERED = "SELECT name, clinic_type_code FROM service JOIN service_clinic_type ON service_id = id ORDER BY 1, 2"


@pytest.fixture
def query(database: Database) -> Query:
    def read(sql: str) -> list[tuple[Any, ...]]:
        with database.unit_of_work(write=False) as session:
            return [tuple(row) for row in session.execute(text(sql))]

    return read


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, *lines: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / f"{name}.csv"
        path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
        return path

    return write


def test_practitioners_go_in_and_again_change_nothing(
    region: factories.Region, run: Run, write: Write, query: Query
) -> None:
    everybody = "SELECT identifier, name, sex FROM practitioner ORDER BY id"
    path = write("people", *PRACTITIONERS)
    assert run("practitioners", path).stdout == "people.csv: 2 rows: 2 added, 0 refused.\n"
    first = [("C1000001", "Dr Ann Smith", "female"), ("C1000002", "Dr Bo Lee", None)]
    assert query(everybody) == first
    assert run("practitioners", path).stdout == "people.csv: 2 rows: 2 unchanged, 0 refused.\n"
    windows = write("people", "Name;Identifier;Organisation", "Dr Zoë Smith;C1000001;RA1", encoding="cp1252")
    assert run("practitioners", windows).stdout == "people.csv: 1 rows: 1 changed, 0 refused.\n"
    assert query(everybody) == [("C1000001", "Dr Zoë Smith", "female"), first[1]]  # no column of sexes: kept
    name, provider = query("SELECT s.name, ods_code FROM service s JOIN organisation o ON o.id = organisation_id")[0]
    slot = f"S1,{provider},{name},2026-05-05,09:00,09:20,c1000001"
    slots = write("slots", "slot_id,provider,service,date,start,end,practitioner", slot)
    assert run("slots", slots).exit_code == 0
    booked = "SELECT p.name FROM slot JOIN practitioner p ON p.id = practitioner_id WHERE provider_slot_id = 'S1'"
    assert query(booked) == [("Dr Zoë Smith",)]


def test_bad_practitioners_are_named_and_kept_apart(
    region: factories.Region, run: Run, write: Write, query: Query
) -> None:
    factories.PractitionerFactory(organisation_id=region.other_provider.id, identifier="C9", name="Dr Other")
    path = write(
        "people", *PRACTITIONERS, "RA1,C3,,unknown", "RA1,C1000001,Again,", "ZZ9,C4,No Provider,",
        f"{region.practice.ods_code},C5,At A Practice,", "RA1,C9,Moved,",
    )  # fmt: skip
    done = run("practitioners", path)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "people.csv, line 4, column name, '': must not be empty",
        "people.csv, line 4, column sex, 'unknown': female, male or empty",
        "people.csv, line 5, column identifier, 'C1000001': the same as in line 2",
        "people.csv, line 6, column organisation, 'ZZ9': no provider with this code is in the directory",
        f"people.csv, line 7, column organisation, '{region.practice.ods_code}': "
        "no provider with this code is in the directory",
        "people.csv, line 8, column identifier, 'C9': is a clinician of another provider in the directory",
    ]
    assert query("SELECT count(*) FROM practitioner") == [(1,)]
    assert run("practitioners", path, "--keep-good").exit_code == 1
    assert query("SELECT count(*) FROM practitioner") == [(3,)]
    assert len(path.with_name("people.csv.bad.csv").read_text("utf-8-sig").splitlines()) == 6
    unknown = run("practitioners", write("people", "organisation,identifier", "RA1,C1"))
    assert "column 'name' is missing" in unknown.stderr


def test_clinic_types_go_in_change_and_are_refused(run: Run, write: Write, query: Query) -> None:
    everything = "SELECT code, specialty_code, name FROM clinic_type ORDER BY code"
    path = write("types", *CLINIC_TYPES)
    assert run("clinic-types", path).stdout == "types.csv: 3 rows: 3 added, 0 refused.\n"
    first = query(everything)
    assert first[1] == ("330-RASH", "330", "Rashes")
    assert run("clinic-types", path).stdout == "types.csv: 3 rows: 3 unchanged, 0 refused.\n"
    bad = write("types", *CLINIC_TYPES, "A|B,330,Bar", "330-NONE,999,Nowhere", "330-Rash,330,Again", "330-EMPTY,330,")
    assert run("clinic-types", bad).stderr.splitlines() == [
        "types.csv, line 5, column code, 'A|B': "
        "not a code like 330-SKIN (up to 40 letters, digits, dots, dashes and underscores)",
        "types.csv, line 6, column specialty, '999': not a treatment function code such as 330",
        "types.csv, line 7, column code, '330-Rash': the same as in line 3",
        "types.csv, line 8, column name, '': must not be empty",
    ]
    assert query(everything) == first
    path = write("types", CLINIC_TYPES[0], "330-SKIN,320,Moved")
    assert run("clinic-types", path).stdout == "types.csv: 1 rows: 1 changed, 0 refused.\n"  # nobody uses it


def test_services_offer_clinic_types(
    region: factories.Region, work: Work, run: Run, write: Write, query: Query
) -> None:
    run("clinic-types", write("types", *CLINIC_TYPES))
    before = query(OFFERED)
    site = query(
        "SELECT site.ods_code FROM site JOIN organisation o ON o.id = organisation_id WHERE o.ods_code = 'RA1'"
    )[0][0]

    def services(*rows: str, header: str = f"{SERVICES},clinic_types") -> Result:
        lines = [f"RA1,{site},{row.replace('/', ',330,2026-01-01')}" for row in rows]
        return run("services", write("services", header, *lines))

    def offered() -> list[tuple[Any, ...]]:
        return [row for row in query(OFFERED) if row not in before]

    assert services("One/,330-skin | 330-RASH|", "Two/,").stdout == "services.csv: 2 rows: 2 added, 0 refused.\n"
    assert offered() == [("One", "330-RASH"), ("One", "330-SKIN")]
    assert services("One/,330-RASH|330-SKIN", "Two/,").stdout == "services.csv: 2 rows: 2 unchanged, 0 refused.\n"
    assert services("One/", "Two/", header=SERVICES).stdout == "services.csv: 2 rows: 2 unchanged, 0 refused.\n"
    assert services("One/,330-RASH", "Two/,330-SKIN").stdout == "services.csv: 2 rows: 2 changed, 0 refused.\n"
    assert offered() == [("One", "330-RASH"), ("Two", "330-SKIN")]
    refused = services("One/,330-SKIN|NONE|320-PAIN", "Three/,A B")
    assert (refused.exit_code, refused.stderr.splitlines()) == (
        1,
        [
            "services.csv, line 3, column clinic_types, 'A B': "
            "not a code like 330-SKIN (up to 40 letters, digits, dots, dashes and underscores)",
            "services.csv, line 2, column clinic_types, '330-SKIN|NONE|320-PAIN': "
            "there is no clinic type NONE; clinic type 320-PAIN is of specialty 320, not 330",
        ],
    )
    # Neither end of the link may change its specialty alone.
    moved = services("One,320,2026-01-01", header=SERVICES).stderr
    assert moved == (
        "services.csv, line 2, column specialty, '320': clinic type 330-RASH is of specialty 330, not 320\n"
    )
    types = run("clinic-types", write("types", CLINIC_TYPES[0], "330-RASH,320,Moved")).stderr
    assert types == "types.csv, line 2, column specialty, '320': services or referrals use it with 330\n"
    assert services("One,320,2026-01-01,320-pain", "Two/,").stdout == "services.csv: 2 rows: 2 changed, 0 refused.\n"
    assert offered() == [("One", "320-PAIN")]
