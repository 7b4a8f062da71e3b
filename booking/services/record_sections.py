"""A patient's record in words, section by section, for the PDF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from booking.domain.times import in_words
from booking.services.documents import Section, Table
from booking.services.work import HOME_ZONE

Values = Mapping[str, Any]


def sections(record: Values) -> list[Section]:
    """Of the values of ``booking.services.own_record``."""
    found = [_about(record["patient"])]
    for one in record["referrals"]:
        found += _referral(one)
    for asked in record["advice"]:
        found.append(_advice(asked))
    elsewhere = record["elsewhere"]
    if any(elsewhere.values()):
        found.append(
            Section(
                "What is not in this document",
                paragraphs=[
                    f"We also hold {elsewhere['referrals']} other referrals of yours and {elsewhere['advice']} "
                    "requests for advice about you. Your access code opens one referral only, because others may see "
                    "the letter it is in. To read everything, sign in with your health account, or ask your practice."
                ],
            )
        )
    return found


def _text(value: Any, zone: ZoneInfo = HOME_ZONE) -> str:
    if value is None or value == "" or value == []:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return in_words(value, zone)
    if isinstance(value, date):
        return f"{value.day} {value:%B %Y}"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


def _code(value: Any) -> str:
    return "" if value is None else str(value).replace("_", " ").replace("-", " ").capitalize()


def _about(one: Values) -> Section:
    practice = one["practice"]
    named = [
        ("Name", f"{one['given_name']} {one['family_name']}"), ("NHS number", one["nhs_number"]),
        ("Date of birth", one["date_of_birth"]), ("Sex", one["sex"]), ("Postcode", one["postcode"]),
        ("Practice", practice["name"] if practice else None), ("E-mail", one["email"]), ("Mobile", one["mobile"]),
        ("How you are told things", _code(one["channel"])), ("Language of messages", one["language"]),
        ("Large print", one["large_print"]), ("Interpreter", one["interpreter_language"]),
        ("Needs step-free access", one["step_free"]), ("Sex of clinician asked for", one["clinician_sex"]),
        ("Video possible", one["video_possible"]), ("Times that never suit", one["unsuitable_times"]),
        ("Farthest distance in km", one["farthest_km"]),
        ("Deprivation decile of your area", one["deprivation_decile"]), ("On record since", one["created_at"]),
    ]  # fmt: skip
    return Section("About you", facts=[(name, _text(value)) for name, value in named])


def _referral(one: Values) -> Iterator[Section]:
    facts = [
        ("State", _code(one["state"])), ("Priority", _code(one["priority"])), ("Referred by", one["referrer"]),
        ("Practice", one["practice"]["name"]), ("Specialty", one["specialty"]["name"]), ("Made", one["created_at"]),
        ("Waiting time counts from", one["rtt_clock_start"]), ("Waiting time clock", _code(one["rtt_clock_state"])),
        ("To be seen by", one["due_date"]),
    ]  # fmt: skip
    title = f"Referral {one['ubrn_shown']}"
    yield Section(
        title,
        facts=[(name, _text(value)) for name, value in facts],
        paragraphs=[text for text in (one["reason"], one["clinical_information"]) if text],
        table=Table(
            ("Service", "Provider", "Site"),
            [(row["name"], row["provider"]["name"], row["site"]["name"]) for row in one["shortlist"]],
        ),
    )
    yield from _tables(title, one)


def _tables(title: str, one: Values) -> Iterator[Section]:
    def when(row: Values) -> str:
        return in_words(row["starts_at"], ZoneInfo(row["time_zone"]))

    parts: list[tuple[str, Sequence[str], list[Sequence[str]]]] = [
        ("appointments", ("When", "Where", "State", "Reason"), [
            (when(row), f"{row['service']['name']}, {row['site']['name']}", _code(row["state"]), _code(row["reason"]))
            for row in one["bookings"]
        ]),
        ("times offered", ("When", "Where", "State", "Why it was offered"), [
            (when(row), row["service"], _code(row["state"]), "; ".join(row["reasons"])) for row in one["offers"]
        ]),
        ("what happened", ("When", "What", "Who", "Reason and comment"), [
            (_text(row["at"]), _code(row["action"]), _code(row["role"]),
             ". ".join(text for text in (_code(row["reason"]), row["comment"]) if text))
            for row in one["events"]
        ]),
        ("waiting time clock", ("When", "What", "From", "Why"), [
            (_text(row["at"]), _code(row["change"]), _text(row["on_date"]), row["reason"]) for row in one["clock"]
        ]),
        ("files", ("File", "Kind", "From", "Added"), [
            (row["file_name"], _code(row["kind"]), row["from"]["name"], _text(row["uploaded_at"]))
            for row in one["attachments"]
        ]),
        ("messages to you", ("What", "How", "Written", "Sent"), [
            (_code(row["kind"]), _code(row["channel"]), _text(row["created_at"]),
             "not sent" if row["failed_at"] else _text(row["delivered_at"]))
            for row in one["messages"]
        ]),
    ]  # fmt: skip
    for name, columns, rows in parts:
        if rows:
            yield Section(f"{title}: {name}", table=Table(columns, rows))


def _advice(one: Values) -> Section:
    rows = [
        (_text(row["at"]), f"{_code(row['role'])}, {row['organisation']['name']}", row["text"])
        for row in one["messages"]
    ]
    facts = [
        ("About", one["subject"]), ("State", _code(one["state"])), ("Asked by", one["practice"]["name"]),
        ("Asked of", one["service"]["name"]),
    ]  # fmt: skip
    return Section(f"Request for advice {one['reference']}", facts=facts, table=Table(("When", "Who", "What"), rows))
