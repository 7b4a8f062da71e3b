"""What every page keeps: headers, weights, readable errors, the front page and the API's documentation."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from booking.edge.flask_app import BookingApp
from booking.web import assets, front
from tests.web.conftest import Visitor

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FIRST_LOAD_BYTES = 150 * 1024


def test_the_front_page_leads_everybody_in(visitor: Visitor) -> None:
    page = visitor.get("/")
    for words in ("Patient sign-in", "Practice sign-in", "Clinic sign-in", "Commissioner sign-in"):
        assert words in page.text
    assert "demonstration" not in page.text
    assert visitor.get("/tour").status_code == 404


def test_the_demos_sign_ins_are_shown_only_in_a_demo(app: BookingApp, visitor: Visitor, tmp_path: Path) -> None:
    person = {
        "name": "Zoë", "about": "A knee", "reference": "1234 5678 9012", "access_code": "CDFGH-JKMNP",
        "date_of_birth": {"day": 1, "month": 2, "year": 1970},
    }  # fmt: skip
    path = tmp_path / front.SIGN_INS  # beside the test's database
    app.settings = replace(app.settings, demo=True)
    assert "There are no sign-ins here yet" in visitor.get("/").text
    path.write_text("{", encoding="utf-8")
    assert "There are no sign-ins here yet" in visitor.get("/").text
    path.write_text(json.dumps({"patients": [person], "staff": []}), encoding="utf-8")
    assert "CDFGH-JKMNP" in visitor.get("/").text
    app.settings = replace(app.settings, demo=False)
    assert "CDFGH-JKMNP" not in visitor.get("/").text


def test_who_runs_it_is_said_where_it_was_set(app: BookingApp, visitor: Visitor) -> None:
    assert "not run by, or part of, any health service" in visitor.get("/").text
    app.settings = replace(
        app.settings, operator_name="Bro Fôn & Sons", operator_contact="0300 123", dpo_contact="dpo@example.org"
    )
    assert "Bro Fôn &amp; Sons runs this service." in visitor.get("/").text
    assert "not run by, or part of" not in visitor.get("/").text
    assert "0300 123" in visitor.get("/accessibility").text
    assert "dpo@example.org" in visitor.get("/privacy").text


def test_the_first_load_is_light(visitor: Visitor) -> None:
    page = visitor.get("/")
    total = len(gzip.compress(page.data))
    for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
        answer = visitor.client.get(address.replace("&amp;", "&"), headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        total += len(answer.data)
    assert total < FIRST_LOAD_BYTES


def test_static_files_are_known_by_their_content(visitor: Visitor) -> None:
    plain = visitor.client.get("/static/app.css")
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert plain.content_type.startswith("text/css")
    again = visitor.client.get("/static/app.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304
    assert visitor.client.get("/static/../app.py").status_code == 404
    assert visitor.client.get("/static/none.css").status_code == 404


def test_nothing_protected_and_nothing_from_outside(visitor: Visitor) -> None:
    folder = assets.FOLDER
    for path in folder.rglob("*.*"):
        text = path.read_text(encoding="utf-8").lower()
        assert "frutiger" not in text, path
        if path.suffix in (".css", ".js"):
            assert "assets.nhs.uk" not in text, path
    page = visitor.get("/").text
    assert not re.findall(r'(?:src|href)="https?://', page)
    assert "<style" not in page
    assert " style=" not in page
    assert not re.findall(r"<script(?![^>]*src)", page)


def test_errors_are_pages_in_plain_words(visitor: Visitor) -> None:
    page = visitor.get("/nothing-here")
    assert page.status_code == 404
    assert "We can’t find that" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert visitor.client.post("/").status_code == 405


def test_the_api_is_documented_for_people(visitor: Visitor) -> None:
    page = visitor.get("/api/docs")
    for words in (
        "Choosing and booking",
        "POST /api/v1/referrals",
        "Idempotency-Key",
        "schema-Referral",
        "openapi.json",
    ):
        assert words in page.text
    names = set(re.findall(r'href="#(schema-[^"]+)"', page.text))
    assert names
    assert names <= set(re.findall(r'id="(schema-[^"]+)"', page.text))
