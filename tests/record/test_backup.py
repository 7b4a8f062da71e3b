"""A backup taken while people book holds everything acknowledged before it, and keeps every invariant."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from app import create_app
from booking.db import Database
from booking.domain.errors import BookingError
from booking.domain.words import AttachmentKind, Role
from booking.edge.flask_app import BookingApp
from booking.models import Attachment, Booking, Referral
from booking.services import attachments, backup, booking, referrals
from booking.services.backup import BackupError
from booking.services.backup import postgresql as pg
from booking.services.booking import Choice
from booking.services.work import Work
from booking.storage import attachment_store
from tests import factories
from tests.conftest import Clock, create_database
from tests.factories import Region

LETTER = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def copy_url(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where an empty database of the same kind is, or will be."""
    if database.is_sqlite:
        return f"sqlite:///{tmp_path / 'copy.db'}"
    prefix = request.getfixturevalue("postgresql_prefix")
    create_database(prefix, "restored")
    return f"{prefix}/restored"


@pytest.fixture
def filed(work: Work, region: Region) -> Attachment:
    """A referral with a letter in the store."""
    made = factories.referral(work, region)[0]
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    row = attachments.attach_to_referral(
        practice, made.ubrn, kind=AttachmentKind.REFERRAL_LETTER, file_name="letter.pdf", data=LETTER
    )
    work.session.commit()
    return row


class Bookers:
    """Four threads that refer, book and cancel through the services until told to stop."""

    def __init__(self, app: BookingApp, region: Region, patients: list[int]) -> None:
        self.app, self.region, self.patients = app, region, patients
        self.acknowledged: list[str] = []
        self.errors: list[BaseException] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]

    def _run(self, number: int) -> None:
        turn = 0
        try:
            while not self.over.is_set():
                self._book(self.patients[number::4][turn % len(self.patients[number::4])], number, turn)
                turn += 1
        except BaseException as error:  # shown by the test
            self.errors.append(error)

    def _book(self, patient: int, number: int, turn: int) -> None:
        slots = self.region.slots[number::4]
        slot = slots[turn % len(slots)]
        reference = None
        try:
            with self.app.database.unit_of_work() as session:
                unit = Work(session, factories_actor(self.region), self.app.clock(), self.app.settings, self.app.keys)
                new = referrals.NewReferral(
                    patient, "330", factories.Priority.ROUTINE, "a mole", [one.id for one in self.region.services]
                )
                made, _ = referrals.create_referral(unit, new)
                reference = booking.book(unit, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at)).reference
            self.acknowledged.append(str(reference))
            if turn % 2:
                with self.app.database.unit_of_work() as session:
                    unit = Work(
                        session, factories_actor(self.region), self.app.clock(), self.app.settings, self.app.keys
                    )
                    booking.cancel_booking(unit, str(reference), reason="UNABLE_TO_ATTEND", comment=None)
        except BookingError:
            pass

    def __enter__(self) -> Bookers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        assert self.errors == []


def factories_actor(region: Region) -> factories.Actor:
    return factories.Actor("Dr Lake", Role.REFERRING_CLINICIAN, region.practice.id, region.practice.ods_code)


