"""Referring on one page: known and new patients, drafts, letters, refusals that lose nothing."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from booking.domain.referral import ReferralState
from booking.domain.words import Role
from booking.models import Attachment, AuditEntry, OutboxMessage, Patient, Referral, Service
from booking.services.work import Work
from booking.web import say
from tests import factories
from tests.factories import Region
from tests.web.conftest import Visitor
from tests.web.referrer.conftest import SKIN, codes, letter, press


def number_of(region: Region) -> str:
    return say.nhs_number(region.patient.nhs_number)


def referral(work: Work) -> Referral:
    """The newest, as it stands now; the test's own transaction is over again, so that pages can write."""
    work.session.rollback()
    found = work.session.scalars(select(Referral).order_by(Referral.id.desc())).first()
    work.session.expunge_all()
    work.session.rollback()
    return found  # type: ignore[return-value]


def test_a_routine_referral_takes_one_page_and_the_letter(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    assert "Ada Patient" in page.text
    assert page.text.index("Ambervale General Hospital") < page.text.index("Weirside Trust Hospital")
    sent = press(gp, page, "send", reason="A changing mole", letter=letter())
    assert "Letter for the patient" in sent.text
    made = referral(work)
    assert made.state is ReferralState.NOT_BOOKED
    assert made.referrer == "Referring_Clinician Person"
    assert not made.letter_outstanding
    assert work.session.scalar(select(Attachment.file_name)) == "letter.pdf"
    work.session.rollback()
    assert codes(sent)[0] == made.ubrn
    assert codes(sent)[1] not in gp.get(f"/staff/referrals/{made.ubrn}").text


def test_the_nearest_services_are_ticked_and_ticks_stay(gp: Visitor, region: Region) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    first, second = (one.id for one in region.services)
    assert page.text.count('name="shortlist"') == 2
    assert page.text.count(" checked>") >= 2
    again = press(gp, page, "look", shortlist=str(second), priority="ROUTINE")
    assert f'value="{second}" aria-describedby="shortlist-2-hint" checked' in again.text
    assert f'value="{first}" aria-describedby="shortlist-hint" checked' not in again.text


def test_what_is_refused_stays_on_the_page(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    refused = press(
        gp, page, "send", shortlist=None, clinical_information="Since “June” <now>", referrer="Dr O’Hara 🩺",
        letter=letter("scan.pdf"),
    )  # fmt: skip
    assert refused.status_code == 422
    assert "Select at least one service" in refused.text
    assert "Enter the reason for referral" in refused.text
    assert "Since “June” &lt;now&gt;" in refused.text
    assert "Dr O’Hara 🩺" in refused.text
    assert "“scan.pdf” could not be kept on the page" in refused.text
    assert work.session.scalar(select(func.count(Referral.id))) == 0


def test_a_bad_letter_refers_nobody(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    refused = press(gp, page, "send", reason="A mole", letter=(io.BytesIO(b"MZ\x00\x01"), "letter.pdf"))
    assert refused.status_code == 422
    assert "Files may be pdf" in refused.text
    assert work.session.scalar(select(func.count(Referral.id))) == 0


def test_a_new_patient_is_registered_with_the_referral(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number="943 476 5919", clinic=SKIN)
    assert "Not registered with you yet" in page.text
    refused = press(gp, page, "send", given_name="Siân", reason="A mole")
    assert "Enter the family name" in refused.text
    assert 'value="Siân"' in refused.text
    sent = press(
        gp, refused, "send", family_name="O’Neill", sex="female", postcode="am1 1ab", date_of_birth__day="29",
        date_of_birth__month="2", date_of_birth__year="1948",
        shortlist=str(region.services[0].id),
    )  # fmt: skip
    assert "Dear Siân O’Neill" in sent.text
    work.session.rollback()
    made = work.session.scalars(select(Patient).where(Patient.nhs_number == "9434765919")).one()
    assert (made.postcode, made.latitude) == ("AM1 1AB", 53.47)


def test_a_wrong_number_is_said_and_nothing_lost(gp: Visitor, region: Region) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number="943 476 5918", reason="A mole")
    assert "fails its check digit" in page.text
    assert 'value="A mole"' in page.text
    assert "Not registered with you yet" not in page.text


def test_a_patient_of_another_practice_must_be_taken_over(gp: Visitor, region: Region, work: Work) -> None:
    other = factories.PatientFactory(practice_id=region.other_practice.id)
    number, name = other.nhs_number, other.family_name
    work.session.commit()
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number, clinic=SKIN)
    assert name not in page.text
    sent = press(
        gp, page, "send", given_name="A", family_name="B", sex="female", date_of_birth__day="17",
        date_of_birth__month="5", date_of_birth__year="1960", reason="A mole",
    )  # fmt: skip
    assert "Take the patient over first" in sent.text
    assert name not in sent.text


def test_needs_and_contact_are_put_right_on_the_way(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    bad = press(gp, page, "send", reason="A mole", mobile="call me")
    assert "Enter a telephone number" in bad.text
    sent = press(gp, page, "send", reason="A mole", mobile="07700 900 123", step_free="1", interpreter_language="Welsh")
    assert "Letter for the patient" in sent.text
    work.session.expire_all()
    known = work.session.get_one(Patient, region.patient.id)
    assert (known.mobile, known.step_free, known.interpreter_language) == ("07700 900 123", True, "Welsh")


def test_details_of_one_are_never_written_over_anothers(gp: Visitor, region: Region, work: Work) -> None:
    other = factories.PatientFactory(practice_id=region.practice.id, given_name="Bert")
    number, key = other.nhs_number, other.id
    work.session.commit()
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    press(gp, page, "send", nhs_number=number, reason="A mole", mobile="07700 900 123")
    work.session.expire_all()
    known = work.session.get_one(Patient, key)
    assert (known.given_name, known.mobile) == ("Bert", None)


def test_sent_twice_is_referred_once(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    for _ in range(2):
        sent = press(gp, page, "send", reason="A changing mole", mobile="07700 900 123")
        assert sent.request.path.startswith("/staff/referrals/")
    assert "was not sent twice" in sent.text
    work.session.rollback()
    assert work.session.scalar(select(func.count(Referral.id))) == 1


def test_an_administrator_names_the_clinician_and_it_is_recorded(admin: Visitor, region: Region, work: Work) -> None:
    page = press(admin, admin.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    refused = press(admin, page, "send", reason="A mole")
    assert "Enter the clinician you refer for" in refused.text
    press(admin, refused, "send", reason="A mole", referrer="Dr Jones", shortlist=str(region.services[0].id))
    work.session.rollback()
    assert (
        work.session.scalar(select(AuditEntry.on_behalf_of).where(AuditEntry.action == "referral.issue")) == "Dr Jones"
    )


def test_two_week_wait_and_services_that_read_first(gp: Visitor, region: Region, triage: Service, work: Work) -> None:
    blank = gp.get("/staff/refer")
    page = press(gp, blank, "look", nhs_number=number_of(region), clinic=SKIN, priority="TWO_WEEK_WAIT")
    assert "a clinician reads it first: choose it alone" in page.text
    assert f'value="{triage.id}"' in page.text
    assert f'value="{triage.id}" aria-describedby="shortlist-3-hint" checked' not in page.text
    sent = press(gp, page, "send", reason="A mole", shortlist=str(triage.id))
    assert "A specialist reads the referral first" in sent.text
    assert referral(work).state is ReferralState.AWAITING_TRIAGE


def test_a_draft_is_kept_gone_on_with_and_sent(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    draft = press(gp, page, "draft", clinical_information="To be continued")
    assert draft.request.path.endswith("/draft")
    assert "Draft saved" in draft.text
    assert "To be continued" in draft.text
    made = referral(work)
    assert made.state is ReferralState.DRAFT
    assert made.ubrn in gp.get("/staff/outcomes?group=DRAFT").text
    refused = press(gp, draft, "send", f"/staff/referrals/{made.ubrn}/draft")
    assert "Enter the reason for referral" in refused.text
    saved = press(
        gp, refused, "draft", f"/staff/referrals/{made.ubrn}/draft", reason="A mole", priority="URGENT",
        shortlist=str(region.services[1].id), letter=letter(),
    )  # fmt: skip
    assert 'value="A mole"' in saved.text
    sent = press(gp, saved, "send", f"/staff/referrals/{made.ubrn}/draft", shortlist=str(region.services[1].id))
    assert "Letter for the patient" in sent.text
    found = referral(work)
    assert (found.state, found.priority, found.reason) == (ReferralState.NOT_BOOKED, "URGENT", "A mole")
    assert gp.get(f"/staff/referrals/{made.ubrn}/draft").request.path == f"/staff/referrals/{made.ubrn}"


def test_a_draft_for_a_service_that_reads_first(gp: Visitor, region: Region, triage: Service, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    draft = press(gp, page, "draft", reason="A mole", shortlist=str(triage.id))
    where = draft.request.path
    press(gp, draft, "draft", where, reason="A changing mole", shortlist=str(triage.id))
    assert referral(work).state is ReferralState.DRAFT
    press(gp, gp.get(where), "send", where, shortlist=str(triage.id))
    assert referral(work).state is ReferralState.AWAITING_TRIAGE


def test_a_discarded_draft_is_gone_and_nobody_is_told(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    draft = press(gp, page, "draft", reason="A mole")
    gone = press(gp, draft, "discard", draft.request.path)
    assert "The draft was thrown away" in gone.text
    assert referral(work).state is ReferralState.CANCELLED_REFERRAL
    assert work.session.scalar(select(func.count(OutboxMessage.id))) == 0


def test_an_old_page_of_a_draft_overwrites_nothing(gp: Visitor, region: Region, work: Work) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)
    draft = press(gp, page, "draft", reason="A mole")
    where = draft.request.path
    press(gp, draft, "draft", where, reason="Newer", shortlist=str(region.services[0].id))
    refused = press(gp, draft, "draft", where, reason="Older", shortlist=str(region.services[0].id))
    assert "Somebody else has changed this draft" in refused.text
    assert referral(work).reason == "Newer"


@pytest.mark.parametrize("path", ["/staff/refer", "/staff/services", "/staff/outcomes", "/staff/patients"])
def test_others_stay_out(staff: Callable[[Role], Visitor], region: Region, path: str) -> None:
    assert staff(Role.PROVIDER_ADMIN).get(path).status_code == 403


def test_a_found_service_is_ticked_when_referring_to_it(gp: Visitor, region: Region) -> None:
    page = gp.get(f"/staff/refer?clinic=330%7C330-SKIN&priority=URGENT&shortlist={region.services[1].id}")
    assert f'value="{region.services[1].id}" aria-describedby="shortlist-2-hint" checked' in page.text
    found = press(gp, page, "look", nhs_number=number_of(region))
    assert f'value="{region.services[1].id}" aria-describedby="shortlist-2-hint" checked' in found.text
    assert 'value="URGENT" checked' in found.text
