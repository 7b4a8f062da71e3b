"""What has been kept for long enough is emptied and pseudonymised; nothing else is touched, and the trail verifies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from booking.db import Database
from booking.domain.advice import AdviceAction
from booking.domain.referral import ReferralState
from booking.domain.retention import Ended, keep_until
from booking.domain.words import AttachmentKind, Role
from booking.edge.flask_app import BookingApp
from booking.models import (
    AccessCode,
    AdviceMessage,
    AdviceRequest,
    Attachment,
    AuditEntry,
    Booking,
    ExternalIdentity,
    Patient,
    Referral,
    ReferralEvent,
)
from booking.services import advice, attachments, audit, booking, invariants, referrals, retention
from booking.services.booking import Choice
from booking.services.work import Work
from booking.storage import attachment_store
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import Region

LETTER = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SAID = "Wedding in Tenby"


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        (Ended(date(2016, 3, 1), date(1960, 5, 17)), date(2024, 3, 1)),
        (Ended(date(2016, 2, 29), date(1960, 5, 17)), date(2024, 2, 29)),
        (Ended(date(2017, 2, 28), date(1960, 5, 17)), date(2025, 2, 28)),
        (Ended(date(2016, 3, 1), date(2012, 6, 1)), date(2037, 6, 1)),  # a child: until 25
        (Ended(date(2016, 3, 1), date(1998, 9, 1)), date(2024, 9, 1)),  # 17 at the end: until 26
        (Ended(date(2016, 3, 1), date(1998, 3, 1)), date(2024, 3, 1)),  # 18 on the day: an adult
        (Ended(date(2016, 3, 1), date(2012, 2, 29)), date(2037, 3, 1)),  # born on a day that 2037 lacks
        (Ended(date(2016, 3, 1), date(1960, 5, 17), sent=False), date(2017, 3, 1)),
    ],
)
def test_how_long_it_is_kept(ended: Ended, until: date) -> None:
    assert keep_until(ended) == until


@pytest.fixture
def ended(work: Work, region: Region) -> Referral:
    """Booked and cancelled with a comment, then the referral cancelled: with a letter and an external identity."""
    made = factories.referral(work, region, clinical_information="Growing since May")[0]
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    attachments.attach_to_referral(
        practice, made.ubrn, kind=AttachmentKind.REFERRAL_LETTER, file_name="Ada's letter.pdf", data=LETTER
    )
    slot = region.slots[0]
    booked = booking.book(practice, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    booking.cancel_booking(practice, booked.reference or "", reason="OTHER", comment=SAID)
    referrals.cancel_referral(practice, made.ubrn, reason="OTHER", comment=SAID)
    region.patient.email, region.patient.mobile = "ada@example.invalid", "07700 900123"
    work.session.add(
        ExternalIdentity(
            issuer="https://id", subject="ada", patient_id=region.patient.id, created_at=work.now, last_seen_at=work.now
        )
    )
    work.session.commit()
    return made


def apply(app: BookingApp, *args: str) -> Any:
    return app.test_cli_runner().invoke(args=["retention", "apply", "--by", "Records Officer", *args])


def listed(app: BookingApp) -> str:
    return app.test_cli_runner().invoke(args=["retention", "list"]).output


def years_later(clock: Clock, years: int, days: int = 1) -> None:
    clock.now = clock.now.replace(year=clock.now.year + years) + timedelta(days=days)


def test_what_is_due_is_listed_and_only_then(app: BookingApp, ended: Referral, clock: Clock) -> None:
    years_later(clock, 8, -1)
    assert "0 referrals" in listed(app)
    clock.now += timedelta(days=1)
    assert f"referral {ended.ubrn}" in listed(app)
    refused = apply(app)
    assert refused.exit_code == 1
    assert "--confirm" in refused.output
    assert f"referral {ended.ubrn}" in listed(app)


def test_it_is_emptied_the_patient_pseudonymised_and_the_trail_verifies(
    app: BookingApp, work: Work, ended: Referral, clock: Clock, rows: Rows, database: Database
) -> None:
    (before,) = rows(select(Patient))
    key = rows(select(Attachment.storage_key))[0]
    years_later(clock, 8)
    done = apply(app, "--confirm")
    assert done.exit_code == 0, done.output
    assert "1 referrals and 0 requests for advice emptied, 1 files deleted, 1 patients pseudonymised" in done.output

    (patient,) = rows(select(Patient))
    assert patient.nhs_number != before.nhs_number
    assert len(patient.nhs_number) == 10
    assert patient.nhs_number.isalpha()
    assert (patient.given_name, patient.family_name) == ("Removed", patient.nhs_number)
    assert patient.date_of_birth == date(1960, 1, 1)
    assert patient.postcode == "AM1"
    assert (patient.latitude, patient.email, patient.mobile, patient.interpreter_language) == (None,) * 4
    assert rows(select(ExternalIdentity)) == []
    (referral,) = rows(select(Referral))
    assert (referral.reason, referral.clinical_information) == ("", "")
    assert referral.state is ReferralState.CANCELLED_REFERRAL
    assert {event.comment for event in rows(select(ReferralEvent))} == {None}
    assert {event.reason_code for event in rows(select(ReferralEvent))} == {None, "OTHER"}
    assert {row.comment for row in rows(select(Booking))} == {None}
    assert all(code.revoked_at for code in rows(select(AccessCode)))
    (file,) = rows(select(Attachment))
    assert (file.file_name, file.removed_at is not None) == ("Removed", True)
    with pytest.raises(FileNotFoundError):
        attachment_store(app.settings).get(key)

    with database.unit_of_work(write=False) as session:
        assert audit.verify(session) == []
        assert invariants.faults(session, clock.now, only=set(invariants.CHECKS) - {"outbox"}) == []
    (entry,) = rows(select(AuditEntry).where(AuditEntry.action == "retention.apply"))
    assert entry.actor == "Records Officer"
    assert entry.after == {"policy": "records-2021-1", "referrals": 1, "advice": 0, "patients": 1}
    everything = _all_text(database)
    for gone in (SAID, "Growing since May", "A changing mole", before.nhs_number, "ada@example.invalid", "900123",
                 before.family_name, "letter.pdf", "AM1 1AB"):  # fmt: skip
        assert gone not in everything, gone


def _all_text(database: Database) -> str:
    """Every value of every table."""
    from booking.models import Base

    found = []
    with database.unit_of_work(write=False) as session:
        for table in Base.metadata.sorted_tables:
            if table.name != "postcode":  # the gazetteer knows no patients
                found += [str(tuple(row)) for row in session.execute(select(table))]
    return "\n".join(found)


def test_it_is_done_once(app: BookingApp, ended: Referral, clock: Clock, rows: Rows) -> None:
    years_later(clock, 8)
    apply(app, "--confirm")
    first = (rows(select(Patient.nhs_number)), rows(select(AuditEntry.hash)))
    again = apply(app, "--confirm")
    assert "0 referrals and 0 requests for advice emptied, 0 files deleted, 0 patients" in again.output
    assert (rows(select(Patient.nhs_number)), rows(select(AuditEntry.hash))) == first


def test_nothing_live_is_touched(
    app: BookingApp, work: Work, region: Region, ended: Referral, clock: Clock, rows: Rows
) -> None:
    """The same patient has a live referral, and another patient a booked one: ten years on both stand as they were."""
    live = factories.referral(work, region, reason="Still waiting")[0]
    other = factories.PatientFactory(practice_id=region.practice.id, family_name="Bystander")
    booked = factories.referral(work, region, patient=other, reason="Booked")[0]
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = region.slots[1]
    booking.book(practice, booked.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    before = rows(select(Patient).order_by(Patient.id))
    years_later(clock, 10)
    done = apply(app, "--confirm")
    assert "1 referrals" in done.output
    assert "0 patients" in done.output
    after = rows(select(Patient).order_by(Patient.id))
    assert [(p.nhs_number, p.given_name, p.email) for p in after] == [
        (p.nhs_number, p.given_name, p.email) for p in before
    ]
    assert {r.ubrn: r.reason for r in rows(select(Referral))} == {
        ended.ubrn: "", live.ubrn: "Still waiting", booked.ubrn: "Booked",
    }  # fmt: skip


def test_a_cancelled_referral_still_on_a_worklist_stays(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows
) -> None:
    made = factories.referral(work, region)[0]
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = region.slots[0]
    booking.book(practice, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    provider = factories.acting(work, Role.PROVIDER_ADMIN, region.provider)
    referrals.cancel_referral(provider, made.ubrn, reason="NO_LONGER_REQUIRED", comment="x")
    work.session.commit()
    assert rows(select(Referral.worklist)) != [None]
    years_later(clock, 9)
    assert "0 referrals" in listed(app)


def test_old_drafts_are_told_of_and_left(app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows) -> None:
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    new = referrals.NewReferral(
        region.patient.id, "330", factories.Priority.ROUTINE, "Not sent", [region.services[0].id], draft=True
    )
    kept, _ = referrals.create_referral(practice, new)
    gone, _ = referrals.create_referral(practice, replace(new, reason="Given up"))
    referrals.cancel_referral(practice, gone.ubrn, reason="RAISED_IN_ERROR", comment=None)
    work.session.commit()
    years_later(clock, 1)
    assert f"draft {kept.ubrn}" in listed(app)
    assert f"referral {gone.ubrn}" in listed(app)  # never sent: one year
    apply(app, "--confirm")
    assert {r.ubrn: r.reason for r in rows(select(Referral))} == {kept.ubrn: "Not sent", gone.ubrn: ""}


def test_the_pseudonym_needs_the_key(work: Work) -> None:
    from booking.keys import Keys

    made = retention.pseudonym(work, "9434765919")
    assert made == retention.pseudonym(work, "9434765919")
    assert made != retention.pseudonym(replace(work, keys=Keys("y" * 40)), "9434765919")


def test_the_trigger_lets_nothing_else_through(
    app: BookingApp, work: Work, ended: Referral, database: Database
) -> None:
    """Before the referral is marked nothing; after that only emptying the comment, and no other column with it."""

    def refused(statement: Any) -> None:
        with pytest.raises(DBAPIError, match="append_only"), database.unit_of_work() as session:
            session.execute(statement)

    events = update(ReferralEvent).where(ReferralEvent.referral_id == ended.id)
    refused(events.values(comment=None))
    with database.unit_of_work() as session:
        session.execute(update(Referral).where(Referral.id == ended.id).values(emptied_at=datetime.now().astimezone()))
    other = {"id": "id + 1000", "referral_id": "referral_id + 1", "sequence": "sequence + 100"}
    other |= {"at": "'2020-01-01 00:00:00'", "detail": "'{\"x\": 1}'"}
    for column in ReferralEvent.__table__.columns:
        if column.name != "comment":
            changed = f"{column.name} = {other.get(column.name, chr(39) + 'x' + chr(39))}"
            refused(text(f"UPDATE referral_event SET comment = NULL, {changed} WHERE referral_id = {ended.id}"))
    refused(events.values(comment="Something else"))
    refused(events.values(comment=None, actor="Somebody else"))
    refused(text("DELETE FROM referral_event"))
    with database.unit_of_work() as session:
        session.execute(events.values(comment=None))


def test_advice_that_is_over_is_emptied_too_and_open_advice_is_not(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows, database: Database
) -> None:
    region.services[0].gives_advice = True
    work.session.flush()
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    new = advice.NewAdvice(
        region.patient.id,
        region.services[0].id,
        factories.Priority.ROUTINE,
        "Itching",
        "Canary itch",
        convertible=False,
    )
    over, still_open = advice.ask(practice, new), advice.ask(practice, replace(new, subject="Scaling"))
    advice.contribute(
        practice, over.reference, AdviceAction.CLOSE, advice.Said("No longer needed"), version=over.version
    )
    work.session.commit()
    years_later(clock, 9)
    assert f"advice {over.reference}" in listed(app)
    done = apply(app, "--confirm")
    assert "0 referrals and 1 requests for advice emptied" in done.output
    assert "0 patients" in done.output  # another request is still open
    subjects = {one.reference: one.subject for one in rows(select(AdviceRequest))}
    assert subjects == {over.reference: "", still_open.reference: "Scaling"}
    texts = {one.text for one in rows(select(AdviceMessage).where(AdviceMessage.advice_id == over.id))}
    assert texts == {""}
    assert "Canary itch" in {one.text for one in rows(select(AdviceMessage))}
    with database.unit_of_work(write=False) as session:
        assert audit.verify(session) == []
    with pytest.raises(DBAPIError, match="append_only"), database.unit_of_work() as session:
        session.execute(update(AdviceMessage).where(AdviceMessage.advice_id == still_open.id).values(text=""))
