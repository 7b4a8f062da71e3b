"""How a message leaves: by the patient's channel and language, by gateway and Notify; what can't goes to people."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.config import Config, ConfigError
from booking.db import Database
from booking.domain.words import Channel, Language, Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.messaging import Message, Transport, Undeliverable, ways
from booking.models import AuditEntry, OutboxMessage, Patient, Referral
from booking.services import outbox
from booking.services.booking import Choice, book, cancel_booking
from booking.services.delivery import deliver
from booking.services.message_words import PATIENT
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, fields_at_fault
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.letters.pdf import Pdf
from tests.letters.services import http_gateway

URL = "https://choose.example"
SERVICE, SECRET = "26785a09-ab16-4eb0-8407-a37497a57506", "3d844edf-8d35-48ac-975b-e847b4f122b0"


@dataclass
class Post(Transport):
    """Remembers what was sent, or refuses it for good."""

    refuses: bool = False
    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.refuses:
            raise Undeliverable("refused")
        self.sent.append(message)


@pytest.fixture
def patient(work: Work, region: Region) -> Patient:
    region.patient.email, region.patient.mobile = "ada@example.invalid", "07700 900123"
    work.session.commit()
    return region.patient


def _tell(
    work: Work, region: Region, database: Database, clock: Clock, *, kind: str = "referral-ready",
    mail: Post | None = None, texts: Post | None = None, **payload: object,
) -> tuple[Post, Post, OutboxMessage]:  # fmt: skip
    referral = factories.referral(work, region)[0]
    work.session.execute(OutboxMessage.__table__.delete())
    made = outbox.enqueue(work, kind, f"test:{kind}", {"ubrn": referral.ubrn, **payload}, referral_id=referral.id)
    work.session.commit()
    mail, texts = mail or Post(), texts or Post()
    deliver(database, {Channel.EMAIL: mail, Channel.SMS: texts}, clock, URL)
    work.session.refresh(made)
    work.session.expunge(made)
    work.session.commit()
    return mail, texts, made


@pytest.mark.parametrize(
    ("channel", "email", "mobile", "used"),
    [
        (Channel.EMAIL, "a@example.invalid", "07700 900123", Channel.EMAIL),
        (Channel.SMS, "a@example.invalid", "07700 900123", Channel.SMS),
        (Channel.SMS, "a@example.invalid", None, Channel.EMAIL),
        (Channel.EMAIL, None, "07700 900123", Channel.SMS),
        (Channel.EMAIL, None, None, Channel.LETTER),
        (Channel.LETTER, "a@example.invalid", "07700 900123", Channel.LETTER),
    ],
)
def test_the_channel_is_the_patients_and_falls_back_to_what_they_gave(
    work: Work, region: Region, database: Database, clock: Clock, channel: Channel, email: str | None,
    mobile: str | None, used: Channel,
) -> None:  # fmt: skip
    region.patient.channel, region.patient.email, region.patient.mobile = channel, email, mobile
    mail, texts, row = _tell(work, region, database, clock)
    assert row.channel is used
    assert (len(mail.sent), len(texts.sent)) == (used is Channel.EMAIL, used is Channel.SMS)
    assert (row.delivered_at is None) == (used is Channel.LETTER)
    assert (row.failed_at is None) == (used is not Channel.LETTER)


def test_a_refused_address_gives_way_to_the_other(
    work: Work, region: Region, database: Database, clock: Clock, patient: Patient
) -> None:
    _mail, texts, row = _tell(work, region, database, clock, mail=Post(refuses=True))
    assert (len(texts.sent), row.channel) == (1, Channel.SMS)
    _mail, _texts, row = _tell(
        work, region, database, clock, kind="deferred", mail=Post(refuses=True), texts=Post(refuses=True)
    )
    assert (row.failed_at, row.last_error) == (clock.now, "Undeliverable: refused")


@pytest.mark.parametrize("kind", [*sorted(set(PATIENT) - {"offer-expiring"}), "nobody-wrote-words-for-this"])
@pytest.mark.parametrize("language", list(Language))
def test_every_kind_has_words_and_none_says_too_much(
    work: Work, region: Region, database: Database, clock: Clock, patient: Patient, kind: str, language: Language
) -> None:
    patient.language = language
    referral = factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))[0]
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = region.slots[0]
    booked = book(acting, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    kind = kind.partition(":")[0]
    mail, _, row = _tell(
        work, region, database, clock, kind=kind, reference=booked.reference, reason="CLINIC_CANCELLED"
    )
    assert row.delivered_at is not None, row.last_error
    said = mail.sent[0].subject + mail.sent[0].text
    assert "{" not in said
    assert URL in said
    for secret in ("dermatology", "mole", "ada", "ambervale", "1960"):
        assert secret not in said.lower()
    if kind == "appointment-cancelled-by-provider":
        reason, when = {
            Language.ENGLISH: ("The reason: the clinic can't take place.", "Tuesday 3 March 2026 at 09:00"),
            Language.WELSH: ("Y rheswm: ni all y clinig gael ei gynnal.", "dydd Mawrth 3 Mawrth 2026 am 09:00"),
        }[language]
        assert reason in said
        assert when in said


def test_a_text_is_short_and_names_the_way_in(
    work: Work, region: Region, database: Database, clock: Clock, patient: Patient
) -> None:
    patient.channel = Channel.SMS
    _, texts, _ = _tell(work, region, database, clock)
    assert texts.sent[0].to == "07700 900123"
    assert len(texts.sent[0].text) < 306  # two texts
    assert URL in texts.sent[0].text


def test_staff_are_told_which_list_and_how_many(work: Work, region: Region, database: Database, clock: Clock) -> None:
    said = {"to": "clinic@example.invalid", "worklist": "LETTERS_OUTSTANDING", "entries": 3}
    mail, _, _ = _tell(work, region, database, clock, kind="overdue", **said)
    assert "“Letters outstanding”, 3 entries" in mail.sent[0].text
    region.practice.worklist_email = "desk@example.invalid"
    mail, _, _ = _tell(work, region, database, clock, kind="attachment-refused", organisation_id=region.practice.id)
    assert mail.sent[0].to == "desk@example.invalid"
    _, _, row = _tell(work, region, database, clock, kind="advice", organisation_id=region.provider.id)
    assert row.last_error == "Undeliverable: the organisation has no address for notices"


def _config(**settings: str) -> Config:
    return Config(database_url="sqlite:///x.db", secret_key="x" * 40, **settings)  # type: ignore[arg-type]


def _claims(token: str) -> dict[str, object]:
    """What a JSON Web Token says, its HS256 signature checked with the key's secret."""
    head, body, signature = token.split(".")
    right = hmac.new(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == right
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"typ": "JWT", "alg": "HS256"}
    said: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return said


