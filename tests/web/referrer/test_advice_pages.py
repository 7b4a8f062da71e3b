"""Advice on pages, both sides: asked, answered, closed, referred, made a referral of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from booking.domain.words import AdviceState, AttachmentState, Role
from booking.models import AdviceMessage, AdviceRequest, Attachment, Referral, Service
from booking.services.work import Work
from booking.web import say
from tests import factories
from tests.factories import Region
from tests.web.conftest import Visitor, forms
from tests.web.referrer.conftest import letter, press

Staff = Callable[[Role], Visitor]
ASK = "/staff/advice/ask"


@pytest.fixture
def specialist(staff: Staff) -> Visitor:
    return staff(Role.PROVIDER_CLINICIAN)


def ask(gp: Visitor, region: Region, adviser: Service, **more: object) -> str:
    """Asks, and returns the conversation's path."""
    page = press(gp, gp.get(f"{ASK}?specialty=330"), "look", ASK, nhs_number=say.nhs_number(region.patient.nhs_number))
    fields = {
        "subject": "A rash",
        "text": "What now?\nSince June",
        "service": str(adviser.id),
        "convertible": "1",
        **more,
    }
    sent = press(gp, page, "send", ASK, **fields)
    assert "Your question is sent" in sent.text
    return str(sent.request.path)


def request_of(work: Work) -> AdviceRequest:
    work.session.rollback()
    found = work.session.scalars(select(AdviceRequest)).one()
    work.session.expunge_all()
    work.session.rollback()
    return found


def test_asked_answered_and_dealt_with(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser, letter=letter("photo.pdf"))
    assert "Nothing waits for you" in gp.get("/staff/advice").text
    todo = specialist.get("/staff/advice")
    assert "Ada Patient" in todo.text
    assert path in todo.text
    page = specialist.get(path)
    assert "photo.pdf" in page.text
    assert "Since June" in page.text
    empty = specialist.send(page, f"{path}/say", do="ANSWER")
    assert "Write what you want to say" in empty.text
    specialist.send(page, f"{path}/say", do="ANSWER", text="Try an emollient")
    assert "Ada Patient" in gp.get("/staff/advice").text
    assert "Ada Patient" in gp.get("/staff/referrals?list=ADVICE").text
    answer = gp.get(path)
    assert "Try an emollient" in answer.text
    done = gp.send(answer, f"{path}/say", do="CLOSE")
    assert "off your list" in done.text
    assert request_of(work).state is AdviceState.CLOSED