def test_a_backup_taken_while_four_book_holds_all_that_was_acknowledged_before(
    app: BookingApp, work: Work, region: Region, filed: Attachment, copy_url: str, tmp_path: Path
) -> None:
    patients = [factories.PatientFactory(practice_id=region.practice.id).id for _ in range(40)]
    work.session.commit()
    archive = tmp_path / "backup.tar.gz"
    with Bookers(app, region, patients) as bookers:
        while len(bookers.acknowledged) < 12 and not bookers.errors:
            bookers.over.wait(0.01)
        before = list(bookers.acknowledged)
        done = app.test_cli_runner().invoke(args=["backup", str(archive)])
        assert done.exit_code == 0, done.output
        during = len(bookers.acknowledged)
        while len(bookers.acknowledged) < during + 3 and not bookers.errors and during < 50:
            bookers.over.wait(0.01)
    assert len(before) >= 12

    elsewhere = replace(app.settings, attachments=f"disk:{tmp_path / 'restored-files'}")
    other = create_app(elsewhere)
    other.clock = app.clock
    restored = other.test_cli_runner().invoke(args=["restore", str(archive), "--into", copy_url])
    assert restored.exit_code == 0, restored.output
    assert "Every invariant holds." in restored.output
    again = other.test_cli_runner().invoke(args=["check", "--url", copy_url])
    assert again.exit_code == 0, again.output
    copy = Database(copy_url)
    with copy.unit_of_work(write=False) as session:
        there = set(session.scalars(select(Booking.reference)))
        assert set(before) <= there
        row = session.get_one(Attachment, filed.id)
        assert attachments.stored(attachment_store(elsewhere), row) == LETTER
    # It is alive: the triggers are there, the keys go on counting.
    with copy.unit_of_work() as session:
        with pytest.raises(Exception, match="append_only"), session.begin_nested():
            session.execute(text("UPDATE audit_entry SET actor = 'x'"))
        with factories.using(session):
            assert factories.PatientFactory(practice_id=region.practice.id).id > max(patients)
    copy.dispose()
    other.database.dispose()


def test_a_database_that_holds_something_is_not_overwritten_without_force(
    app: BookingApp, work: Work, region: Region, filed: Attachment, copy_url: str, tmp_path: Path
) -> None:
    archive = tmp_path / "b.tar.gz"
    backup.take(app.database, app.settings, archive)
    backup.restore(archive, copy_url, app.settings)
    copy = Database(copy_url)
    with copy.unit_of_work() as session:
        session.execute(text("UPDATE patient SET given_name = 'Later'"))
    runner = app.test_cli_runner()
    refused = runner.invoke(args=["restore", str(archive), "--into", copy_url])
    assert refused.exit_code == 1
    assert "not empty" in refused.output
    with copy.unit_of_work(write=False) as session:
        assert session.scalar(text("SELECT given_name FROM patient")) == "Later"
    copy.dispose()
    forced = runner.invoke(args=["restore", str(archive), "--into", copy_url, "--force"])
    assert forced.exit_code == 0, forced.output
    copy = Database(copy_url)
    with copy.unit_of_work(write=False) as session:
        assert session.scalar(text("SELECT given_name FROM patient")) == "Ada"
    copy.dispose()


@pytest.fixture
def archive(app: BookingApp, filed: Attachment, tmp_path: Path) -> Path:
    path = tmp_path / "whole.tar.gz"
    backup.take(app.database, app.settings, path)
    return path


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def cut_in_half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def no_archive(path: Path) -> None:
    path.write_bytes(b"not an archive at all")


def another_letter(path: Path) -> None:
    """Packed again with a changed attachment: every sum of gzip and tar is right, ours is not."""
    folder = path.with_suffix(".d")
    folder.mkdir()
    shutil.unpack_archive(path, folder, "gztar", filter="data")
    next((folder / "attachments").iterdir()).write_bytes(LETTER + b"%")
    names = ["database", *(f"attachments/{one.name}" for one in (folder / "attachments").iterdir()), "manifest.json"]
    subprocess.run(["tar", "-czf", path, "-C", folder, *names], check=True)


def outside(path: Path) -> None:
    """A member that would be written somewhere else."""
    evil = path.with_suffix(".evil")
    evil.write_text("x")
    subprocess.run(["tar", "-czPf", path, evil], check=True)


@pytest.mark.parametrize("harm", [truncated, cut_in_half, one_bit, no_archive, another_letter, outside])
def test_a_damaged_archive_is_refused_and_nothing_is_written(
    app: BookingApp, archive: Path, copy_url: str, harm: object
) -> None:
    harm(archive)  # type: ignore[operator]
    with pytest.raises(BackupError, match=r"damaged|no backup"):
        backup.restore(archive, copy_url, app.settings)
    if copy_url.startswith("sqlite"):
        assert not Path(make_url(copy_url).database or "").exists()
    else:
        copy = Database(copy_url)
        with copy.unit_of_work(write=False) as session:
            assert session.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
        copy.dispose()