def test_notify_gets_what_its_api_wants() -> None:
    with http_gateway() as heard:
        config = _config(
            messages="notify", sms="notify", notify_url=heard.url, notify_key=f"my_key-{SERVICE}-{SECRET}",
            notify_email_template="template-e", notify_sms_template="template-s",
        )  # fmt: skip
        message = Message("booking:ABC:booked", "a@example.invalid", "Subject", "Text")
        for channel, way in ways(config).items():
            with way:
                way.send(message if channel is Channel.EMAIL else replace(message, to="07700 900123"))
        (path, headers, body), (sms_path, _, sms) = heard.requests
        assert (path, sms_path) == ("/v2/notifications/email", "/v2/notifications/sms")
        claims = _claims(headers["Authorization"].removeprefix("Bearer "))
        assert claims["iss"] == SERVICE
        assert isinstance(claims["iat"], int)
        assert body == {
            "email_address": "a@example.invalid", "template_id": "template-e", "reference": "booking:ABC:booked",
            "personalisation": {"subject": "Subject", "body": "Text"},
        }  # fmt: skip
        assert (sms["phone_number"], sms["template_id"]) == ("07700 900123", "template-s")


@pytest.mark.parametrize(("status", "final"), [(400, True), (422, True), (403, False), (429, False), (500, False)])
def test_a_gateway_that_refuses_is_final_only_for_the_message_itself(status: int, final: bool) -> None:
    with http_gateway() as heard:
        heard.status = status
        way = ways(_config(sms=f"{heard.url}/texts", sms_token="t0ken"))[Channel.SMS]
        with way, pytest.raises(Exception, match=str(status)) as refused:
            way.send(Message("k", "07700 900123", "Subject", "Text"))
        assert isinstance(refused.value, Undeliverable) == final
        path, headers, body = heard.requests[0]
        assert (path, headers["Authorization"], headers["Idempotency-Key"]) == ("/texts", "Bearer t0ken", "k")
        assert body == {"to": "07700 900123", "text": "Text", "reference": "k"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"sms": "pigeon"}, "SMS"),
        ({"sms": "http://gateway.example/x"}, "SMS"),
        ({"messages": "notify"}, "NOTIFY_KEY"),
        ({"messages": "notify", "notify_key": f"k-{SERVICE}-{SECRET}"}, "NOTIFY_EMAIL_TEMPLATE"),
        ({"sms": "notify", "notify_key": f"k-{SERVICE}-{SECRET}"}, "NOTIFY_SMS_TEMPLATE"),
    ],
)
def test_settings_name_what_is_wrong(settings: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        _config(**settings)


def _failed(client: FlaskClient, headers: Headers) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get(f"{API}/messages/failed", headers=headers).json["messages"]
    return found


def test_what_must_be_posted_is_listed_printed_and_dealt_with(
    client: FlaskClient, gp: Headers, provider: Headers, work: Work, region: Region, database: Database, clock: Clock,
    rows: Rows,
) -> None:  # fmt: skip
    region.patient.channel, region.patient.language = Channel.LETTER, Language.WELSH
    _, _, row = _tell(work, region, database, clock)
    ubrn = row.payload["ubrn"]
    assert [(one["ubrn"], one["kind"], one["to_post"]) for one in _failed(client, gp)] == [
        (ubrn, "referral-ready", True)
    ]
    assert _failed(client, provider) == []
    where = f"{API}/messages/{row.id}"
    made = Pdf(client.get(f"{where}/letter.pdf", headers=gp).data)
    assert made.language == "cy-GB"
    assert "Annwyl Ada" in made.text
    assert client.get(f"{where}/letter.pdf", headers=provider).status_code == 403
    assert client.post(f"{where}/resolve", json={"comment": "x"}, headers=provider).status_code == 404
    assert fields_at_fault(client.post(f"{where}/resolve", json={"comment": " "}, headers=gp)) == {"comment"}
    assert client.post(f"{where}/resolve", json={"comment": "Posted"}, headers=gp).status_code == 204
    assert client.post(f"{where}/resolve", json={"comment": "Posted"}, headers=gp).status_code in (404, 409)
    assert _failed(client, gp) == []
    assert rows(select(OutboxMessage.delivered_at).where(OutboxMessage.id == row.id)) == [clock.now]
    entry = rows(select(AuditEntry).where(AuditEntry.action == "message.resolve"))[0]
    assert entry.after == {"message": row.id, "kind": "referral-ready"}  # what was written may be forgotten, this not


def test_a_message_that_failed_for_good_is_shown_and_the_practice_told_once_a_day(
    app: BookingApp, client: FlaskClient, gp: Headers, work: Work, region: Region, database: Database, clock: Clock,
    patient: Patient, rows: Rows,
) -> None:  # fmt: skip
    region.practice.worklist_email = "desk@example.invalid"
    patient.mobile = None
    _tell(work, region, database, clock, mail=Post(refuses=True))
    assert [one["why"] for one in _failed(client, gp)] == ["Undeliverable: refused"]
    notices = select(OutboxMessage.payload).where(OutboxMessage.kind == "messages-failed")
    for _ in range(2):
        tasks.remind(app)
    assert [notice["entries"] for notice in rows(notices)] == [1]
    clock.now += timedelta(days=1)
    tasks.remind(app)
    assert len(rows(notices)) == 2


def test_a_reminder_that_is_no_longer_true_is_dropped(
    client: FlaskClient, gp: Headers, work: Work, region: Region, database: Database, clock: Clock, patient: Patient
) -> None:
    referral = factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))[0]
    acting, slot = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice), region.slots[0]
    booked = book(acting, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    cancel_booking(acting, booked.reference or "", reason="UNABLE_TO_ATTEND", comment=None)
    mail, _, row = _tell(work, region, database, clock, kind="reminder", reference=booked.reference)
    assert mail.sent == []
    assert row.resolved_by == "system"
    assert _failed(client, gp) == []


def test_patients_and_practices_choose_channel_language_and_print(
    client: FlaskClient, gp: Headers, provider: Headers, me: Headers, region: Region, referral: Referral, rows: Rows
) -> None:
    where = f"{API}/me/contact"
    read = client.get(where, headers=me)
    assert (read.json["channel"], read.json["language"], read.json["large_print"]) == ("EMAIL", "en", False)
    tag = {"If-Match": read.headers["ETag"]}
    assert client.patch(where, json={"language": "cy"}, headers=me).status_code == 428
    assert fields_at_fault(client.patch(where, json={"language": "fr"}, headers={**me, **tag})) == {"language"}
    assert fields_at_fault(client.patch(where, json={"channel": "SMS"}, headers={**me, **tag})) == {"mobile"}
    done = client.patch(
        where, json={"channel": "SMS", "mobile": "07700 900123", "language": "cy"}, headers={**me, **tag}
    )
    assert (done.status_code, done.json["channel"]) == (200, "SMS")
    assert client.patch(where, json={"language": "en"}, headers={**me, **tag}).status_code == 409
    theirs = f"{API}/patients/{region.patient.id}/contact"
    tag = {"If-Match": client.get(theirs, headers=gp).headers["ETag"]}
    assert client.patch(theirs, json={"large_print": True}, headers={**gp, **tag}).json["large_print"] is True
    assert client.get(theirs, headers=provider).status_code == 403
    assert client.get(theirs, headers=me).status_code == 403
    entry = rows(select(AuditEntry).where(AuditEntry.action == "patient.contact"))[0]
    assert entry.after == {"changed": ["channel", "language", "mobile"]}
