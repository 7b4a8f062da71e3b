"""Reports as CSV: what a spreadsheet makes of them."""

from __future__ import annotations

import csv
import io

import pytest
from flask.testing import FlaskClient

from booking.services.reports.catalogue import REPORTS
from booking.services.reports.csv_file import safe
from tests.reports.conftest import API, Headers, Records

QUERY = "from=2026-02-01&to=2026-02-28&format=csv"


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("text", ["=1+1", "+44", "-1", "@SUM(A1)", "\tx", "\rx", "  =1+1", "＝1", "\n=1"])
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    assert safe(text) == f"'{text}"


def test_what_does_not_begin_like_one_stays() -> None:
    assert [safe(value) for value in ("O’Neill", "a=b", "330", -5, 12, None, "")] == [
        "O’Neill", "a=b", "330", -5, 12, "", "",
    ]  # fmt: skip


def test_a_report(client: FlaskClient, records: Records, commissioner: Headers) -> None:
    practice = records.region.practice
    practice.name = '=HYPERLINK("http://evil.example","Surgery, the 2nd")'
    records.work.session.add(practice)
    for _ in range(12):
        records.referral()
    for _ in range(2):
        records.referral(specialty_code="320")
    records.commit()
    answer = client.get(f"{API}/reports/referrals?{QUERY}", headers=commissioner)
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="referrals-2026-02-to-2026-02.csv"'
    text = answer.get_data(as_text=True)
    assert text.count("\r\n") == text.count("\n")
    assert text.endswith("\r\n")
    lines = table(text)
    assert len({len(line) for line in lines}) == 1
    about = {line[0]: line[1] for line in lines[:4]}
    assert about["Period"] == "2026-02-01 to 2026-02-28"
    assert about["Made"] == "Monday 2 March 2026 at 09:00"
    assert "Counts below 5 are suppressed" in about["Small numbers"]
    assert lines[4] == [column.name for column in REPORTS["referrals"].columns]
    rows = {(line[0], line[1]): line for line in lines[5:]}
    assert rows["all", "all"][3:] == ["12", "*", "*"]  # 14, none, none
    assert ("specialty", "320") not in rows
    assert rows["practice", "P81001"][2] == "'" + practice.name


def test_the_byte_order_mark(client: FlaskClient, commissioner: Headers) -> None:
    plain = client.get(f"{API}/reports/referrals?{QUERY}", headers=commissioner).data
    marked = client.get(f"{API}/reports/referrals?{QUERY}&bom=true", headers=commissioner).data
    assert marked == b"\xef\xbb\xbf" + plain


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_every_report_as_csv(client: FlaskClient, commissioner: Headers, name: str) -> None:
    answer = client.get(f"{API}/reports/{name}?format=csv", headers=commissioner)
    assert answer.status_code == 200
    assert len({len(line) for line in table(answer.get_data(as_text=True))}) == 1
