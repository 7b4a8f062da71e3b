"""``flask import slots``: what is good goes in, what is bad is named by file, line, column, value and reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text

from booking.config import ROOT
from booking.db import Database
from booking.services.imports import slots as slot_import
from tests.conftest import SECRET
from tests.publishing.conftest import Provider

Table = Callable[[], list[tuple[Any, ...]]]
Run = Callable[..., Result]
HEADER = "slot_id,provider,service,date,start,end"
ROW = "F{n},RA1,Dermatology clinic,2026-05-05,{h:02}:00,{h:02}:20"


def rows(*hours: int) -> list[str]:
    return [ROW.format(n=hour, h=hour) for hour in hours]


def write(folder: Path, *lines: str, name: str = "slots.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
    return path


def names(database: Database) -> list[str]:
    with database.unit_of_work(write=False) as session:
        found = session.execute(text("SELECT provider_slot_id FROM slot WHERE local_date = '2026-05-05' ORDER BY id"))
        return [row[0] for row in found]


def test_a_good_file_goes_in_and_again_changes_nothing(
    provider: Provider, run: Run, tmp_path: Path, slot_table: Table, database: Database
) -> None:
    header = "date,START,minutes,Slot ID,practitioner,mode,priorities,capacity,appointment_type,service,provider"
    path = write(
        tmp_path, header,
        "05/05/2026,9:00,20,F1,C1234567,video,URGENT ROUTINE,4,Follow-up,DERMATOLOGY CLINIC,ra1",
        "2026-05-05,09:20,20,F2,,,,,,Dermatology clinic,RA1",
        "",
    )  # fmt: skip
    done = run("slots", path)
    assert (done.exit_code, done.stdout) == (0, "slots.csv: 2 rows: 2 added, 0 refused.\n")
    table = slot_table()
    again = run("slots", path)
    assert (again.exit_code, again.stdout) == (0, "slots.csv: 2 rows: 2 unchanged, 0 refused.\n")
    assert slot_table() == table
    with database.unit_of_work(write=False) as session:
        query = "SELECT mode, priorities, capacity, appointment_type FROM slot WHERE provider_slot_id = 'F1'"
        assert tuple(session.execute(text(query)).one()) == ("VIDEO", 3, 4, "Follow-up")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_and_delimiters_are_told_from_the_bytes(
    provider: Provider, run: Run, tmp_path: Path, database: Database, delimiter: str, encoding: str
) -> None:
    lines = [f"{HEADER},appointment_type", f"{rows(9)[0]},Café – Nachsorge für “zwei”"]
    path = write(tmp_path, *(line.replace(",", delimiter) for line in lines), encoding=encoding)
    assert run("slots", path).exit_code == 0
    with database.unit_of_work(write=False) as session:
        kind = session.execute(text("SELECT appointment_type FROM slot WHERE provider_slot_id = 'F9'")).scalar()
    assert kind == "Café – Nachsorge für “zwei”"


BAD = [
    "F1,RA1,Dermatology clinic,2026-02-30,09:00,09:20",
    "F2,RA1,Dermatology clinic,2026-05-05,25:00,09:20",
    "F3,RA1,Dermatology clinic,2026-05-05,10:00,09:20",
    "F4,RA9,Dermatology clinic,2026-05-05,10:00,10:20",
    ",RA1,Dermatology clinic,2026-05-05,11:00,11:20",
    "F9,RA1,Dermatology clinic,2026-05-05,12:00,12:20",
    "F7,RA1,Dermatology clinic,2026-03-29,01:15,02:15",
    "F8,RA1,Dermatology clinic,2026-10-25,01:15,02:15",
    "F10,RA1,Dermatology clinic",
    "=F11,,Dermatology clinic,2026-05-05,13:00,",
]
REASONS = [
    "line 3, column date, '2026-02-30': not a date like 2026-09-01 or 01/09/2026",
    "line 4, column start, '25:00': not a time like 09:30",
    "line 5, column end, '09:20': The slot ends before it starts.",
    "line 6, column service, 'Dermatology clinic': provider RA9 has no service of this name",
    "line 7, column slot_id, '': must not be empty",
    "line 9, column start, '01:15': 2026-03-29 01:15:00 does not exist in Europe/London: the clocks go forward.",
    "line 10, column start, '01:15': 2026-10-25 01:15:00 exists twice in Europe/London: give its offset, like "
    "2026-10-25T01:15:00+01:00.",
    "line 11: the row has 3 cells, there are 6 columns",
    "line 12, column service, 'Dermatology clinic': several providers have it: name the provider",
    "line 12, column end, '': give either the end or the minutes",
    "line 8, column slot_id, 'F9': the same slot as in line 2",
]


def test_every_bad_cell_is_named_and_nothing_is_stored(
    provider: Provider, run: Run, tmp_path: Path, slot_table: Table
) -> None:
    table = slot_table()
    path = write(tmp_path, HEADER, *rows(9), *BAD)
    done = run("slots", path)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [f"slots.csv, {reason}" for reason in REASONS]
    assert done.stdout == "slots.csv: 11 rows: nothing was stored, 10 refused.\n"
    assert slot_table() == table
    assert not list(tmp_path.glob("*.bad.csv*"))


def test_keep_good_stores_the_good_and_the_bad_file_can_be_mended(
    provider: Provider, run: Run, tmp_path: Path, database: Database
) -> None:
    path = write(tmp_path, HEADER, *rows(9, 15), *BAD)
    done = run("slots", path, "--keep-good")
    assert done.exit_code == 1
    assert done.stdout.startswith("slots.csv: 12 rows: 2 added, 10 refused.\n")
    assert names(database) == ["F9", "F15"]
    bad = tmp_path / "slots.csv.bad.csv"
    text_of = bad.read_text(encoding="utf-8-sig")
    assert text_of.splitlines()[0] == f"{HEADER},reason"
    assert len(text_of.splitlines()) == 11
    assert "\n'=F11,," in text_of
    mended = tmp_path / "mended.csv"
    kept = [line for line in text_of.splitlines() if line.startswith(("slot_id", "F2,", "'=F11"))]
    mended.write_text(
        "\n".join(kept).replace("25:00", "08:00").replace("'=F11,,", "'=F11,RA1,").replace("13:00,,", "13:00,13:20,")
    )
    assert run("slots", mended).exit_code == 0
    assert names(database) == ["F9", "F15", "F2", "=F11"]


def test_a_booked_slot_refuses_the_whole_file_or_only_its_row(
    provider: Provider, run: Run, tmp_path: Path, database: Database, work: Any, region: Any, slot_table: Table
) -> None:
    assert run("slots", write(tmp_path, HEADER, *rows(9, 10))).exit_code == 0
    _book(provider, work, region, "F9")
    table = slot_table()
    path = write(tmp_path, HEADER, rows(9)[0].replace("09:20", "09:30"), *rows(11))
    done = run("slots", path)
    assert done.exit_code == 1
    assert "line 2, column slot_id, 'F9': The slot is booked, so it was left as it is." in done.stderr
    assert slot_table() == table
    assert run("slots", path, "--keep-good").exit_code == 1
    assert names(database) == ["F9", "F10", "F11"]
    assert slot_table()[: len(table)] == table


def _book(provider: Provider, work: Any, region: Any, name: str) -> None:
    from booking.models import Slot
    from tests import factories

    referral, _ = factories.referral(work, region)
    headers = factories.bearer(factories.patient_token(work, referral))
    found = work.session.query(Slot).filter_by(provider_slot_id=name).one()
    body = {"slot_id": found.id, "starts_at": found.starts_at.isoformat(), "ends_at": found.ends_at.isoformat()}
    work.session.commit()
    answer = provider.client.post(f"/api/v1/referrals/{referral.ubrn}/bookings", json=body, headers=headers)
    assert answer.status_code == 201


def test_a_clinician_in_two_places_is_a_bad_row(provider: Provider, run: Run, tmp_path: Path) -> None:
    lines = [f"{row},C1234567" for row in (*rows(9), rows(9)[0].replace("F9", "F99"))]
    done = run("slots", write(tmp_path, f"{HEADER},practitioner", *lines))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "slots.csv, line 3, column practitioner, 'C1234567': "
        "The clinician has another slot at that time: 'F9' of Dermatology clinic."
    )


def test_moves_that_wait_for_other_parts_of_the_file_go_through(
    provider: Provider, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_import, "SET_SIZE", 2)
    header = f"{HEADER},practitioner"
    before = [f"{row},C1234567" for row in rows(8, 9, 10, 11, 12, 13)]
    assert run("slots", write(tmp_path, header, *before)).exit_code == 0
    after = [f"{ROW.format(n=hour, h=hour + 1)},C1234567" for hour in (8, 9, 10, 11, 12, 13)]
    done = run("slots", write(tmp_path, header, *after))
    assert (done.exit_code, done.stdout) == (0, "slots.csv: 6 rows: 6 changed, 0 refused.\n")


def test_the_offset_of_the_hour_that_comes_twice(
    provider: Provider, run: Run, tmp_path: Path, database: Database
) -> None:
    header = "slot_id,date,start,end,utc_offset"
    path = write(tmp_path, header, "A,2026-10-25,01:15,01:45,+01:00", "B,2026-10-25,01:15,01:45,Z")
    done = run("slots", path, "--service", "RA1/Dermatology clinic")
    assert done.exit_code == 0, done.stderr
    with database.unit_of_work(write=False) as session:
        query = text("SELECT starts_at, ends_at FROM slot WHERE local_date = '2026-10-25' ORDER BY id")
        found = [str(value)[11:16] for row in session.execute(query) for value in row]
    assert found == ["00:15", "00:45", "01:15", "01:45"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"slot_id,date,start,end\n", "column 'service' is missing"),
        (b"slot_id,date,start,end,service,colour\n", "column 'colour' is not known"),
        (b"slot_id,slot_id,date,start,end,service\n", "column 'slot_id' is there twice"),
        (b"", "column 'slot_id' is missing"),
        ("slot_id,date".encode("utf-16"), "is UTF-16"),
        (b"slot_id,date\n\x81\xff", "neither UTF-8 nor Windows-1252"),
        (b"slot_id,date\n\x00", "zero bytes"),
        (b'slot_id,date,start,end,service\nA,"2026', "Is a quotation mark missing?"),
    ],
)
def test_what_is_no_table_of_slots_is_refused_in_words(
    provider: Provider, run: Run, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "slots.csv"
    path.write_bytes(content)
    done = run("slots", path)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_killed_in_the_middle_nothing_of_the_file_is_there(
    provider: Provider, tmp_path: Path, database: Database, slot_table: Table, work: Any
) -> None:
    work.session.commit()
    table = slot_table()
    path = tmp_path / "slots.csv"
    with path.open("w") as file:
        file.write("slot_id,date,start,end\n")
        for n in range(40_000):
            day, slot = divmod(n, 80)
            file.write(f"K{n},{2027 + day // 300}-{day // 25 % 12 + 1:02}-{day % 25 + 1:02},{9 + slot // 10:02}:")
            file.write(f"{slot % 10 * 5:02},{9 + slot // 10:02}:{slot % 10 * 5 + 5:02}\n")
    command = [sys.executable, "-m", "flask", "--app", "app", "import", "slots", "--service", str(provider.service_id)]
    env = {**os.environ, "DATABASE_URL": database.url, "SECRET_KEY": SECRET}
    process = subprocess.Popen(
        [*command, str(path)], cwd=ROOT, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Storing"), "it never came to storing"
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert slot_table() == table
