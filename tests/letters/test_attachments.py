"""Attachments through HTTP: whose they are, when they may be read, what they do to the worklists."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.config import Config
from booking.domain.words import Role, Worklist
from booking.models import AccessEntry, Attachment, AuditEntry, Referral
from booking.services.attachments import MOST_FILES
from booking.services.booking import Choice, book
from booking.services.file_types import LARGEST
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, fields_at_fault
from tests.conftest import Rows
from tests.factories import Region, bearer
from tests.letters.conftest import PDF, PNG, docx, upload


@pytest.fixture
def booked(work: Work, region: Region, referral: Referral) -> Referral:
    """The referral, booked at the provider of the ``provider`` fixture."""
    slot = region.slots[0]
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    book(acting, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    return referral


@pytest.fixture
def stranger(work: Work, region: Region) -> Headers:
    """A GP of another practice."""
    row = factories.account(work, Role.REFERRING_CLINICIAN, region.other_practice)
    region.account_roles[Role.COMMISSIONER] = row
    headers = bearer(factories.token(work, region, Role.COMMISSIONER))
    work.session.commit()
    return headers


def _content(client: FlaskClient, headers: Headers, row: dict[str, Any]) -> Any:
    return client.get(f"{API}/attachments/{row['id']}/content", headers=headers)


def test_a_letter_goes_up_and_comes_down_again(
    client: FlaskClient, gp: Headers, provider: Headers, booked: Referral, me: Headers, rows: Rows, config: Config
) -> None:
    made = upload(client, gp, booked.ubrn, PDF, "Siân's letter.pdf")
    assert made.status_code == 201, made.json
    assert (made.json["state"], made.json["content_type"], made.json["size"]) == (
        "AVAILABLE",
        "application/pdf",
        len(PDF),
    )
    assert made.json["sha256"] == hashlib.sha256(PDF).hexdigest()
    for who in (gp, provider, me):
        listed = client.get(f"{API}/referrals/{booked.ubrn}/attachments", headers=who)
        assert [one["file_name"] for one in listed.json["attachments"]] == ["Siân's letter.pdf"]
        got = _content(client, who, made.json)
        assert got.data == PDF
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Disposition"] == (
        "attachment; filename=\"Si_n_s letter.pdf\"; filename*=UTF-8''Si%C3%A2n%27s%20letter.pdf"
    )
    looked = rows(select(AccessEntry.organisation).where(AccessEntry.what == f"attachment {made.json['id']}"))
    assert sorted(looked) == ["P81001", "RA1"]
    folder = Path(config.attachments.removeprefix("disk:"))
    assert [path.read_bytes() for path in folder.glob("*/*")] == [PDF]


def test_the_letter_moves_the_referral_off_letters_outstanding(
    client: FlaskClient, gp: Headers, booked: Referral, rows: Rows
) -> None:
    query = select(Referral.worklist).where(Referral.id == booked.id)
    assert rows(query) == [Worklist.LETTERS_OUTSTANDING]
    upload(client, gp, booked.ubrn, PNG, "scan.png", "CLINICAL")
    assert rows(query) == [Worklist.LETTERS_OUTSTANDING]
    made = upload(client, gp, booked.ubrn)
    assert rows(query) == [Worklist.REFERRALS_FOR_REVIEW]
    assert client.delete(f"{API}/attachments/{made.json['id']}", headers=gp).status_code == 204
    assert rows(query) == [Worklist.LETTERS_OUTSTANDING]
    assert rows(select(Attachment.removed_at).where(Attachment.id == made.json["id"])) != [None]
    actions = rows(select(AuditEntry.action).where(AuditEntry.chain == f"referral:{booked.id}").order_by(AuditEntry.id))
    assert actions[-3:] == ["attachment.add", "attachment.add", "attachment.remove"]


def test_what_is_not_yours_does_not_exist(
    client: FlaskClient, gp: Headers, provider: Headers, stranger: Headers, referral: Referral
) -> None:
    made = upload(client, gp, referral.ubrn)
    for who in (stranger, provider):  # the referral was not sent to the provider yet
        assert client.get(f"{API}/referrals/{referral.ubrn}/attachments", headers=who).status_code == 404
        assert _content(client, who, made.json).status_code == 404
        assert client.get(f"{API}/attachments/{made.json['id']}", headers=who).status_code == 404
        assert client.delete(f"{API}/attachments/{made.json['id']}", headers=who).status_code == 404
    assert upload(client, stranger, referral.ubrn).status_code == 404


def test_each_side_attaches_its_own_kinds(
    client: FlaskClient, gp: Headers, provider: Headers, booked: Referral
) -> None:
    assert fields_at_fault(upload(client, gp, booked.ubrn, kind="TRIAGE")) == {"kind"}
    assert fields_at_fault(upload(client, provider, booked.ubrn, kind="REFERRAL_LETTER")) == {"kind"}
    assert fields_at_fault(upload(client, gp, booked.ubrn, kind="NONSENSE")) == {"kind"}
    assert upload(client, provider, booked.ubrn, kind="TRIAGE").status_code == 201


def test_a_file_stays_once_the_other_side_has_read_it_and_only_its_sender_removes_it(
    client: FlaskClient, gp: Headers, provider: Headers, booked: Referral
) -> None:
    made = upload(client, gp, booked.ubrn).json
    where = f"{API}/attachments/{made['id']}"
    assert client.delete(where, headers=provider).status_code == 403
    _content(client, gp, made)
    again = upload(client, gp, booked.ubrn).json
    assert client.delete(where, headers=gp).status_code == 204
    assert client.delete(where, headers=gp).status_code == 404
    assert _content(client, gp, made).status_code == 404
    _content(client, provider, again)
    refused = client.delete(f"{API}/attachments/{again['id']}", headers=gp)
    assert (refused.status_code, refused.json["code"]) == (409, "ATTACHMENT_WAS_READ")


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"MZ\x90\x00" + bytes(99), "letter.pdf", "FILE_TYPE"),
        (b"", "letter.pdf", "FILE_EMPTY"),
        (b"%PDF-1.4" + bytes(LARGEST), "letter.pdf", "FILE_TOO_LARGE"),
        (docx(extra={"word/vbaProject.bin": b"x"}), "letter.docx", "FILE_MACROS"),
        (PDF, "", None),
    ],
)
def test_a_bad_file_is_refused_and_nothing_is_kept(
    client: FlaskClient, gp: Headers, referral: Referral, rows: Rows, config: Config, data: bytes, name: str,
    code: str | None,
) -> None:  # fmt: skip
    refused = upload(client, gp, referral.ubrn, data, name)
    assert refused.status_code == 422
    assert fields_at_fault(refused) == {"file"}
    if code:
        assert refused.json["errors"][0]["code"] == code
    assert rows(select(func.count(Attachment.id))) == [0]
    assert not list(Path(config.attachments.removeprefix("disk:")).glob("*/*"))


def test_there_is_a_most(client: FlaskClient, gp: Headers, referral: Referral, work: Work) -> None:
    for n in range(MOST_FILES):
        work.session.add(
            Attachment(
                referral_id=referral.id, kind="CLINICAL", file_name="a.pdf", content_type="application/pdf", size=1,
                sha256="0" * 64, storage_key=f"{n:032x}", state="AVAILABLE", uploaded_by="x",
                organisation_id=referral.practice_id, uploaded_at=work.now,
            )
        )  # fmt: skip
    work.session.commit()
    assert fields_at_fault(upload(client, gp, referral.ubrn)) == {"file"}


def test_a_repeated_upload_is_one_file(client: FlaskClient, gp: Headers, referral: Referral, rows: Rows) -> None:
    """Between the parts of a form stands something else each time: the key goes by the parts."""
    one, two = (upload(client, gp, referral.ubrn, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert one.json == two.json
    assert two.headers["Idempotency-Replayed"] == "true"
    assert rows(select(func.count(Attachment.id))) == [1]
    other = upload(client, gp, referral.ubrn, PNG, **{"Idempotency-Key": "k1"})
    assert fields_at_fault(other) == {"Idempotency-Key"}


def test_a_stored_file_that_changed_is_never_given_out(
    client: FlaskClient, gp: Headers, referral: Referral, config: Config
) -> None:
    made = upload(client, gp, referral.ubrn).json
    path = next(Path(config.attachments.removeprefix("disk:")).glob("*/*"))
    path.write_bytes(PDF + b" ")
    refused = _content(client, gp, made)
    assert (refused.status_code, refused.json["code"]) == (503, "FILE_DAMAGED")
    path.unlink()
    assert _content(client, gp, made).status_code == 503


def test_a_form_that_is_none(client: FlaskClient, gp: Headers, referral: Referral) -> None:
    where = f"{API}/referrals/{referral.ubrn}/attachments"
    assert fields_at_fault(client.post(where, json={"kind": "CLINICAL"}, headers=gp)) == {"kind"}
    unknown = {"kind": "CLINICAL", "file": (io.BytesIO(PDF), "a.pdf"), "colour": "red"}
    assert fields_at_fault(client.post(where, data=unknown, headers=gp)) == {"colour"}
    two = {"kind": "CLINICAL", "file": (io.BytesIO(PDF), "a.pdf"), "more": (io.BytesIO(PDF), "b.pdf")}
    assert fields_at_fault(client.post(where, data=two, headers=gp)) == {"more"}
    assert fields_at_fault(client.post(where, data={"kind": "CLINICAL"}, headers=gp)) == {"file"}


def test_nothing_is_attached_to_what_is_over(client: FlaskClient, gp: Headers, referral: Referral) -> None:
    version = client.get(f"{API}/referrals/{referral.ubrn}", headers=gp).headers["ETag"]
    done = client.post(
        f"{API}/referrals/{referral.ubrn}/cancel", json={"reason": "NO_LONGER_REQUIRED"},
        headers={**gp, "If-Match": version},
    )  # fmt: skip
    assert done.status_code == 200
    assert upload(client, gp, referral.ubrn).json["code"] == "REFERRAL_ENDED"
