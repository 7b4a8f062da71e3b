"""Sent twice is made once; sent again with anything changed is another. What others changed meanwhile stays."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from booking.domain.words import Channel
from booking.models import AdviceMessage, AdviceRequest, Patient, Practitioner, Referral, Service
from booking.services.work import Work
from booking.web import say
from tests import factories
from tests.conftest import Rows
from tests.factories import Region
from tests.web.conftest import Referred, Visitor
from tests.web.referrer.conftest import SKIN, letter, press

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ASK = "/staff/advice/ask"


def number_of(region: Region) -> str:
    return say.nhs_number(region.patient.nhs_number)


def looked_up(gp: Visitor, region: Region):  # type: ignore[no-untyped-def]
    return press(gp, gp.get("/staff/refer"), "look", nhs_number=number_of(region), clinic=SKIN)


@pytest.fixture
def named(work: Work, region: Region) -> Practitioner:
    """A clinician of the first provider: nobody is named at its service, so they are offered there."""
    made: Practitioner = factories.PractitionerFactory(organisation_id=region.provider.id, identifier="C7654321")
    work.session.commit()
    return made


CHANGES = {
    "priority": {"priority": "TWO_WEEK_WAIT"},
    "words": {"clinical_information": "It bleeds"},
    "referrer": {"referrer": "Dr Somebody Else"},
    "clinician": {"practitioner": "c7654321"},
}


@pytest.mark.parametrize("do", ["send", "draft"])
@pytest.mark.parametrize("change", CHANGES)
def test_sent_again_with_a_change_is_another_referral(
    gp: Visitor, region: Region, rows: Rows, named: Practitioner, change: str, do: str
) -> None:
    page, both = looked_up(gp, region), [str(one.id) for one in region.services]
    sent = {"reason": "A mole", "shortlist": both[0]}
    for _ in range(2):
        press(gp, page, do, **sent)
    assert len(rows(select(Referral.id))) == 1
    again = press(gp, page, do, **{**sent, **CHANGES[change]})
    assert "not sent twice" not in again.text
    assert "not saved twice" not in again.text
    assert len(rows(select(Referral.id))) == 2


def test_another_shortlist_or_another_letter_is_another_referral(gp: Visitor, region: Region, rows: Rows) -> None:
    page, both = looked_up(gp, region), [str(one.id) for one in region.services]
    for files, expected in ((("a.pdf", "b.pdf"), 2), (("c.pdf",), 2)):
        for name in files:
            press(gp, page, "send", reason="A mole", letter=letter(name), shortlist=both)
            press(gp, page, "send", reason="A mole", shortlist=both[0])
        assert len(rows(select(Referral.id))) == expected  # the same file under another name is the same file
    other = letter()[0].getvalue() + b"\n%"
    press(gp, page, "send", reason="A mole", letter=(type(letter()[0])(other), "a.pdf"), shortlist=both)
    assert len(rows(select(Referral.id))) == 3


def test_a_draft_saved_twice_is_kept_once_without_talk_of_a_code(gp: Visitor, region: Region, rows: Rows) -> None:
    page = looked_up(gp, region)
    press(gp, page, "draft")
    again = press(gp, page, "draft")
    assert "was not saved twice" in again.text
    assert "access code" not in again.text
    press(gp, page, "draft", clinical_information="Another thing altogether")
    assert len(rows(select(Referral.id))) == 2


def test_what_is_put_right_when_sending_again_is_written(gp: Visitor, region: Region, rows: Rows) -> None:
    page = looked_up(gp, region)
    press(gp, page, "send", reason="A mole")
    press(gp, page, "send", reason="A mole", mobile="07700 900 123")
    assert rows(select(Patient.mobile)) == ["07700 900 123"]
    assert len(rows(select(Referral.id))) == 1


@pytest.mark.parametrize(
    ("change", "times"),
    [({}, 1), ({"text": "And now?"}, 2), ({"priority": "URGENT"}, 2), ({"convertible": "1"}, 2),
     ({"referrer": "Dr Somebody Else"}, 2)],
)  # fmt: skip
def test_a_question_is_another_with_any_change(
    gp: Visitor, region: Region, adviser: Service, rows: Rows, change: dict[str, str], times: int
) -> None:
    page = press(gp, gp.get(f"{ASK}?specialty=330"), "look", ASK, nhs_number=number_of(region))
    question = {"subject": "A rash", "text": "What now?", "service": str(adviser.id), "letter": None}
    for more in ({}, change):
        said = press(gp, page, "send", ASK, **{**question, **more})
        assert "Your question is sent" in said.text
    assert rows(select(func.count(AdviceRequest.id))) == [times]
    if "text" in change:
        assert set(rows(select(AdviceMessage.text))) == {"What now?", "And now?"}


def test_a_question_with_another_picture_is_another(gp: Visitor, region: Region, adviser: Service, rows: Rows) -> None:
    page = press(gp, gp.get(f"{ASK}?specialty=330"), "look", ASK, nhs_number=number_of(region))
    for file in (None, letter(), letter()):
        press(gp, page, "send", ASK, subject="A rash", text="What now?", service=str(adviser.id), letter=file)
    assert rows(select(func.count(AdviceRequest.id))) == [2]


# A record that others change meanwhile


def changed_by_the_patient(work: Work, region: Region, **fields: object) -> None:
    work.session.rollback()
    known = work.session.get_one(Patient, region.patient.id, populate_existing=True)
    for name, value in fields.items():
        setattr(known, name, value)
    known.version += 1
    work.session.commit()


def test_what_others_put_right_stays_when_the_form_is_sent(gp: Visitor, region: Region, work: Work, rows: Rows) -> None:
    page = looked_up(gp, region)
    changed_by_the_patient(work, region, email="ada@example.com", channel=Channel.LETTER, large_print=True)
    sent = press(gp, page, "send", reason="A mole", mobile="07700 900 123")
    assert "Letter for the patient" in sent.text
    (known,) = rows(select(Patient))
    assert (known.email, known.mobile, known.channel, known.large_print) == (
        "ada@example.com", "07700 900 123", Channel.LETTER, True,
    )  # fmt: skip


def test_the_same_box_changed_by_two_is_asked_about_once(gp: Visitor, region: Region, work: Work, rows: Rows) -> None:
    page = looked_up(gp, region)
    changed_by_the_patient(work, region, mobile="07700 900 999", email="ada@example.com")
    refused = press(gp, page, "send", reason="A mole", mobile="07700 900 123")
    assert refused.status_code == 422
    assert "changed meanwhile, to “07700 900 999”" in refused.text
    assert '<details class="nhsuk-details" open>' in refused.text
    assert 'value="ada@example.com"' in refused.text  # a box that nobody here touched shows what it is now
    assert rows(select(Referral.id)) == []
    press(gp, refused, "send")
    (known,) = rows(select(Patient))
    assert (known.mobile, known.email) == ("07700 900 123", "ada@example.com")
    assert len(rows(select(Referral.id))) == 1


def test_looking_again_does_not_hide_that_two_changed_it(gp: Visitor, region: Region, work: Work, rows: Rows) -> None:
    page = looked_up(gp, region)
    changed_by_the_patient(work, region, mobile="07700 900 999")
    seen = press(gp, page, "look", mobile="07700 900 123", reason="A mole")
    refused = press(gp, seen, "send")
    assert "changed meanwhile, to “07700 900 999”" in refused.text
    assert rows(select(Patient.mobile)) == ["07700 900 999"]


def test_the_record_page_asks_once_too(gp: Visitor, region: Region, work: Work, rows: Rows) -> None:
    path = f"/staff/patients/{region.patient.id}"
    page = gp.get(path)
    changed_by_the_patient(work, region, mobile="07700 900 999", email="ada@example.com")
    refused = gp.send(page, path, mobile="07700 900 123")
    assert "changed meanwhile, to “07700 900 999”" in refused.text
    gp.send(refused, path)
    (known,) = rows(select(Patient))
    assert (known.mobile, known.email) == ("07700 900 123", "ada@example.com")
    assert "was not the record that you had opened" in gp.send(page, path, about_version="1:²").text


# Drafts, and an appointment


def draft_of(gp: Visitor, region: Region):  # type: ignore[no-untyped-def]
    return press(gp, looked_up(gp, region), "draft", reason="A mole", shortlist=str(region.services[0].id))


def test_a_draft_saved_twice_from_the_same_page_is_saved(gp: Visitor, region: Region, rows: Rows) -> None:
    draft = draft_of(gp, region)
    where = draft.request.path
    for _ in range(2):
        saved = press(gp, draft, "draft", where, reason="A changing mole", mobile="07700 900 123", letter=letter())
        assert "Draft saved" in saved.text
        assert "Somebody else" not in saved.text
    other = press(gp, draft, "draft", where, reason="Something else")
    assert "Somebody else has changed this draft" in other.text
    assert rows(select(Referral.reason)) == ["A changing mole"]


def test_an_old_page_of_a_draft_discards_nothing(gp: Visitor, region: Region, rows: Rows) -> None:
    draft = draft_of(gp, region)
    where = draft.request.path
    press(gp, draft, "draft", where, reason="Newer")
    assert "Somebody else has changed this draft" in press(gp, draft, "discard", where).text
    assert rows(select(Referral.state)) == ["DRAFT"]


def test_a_clinician_named_on_a_draft_is_kept_and_sent_with_it(
    gp: Visitor, region: Region, rows: Rows, named: Practitioner
) -> None:
    draft = draft_of(gp, region)
    where = draft.request.path
    wrong = press(gp, draft, "draft", where, practitioner="C0")
    assert "No clinician has the identifier" in wrong.text
    elsewhere = press(gp, draft, "draft", where, practitioner="C7654321", shortlist=str(region.services[1].id))
    assert "not offered by name" in elsewhere.text
    saved = press(gp, draft, "draft", where, practitioner="c7654321", priority="URGENT")
    assert 'value="C7654321"' in saved.text
    assert rows(select(Referral.named_practitioner_id)) == [named.id]
    press(gp, saved, "send", where)
    assert rows(select(Referral.state)) == ["NOT_BOOKED"]
    assert rows(select(Referral.named_practitioner_id)) == [named.id]


def test_a_draft_is_sent_to_be_read_first_with_its_new_priority(
    gp: Visitor, region: Region, triage: Service, rows: Rows
) -> None:
    draft = draft_of(gp, region)
    where = draft.request.path
    saved = press(gp, draft, "draft", where, shortlist=str(triage.id))
    assert "Draft saved" in saved.text
    press(gp, saved, "send", where, shortlist=str(triage.id), priority="TWO_WEEK_WAIT")
    assert rows(select(Referral.state)) == ["AWAITING_TRIAGE"]
    assert rows(select(Referral.priority)) == ["TWO_WEEK_WAIT"]


def test_changed_twice_is_changed_once(gp: Visitor, referred: Referred, rows: Rows) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    times = gp.send(gp.get(f"{path}/times"), f"{path}/offers")
    gp.send(gp.send(times, f"{path}/hold"), f"{path}/book")
    first = gp.send(gp.get(f"{path}/times"), f"{path}/hold", at=3)
    second = gp.send(gp.get(f"{path}/times"), f"{path}/hold", at=5)
    gp.send(first, f"{path}/book")
    again = gp.send(first, f"{path}/book")
    assert again.status_code == 200
    assert again.request.path == path
    late = gp.send(second, f"{path}/book")
    assert "has been changed or cancelled meanwhile" in late.text
    assert "taken by somebody else" not in late.text
