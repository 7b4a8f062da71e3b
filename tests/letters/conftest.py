"""What the tests of letters share: callers of the API, files of every kind."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import requests
from flask.testing import FlaskClient

from tests.api.conftest import API, admin, gp, me, provider, referral  # noqa: F401  # fixtures

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(100) + b"\xff\xd9"
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"
TIFF = b"II*\x00\x08\x00\x00\x00" + bytes(40)
RTF = rb"{\rtf1\ansi A letter about a mole\par}"
DOC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "WordDocument".encode("utf-16-le") + bytes(512)
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3"><id/></ClinicalDocument>'
TXT = "Dear colleague, Siân’s mole has grown. 😀".encode()
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def docx(*, types: str = WORD, extra: dict[str, bytes] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(
            "[Content_Types].xml", f'<Types><Override PartName="/word/document.xml" ContentType="{types}"/></Types>'
        )
        archive.writestr("word/document.xml", "<w:document/>")
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return made.getvalue()


def upload(
    client: FlaskClient, headers: dict[str, str], ubrn: str, data: bytes = PDF, name: str = "letter.pdf",
    kind: str = "REFERRAL_LETTER", **more: Any,
) -> Any:  # fmt: skip
    form = requests.Request("POST", "http://localhost", data={"kind": kind}, files={"file": (name, data)}).prepare()
    return client.post(
        f"{API}/referrals/{ubrn}/attachments", data=form.body, headers={**headers, **more},
        content_type=form.headers["Content-Type"],
    )  # fmt: skip
