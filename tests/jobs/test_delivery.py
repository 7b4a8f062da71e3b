"""The outbox leaves: once for each event, nobody in anybody's way, nothing clinical in it, encrypted on the wire."""

from __future__ import annotations

import email
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from booking.config import Config, ConfigError
from booking.db import Database
from booking.domain.words import Channel
from booking.messaging import Folder, Message, Smtp, Transport, Undeliverable
from booking.models import OutboxMessage
from booking.services import outbox
from booking.services.delivery import GIVE_UP_AFTER, claim, deliver, retry_in
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock
from tests.factories import Region

URL = "https://choose.example"


@dataclass
class Post(Transport):
    """Remembers what was sent; refuses addresses for good, or breaks."""

    refused: str = ""
    broken: bool = False
    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.broken:
            raise OSError("no route to host")
        if message.to == self.refused:
            raise Undeliverable("the mail server refuses this recipient")
        self.sent.append(message)


def _referred(work: Work, region: Region, count: int = 1) -> list[str]:
    addresses = []
    for n in range(count):
        patient = factories.PatientFactory(practice_id=region.practice.id, email=f"p{n}@example.invalid")
        factories.referral(work, region, patient=patient)
        addresses.append(patient.email)
    work.session.commit()
    return addresses


def _rows(database: Database) -> list[OutboxMessage]:
    with database.unit_of_work(write=False) as session:
        return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


def test_each_message_leaves_once(work: Work, region: Region, database: Database, clock: Clock) -> None:
    addresses, post = _referred(work, region, 3), Post()
    assert deliver(database, post, clock, URL).sent == 3
    clock.now += timedelta(days=1)
    assert deliver(database, post, clock, URL).sent == 0
    assert [message.to for message in post.sent] == addresses


def test_a_bad_recipient_is_in_nobodys_way(work: Work, region: Region, database: Database, clock: Clock) -> None:
    addresses = _referred(work, region, 3)
    tally = deliver(database, Post(refused=addresses[1]), clock, URL)
    assert (tally.sent, tally.failed) == (2, 1)
    bad = _rows(database)[1]
    assert bad.failed_at == clock.now
    assert bad.last_error == "Undeliverable: the mail server refuses this recipient"


def test_who_gave_no_address_is_written_to_by_post(
    work: Work, region: Region, database: Database, clock: Clock
) -> None:
    factories.referral(work, region)
    work.session.commit()
    assert deliver(database, Post(), clock, URL).failed == 1
    row = _rows(database)[0]
    assert (row.channel, row.last_error, row.failed_at) == (Channel.LETTER, "to be posted", clock.now)


def test_it_is_tried_again_at_growing_intervals_for_72_hours(
    work: Work, region: Region, database: Database, clock: Clock
) -> None:
    _referred(work, region)
    started, tries = clock.now, 0
    while _rows(database)[0].failed_at is None:
        tries += deliver(database, Post(broken=True), clock, URL).retried
        clock.now = max(_rows(database)[0].next_attempt_at, clock.now + timedelta(seconds=1))
        assert clock.now - started < timedelta(hours=90)
    assert clock.now - started >= GIVE_UP_AFTER
    assert 10 < tries < 40
    assert "OSError" in str(_rows(database)[0].last_error)


def test_waits_double_up_to_six_hours() -> None:
    assert [retry_in(n).total_seconds() for n in (1, 2, 3)] == [30, 60, 120]
    assert retry_in(50) == timedelta(hours=6)


def test_whoever_died_with_a_claimed_message_is_replaced_later(
    work: Work, region: Region, database: Database, clock: Clock
) -> None:
    _referred(work, region)
    assert len(claim(database, clock.now, 10)) == 1
    assert deliver(database, Post(), clock, URL).sent == 0
    clock.now += timedelta(minutes=11)
    assert deliver(database, Post(), clock, URL).sent == 1


def test_two_that_claim_at_once_get_different_messages(
    work: Work, region: Region, database: Database, clock: Clock
) -> None:
    _referred(work, region, 20)
    barrier, claimed = threading.Barrier(4), []

    def one() -> None:
        mine = Database(database.url)
        barrier.wait()
        claimed.extend(claim(mine, clock.now, 5))
        mine.dispose()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [row.id for row in _rows(database)]


