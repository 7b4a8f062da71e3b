"""How fast a file of slots goes in, and with how much memory: ``python -m benchmarks.import_slots --rows 1000000``.

Makes its own file in a temporary directory and runs the real command, ``flask import slots``, in a process of
its own: first into a database without slots, then the same file again. ``--database`` names a PostgreSQL
database that may be filled and was empty; without it an embedded database in the temporary directory is used.
Prints, for each run: seconds, rows a second, and the peak resident memory of the command in MB.
"""

from __future__ import annotations

import argparse
import csv
import os
import secrets
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from booking import migrate
from booking.config import ROOT, normalise_url
from booking.db import Database
from booking.domain.words import OrganisationKind
from booking.models import Organisation, Practitioner, Service, Site, Specialty

SERVICES = 200
CLINICIANS_A_SERVICE = 2
SLOTS_A_DAY = 24
OPENING = datetime.fromisoformat("2027-01-04T09:00")
"""On the clock of the site, as in the file."""
LENGTH = timedelta(minutes=20)


def fill_directory(database: Database) -> None:
    """One provider with its services and clinicians."""
    migrate.upgrade(database)
    with database.unit_of_work() as session:
        provider = Organisation(ods_code="BM1", kind=OrganisationKind.PROVIDER, name="Benchmark Trust")
        session.add_all([provider, Specialty(code="330", name="Dermatology")])
        session.flush()
        site = Site(ods_code="BM101", organisation_id=provider.id, name="Benchmark Hospital")
        session.add(site)
        session.flush()
        for n in range(SERVICES):
            session.add(
                Service(
                    organisation_id=provider.id, site_id=site.id, name=f"Clinic {n}", specialty_code="330",
                    operational_from=date(2020, 1, 1),
                )
            )  # fmt: skip
            for k in range(CLINICIANS_A_SERVICE):
                identifier = f"C{n}-{k}"
                session.add(Practitioner(organisation_id=provider.id, identifier=identifier, name=identifier))


def write_file(path: Path, rows: int) -> None:
    """Slots in order of time, all clinics mixed: what a night's export of a whole trust looks like."""
    columns = ("slot_id", "provider", "service", "date", "start", "end", "practitioner")
    clinicians = SERVICES * CLINICIANS_A_SERVICE
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for n in range(rows):
            turn, who = divmod(n, clinicians)
            day, place = divmod(turn, SLOTS_A_DAY)
            start = OPENING + day * timedelta(days=1) + place * LENGTH
            service, which = divmod(who, CLINICIANS_A_SERVICE)
            end = start + LENGTH
            times = (f"{start:%Y-%m-%d}", f"{start:%H:%M}", f"{end:%H:%M}")
            writer.writerow((f"S{n:07d}", "BM1", f"Clinic {service}", *times, f"C{service}-{which}"))


def run(url: str, path: Path) -> tuple[float, float, float, str]:
    """Seconds on the clock, seconds of processor (the command's own), peak MB, and the report of one import."""
    env = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": secrets.token_urlsafe(48)}
    command = [sys.executable, "-m", "flask", "--app", "app", "import", "slots", str(path)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    if status:
        raise SystemExit(f"the import failed with status {status}")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", help="URL of an empty PostgreSQL database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = normalise_url(given.database or f"sqlite:///{folder}/benchmark.db")
        database = Database(url)
        fill_directory(database)
        path = Path(folder) / "slots.csv"
        write_file(path, given.rows)
        print(f"{database.engine.dialect.name}: {given.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB")
        database.dispose()
        for name in ("first import", "same again"):
            took, busy, peak, said = run(url, path)
            rate = f"{took:.1f} s ({busy:.1f} s of processor), {given.rows / took:,.0f} rows/s, peak {peak:.0f} MB"
            print(f"{name}: {rate}. {said}", flush=True)


if __name__ == "__main__":
    main()
