"""Files are looked into by clamd, over real sockets: pending until it has answered, however long that takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.config import Config, ConfigError
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import Attachment, OutboxMessage, Referral
from booking.scanning import ScanFailed, threat_in
from tests.api.conftest import API, Headers
from tests.conftest import Clock, Rows
from tests.letters.conftest import PDF, TXT, upload
from tests.letters.services import EICAR, clamd


@pytest.fixture
def scanned(app: BookingApp) -> Iterator[BookingApp]:
    """The application with a clamd."""
    with clamd() as setting:
        app.settings = replace(app.settings, clamd=setting)
        yield app


@pytest.mark.parametrize("unix", [False, True])
def test_clamd_is_asked_by_tcp_and_unix_socket(tmp_path: Path, unix: bool) -> None:
    with clamd(str(tmp_path / "clamd.sock") if unix else None) as setting:
        assert threat_in(setting, b"harmless" * 100_000) is None
        assert threat_in(setting, b"text " * 100_000 + EICAR) == "Win.Test.EICAR_HDB-1"
    with pytest.raises(OSError, match=r".*"):
        threat_in(setting, b"x")


def test_an_answer_that_is_none_is_no_clean_bill() -> None:
    with clamd(sick=True) as setting, pytest.raises(ScanFailed):
        threat_in(setting, b"x")


@pytest.mark.parametrize("setting", ["clamd", "tcp://host", "unix:relative", "http://host:1"])
def test_a_setting_that_names_no_daemon_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="CLAMD"):
        Config(database_url="sqlite:///x.db", secret_key="x" * 40, clamd=setting)


def test_a_file_can_be_read_only_after_it_was_looked_into(
    scanned: BookingApp, client: FlaskClient, gp: Headers, referral: Referral, rows: Rows
) -> None:
    made = upload(client, gp, referral.ubrn)
    assert made.json["state"] == "PENDING"
    where = f"{API}/attachments/{made.json['id']}"
    refused = client.get(f"{where}/content", headers=gp)
    assert (refused.status_code, refused.json["code"]) == (422, "ATTACHMENT_NOT_AVAILABLE")
    outstanding = select(Referral.letter_outstanding).where(Referral.id == referral.id)
    assert rows(outstanding) == [True]
    assert tasks.scan(scanned) == 1
    assert client.get(f"{where}/content", headers=gp).data == PDF
    assert rows(outstanding) == [False]
    assert tasks.scan(scanned) == 0


def test_a_threat_is_found_the_letter_is_outstanding_and_the_practice_is_told(
    scanned: BookingApp, client: FlaskClient, gp: Headers, referral: Referral, rows: Rows
) -> None:
    made = upload(client, gp, referral.ubrn, TXT + EICAR, "letter.txt").json
    assert tasks.scan(scanned) == 1
    shown = client.get(f"{API}/attachments/{made['id']}", headers=gp).json
    assert shown["state"] == "THREATS_FOUND"
    assert client.get(f"{API}/attachments/{made['id']}/content", headers=gp).status_code == 422
    assert rows(select(Referral.letter_outstanding).where(Referral.id == referral.id)) == [True]
    assert rows(select(OutboxMessage.event_key).where(OutboxMessage.kind == "attachment-refused")) == [
        f"attachment:{made['id']}:refused"
    ]


def test_while_clamd_is_down_files_wait_and_it_shows(
    app: BookingApp, client: FlaskClient, gp: Headers, referral: Referral, clock: Clock
) -> None:
    app.settings = replace(app.settings, clamd="tcp://127.0.0.1:9")
    made = upload(client, gp, referral.ubrn).json
    assert tasks.scan(app) == 0
    assert not client.get(f"{API}/attachments/{made['id']}", headers=gp).json["scan_overdue"]
    clock.now += timedelta(minutes=25)
    client.get(f"{API}/referrals", headers=gp)
    clock.now += timedelta(minutes=25)
    client.get(f"{API}/referrals", headers=gp)
    clock.now += timedelta(minutes=11)
    shown = client.get(f"{API}/attachments/{made['id']}", headers=gp).json
    assert (shown["state"], shown["scan_overdue"]) == ("PENDING", True)
    with clamd() as setting:
        app.settings = replace(app.settings, clamd=setting)
        assert tasks.scan(app) == 1
    assert client.get(f"{API}/attachments/{made['id']}", headers=gp).json["state"] == "AVAILABLE"


def test_a_file_that_changed_in_the_store_fails_its_check(
    scanned: BookingApp, client: FlaskClient, gp: Headers, referral: Referral, rows: Rows
) -> None:
    upload(client, gp, referral.ubrn)
    next(Path(scanned.settings.attachments.removeprefix("disk:")).glob("*/*")).write_bytes(b"other")
    assert tasks.scan(scanned) == 1
    assert rows(select(Attachment.state)) == ["VALIDATION_FAILED"]