def test_a_message_says_nothing_clinical(work: Work, region: Region, database: Database, clock: Clock) -> None:
    _referred(work, region)
    post = Post()
    deliver(database, post, clock, URL)
    said = (post.sent[0].subject + post.sent[0].text).lower()
    assert URL in said
    words = set(re.findall(r"\w+", said.replace(URL, "")))
    assert not words & {"dermatology", "330", "mole", "ada", "1960", "ambervale"}


def test_a_message_to_staff_identifies_no_patient(work: Work, region: Region, database: Database, clock: Clock) -> None:
    referral = factories.referral(work, region)[0]
    outbox.enqueue(work, "worklist", "worklist:1", {"to": "clinic@example.invalid"}, referral_id=referral.id)
    work.session.commit()
    post = Post()
    deliver(database, post, clock, URL)
    assert [message.to for message in post.sent] == ["clinic@example.invalid"]
    assert referral.ubrn not in "".join(c for c in post.sent[0].text if c.isdigit())


def test_the_same_event_is_the_same_file(tmp_path: Path) -> None:
    message = Message("event:1", "a@example.invalid", "Subject", "Text")
    for _ in range(2):
        Folder(tmp_path, "sender@example.invalid").send(message)
    found = list(tmp_path.iterdir())
    assert len(found) == 1
    assert email.message_from_bytes(found[0].read_bytes())["Message-ID"] == message.message_id


@pytest.mark.parametrize("address", ["", "no address", "a@b\r\nBcc: c@d", "@"])
def test_an_address_that_is_none_is_undeliverable(tmp_path: Path, address: str) -> None:
    with pytest.raises(Undeliverable):
        Folder(tmp_path, "sender@example.invalid").send(Message("k", address, "Subject", "Text"))


def test_unknown_transports_are_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="MESSAGES"):
        Config(database_url="sqlite:///x.db", secret_key="x" * 40, messages="pigeon")


@contextmanager
def mail_server(tmp_path: Path, *, tls: bool) -> Iterator[tuple[int, ssl.SSLContext, list[str]]]:
    """A small SMTP server that wants STARTTLS; its port, a context that trusts it, what was said in the clear."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    clear: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context, clear, tls), daemon=True).start()
        yield listener.getsockname()[1], ssl.create_default_context(cafile=pem), clear


def _serve(listener: socket.socket, context: ssl.SSLContext, clear: list[str], tls: bool) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    with connection:
        file, secure = connection.makefile("rwb"), False

        def answer(text: str) -> None:
            file.write(f"{text}\r\n".encode())
            file.flush()

        answer("220 localhost")
        while line := file.readline().decode().strip():
            if not secure:
                clear.append(line)
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                answer("250-localhost\r\n250 STARTTLS" if tls and not secure else "250 localhost")
            elif verb == "STARTTLS":
                answer("220 go ahead")
                file.close()
                connection = context.wrap_socket(connection, server_side=True)
                file, secure = connection.makefile("rwb"), True
            elif verb == "RCPT" and "refused" in line:
                answer("550 no such user")
            elif verb == "DATA":
                answer("354 go on")
                while file.readline() != b".\r\n":
                    pass
                answer("250 taken")
            else:
                answer("221 bye" if verb == "QUIT" else "250 fine")
                if verb == "QUIT":
                    file.close()
                    connection.close()
                    return


def test_smtp_sends_nothing_in_the_clear(tmp_path: Path) -> None:
    with mail_server(tmp_path, tls=True) as (port, trusting, clear):
        with Smtp(f"smtp://localhost:{port}", "sender@example.invalid", trusting) as post:
            with pytest.raises(Undeliverable):
                post.send(Message("k", "refused@example.invalid", "Subject", "Text"))
            post.send(Message("k", "a@example.invalid", "Subject", "Text"))
        assert not any("example.invalid" in line for line in clear)


def test_smtp_without_tls_is_refused(tmp_path: Path) -> None:
    import smtplib

    with (
        mail_server(tmp_path, tls=False) as (port, trusting, clear),
        Smtp(f"smtp://localhost:{port}", "s@example.invalid", trusting) as post,
        pytest.raises(smtplib.SMTPNotSupportedError),
    ):
        post.send(Message("k", "a@example.invalid", "Subject", "Text"))
    assert not any("example.invalid" in line for line in clear)
