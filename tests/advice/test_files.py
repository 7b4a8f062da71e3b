"""Files in the conversation: with the request or with what the own side said, and read by both sides only."""

from __future__ import annotations

import io
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import AccessEntry, Attachment
from tests.advice.conftest import API, Ask, Headers, People
from tests.api.conftest import fields_at_fault
from tests.conftest import Rows
from tests.letters.conftest import PDF, PNG


def upload(client: FlaskClient, request: dict[str, Any], headers: Headers, data: bytes, **form: Any) -> Any:
    body = {**form, "file": (io.BytesIO(data), "mole.pdf")}
    return client.post(f"{API}/advice/{request['reference']}/attachments", data=body, headers=headers)


def test_a_file_with_the_question(client: FlaskClient, people: People, asked: Ask, act: Any) -> None:
    made = asked()
    message = made["messages"][0]["id"]
    file = upload(client, made, people.gp, PDF, message_id=str(message))
    assert file.status_code == 201, file.json
    assert (file.json["message_id"], file.json["kind"], file.json["state"]) == (message, "ADVICE", "AVAILABLE")
    # Nobody answers without having seen it.
    assert act(made, "messages", people.clinician, text="No need.").json["code"] == "STALE_VERSION"
    seen = client.get(f"{API}/advice/{made['reference']}", headers=people.clinician).json
    assert [one["id"] for one in seen["attachments"]] == [file.json["id"]]
    assert client.get(f"{file.headers['Location']}/content", headers=people.clinician).data == PDF
    assert client.get(f"{file.headers['Location']}/content", headers=people.other_clinician).status_code == 404
    answered = act(seen, "messages", people.clinician, text="No need.")
    drawing = upload(client, made, people.clinician, PNG, message_id=str(answered.json["messages"][-1]["id"]))
    assert (drawing.status_code, drawing.json["file_name"]) == (201, "mole.png")
    listed = client.get(f"{API}/advice/{made['reference']}/attachments", headers=people.gp).json["attachments"]
    assert len(listed) == 2


def test_files_that_are_refused(client: FlaskClient, people: People, asked: Ask, act: Any, rows: Rows) -> None:
    made, other = asked(), asked()
    for who in (people.other_gp, people.other_clinician):
        assert upload(client, made, who, PDF).status_code == 404
        assert client.get(f"{API}/advice/{made['reference']}/attachments", headers=who).status_code == 404
    assert upload(client, made, people.commissioner, PDF).status_code == 403
    theirs = upload(client, made, people.clinician, PDF, message_id=str(made["messages"][0]["id"]))
    assert fields_at_fault(theirs) == {"message_id"}
    elsewhere = upload(client, made, people.gp, PDF, message_id=str(other["messages"][0]["id"]))
    assert fields_at_fault(elsewhere) == {"message_id"}
    assert fields_at_fault(upload(client, made, people.gp, b"MZ\x90\x00" + bytes(200))) == {"file"}
    assert act(made, "close", people.gp).status_code == 200
    assert upload(client, made, people.gp, PDF).json["code"] == "ADVICE_ENDED"
    assert rows(select(Attachment)) == []


def test_who_looked_is_kept(client: FlaskClient, people: People, asked: Ask, rows: Rows) -> None:
    made = asked()
    client.get(f"{API}/advice/{made['reference']}", headers=people.clinician)
    looks = [one.role for one in rows(select(AccessEntry).where(AccessEntry.what.like("advice %")))]
    assert "PROVIDER_CLINICIAN" in looks
