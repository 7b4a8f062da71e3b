"""Somebody acts for the patient: said at sign-in or on the page, shown on every page, recorded, ended."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import ReferralEvent
from tests.conftest import Rows
from tests.web.conftest import Referred, Visitor, forms

ZOE = {"acting_name": "Zoë <b>O’Hara</b> שלום", "acting_relation": "CHILD"}
SHOWN = "Zoë &lt;b&gt;O’Hara&lt;/b&gt; שלום</bdi> (daughter or son) is doing this for the patient."


def sign_in(visitor: Visitor, referred: Referred, **more: str):  # type: ignore[no-untyped-def]
    return visitor.send(
        visitor.get("/sign-in"), "/sign-in", reference=referred.ubrn, access_code=referred.code,
        date_of_birth__day="17", date_of_birth__month="5", date_of_birth__year="1960", **more,
    )  # fmt: skip


def test_said_at_sign_in_shown_and_recorded(visitor: Visitor, referred: Referred, rows: Rows) -> None:
    page = sign_in(visitor, referred, **ZOE)
    assert page.request.path == "/choices"
    for path in ("/choices", "/times", "/me"):
        assert SHOWN in visitor.get(path).text
    visitor.send(visitor.send(page, "/choose"), "/confirm/")
    event = rows(select(ReferralEvent).order_by(ReferralEvent.id.desc()))[0]
    assert (event.actor, event.role, event.on_behalf_of) == ("child #1", Role.PATIENT, "patient")
    record = visitor.get("/me/record").text
    assert "Zoë &lt;b&gt;O’Hara&lt;/b&gt; שלום (daughter or son), for you" in record


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"acting_name": "Zoë"}, "Select what you are to the patient"),
        ({"acting_relation": "CHILD"}, "Enter your own name"),
        ({"acting_name": "a\u202eb", "acting_relation": "CHILD"}, "Give your name"),
    ],
)
def test_half_an_answer_is_refused_and_nobody_is_in(
    visitor: Visitor, referred: Referred, given: dict[str, str], said: str
) -> None:
    page = sign_in(visitor, referred, **given)
    assert page.status_code == 422
    assert said in page.text
    assert "<details" in page.text
    assert " open>" in page.text
    kept = next(form for form in forms(page) if form.action == "/sign-in").fields
    assert kept["reference"] == referred.ubrn
    assert visitor.get("/choices").request.path == "/sign-in"


def test_begun_changed_and_ended_on_the_page(patient: Visitor, referred: Referred, rows: Rows) -> None:
    assert "At the moment: the patient." in patient.get("/me/acting").text
    refused = patient.send(patient.get("/me/acting"), "/me/acting", acting_name="Bo")
    assert refused.status_code == 422
    page = patient.send(patient.get("/me/acting"), "/me/acting", acting_name="Bo", acting_relation="CARER")
    assert page.request.path == "/choices"
    assert "<bdi>Bo</bdi> (carer or support worker) is doing this for the patient." in page.text
    listed = patient.get("/me/acting")
    assert "Who has done this for the patient" in listed.text
    assert "<bdi>Bo</bdi> (carer or support worker)" in patient.get("/me/sessions").text
    done = patient.send(listed, "/me/acting/end")
    assert "From now on the patient is doing this" in done.text
    assert "is doing this for the patient" not in patient.get("/choices").text
    patient.send(patient.send(patient.get("/choices"), "/choose"), "/confirm/")
    assert rows(select(ReferralEvent.actor).order_by(ReferralEvent.id.desc()))[0] == "patient"


def test_a_practice_that_books_is_told_of_as_the_practice(
    patient: Visitor,
    referred: Referred,
    work,
    region,  # type: ignore[no-untyped-def]
) -> None:
    from booking.services import booking
    from booking.services.booking import Choice
    from tests import factories

    slot = region.slots[0]
    office = factories.acting(work, Role.REFERRING_ADMIN, region.practice)
    booking.book(office, referred.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    record = patient.get("/me/record").text
    assert "Your practice&#39;s office" in record
    assert "Appointment booked" in record