def test_an_archive_is_not_overwritten_and_not_for_others_to_read(app: BookingApp, archive: Path) -> None:
    assert archive.stat().st_mode & 0o077 == 0
    with pytest.raises(BackupError, match="is there already"):
        backup.take(app.database, app.settings, archive)
    with pytest.raises(BackupError, match="no folder"):
        backup.take(app.database, app.settings, archive.parent / "none" / "x.tar.gz")
    assert not list(archive.parent.glob(".*.part"))


def test_an_archive_of_the_other_database_is_refused(
    app: BookingApp, archive: Path, database: Database, tmp_path: Path
) -> None:
    other = "postgresql+psycopg://x/y" if database.is_sqlite else f"sqlite:///{tmp_path / 'o.db'}"
    with pytest.raises(BackupError, match="can't be restored into"):
        backup.restore(archive, other, app.settings)


def test_another_secret_key_is_told(app: BookingApp, archive: Path, copy_url: str) -> None:
    other = create_app(replace(app.settings, secret_key="y" * 40))
    other.clock = app.clock
    done = other.test_cli_runner().invoke(args=["restore", str(archive), "--into", copy_url])
    assert done.exit_code == 0, done.output
    assert "SECRET_KEY is not the one of then" in done.output
    other.database.dispose()


def test_a_file_missing_from_the_store_is_found_by_check_and_told_by_backup(
    app: BookingApp, filed: Attachment, tmp_path: Path
) -> None:
    store = attachment_store(app.settings)
    store.delete(filed.storage_key)
    runner = app.test_cli_runner()
    found = runner.invoke(args=["check"])
    assert found.exit_code == 1
    assert f"attachment {filed.id}: its file is not in the store" in found.output
    assert runner.invoke(args=["check", "--no-files"]).exit_code == 0
    done = runner.invoke(args=["backup", str(tmp_path / "x.tar.gz")])
    assert done.exit_code == 1
    assert "1 attachments were not in the store" in done.output
    store.put(filed.storage_key, b"something else")
    assert "its file is not what was put there" in runner.invoke(args=["check"]).output


def test_check_prints_every_check_and_fails_on_a_fault(
    app: BookingApp, work: Work, filed: Attachment, clock: Clock
) -> None:
    runner = app.test_cli_runner()
    clean = runner.invoke(args=["check"])
    assert clean.exit_code == 0, clean.output
    assert [line.split() for line in clean.output.splitlines()][:3] == [
        ["places", "none"], ["two_places", "none"], ["worklists", "none"],
    ]  # fmt: skip
    work.session.execute(
        Referral.__table__.update().where(Referral.id == filed.referral_id).values(version=0)  # type: ignore[attr-defined]
    )
    work.session.commit()
    broken = runner.invoke(args=["check"])
    assert broken.exit_code == 1
    assert "histories       1" in broken.output
    assert f"(11) referral {filed.referral_id}" in broken.output


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pg, "_DEBIAN", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_machine_without_the_programs_says_so(no_tools: None) -> None:
    with pytest.raises(BackupError, match="pg_dump is not on this machine"):
        pg.tool("pg_dump")


def test_the_embedded_copy_is_a_database_by_itself(app: BookingApp, database: Database, tmp_path: Path) -> None:
    if not database.is_sqlite:
        pytest.skip("of the embedded database")
    backup.take(database, app.settings, tmp_path / "e.tar.gz")
    shutil.unpack_archive(tmp_path / "e.tar.gz", tmp_path / "e", "gztar", filter="data")
    with closing(sqlite3.connect(tmp_path / "e" / "database")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
