"""The story through the API: a GP refers, the patient is offered times, books, cancels, chooses again."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.api.conftest import API, patient_body, referral_body
from tests.factories import Region, bearer


def test_the_whole_story(client: FlaskClient, region: Region, gp: dict[str, str]) -> None:
    found = client.get(f"{API}/services?specialty=330&clinic_type=330-SKIN&postcode=AM1+1AB&sort=distance", headers=gp)
    assert found.status_code == 200
    names = [(s["provider"], s["distance_miles"]) for s in found.json["services"]]
    assert [name for name, _ in names] == ["Ambervale General", "Weirside Trust"]
    assert names[0][1] < names[1][1]

    patient = client.post(f"{API}/patients", json=patient_body(), headers=gp)
    assert patient.status_code == 201, patient.json
    made = client.post(f"{API}/referrals", json=referral_body(region, patient.json["id"]), headers=gp)
    assert made.status_code == 201, made.json
    assert len(made.json["ubrn"]) == 12
    assert made.json["state"] == "NOT_BOOKED"
    ubrn, code = made.json["ubrn"], made.json["access_code"]
    again = client.get(f"{API}/referrals/{ubrn}", headers=gp)
    assert "access_code" not in again.json

    signed = client.post(
        f"{API}/patient-sessions",
        json={"ubrn": made.json["ubrn_shown"], "access_code": code, "date_of_birth": "1948-02-29"},
    )
    assert signed.status_code == 201, signed.json
    me = bearer(signed.json["token"])

    offers = client.post(f"{API}/referrals/{ubrn}/offers", headers=me).json["offers"]
    assert offers[0]["guaranteed"]
    assert 2 <= len(offers) <= 5
    assert all(offer["reasons"] for offer in offers)

    choice = {name: offers[1][name] for name in ("slot_id", "starts_at", "ends_at")}
    booked = client.post(f"{API}/referrals/{ubrn}/bookings", json=choice, headers=me)
    assert booked.status_code == 201, booked.json
    reference = booked.json["reference"]
    assert client.get(f"{API}/referrals/{ubrn}", headers=me).json["state"] == "BOOKED"

    twice = client.post(f"{API}/referrals/{ubrn}/bookings", json=choice, headers=me)
    assert twice.status_code == 409
    assert (twice.json["state"], twice.json["action"]) == ("BOOKED", "BOOK")

    calendar = client.get(f"{API}/bookings/{reference}/calendar.ics", headers=me)
    assert calendar.content_type == "text/calendar; charset=utf-8"
    assert "BEGIN:VEVENT" in calendar.text

    done = client.post(f"{API}/bookings/{reference}/cancel", json={"reason": "UNABLE_TO_ATTEND"}, headers=me)
    assert done.json["state"] == "CANCELLED"
    fresh = client.post(f"{API}/referrals/{ubrn}/offers", headers=me).json["offers"]
    assert fresh[0]["guaranteed"]
