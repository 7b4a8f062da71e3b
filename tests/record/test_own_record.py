"""A patient reads all that is held about them, in three forms, and who looked; a code opens one referral only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.domain.words import AttachmentKind, Role
from booking.fhir import codes
from booking.models import AccessEntry, AuthSession, OutboxMessage, Referral
from booking.services import attachments, booking, referrals
from booking.services.booking import Choice
from booking.services.work import Work
from tests import factories
from tests.factories import Region, bearer

API = "/api/v1"
Headers = dict[str, str]
LETTER = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def referral(work: Work, region: Region) -> Referral:
    """Booked, cancelled, booked again and held; with a letter, a delivered and a failed message; and beside it
    another referral of the same patient."""
    region.patient.family_name = "O’Neill 🌿 שלום"
    region.patient.email = "ada@example.invalid"
    person = factories.PractitionerFactory(organisation_id=region.provider.id)
    for slot in region.slots[:3]:
        slot.practitioner_id = person.id
        work.session.flush()
    made = factories.referral(work, region, clinical_information="Growing since May.\nNo pain.")[0]
    other = factories.referral(work, region, reason="Something else entirely")[0]
    assert other.patient_id == made.patient_id
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    attachments.attach_to_referral(
        practice, made.ubrn, kind=AttachmentKind.REFERRAL_LETTER, file_name="letter.pdf", data=LETTER
    )
    for slot in region.slots[:2]:
        booked = booking.book(practice, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
        if slot is region.slots[0]:
            booking.cancel_booking(practice, booked.reference or "", reason="OTHER", comment="A wedding, it's mine")
    sent = work.session.scalars(select(OutboxMessage).where(OutboxMessage.referral_id == made.id)).all()
    sent[0].delivered_at, sent[1].failed_at = work.now, work.now
    work.session.commit()
    return made


@pytest.fixture
def by_code(work: Work, referral: Referral) -> Headers:
    made = bearer(factories.patient_token(work, referral))
    work.session.commit()
    return made


@pytest.fixture
def proved(work: Work, referral: Referral) -> Headers:
    """The patient's session after proving who they are."""
    made = factories.patient_token(work, referral)
    work.session.execute(
        update(AuthSession).where(AuthSession.token_hash == work.keys.hash("session", made))
        .values(patient_id=referral.patient_id)
    )  # fmt: skip
    work.session.commit()
    return bearer(made)


def test_a_code_opens_its_referral_in_full_and_the_others_by_count(
    client: FlaskClient, referral: Referral, by_code: Headers
) -> None:
    answer = client.get(f"{API}/me/record", headers=by_code)
    assert answer.status_code == 200
    held = answer.json
    assert held["patient"]["family_name"] == "O’Neill 🌿 שלום"
    assert [one["ubrn"] for one in held["referrals"]] == [referral.ubrn]
    assert (held["whole"], held["elsewhere"]) == (False, {"referrals": 1, "advice": 0})
    assert "Something else entirely" not in answer.text
    (one,) = held["referrals"]
    assert [event["action"] for event in one["events"]] == [
        "ISSUE", "BOOK", "CANCEL_APPOINTMENT_BY_PATIENT", "BOOK",
    ]  # fmt: skip
    assert one["events"][2]["comment"] == "A wedding, it's mine"
    assert [row["state"] for row in one["bookings"]] == ["CANCELLED", "BOOKED"]
    assert one["clock"][0]["change"] == "START"
    assert one["attachments"][0]["file_name"] == "letter.pdf"
    assert one["messages"][0]["delivered_at"] is not None
    assert one["messages"][1]["failed_at"] is not None


def test_who_has_proved_who_they_are_reads_everything(client: FlaskClient, referral: Referral, proved: Headers) -> None:
    held = client.get(f"{API}/me/record", headers=proved).json
    assert held["whole"] is True
    assert [one["reason"] for one in held["referrals"]] == ["A changing mole", "Something else entirely"]
    assert held["elsewhere"] == {"referrals": 0, "advice": 0}


