"""The audit trail, messages to see to, the organisation and how the service does: as pages."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

import booking
from booking.db import Database
from booking.domain.advice import AdviceAction
from booking.domain.referral import Action
from booking.domain.words import Channel, Role
from booking.edge.flask_app import BookingApp
from booking.jobs.notes import Notebook
from booking.models import AccessEntry, JobRun, Organisation, OutboxMessage, ReportCopy
from booking.services import job_notes
from booking.services.delivery import TO_POST
from booking.services.job_notes import Note
from booking.services.work import Work
from booking.web.admin import audit_words
from tests.conftest import Clock
from tests.factories import Region
from tests.web.conftest import Referred, Visitor

Staff = Callable[[Role], Visitor]
AUDIT = "/staff/admin/audit"


def rows(text: str) -> int:
    return text.count("<tr>") - 1


# The audit trail


def test_who_did_what_and_who_looked(region: Region, referred: Referred, staff: Staff, manager: Visitor) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    assert gp.get(f"/staff/referrals/{referred.ubrn}").status_code == 200
    page = manager.send(
        manager.get("/staff/admin/people/new"), "/staff/admin/people/new", name="Bo", username="bo",
        roles="REFERRING_ADMIN", how="provider",
    )  # fmt: skip
    assert page.status_code == 200
    trail = manager.get(AUDIT)
    for words in ("Made an account", "Gave a role", "role: REFERRING_ADMIN", "Monday 2 March at 09:00"):
        assert words in trail.text
    reads = manager.get(f"{AUDIT}?kind=reads")
    assert "Referring_Clinician Person" in reads.text
    shown = " ".join((referred.ubrn[:4], referred.ubrn[4:8], referred.ubrn[8:]))
    assert f'href="/staff/referrals/{referred.ubrn}">Referral {shown}' in reads.text


def test_it_is_searched_by_what_who_reference_and_day(
    region: Region, referred: Referred, other: Referred, staff: Staff, manager: Visitor
) -> None:
    staff(Role.REFERRING_CLINICIAN).get(f"/staff/referrals/{referred.ubrn}")
    gp = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    me = region.account_roles[Role.REFERRING_ADMIN].account_id
    assert rows(manager.get(f"{AUDIT}?kind=reads&person={gp}").text) > 0
    assert "Nothing found" in manager.get(f"{AUDIT}?kind=reads&person={me}").text
    assert rows(manager.get(f"{AUDIT}?kind=reads&reference={referred.ubrn}").text) > 0
    found = manager.get(f"{AUDIT}?kind=reads&reference={other.ubrn}").text
    assert "Referring_Clinician Person</th>" not in found
    assert "Nothing found" in manager.get(f"{AUDIT}?kind=reads&last=2026-03-01").text
    assert rows(manager.get(f"{AUDIT}?kind=reads&first=2026-03-02&last=2026-03-02").text) > 0
    assert "Nothing found" in manager.get(f"{AUDIT}?action=token.issue").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("first=nonsense", "Enter a day"),
        ("first=2026-03-02&last=2026-03-01", "before the first"),
        ("reference=12", "12 digits"),
        ("reference=123456789012", ""),
        ("person=999999", "no such person"),
    ],
)
def test_what_can_not_be_understood_is_said(region: Region, manager: Visitor, query: str, words: str) -> None:
    page = manager.get(f"{AUDIT}?{query}")
    assert page.status_code == 422
    assert "There is a problem" in page.text
    assert words in page.text
    assert manager.get(f"{AUDIT}.csv?{query}").status_code == 422


def test_about_one_patient_by_nhs_number_that_stands_in_no_address(
    region: Region, referred: Referred, staff: Staff, manager: Visitor, database: Database
) -> None:
    staff(Role.REFERRING_CLINICIAN).get(f"/staff/referrals/{referred.ubrn}")
    number = region.patient.nhs_number
    page = manager.send(manager.get(AUDIT), f"{AUDIT}/patient", nhs_number=number)
    assert page.request.path == AUDIT
    assert number not in page.request.url
    assert "Only about the patient you looked up" in page.text
    assert "Referring_Clinician Person" in page.text
    assert rows(manager.get(page.request.url.replace("kind=reads", "kind=changes")).text) >= 1
    wrong = manager.send(page, f"{AUDIT}/patient", nhs_number="123")
    assert wrong.status_code == 422
    with database.unit_of_work(write=False) as session:  # that they were looked up is recorded too
        assert session.scalar(select(func.count()).where(AccessEntry.what == "audit"))


def test_another_practices_patient_is_not_found(region: Region, referred: Referred, staff: Staff) -> None:
    provider = staff(Role.PROVIDER_ADMIN)
    page = provider.send(provider.get(AUDIT), f"{AUDIT}/patient", nhs_number=region.patient.nhs_number)
    assert page.status_code == 422  # the referral is not with them yet
    assert "not yours" in page.text
    assert provider.get(f"{AUDIT}?patient={region.patient.id}").status_code == 422


def test_commissioners_see_no_names(region: Region, referred: Referred, staff: Staff, manager: Visitor) -> None:
    staff(Role.REFERRING_CLINICIAN).get(f"/staff/referrals/{referred.ubrn}")
    for role in (Role.COMMISSIONER, Role.INFORMATION_ANALYST):
        one = staff(role)
        for kind in ("changes", "reads"):
            text = one.get(f"{AUDIT}?kind={kind}").text
            assert "Referring_Clinician Person" not in text
            assert referred.ubrn[:4] + " " not in text
        assert "P81001" in one.get(f"{AUDIT}?kind=reads").text
        assert one.get(f"{AUDIT}?patient={region.patient.id}").status_code == 422
        header = next(csv.reader(io.StringIO(one.get(f"{AUDIT}.csv?kind=reads").text.lstrip("\ufeff"))))
        assert header == ["at", "role", "organisation", "what"]


def test_as_a_file(region: Region, referred: Referred, staff: Staff, manager: Visitor) -> None:
    staff(Role.REFERRING_CLINICIAN).get(f"/staff/referrals/{referred.ubrn}")
    answer = manager.get(f"{AUDIT}.csv?kind=reads")
    assert answer.content_type.startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert lines[0]["who"] == "Referring_Clinician Person"
    assert lines[0]["at"] == "2026-03-02T09:00:00+00:00"


def test_older_entries_are_on_further_pages(region: Region, work: Work, manager: Visitor) -> None:
    from booking.services import audit
    from booking.services.work import Actor

    them = Actor("Somebody", Role.REFERRING_ADMIN, region.practice.id, region.practice.ods_code)
    unit = Work(work.session, them, work.now, work.config, work.keys)
    for number in range(60):
        audit.record(unit, f"thing:{number}", "referral.amend", after={"number": number})
    work.session.commit()
    first = manager.get(AUDIT)
    assert rows(first.text) == 50
    older = first.text.split("Older entries")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = manager.get(older)
    assert rows(second.text) == 10
    assert "number: 59" in first.text
    assert "number: 0<" in second.text


# Messages


def failed(work: Work, region: Region, referred: Referred | None, *, post: bool = False) -> OutboxMessage:
    number = work.session.scalar(select(func.count(OutboxMessage.id))) or 0
    made = OutboxMessage(
        event_key=f"test:{number}", kind="referral-ready" if referred else "overdue",
        referral_id=referred.referral.id if referred else None,
        payload={"ubrn": referred.ubrn} if referred else {"organisation_id": region.practice.id, "entries": 1},
        created_at=work.now, next_attempt_at=work.now, attempts=3, failed_at=work.now,
        channel=Channel.LETTER if post else Channel.EMAIL, last_error=TO_POST if post else "Undeliverable: no such box",
    )  # fmt: skip
    work.session.add(made)
    work.session.commit()
    return made


def test_messages_are_printed_and_dealt_with(work: Work, region: Region, referred: Referred, manager: Visitor) -> None:
    assert "Nothing to see to" in manager.get("/staff/messages").text
    letter, mail, notice = (
        failed(work, region, referred, post=True), failed(work, region, referred), failed(work, region, None)
    )  # fmt: skip
    page = manager.get("/staff/messages")
    for words in ("To post", "Did not arrive", "no such box", "A notice to your own staff", "Choose your hospital"):
        assert words in page.text
    pdf = manager.get(f"/staff/messages/{letter.id}/letter.pdf")
    assert pdf.data.startswith(b"%PDF")
    assert manager.get(f"/staff/messages/{notice.id}/letter.pdf").status_code == 404
    refused = manager.send(page, f"/staff/messages/{mail.id}", how="")
    assert refused.status_code == 422
    assert f'href="#how-{mail.id}"' in refused.text
    done = manager.send(page, f"/staff/messages/{letter.id}", how="Posted the letter")
    assert "Noted: posted the letter" in done.text
    again = manager.send(page, f"/staff/messages/{letter.id}", how="Posted the letter")
    assert again.status_code == 404 or "already" in again.text
    assert manager.get("/staff/messages").text.count("What did you do?") == 2
    assert '<span class="app-count app-count--late">2' in manager.get("/staff/admin").text


def test_others_messages_are_not_there(work: Work, region: Region, referred: Referred, staff: Staff) -> None:
    mail = failed(work, region, referred)
    provider = staff(Role.PROVIDER_ADMIN)
    page = provider.get("/staff/messages")
    assert "Nothing to see to" in page.text
    account = provider.get("/staff/account")
    token = account.text.split('name="csrf_token" value="')[1].split('"')[0]
    for how in ("Posted the letter", ""):
        data = {"how": how, "csrf_token": token}
        assert provider.client.post(f"/staff/messages/{mail.id}", data=data).status_code == 404


# The organisation


def test_where_notices_go(region: Region, manager: Visitor, staff: Staff, database: Database) -> None:
    page = manager.get("/staff/admin/organisation")
    assert region.practice.name in page.text
    refused = manager.send(page, "/staff/admin/organisation", worklist_email="not an address")
    assert refused.status_code == 422
    assert 'value="not an address"' in refused.text
    done = manager.send(page, "/staff/admin/organisation", worklist_email="office@practice.example")
    assert "go to office@practice.example" in done.text
    stale = manager.send(page, "/staff/admin/organisation", worklist_email="other@practice.example")
    assert stale.status_code == 422
    assert "since you opened the page" in stale.text
    with database.unit_of_work(write=False) as session:
        assert session.get_one(Organisation, region.practice.id).worklist_email == "office@practice.example"
    assert "Changed the organisation’s settings" in manager.get(AUDIT).text
    analyst = staff(Role.INFORMATION_ANALYST).get("/staff/admin/organisation")
    assert "Save" not in analyst.text
    assert staff(Role.PROVIDER_ADMIN).get("/staff/admin/organisation").text.count('<th scope="row">') >= 1


# Service status


def test_a_silent_scheduler_is_said(region: Region, manager: Visitor, app: BookingApp, clock: Clock) -> None:
    page = manager.get("/staff/admin/health")
    assert "The scheduler does not run" in page.text
    assert "No job has run yet" in page.text

    def broken() -> None:
        raise RuntimeError("Siân’s number is 943 476 5919")

    app.settings = replace(app.settings, messages="file:letters")  # “console” would be a fault of its own
    book = Notebook(app, ("deliver", "seal"))
    book.watched("deliver", lambda: 1, 5)()
    with pytest.raises(RuntimeError):
        book.watched("seal", broken, 300)()
    book.write()
    page = manager.get("/staff/admin/health")
    assert "The scheduler does not run" not in page.text
    assert "Send messages" in page.text
    assert "(RuntimeError)" in page.text
    assert "943 476 5919" not in page.text
    assert "“seal” failed or is late" in page.text
    book.watched("seal", lambda: 1, 300)()
    book.write()
    page = manager.get("/staff/admin/health")
    assert "All is well" in page.text
    assert "(RuntimeError)" in page.text  # it stays on record
    clock.now += timedelta(minutes=4)
    assert "The scheduler does not run" in manager.get("/staff/admin/health").text


def test_notes_are_written_together(app: BookingApp, database: Database) -> None:
    book, commits = Notebook(app, ("deliver", "seal")), []
    for _ in range(5):
        book.watched("deliver", lambda: 1, 5)()
    event.listen(database.engine, "commit", lambda _: commits.append(1))
    book.write()
    assert len(commits) == 1
    with database.unit_of_work(write=False) as session:
        found = {row.name: row.runs for row in session.scalars(select(JobRun))}
    assert found == {"scheduler": 1, "deliver": 5}


def test_a_failure_between_two_writings_is_not_lost(app: BookingApp, database: Database, clock: Clock) -> None:
    def broken() -> None:
        raise RuntimeError

    book = Notebook(app, ("deliver", "seal"))
    with pytest.raises(RuntimeError):
        book.watched("seal", broken, 300)()
    failed_at = clock.now
    clock.now += timedelta(seconds=5)
    book.watched("seal", lambda: 1, 300)()
    with pytest.MonkeyPatch.context() as locked:
        locked.setattr(job_notes, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            book.write()
    book.write()
    with database.unit_of_work(write=False) as session:
        found = session.get_one(JobRun, "seal")
        assert (found.failed_at, found.error) == (failed_at, "RuntimeError")
        assert (found.finished_at, found.runs) == (clock.now, 2)


def test_a_job_that_is_gone_is_forgotten_by_the_next_to_lead(app: BookingApp, database: Database) -> None:
    with database.unit_of_work() as session:
        job_notes.write(session, [Note(name, app.clock(), runs=1) for name in ("plan 02:00", "backup", "deliver")])
    Notebook(app, ("plan 03:00", "deliver")).write()
    with database.unit_of_work(write=False) as session:
        assert set(session.scalars(select(JobRun.name))) == {"backup", "deliver", "scheduler"}


def test_reports_that_wait_are_a_queue(work: Work, region: Region, manager: Visitor) -> None:
    old = work.now - timedelta(hours=1)
    work.session.add(
        ReportCopy(organisation_id=region.commissioner.id, name="waits", question="", requested_at=old)
    )  # fmt: skip
    work.session.commit()
    text = manager.get("/staff/admin/health").text
    assert "Reports asked for" in text
    assert "Stands still" in text


def test_the_list_of_messages_does_not_look_again_by_itself(
    work: Work, region: Region, referred: Referred, manager: Visitor
) -> None:
    """Each look at it is a row for every patient on it: an open window must not write them."""
    failed(work, region, referred, post=True)
    page = manager.get("/staff/messages")
    assert "To post" in page.text
    assert "data-live" not in page.text


def test_a_second_person_of_one_name_is_refused(region: Region, manager: Visitor) -> None:
    path = "/staff/admin/people/new"
    given: dict[str, Any] = {"roles": "REFERRING_ADMIN", "how": "provider"}
    assert manager.send(manager.get(path), path, name="Bo Lee", username="bo", **given).status_code == 200
    refused = manager.send(manager.get(path), path, name=" bo lee ", username="bo2", **given)
    assert refused.status_code == 422
    assert "tells people apart by it" in refused.text
    assert "is searched by name" in manager.get(AUDIT).text


def test_every_recorded_action_has_words() -> None:
    """Of those written out in the code, and of those made of a referral's or an advice request's actions."""
    made = {f"referral.{one.lower()}" for one in Action} | {f"advice.{one.lower()}" for one in AdviceAction}
    for path in (Path(booking.__file__).parent / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("record", "following"):
                made |= {str(one.value) for one in node.args[2:] if isinstance(one, ast.Constant)}
    assert len(made) > 60
    assert sorted(made - audit_words.WORDS.keys()) == []


def test_a_queue_that_stands_still(work: Work, region: Region, manager: Visitor, clock: Clock) -> None:
    old = clock.now.astimezone(UTC) - timedelta(hours=2)
    message = {"kind": "overdue", "payload": {}, "created_at": old, "next_attempt_at": old}
    work.session.add(OutboxMessage(event_key="old", **message))
    work.session.commit()
    assert "Stands still" in manager.get("/staff/admin/health").text
