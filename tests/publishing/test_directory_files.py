"""``flask import directory`` and ``epraccur``: organisations, sites and postcodes from files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text

from booking.config import ROOT
from booking.db import Database
from booking.domain.specialties import SPECIALTIES

Run = Callable[..., Result]
COMMISSIONERS = "ods_code,name,latitude,longitude\n00C,NHS DARLINGTON CCG,54.52768,-1.55804\n"
PRACTICES = (
    "ods_code,name,postcode,latitude,longitude,commissioner\n"
    "A81001,THE DENSHAM SURGERY,ts181hu,54.56162,-1.31953,00C\n"
    "A81002,QUEENS PARK MEDICAL CENTRE,TS18 2AW,54.56878,-1.31477,00C\n"
)
SITES = (
    "ods_code,name,sector,postcode,latitude,longitude,provider_ods_code,provider_name\n"
    "RXP01,Memorial Hospital,NHS,DL3 6HX,54.5303,-1.5634,RXP,County Durham Trust\n"
    '"RXP02","Shotley ""Bridge"", Hospital",NHS,DH8 0NB,54.8700,-1.8700,RXP,County Durham Trust\n'
)
TABLES = ("organisation", "site", "postcode", "specialty")


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    arguments: list[object] = ["directory"]
    for name, content in (("commissioners", COMMISSIONERS), ("practices", PRACTICES), ("sites", SITES)):
        path = tmp_path / f"{name}.csv"
        path.write_text(content, encoding="utf-8")
        arguments += [f"--{name}", path]
    return arguments


@pytest.fixture
def tables(database: Database) -> Callable[[], dict[str, list[Any]]]:
    def read() -> dict[str, list[Any]]:
        with database.unit_of_work(write=False) as session:
            rows = {name: session.execute(text(f"SELECT * FROM {name} ORDER BY 1")).all() for name in TABLES}
            return {name: [tuple(row) for row in found] for name, found in rows.items()}

    return read


def sizes(tables: dict[str, list[Any]]) -> dict[str, int]:
    return {name: len(rows) for name, rows in tables.items()}


def test_a_directory_goes_in_and_again_changes_nothing(files: list[object], run: Run, tables: Any) -> None:
    done = run(*files)
    assert done.exit_code == 0, done.output
    first = tables()
    assert sizes(first) == {"organisation": 4, "site": 2, "postcode": 4, "specialty": len(SPECIALTIES)}
    again = run(*files)
    assert "practices.csv: 2 rows: 2 unchanged, 0 refused." in again.stdout
    assert tables() == first


def test_a_changed_row_changes_one_organisation(files: list[object], run: Run, database: Database) -> None:
    run(*files)
    path = Path(str(files[4]))
    path.write_text(path.read_text().replace("THE DENSHAM", "THE NEW DENSHAM"))
    assert "1 changed, 1 unchanged" in run(*files).stdout
    with database.unit_of_work(write=False) as session:
        query = "SELECT name, version, postcode FROM organisation WHERE ods_code = 'A81001'"
        assert tuple(session.execute(text(query)).one()) == ("THE NEW DENSHAM SURGERY", 2, "TS18 1HU")


def test_bad_rows_are_named_and_one_of_them_keeps_all_files_out(files: list[object], run: Run, tables: Any) -> None:
    practices, sites = Path(str(files[4])), Path(str(files[6]))
    practices.write_text(
        PRACTICES + "A81003,X,NOWHERE,54,-1,00C\nA81004,Y,TS18 2AW,91,,99Z\nA81002,Z,TS18 2AW,54,-1,00C\n"
        "A81005,Y,TS18 2AW,54,-1,99Z\n00C,Y,TS18 2AW,54,-1,00C\n"
    )
    sites.write_text(SITES + "RXP03,Third,NHS,DL3 6HX,54.5,-1.5,RXP,Another Name\n")
    done = run(*files)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "practices.csv, line 4, column postcode, 'NOWHERE': not a postcode like SW1A 1AA",
        "practices.csv, line 5, column latitude, '91': not a number of degrees from -90 to 90",
        "practices.csv, line 5, column longitude, '': not a number of degrees from -180 to 180",
        "practices.csv, line 6, column ods_code, 'A81002': the same as in line 3",
        "practices.csv, line 7, column commissioner, '99Z': no commissioner with this code is in the directory",
        "practices.csv, line 8, column ods_code, '00C': is a commissioner in the directory",
        "sites.csv, line 4, column provider_name, 'Another Name': provider RXP is 'County Durham Trust' further up",
    ]
    assert set(sizes(tables()).values()) == {0}
    kept = run(*files, "--keep-good")
    assert kept.exit_code == 1
    assert sizes(tables())["organisation"] == 4
    assert len(practices.with_name("practices.csv.bad.csv").read_text().splitlines()) == 6


def epraccur(code: str, name: str, *, status: str = "A", close: str = "", setting: str = "4", ccg: str = "00C") -> str:
    cells = [""] * 27
    cells[0], cells[1], cells[9], cells[10], cells[11] = code, name, "TS18 1HU", "19740401", close
    cells[12], cells[13], cells[14], cells[25] = status, "B", ccg, setting
    return ",".join(f'"{cell}"' for cell in cells)


def test_epraccur_brings_open_and_closed_practices(
    files: list[object], run: Run, tmp_path: Path, database: Database, tables: Any
) -> None:
    run(*files)
    path = tmp_path / "epraccur.csv"
    lines = [
        epraccur("A81001", "THE DENSHAM SURGERY"),
        epraccur("A81009", "CLOSED, SURGERY", status="C", close="20150331"),
        epraccur("A81010", "ELSEWHERE SURGERY", ccg="7A1"),
        epraccur("A81011", "WALK-IN CENTRE", setting="2"),
        epraccur("A81012", "DORMANT", status="D"),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    done = run("epraccur", path)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "epraccur.csv: 5 rows: 2 added, 1 changed, 0 refused.",
        "  1 rows passed over: dormant",
        "  1 rows passed over: not a GP practice",
        "  1 practices name 1 commissioners that are not in the directory (7A1): they were stored without one",
    ]
    with database.unit_of_work(write=False) as session:
        query = "SELECT opened_on, closed_on, latitude, commissioner_id IS NULL FROM organisation WHERE ods_code = "
        closed = session.execute(text(f"{query} 'A81009'")).one()
        assert [str(closed[0]), str(closed[1]), closed[2]] == ["1974-04-01", "2015-03-31", 54.56162]
        assert not closed[3]
        assert session.execute(text(f"{query} 'A81010'")).one()[3]
    before = tables()
    assert "3 unchanged" in run("epraccur", path).stdout
    assert tables() == before
    path.write_text("\n".join([*lines, epraccur("A81013", "X", status="C"), epraccur("A81014", "Y", status="Q")]))
    bad = run("epraccur", path)
    assert bad.exit_code == 1
    assert bad.stderr.splitlines() == [
        "epraccur.csv, line 6, column close_date, '': not a date like 20150331",
        "epraccur.csv, line 7, column status_code, 'Q': neither A, C, D nor P",
    ]
    assert tables() == before


def test_services_are_made_and_changed(files: list[object], run: Run, tmp_path: Path, database: Database) -> None:
    run(*files)
    path = tmp_path / "services.csv"
    header = "provider,site,name,specialty,operational_from,priorities,max_age,booking_mode\n"
    good = "RXP,RXP01,Skin clinic,330,2026-01-01,ROUTINE URGENT,,\nRXP,RXP02,Heart,320,2026-01-01,,17,triage\n"
    path.write_text(header + good)
    assert run("services", path).stdout == "services.csv: 2 rows: 2 added, 0 refused.\n"
    assert run("services", path).stdout == "services.csv: 2 rows: 2 unchanged, 0 refused.\n"
    path.write_text(header + good.replace("ROUTINE URGENT", "ROUTINE"))
    assert run("services", path).stdout == "services.csv: 2 rows: 1 changed, 1 unchanged, 0 refused.\n"
    with database.unit_of_work(write=False) as session:
        query = "SELECT name, priority FROM service JOIN service_priority ON service_id = id ORDER BY name, priority"
        taken = [tuple(row) for row in session.execute(text(query))]
    assert taken == [("Heart", "ROUTINE"), ("Heart", "TWO_WEEK_WAIT"), ("Heart", "URGENT"), ("Skin clinic", "ROUTINE")]
    path.write_text(
        header + "RXX,RXP01,A,330,2026-01-01,,,\nRXP,RXX01,B,999,2026-01-01,NONE,,\nRXP,RXX01,B,330,2026-01-01,,,\n"
    )
    assert run("services", path).stderr.splitlines() == [
        "services.csv, line 3, column specialty, '999': not a treatment function code such as 330",
        "services.csv, line 3, column priorities, 'NONE': each is one of ROUTINE, URGENT, TWO_WEEK_WAIT",
        "services.csv, line 4, column name, 'B': the same as in line 3",
        "services.csv, line 2, column provider, 'RXX': no provider with this code is in the directory",
    ]


def real_data() -> Path:
    given = os.environ.get("CHOOSE_AND_BOOK_DATA")
    beside = sorted(ROOT.parent.glob("*/data/england-2015"))
    return Path(given) if given else next(iter(beside), Path("nowhere"))


@pytest.mark.skipif(not real_data().is_dir(), reason="CHOOSE_AND_BOOK_DATA names no folder with the directory of 2015")
def test_the_real_directory_of_england(run: Run, tmp_path: Path, tables: Any) -> None:
    names = ("commissioners", "practices", "sites")
    for name in names:
        shutil.copyfile(real_data() / f"{name}.csv", tmp_path / f"{name}.csv")
    arguments = [part for name in names for part in (f"--{name}", tmp_path / f"{name}.csv")]
    # One site of the real list, NPG01, stands there with a stray full stop.
    assert run("directory", *arguments).exit_code == 0
    assert sizes(tables()) == {"organisation": 211 + 7870 + 250, "site": 1229, "postcode": 7793, "specialty": 19}
