"""PDFs: tagged, in their language, with what people wrote as they wrote it; the letter with its code."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.ids import CODE_ALPHABET
from booking.domain.words import Language, Role
from booking.models import AccessEntry, AuditEntry, Patient, Referral
from booking.services.booking import Choice, book
from booking.services.documents import PatientLetter, Section, Table, patient_letter_pdf, record_pdf
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers
from tests.conftest import Rows
from tests.factories import Region
from tests.letters.conftest import upload
from tests.letters.pdf import Pdf

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LETTER = PatientLetter(
    patient="Siân O’Neill", practice="Millbrook Surgery", referrer="Dr Amal Haddad", specialty="Dermatology",
    ways=[("Ambervale General", "01234 567890"), ("Weirside Trust", None), ("Ambervale General", "01234 567890")],
    triage=False, ubrn="123456789012", access_code="CDFGHJKMNP", code_until=date(2026, 8, 29),
    url="https://choose.example", step_free=True, interpreter="Punjabi",
)  # fmt: skip


def _letter(language: Language = Language.ENGLISH, *, large: bool = False) -> Pdf:
    return Pdf(patient_letter_pdf(LETTER, language=language, large_print=large, now=NOW))


@pytest.mark.parametrize("language", list(Language))
def test_the_letter_is_accessible_and_in_its_language(language: Language) -> None:
    made = _letter(language)
    assert (made.language, made.tagged, made.claims_ua, made.pages) == (f"{language}-GB", True, True, 1)
    assert made.title == {"en": "Choose your hospital or clinic appointment"}.get(
        language, "Dewiswch eich apwyntiad ysbyty neu glinig"
    )


def test_the_letter_says_what_is_needed_and_the_code_stands_on_the_part_to_tear_off() -> None:
    text = _letter().text
    for said in (
        "Dear Siân O’Neill,", "Dr Amal Haddad at Millbrook Surgery has referred you to: Dermatology.",
        "1234 5678 9012", "https://choose.example", "Ambervale General: 01234 567890", "Weirside Trust",
        "step-free access", "Punjabi", "Saturday 29 August 2026",
    ):  # fmt: skip
        assert said in text, said
    before, _, tear = text.partition("Tear off and keep safe")
    assert "CDFGH-JKMNP" not in before
    assert "CDFGH-JKMNP" in tear
    assert text.count("01234 567890") == 1


def test_the_letter_in_welsh_and_in_large_print() -> None:
    welsh = _letter(Language.WELSH).text
    assert "Annwyl Siân O’Neill," in welsh
    assert "Dydd Sadwrn 29 Awst 2026" in welsh
    assert "CDFGH-JKMNP" in welsh
    large = _letter(large=True)
    assert large.pages > 1
    assert b" 18 Tf" in b"".join(_contents(large))
    assert "CDFGH-JKMNP" in large.text


def _contents(made: Pdf) -> list[bytes]:
    from tests.letters.pdf import _stream

    return [_stream(body) for body in made.objects.values()]


NASTY = [
    "O'Neill \"quoted\" \\ backslash", "#panic(\"run\") #read(\"house.typ\") $x^2$ *bold* _it_ `code` @label <l> // no",
    "= heading\n- list\n+ item /* */ ~ -- ---", "😀 👩🏽‍⚕️ family 👨‍👩‍👧", "محمد العربي بن يوسف", "יוסף כהן",
    "李小龙 நன்றி", "\x00\x01\x1f\x7f\u202e\u2066\ufeff\ud800", "x" * 2000, "", " \n\n ", "{url} %s {0}",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_whatever_people_wrote_is_set_and_runs_nothing(text: str) -> None:
    sections = [Section(text, facts=[(text, text)], paragraphs=[text], table=Table([text, "b"], [["1", text]]))]
    made = Pdf(record_pdf(text, sections, made_at=NOW))
    assert made.raw.startswith(b"%PDF-1.7")
    assert made.tagged
    assert made.pages >= 1


def test_markup_is_shown_as_it_was_written() -> None:
    made = Pdf(record_pdf("T", [Section("S", paragraphs=['#panic("run") $x$ *b* {url}'])], made_at=NOW))
    assert '#panic("run") $x$ *b* {url}' in made.text
    assert made.claims_ua


def test_a_row_that_does_not_fit_its_headings_is_an_error() -> None:
    with pytest.raises(ValueError, match="headings"):
        record_pdf("T", [Section("S", table=Table(["a"], [["1", "2"]]))])


def test_a_letter_takes_milliseconds() -> None:
    _letter()
    began = time.perf_counter()
    for _ in range(20):
        _letter()
    each = (time.perf_counter() - began) / 20 * 1000
    print(f"{each:.1f} ms for a letter")
    assert each < 250


def _print(client: FlaskClient, gp: Headers, ubrn: str, query: str = "", **more: str) -> Pdf:
    answer = client.post(f"{API}/referrals/{ubrn}/patient-letter{query}", headers={**gp, **more})
    assert answer.status_code == 201, answer.json
    assert answer.content_type == "application/pdf"
    return Pdf(answer.data)


def _code(made: Pdf) -> str:
    found = re.findall(rf"\b[{CODE_ALPHABET}]{{5}}-[{CODE_ALPHABET}]{{5}}\b", made.text)
    assert len(found) == 1, made.text
    return str(found[0])


def test_printing_gives_a_new_code_that_works_and_ends_the_old_one(
    client: FlaskClient, gp: Headers, referral: Referral, me: Headers, rows: Rows
) -> None:
    made = _print(client, gp, referral.ubrn)
    where, born = f"{API}/patient-sessions", {"ubrn": referral.ubrn, "date_of_birth": "1960-05-17"}
    old = client.post(where, json={**born, "access_code": referral.shown_code})  # type: ignore[attr-defined]
    assert old.status_code == 401
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).status_code == 401
    assert client.post(where, json={**born, "access_code": _code(made)}).status_code == 201
    actions = rows(select(AuditEntry.action).where(AuditEntry.chain == f"referral:{referral.id}"))
    assert {"referral.reissue_access_code", "referral.print_letter"} <= set(actions)


def test_the_patients_preferences_hold_unless_something_else_is_asked_for(
    client: FlaskClient, gp: Headers, referral: Referral, work: Work
) -> None:
    patient = work.session.get_one(Patient, referral.patient_id)
    patient.language, patient.large_print = Language.WELSH, True
    work.session.commit()
    preferred = _print(client, gp, referral.ubrn)
    assert (preferred.language, preferred.pages > 1) == ("cy-GB", True)
    asked = _print(client, gp, referral.ubrn, "?language=en&large_print=false")
    assert (asked.language, asked.pages) == ("en-GB", 1)
    refused = client.post(f"{API}/referrals/{referral.ubrn}/patient-letter?language=fr", headers=gp)
    assert refused.status_code == 422


def test_the_same_key_prints_the_same_letter(client: FlaskClient, gp: Headers, referral: Referral) -> None:
    one, two = (_print(client, gp, referral.ubrn, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert one.raw == two.raw
    assert _code(_print(client, gp, referral.ubrn)) != _code(one)


def test_the_summary_is_for_the_practice_and_the_provider_it_was_sent_to(
    client: FlaskClient, gp: Headers, provider: Headers, referral: Referral, work: Work, region: Region, rows: Rows
) -> None:
    where = f"{API}/referrals/{referral.ubrn}/summary.pdf"
    assert client.get(where, headers=provider).status_code == 404
    slot = region.slots[0]
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    book(acting, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.get_one(Referral, referral.id).clinical_information = "Mole on the left arm, 8 mm.\n\n#panic()"
    work.session.commit()
    upload(client, gp, referral.ubrn, name="letter of Siân.pdf")
    for who in (gp, provider):
        made = Pdf(client.get(where, headers=who).data)
        assert (made.language, made.claims_ua) == ("en-GB", True)
        for said in ("Mole on the left arm, 8 mm.", "#panic()", "letter of Siân.pdf", "Ada Patient", "ISSUE", "BOOK"):
            assert said in made.text, said
    assert rows(select(AccessEntry.organisation).where(AccessEntry.what == "summary")) == ["P81001", "RA1"]