def test_staff_are_named_by_role_only(client: FlaskClient, referral: Referral, by_code: Headers) -> None:
    held = client.get(f"{API}/me/record", headers=by_code).json
    assert {event["role"] for event in held["referrals"][0]["events"]} == {"REFERRING_CLINICIAN"}
    assert all("actor" not in event for event in held["referrals"][0]["events"])


def test_only_patients_have_a_record_of_their_own(client: FlaskClient, work: Work, region: Region) -> None:
    gp = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    for path in ("record", "record.fhir", "record.pdf", "access"):
        assert client.get(f"{API}/me/{path}", headers=gp).status_code == 403
        assert client.get(f"{API}/me/{path}").status_code == 401


def resources(client: FlaskClient, headers: Headers) -> dict[str, Any]:
    answer = client.get(f"{API}/me/record.fhir", headers=headers)
    assert answer.status_code == 200
    assert answer.content_type == "application/fhir+json"
    return dict(answer.json)


def test_the_bundle_is_valid_fhir_r4(client: FlaskClient, referral: Referral, proved: Headers) -> None:
    from fhir.resources.R4B.bundle import Bundle

    made = resources(client, proved)
    Bundle.model_validate(made)
    found = [entry["resource"]["resourceType"] for entry in made["entry"]]
    counted = {kind: found.count(kind) for kind in set(found)}
    assert counted["Patient"] == 1
    assert counted["ServiceRequest"] == 2
    assert counted["Appointment"] == counted["Slot"] == counted["Schedule"] == 2
    assert counted["DocumentReference"] == counted["Practitioner"] == 1
    assert counted["Organization"] == 3
    assert counted["HealthcareService"] == counted["Location"] == 2
    assert counted["Provenance"] == 5
    assert counted["Communication"] == 5


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_every_reference_leads_to_an_entry_and_identifiers_are_stable(
    client: FlaskClient, referral: Referral, proved: Headers
) -> None:
    made = resources(client, proved)
    there = [entry["fullUrl"] for entry in made["entry"]]
    assert len(there) == len(set(there))
    assert set(_references(made)) <= set(there)
    assert [entry["fullUrl"] for entry in resources(client, proved)["entry"]] == there


ALLOWED = {
    ("ServiceRequest", "status"): codes.REQUEST_STATUS,
    ("ServiceRequest", "priority"): codes.REQUEST_PRIORITY,
    ("Appointment", "status"): codes.APPOINTMENT_STATUS,
    ("Slot", "status"): codes.SLOT_STATUS,
    ("Communication", "status"): codes.EVENT_STATUS,
    ("DocumentReference", "status"): codes.DOCUMENT_STATUS,
    ("DocumentReference", "docStatus"): codes.COMPOSITION_STATUS,
    ("Patient", "gender"): codes.GENDER,
}


def test_every_required_code_is_in_its_value_set(client: FlaskClient, referral: Referral, proved: Headers) -> None:
    seen = set()
    for entry in resources(client, proved)["entry"]:
        one = entry["resource"]
        for (kind, name), allowed in ALLOWED.items():
            if one["resourceType"] == kind and name in one:
                assert one[name] in allowed, (kind, name, one[name])
                seen.add((kind, name))
        for participant in one.get("participant", []):
            assert participant["status"] in codes.PARTICIPATION
    assert seen == set(ALLOWED)


@pytest.mark.parametrize(
    ("mapping", "allowed"),
    [
        (codes.REFERRAL, codes.REQUEST_STATUS), (codes.PRIORITY, codes.REQUEST_PRIORITY),
        (codes.BOOKING, codes.APPOINTMENT_STATUS), (codes.SLOT, codes.SLOT_STATUS), (codes.SEX, codes.GENDER),
        (codes.ATTACHMENT, codes.COMPOSITION_STATUS),
    ],
)  # fmt: skip
def test_every_word_of_ours_has_a_code_of_theirs(mapping: dict[Any, str], allowed: frozenset[str]) -> None:
    kind = type(next(iter(mapping)))
    assert set(mapping) == set(kind)
    assert set(mapping.values()) <= allowed


