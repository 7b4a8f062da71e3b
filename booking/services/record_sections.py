"""A patient's record in words, section by section, in their language: for the page and for the PDF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from booking.domain.geo import in_miles
from booking.domain.words import Language, Relation
from booking.languages import _, catalogue, moment, say
from booking.services import offer_words
from booking.services.documents import Section, Table
from booking.services.record_words import in_words
from booking.services.work import HOME_ZONE

Values = Mapping[str, Any]
Facts = Sequence[tuple[str, Any]]


def sections(record: Values, language: Language = Language.ENGLISH) -> list[Section]:
    """Of the values of ``booking.services.own_record``."""
    told = _Told(language)
    found = [told.about(record["patient"])]
    for one in record["referrals"]:
        found += told.referral(one)
    for asked in record["advice"]:
        found.append(told.advice(asked))
    if any(record["elsewhere"].values()):
        found.append(told.elsewhere(record["elsewhere"]))
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """The sections in one language."""

    language: Language

    def t(self, text: str, **values: str) -> str:
        return say(self.language, text, **values)

    def code(self, value: Any) -> str:
        return in_words(value, self.language)

    def text(self, value: Any) -> str:
        if value is None or value == "" or value == []:
            return self.t(_("not recorded"))
        if isinstance(value, bool):
            return self.t(_("yes")) if value else self.t(_("no"))
        if isinstance(value, datetime):
            return moment(value, HOME_ZONE, self.language)
        if isinstance(value, date):
            return format_date(value, "d MMMM y", locale="cy" if self.language is Language.WELSH else "en_GB")
        if isinstance(value, list):
            return ", ".join(self.time_of_week(one) for one in value)
        return str(value)

    def time_of_week(self, text: str) -> str:
        """``Monday morning``, as the record has it."""
        day, part = text.split()
        return f"{self.t(day)} {self.t(part)}"

    def facts(self, rows: Facts) -> list[tuple[str, str]]:
        return [(self.t(name), self.text(value)) for name, value in rows]

    def about(self, one: Values) -> Section:
        practice, far = one["practice"], one["farthest_km"]
        rows: Facts = [
            (_("Name"), f"{one['given_name']} {one['family_name']}"), (_("NHS number"), one["nhs_number"]),
            (_("Date of birth"), one["date_of_birth"]), (_("Sex"), self.code(one["sex"])),
            (_("Postcode"), one["postcode"]), (_("Practice"), practice["name"] if practice else None),
            (_("E-mail"), one["email"]), (_("Mobile"), one["mobile"]),
            (_("How you are told things"), self.code(one["channel"])),
            (_("Language of messages"), self.code(one["language"])), (_("Large print"), one["large_print"]),
            (_("Interpreter"), one["interpreter_language"]), (_("Needs step-free access"), one["step_free"]),
            (_("Sex of clinician asked for"), self.code(one["clinician_sex"])),
            (_("Video possible"), one["video_possible"]), (_("Times that never suit"), one["unsuitable_times"]),
            (_("Farthest distance in miles"), in_miles(far) if far is not None else None),
            (_("Deprivation decile of your area"), one["deprivation_decile"]),
            (_("On record since"), one["created_at"]),
        ]  # fmt: skip
        return Section(self.t(_("About you")), facts=self.facts(rows))

    def referral(self, one: Values) -> Iterator[Section]:
        rows: Facts = [
            (_("State"), self.code(one["state"])), (_("Priority"), self.code(one["priority"])),
            (_("Referred by"), one["referrer"]), (_("Practice"), one["practice"]["name"]),
            (_("Specialty"), one["specialty"]["name"]), (_("Made"), one["created_at"]),
            (_("Waiting time counts from"), one["rtt_clock_start"]),
            (_("Waiting time clock"), self.code(one["rtt_clock_state"])), (_("To be seen by"), one["due_date"]),
        ]  # fmt: skip
        title = self.t(_("Referral {reference}"), reference=one["ubrn_shown"])
        yield Section(
            title,
            facts=self.facts(rows),
            paragraphs=[text for text in (one["reason"], one["clinical_information"]) if text],
            table=self.table(
                (_("Service"), _("Provider"), _("Site")),
                [(row["name"], row["provider"]["name"], row["site"]["name"]) for row in one["shortlist"]],
            ),
        )
        for name, columns, lines in self.tables(one):
            if lines:
                yield Section(f"{title}: {self.t(name)}", table=self.table(columns, lines))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
        return Table(tuple(self.t(column) for column in columns), rows)

    def tables(self, one: Values) -> Iterator[tuple[str, Sequence[str], list[Sequence[str]]]]:
        yield _("appointments"), (_("When"), _("Where"), _("State"), _("Reason")), [
            (self.when(row), f"{row['service']['name']}, {row['site']['name']}", self.code(row["state"]),
             self.code(row["reason"]))
            for row in one["bookings"]
        ]  # fmt: skip
        yield _("times offered"), (_("When"), _("Where"), _("State"), _("Why it was offered")), [
            (self.when(row), row["service"], self.code(row["state"]),
             "; ".join(offer_words.said(words, catalogue(self.language).gettext) for words in row["reasons"]))
            for row in one["offers"]
        ]  # fmt: skip
        yield _("what happened"), (_("When"), _("What"), _("Who"), _("Reason and comment")), [
            (self.text(row["at"]), self.code(row["action"]), self.who(row),
             ". ".join(text for text in (self.code(row["reason"]), row["comment"]) if text))
            for row in one["events"]
        ]  # fmt: skip
        yield (
            _("waiting time clock"),
            (_("When"), _("What"), _("From"), _("Why")),
            [
                (self.text(row["at"]), self.code(row["change"]), self.text(row["on_date"]), row["reason"])
                for row in one["clock"]
            ],
        )
        yield (
            _("files"),
            (_("File"), _("Kind"), _("From"), _("Added")),
            [
                (row["file_name"], self.code(row["kind"]), row["from"]["name"], self.text(row["uploaded_at"]))
                for row in one["attachments"]
            ],
        )
        yield _("messages to you"), (_("What"), _("How"), _("Written"), _("Sent")), [
            (self.code(row["kind"]), self.code(row["channel"]), self.text(row["created_at"]),
             self.t(_("not sent")) if row["failed_at"] else self.text(row["delivered_at"]))
            for row in one["messages"]
        ]  # fmt: skip

    def when(self, row: Values) -> str:
        return moment(row["starts_at"], ZoneInfo(row["time_zone"]), self.language)

    def who(self, row: Values) -> str:
        helper = row.get("acting")
        if not helper:
            return self.code(row["role"])
        relation = "SOMEBODY" if helper["relation"] is Relation.OTHER else helper["relation"]
        return self.t(_("{name} ({relation}), for you"), name=helper["name"], relation=self.code(relation))

    def advice(self, one: Values) -> Section:
        rows = [
            (self.text(row["at"]), f"{self.code(row['role'])}, {row['organisation']['name']}", row["text"])
            for row in one["messages"]
        ]
        facts: Facts = [
            (_("About"), one["subject"]), (_("State"), self.code(one["state"])),
            (_("Asked by"), one["practice"]["name"]), (_("Asked of"), one["service"]["name"]),
        ]  # fmt: skip
        title = self.t(_("Request for advice {reference}"), reference=one["reference"])
        return Section(title, facts=self.facts(facts), table=self.table((_("When"), _("Who"), _("What")), rows))

    def elsewhere(self, more: Values) -> Section:
        said = self.t(
            _("More is held than is shown here. Other referrals of yours: {referrals}. Requests for advice about you: "
              "{advice}. Your access code opens one referral only, because others may see the letter it is in. To read "
              "everything, sign in with your health account, or ask your practice."),
            referrals=str(more["referrals"]), advice=str(more["advice"]),
        )  # fmt: skip
        return Section(self.t(_("What is not in this document")), paragraphs=[said])


WEEK = (
    _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"),
    _("morning"), _("afternoon"), _("evening"),
)  # fmt: skip
"""Marked: the record has the times that never suit in English."""
