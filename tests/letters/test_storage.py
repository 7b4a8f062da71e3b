"""The attachment store: whole or not there, on a disk and in a bucket; what nobody points to is swept away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from booking.config import Config, ConfigError
from booking.domain.words import AttachmentKind, Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import Attachment, Referral
from booking.services.attachments import attach_to_referral
from booking.services.work import Work
from booking.storage import AttachmentStore, StoreUnavailable, attachment_store, new_key
from tests import factories
from tests.conftest import SECRET, Rows
from tests.factories import Region
from tests.letters.conftest import PDF
from tests.letters.services import s3

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR = timedelta(hours=1)


def _config(setting: str) -> Config:
    return Config(database_url="sqlite:///x.db", secret_key="x" * 40, attachments=setting)


def _round(store: AttachmentStore) -> None:
    keys = [new_key() for _ in range(3)]
    for n, key in enumerate(keys):
        store.put(key, b"file %d" % n)
    assert [store.get(key) for key in keys] == [b"file 0", b"file 1", b"file 2"]
    assert sorted(store.older_than(-HOUR)) == sorted(keys)
    assert list(store.older_than(HOUR)) == []
    store.delete(keys[0])
    store.delete(keys[0])
    with pytest.raises(FileNotFoundError):
        store.get(keys[0])
    assert sorted(store.older_than(-HOUR)) == sorted(keys[1:])


def test_a_folder(tmp_path: Path) -> None:
    _round(attachment_store(_config(f"disk:{tmp_path / 'files'}")))
    assert not list(tmp_path.rglob(".part-*"))


def test_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with s3() as (endpoint, objects):
        _round(attachment_store(_config(f"s3://bucket/letters?endpoint={endpoint}")))
        assert {key.partition("/")[0] for key in objects} == {"letters"}
        old = next(iter(objects))
        objects[old] = (b"", datetime.now(UTC) - 2 * HOUR)
        store = attachment_store(_config(f"s3://bucket/letters?endpoint={endpoint}"))
        assert list(store.older_than(HOUR)) == [old.partition("/")[2]]


def test_a_store_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (tmp_path / "file").touch()
    for setting in ("s3://bucket?endpoint=http://127.0.0.1:9", f"disk:{tmp_path / 'file'}"):
        with pytest.raises(StoreUnavailable):
            attachment_store(_config(setting)).put(new_key(), b"x")


@pytest.mark.parametrize("setting", ["", "ftp://x", "disk:", "s3://", "s3://bucket?colour=red"])
def test_a_setting_that_names_no_store_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="ATTACHMENTS"):
        _config(setting)


def _age(config: Config, hours: int) -> None:
    then = time.time() - hours * 3600
    for path in Path(config.attachments.removeprefix("disk:")).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def _stored(config: Config) -> int:
    return sum(path.is_file() for path in Path(config.attachments.removeprefix("disk:")).rglob("*"))


def _attach(work: Work, region: Region, ubrn: str) -> Attachment:
    gp = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    return attach_to_referral(gp, ubrn, kind=AttachmentKind.CLINICAL, file_name="a.pdf", data=PDF)


def test_a_file_whose_transaction_fails_is_swept_and_no_other(
    app: BookingApp, work: Work, region: Region, referral: Referral, config: Config
) -> None:
    _attach(work, region, referral.ubrn)
    work.session.commit()
    _attach(work, region, referral.ubrn)
    work.session.rollback()  # a commit that fails
    assert _stored(config) == 2
    assert tasks.sweep_attachments(app) == 0  # it may be a transaction still under way
    _age(config, 2)
    assert tasks.sweep_attachments(app) == 1
    assert _stored(config) == 1
    assert tasks.sweep_attachments(app) == 0


def test_a_file_that_was_taken_away_is_swept_and_its_row_stays(
    app: BookingApp, work: Work, region: Region, referral: Referral, config: Config, rows: Rows
) -> None:
    made = _attach(work, region, referral.ubrn)
    made.removed_at = work.now
    work.session.commit()
    _age(config, 2)
    assert tasks.sweep_attachments(app) == 1
    assert rows(select(func.count(Attachment.id))) == [1]


def test_nothing_is_written_where_the_store_is_down(
    work: Work, region: Region, referral: Referral, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    down = replace(work, config=replace(work.config, attachments=f"disk:{tmp_path / 'file'}"))
    with pytest.raises(StoreUnavailable):
        _attach(down, region, referral.ubrn)
    work.session.rollback()
    assert work.session.scalar(select(func.count(Attachment.id))) == 0


KILLED = """
import os, signal, sys
from booking.config import Config
from booking.db import Database
from booking.domain.words import AttachmentKind, Role
from booking.keys import Keys
from booking.services.attachments import attach_to_referral
from booking.services.work import Actor, Work
from datetime import UTC, datetime
url, secret, store, ubrn, practice, when = sys.argv[1:]
config = Config(database_url=url, secret_key=secret, attachments=store)
database = Database(url)
actor = Actor("Dr Killed", Role.REFERRING_CLINICIAN, int(practice), "P81001")
def one():
    with database.unit_of_work() as session:
        work = Work(session, actor, datetime.now(UTC), config, Keys(secret))
        attach_to_referral(work, ubrn, kind=AttachmentKind.CLINICAL, file_name="a.pdf", data=b"%PDF-1.4 x %%EOF")
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
one()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "rows_left", "files_left"), [("before", 0, 0), ("after", 1, 1)])
def test_a_process_killed_around_its_commit_leaves_no_row_without_file_and_no_file_for_ever(
    app: BookingApp, work: Work, region: Region, referral: Referral, config: Config, when: str, rows_left: int,
    files_left: int,
) -> None:  # fmt: skip
    arguments = [config.database_url, SECRET, config.attachments, referral.ubrn, str(referral.practice_id), when]
    work.session.commit()
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert _stored(config) == 1
    _age(config, 2)
    tasks.sweep_attachments(app)
    with app.database.unit_of_work(write=False) as session:
        assert session.scalar(select(func.count(Attachment.id))) == rows_left
        assert _stored(config) == files_left
        for row in session.scalars(select(Attachment)):
            assert attachment_store(config).get(row.storage_key)