def test_asking_twice_asks_once_and_a_refusal_loses_nothing(
    gp: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    page = press(gp, gp.get(f"{ASK}?specialty=330"), "look", ASK, nhs_number=say.nhs_number(region.patient.nhs_number))
    refused = press(gp, page, "send", ASK, text="What now? 🌻", letter=letter("a.pdf"))
    assert refused.status_code == 422
    assert "Say in a few words" in refused.text
    assert "What now? 🌻" in refused.text
    assert "“a.pdf” could not be kept" in refused.text
    paths = {press(gp, refused, "send", ASK, subject="A rash", service=str(adviser.id)).request.path for _ in range(2)}
    assert len(paths) == 1
    unknown = press(gp, page, "send", ASK, nhs_number="943 476 5919", subject="x", text="y")
    assert "No patient of your practice has this number" in unknown.text


def test_a_page_from_before_the_last_word_is_refused(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser)
    old = specialist.get(path)
    gp.send(gp.get(path), f"{path}/say", do="REPLY", text="It itches")
    late = specialist.send(old, f"{path}/say", do="ANSWER", text="Cream")
    assert late.status_code == 409
    assert "It itches" in late.text
    assert "Cream" in late.text


def test_an_administrator_answers_for_a_clinician(
    gp: Visitor, staff: Staff, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser)
    desk = staff(Role.PROVIDER_ADMIN)
    refused = desk.send(desk.get(path), f"{path}/say", do="ANSWER", text="Cream")
    assert "Name the clinician you act for" in refused.text
    assert ">Cream</textarea>" in refused.text.replace("\n", "")
    desk.send(refused, f"{path}/say", do="ANSWER", text="Cream", on_behalf_of="Dr Silva")
    work.session.rollback()
    named = select(AdviceMessage.on_behalf_of).order_by(AdviceMessage.id.desc()).limit(1)
    assert work.session.scalar(named) == "Dr Silva"
    work.session.rollback()
    assert "Dr Silva (written by" in gp.get(path).text
    assert desk.get(f"{path}/convert").status_code == 403


def test_the_practice_refers_after_all(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser)
    specialist.send(specialist.get(path), f"{path}/say", do="ANSWER", text="Should be seen")
    page = gp.get(f"{path}/refer")
    assert "Should be seen" in page.text
    refused = press(gp, page, "send", f"{path}/refer", reason="")
    assert "Enter the reason for referral" in refused.text
    sent = press(gp, refused, "send", f"{path}/refer", reason="A rash", shortlist=str(region.services[0].id))
    assert "Letter for the patient" in sent.text
    assert request_of(work).state is AdviceState.CONVERTED
    again = press(gp, page, "send", f"{path}/refer")
    assert again.request.path == sent.request.path
    assert "can’t be referred from this request any more" in gp.get(f"{path}/refer").text


def test_the_specialist_makes_a_referral_of_it(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser)
    page = specialist.get(f"{path}/convert")
    refused = specialist.send(page, f"{path}/convert")
    assert "Write what the referrer should know" in refused.text
    done = specialist.send(refused, f"{path}/convert", comment="I will see her", service=str(adviser.id))
    assert "A referral is made of it" in done.text
    work.session.rollback()
    ubrn = work.session.scalar(select(Referral.ubrn))
    work.session.rollback()
    assert f"/staff/referrals/{ubrn}" in gp.get(path).text
    assert specialist.send(page, f"{path}/convert").request.path == path


def test_where_it_was_not_allowed_no_referral_is_made(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service
) -> None:
    path = ask(gp, region, adviser, convertible=None)
    assert "Make a referral of it" not in specialist.get(path).text
    assert "No referral can be made" in specialist.get(f"{path}/convert").text


def test_files_are_attached_and_read_by_the_other_side(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service
) -> None:
    path = ask(gp, region, adviser)
    page = specialist.get(path)
    assert "Choose a file" in specialist.send(page, f"{path}/files").text
    token = forms(page)[0].fields["csrf_token"]
    data = {"csrf_token": token, "letter": letter("plan.pdf")}
    done = specialist.client.post(f"{path}/files", data=data, follow_redirects=True)
    assert "“plan.pdf” is attached" in done.text
    where = done.text.split('href="/staff/files/')[1].split('"')[0]
    assert gp.get(f"/staff/files/{where}").data.startswith(b"%PDF")


def test_a_file_that_held_malware_is_called_so(
    gp: Visitor, specialist: Visitor, region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser, letter=letter("photo.pdf"))
    work.session.rollback()
    work.session.scalars(select(Attachment)).one().state = AttachmentState.THREATS_FOUND
    work.session.commit()
    page = specialist.get(path)
    assert "held malware, can’t be opened" in page.text
    assert "/staff/files/" not in page.text


def test_strangers_see_no_conversation(
    gp: Visitor, newcomer: Callable[[], Visitor], region: Region, adviser: Service, work: Work
) -> None:
    path = ask(gp, region, adviser)
    factories.account(work, Role.PROVIDER_CLINICIAN, region.other_provider, "weirside")
    work.session.commit()
    stranger = newcomer()
    stranger.staff("weirside")
    assert stranger.get(path).status_code == 404
    assert "Ada" not in stranger.get("/staff/advice?show=all").text
