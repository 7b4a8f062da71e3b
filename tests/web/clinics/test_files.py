"""Publishing by a file: every fault beside its row, nothing before somebody says so, then once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from booking.domain.words import Role
from booking.models import Slot, SlotUpload
from booking.services import slot_uploads
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.web.clinics.conftest import book
from tests.web.conftest import Visitor, forms

PATH = "/staff/publish/file"
HEAD = "slot_id,date,start,minutes,practitioner\n"
GOOD = "A1,2026-04-01,09:00,20,\nA2,01/04/2026,09:20,20,\n"
BAD = (
    "B1,2026-02-30,09:00,20,\nB2,2026-04-02,09:00,20,NOBODY\nB3,2026-04-02,10:00\nA1,2026-04-03,09:00,20,\n=B4,x,y,,\n"
)


def send(clerk: Visitor, text: str | bytes, service: object = "", name: str = "april.csv") -> TestResponse:
    token = forms(clerk.get(PATH))[-1].fields["csrf_token"]
    content = text.encode() if isinstance(text, str) else text
    data = {"csrf_token": token, "service": str(service), "file": (io.BytesIO(content), name)}
    return clerk.client.post(PATH, data=data, follow_redirects=True, content_type="multipart/form-data")


def april(rows: Rows) -> int:
    return int(rows(select(func.count()).where(Slot.provider_slot_id.in_(["A1", "A2", "B1", "B2", "B3", "=B4"])))[0])


def test_a_good_file_is_looked_at_then_published_once(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = send(clerk, HEAD + GOOD, region.services[0].id)
    assert "Nothing of it is published yet" in page.text
    assert "Publish all 2 rows" in page.text
    assert april(rows) == 0
    done = clerk.send(page, page.request.path, step="all")
    assert "2 rows taken: 2 added" in done.text
    assert april(rows) == 2
    again = clerk.send(page, page.request.path, step="all")
    assert "Published: april.csv" in again.text
    assert "rows taken" not in again.text
    assert april(rows) == 2


def test_each_fault_is_beside_its_row(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = send(clerk, HEAD + GOOD + BAD, region.services[0].id)
    assert "Error: april.csv" in page.text
    for said in ("not a date", "not a clinician of this provider", "the row has 3 cells, there are 5 columns",
                 "the same slot as in line 2"):  # fmt: skip
        assert said in page.text, said
    marked = [part.split("<")[0] for part in page.text.split('class="clinic-wrong">')[1:]]
    assert {"2026-02-30", "NOBODY", "A1", "x", "y"} <= set(marked)
    assert "Publish the 2 good rows" in page.text
    done = clerk.send(page, page.request.path, step="good")
    assert "2 rows taken: 2 added" in done.text
    assert april(rows) == 2


def test_the_rows_at_fault_come_back_mended(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = send(clerk, HEAD + GOOD + BAD, region.services[0].id)
    bad = clerk.get(f"{page.request.path}/bad-rows.csv")
    assert bad.headers["Content-Disposition"] == 'attachment; filename="rows-to-mend.csv"'
    table = list(csv.reader(io.StringIO(bad.data.decode("utf-8-sig"))))
    assert table[0] == ["slot_id", "date", "start", "minutes", "practitioner", "reason"]
    assert len(table) == 6
    assert "'=B4" in {row[0] for row in table}  # no formula
    table[1][1], table[2][4] = "2026-04-30", ""
    written = io.StringIO()
    csv.writer(written).writerows(table[:3])
    mended = send(clerk, written.getvalue(), region.services[0].id)
    clerk.send(mended, mended.request.path, step="all")
    assert april(rows) == 2


def test_clinicians_elsewhere_and_booked_times_are_found_before(
    clerk: Visitor, region: Region, work: Work, rows: Rows
) -> None:
    who = factories.PractitionerFactory(organisation_id=region.provider.id, identifier="C1234567")
    factories.slots(work, region.services[0], region.slots[0].starts_at + timedelta(days=30), 1, practitioner_id=who.id)
    work.session.commit()
    book(work, region, region.slots[0])
    own = region.slots[0].provider_slot_id
    text = HEAD + GOOD + f"B1,2026-04-02,10:05,20,C1234567\n{own},2026-04-03,09:00,20,\n"
    page = send(clerk, text, region.services[0].id)
    assert "The clinician has another slot at that time" in page.text
    assert "The slot is booked, so it was left as it is" in page.text
    assert april(rows) == 0
    token = forms(page)[-1].fields["csrf_token"]
    refused = clerk.client.post(page.request.path, data={"csrf_token": token, "step": "all"}, follow_redirects=True)
    assert "Nothing was published" in refused.text
    assert april(rows) == 0


def test_refused_at_publishing_it_shows_what_is_wrong_now(
    clerk: Visitor, region: Region, work: Work, rows: Rows
) -> None:
    own = region.slots[0].provider_slot_id
    page = send(clerk, HEAD + GOOD + f"{own},2026-04-03,09:00,20,\n", region.services[0].id)
    assert "Publish all 3 rows" in page.text
    book(work, region, region.slots[0])
    refused = clerk.send(page, page.request.path, step="all")
    assert "Nothing was published: 1 row would be refused now" in refused.text
    assert "The slot is booked, so it was left as it is" in refused.text
    assert april(rows) == 0
    assert own in clerk.get(f"{page.request.path}/bad-rows.csv").text
    done = clerk.send(refused, page.request.path, step="good")
    assert "2 rows taken: 2 added" in done.text
    assert april(rows) == 2


def test_another_provider_s_services_are_no_services(clerk: Visitor, region: Region, rows: Rows) -> None:
    head = "slot_id,provider,service,date,start,minutes\n"
    row = "A1,RA2,Dermatology clinic,2026-04-01,09:00,20\n"
    page = send(clerk, head + row)
    assert "provider RA2 has no service of this name" in page.text
    assert "1 row" not in page.text.split("Rows at fault")[0].split("<form")[-1]
    mine = send(clerk, head + row.replace("RA2", "RA1"))
    assert "Publish all 1 row" in mine.text
    assert send(clerk, HEAD + GOOD, region.services[1].id).status_code == 404


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the one that came is empty"),
        (b"nonsense\n1\n", "column &#39;slot_id&#39; is missing"),
        (HEAD.encode("utf-16"), "UTF-16"),
        (b"\x00\x01", "not text"),
        (HEAD.encode() + b'A1,"2026-04-01,09:00\n', "Is a quotation mark missing?"),
        (HEAD.encode() + b"A,2026-04-01,09:00,20,\n" * 5001, "at most 5000 rows"),
    ],
    ids=["empty", "columns", "utf-16", "binary", "quotation", "rows"],
)
def test_what_is_no_file_of_times(clerk: Visitor, region: Region, rows: Rows, content: bytes, said: str) -> None:
    page = send(clerk, content, region.services[0].id)
    assert page.status_code == 422
    assert said in page.text
    assert rows(select(SlotUpload.id)) == []


def test_too_large_a_file(clerk: Visitor, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_uploads, "MOST_BYTES", 100)
    page = send(clerk, HEAD + GOOD * 10, region.services[0].id)
    assert page.status_code == 422
    assert "Choose a file of at most" in page.text


def test_no_file_at_all(clerk: Visitor) -> None:
    page = clerk.send(clerk.get(PATH), PATH)
    assert page.status_code == 422
    assert "Choose a file of times" in page.text


def test_a_file_without_rows(clerk: Visitor, region: Region) -> None:
    page = send(clerk, HEAD, region.services[0].id)
    assert "The file holds no rows" in page.text
    assert "Publish all" not in page.text


def test_files_are_their_provider_s_and_go_after_a_day(
    clerk: Visitor, region: Region, staff: Callable[[Role], Visitor], work: Work, clock: Clock, rows: Rows
) -> None:
    page = send(clerk, HEAD + GOOD + BAD, region.services[0].id)
    upload = work.session.scalars(select(SlotUpload)).one()
    upload.organisation_id = region.other_provider.id
    work.session.commit()
    for path in (page.request.path, f"{page.request.path}/bad-rows.csv"):
        assert clerk.get(path).status_code == 404
    upload.organisation_id = region.provider.id
    work.session.commit()
    clock.now += timedelta(days=1, seconds=1)
    later = staff(Role.PROVIDER_ADMIN)
    assert later.get(page.request.path).status_code == 404
    send(later, HEAD + GOOD, region.services[0].id)
    assert len(rows(select(SlotUpload.id))) == 1


def test_the_template_can_be_downloaded(clerk: Visitor) -> None:
    answer = clerk.get("/staff/publish/slots-template.csv")
    assert answer.data.startswith(b"slot_id,")