def test_a_changed_patient_gives_another_bundle_and_odd_values_stay_valid(
    client: FlaskClient, work: Work, region: Region, referral: Referral, by_code: Headers
) -> None:
    from fhir.resources.R4B.bundle import Bundle

    region.patient.email = region.patient.postcode = None
    region.patient.interpreter_language = "Cymraeg ‏עברית"
    work.session.merge(region.patient)
    work.session.commit()
    made = resources(client, by_code)
    Bundle.model_validate(made)
    person = made["entry"][0]["resource"]
    assert "telecom" not in person
    assert "address" not in person
    assert person["communication"][1]["language"]["text"].startswith("Cymraeg")


def test_the_pdf_holds_what_the_record_holds(client: FlaskClient, referral: Referral, by_code: Headers) -> None:
    answer = client.get(f"{API}/me/record.pdf", headers=by_code)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/pdf"
    assert answer.data.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in answer.data or b"/MarkInfo" in answer.data
    assert len(answer.data) > 5000


def test_the_patient_sees_who_looked_without_names(
    client: FlaskClient, work: Work, region: Region, referral: Referral, by_code: Headers, proved: Headers
) -> None:
    gp = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    other = work.session.scalars(select(Referral).where(Referral.id != referral.id)).one()
    work.session.commit()
    for path in (f"referrals/{referral.ubrn}", f"patients/{region.patient.id}", f"referrals/{other.ubrn}"):
        assert client.get(f"{API}/{path}", headers=gp).status_code == 200
    work.session.add(
        AccessEntry(
            at=work.now, patient_id=region.patient.id, what="advice 7", actor="x", role=Role.PROVIDER_CLINICIAN,
            organisation=region.provider.ods_code,
        )
    )  # fmt: skip
    work.session.commit()
    seen = client.get(f"{API}/me/access", headers=by_code)
    assert [(look["what"], look["role"], look["organisation"]) for look in seen.json["looks"]] == [
        ("patient", "REFERRING_CLINICIAN", "Millbrook Surgery"),
        ("referral", "REFERRING_CLINICIAN", "Millbrook Surgery"),
    ]
    assert "Person" not in seen.text
    everything = client.get(f"{API}/me/access", headers=proved).json["looks"]
    assert len(everything) == 4
    first = client.get(f"{API}/me/access?limit=2", headers=proved).json
    rest = client.get(f"{API}/me/access?limit=2&before={first['next']}", headers=proved).json
    assert first["looks"] + rest["looks"] == everything
    assert client.get(f"{API}/me/access?limit=0", headers=proved).status_code == 422


def test_a_draft_is_held_too_and_shown_to_who_is_proved(
    client: FlaskClient, work: Work, region: Region, referral: Referral, proved: Headers, clock: Any
) -> None:
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    new = referrals.NewReferral(
        region.patient.id, "330", factories.Priority.TWO_WEEK_WAIT, "Not sent yet", [region.services[0].id], draft=True
    )
    referrals.create_referral(practice, new)
    work.session.commit()
    clock.now += timedelta(minutes=1)
    held = client.get(f"{API}/me/record", headers=proved).json
    assert [one["state"] for one in held["referrals"]][-1] == "DRAFT"
    last = [
        e["resource"] for e in resources(client, proved)["entry"] if e["resource"]["resourceType"] == "ServiceRequest"
    ]
    assert (last[-1]["status"], last[-1]["priority"], last[-1]["category"]) == (
        "draft", "asap", [{"text": "Two-week wait"}],
    )  # fmt: skip
