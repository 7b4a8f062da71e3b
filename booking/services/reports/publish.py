"""Letting a report out: its rows asked for, named, ordered, and with small numbers kept back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from booking.domain import small_numbers
from booking.domain.errors import FieldError, Invalid, NotFound
from booking.domain.words import OrganisationKind, Priority
from booking.models import Organisation, Specialty
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.period import Period, period
from booking.services.reports.sql import ALL
from booking.services.reports.table import Column, Kind, Question, Report, Row, Value
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Asked:
    """As the caller asks; each None where it was not given."""

    first: date | None = None
    last: date | None = None
    specialty: str | None = None
    priority: Priority | None = None
    provider: str | None = None
    """ODS code, however it was typed."""

    def __post_init__(self) -> None:
        if self.provider is not None:
            object.__setattr__(self, "provider", self.provider.strip().upper())

    @property
    def filters(self) -> dict[str, str]:
        given = {"specialty": self.specialty, "priority": self.priority, "provider": self.provider}
        return {name: str(value) for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Published:
    report: Report
    period: Period | None
    made_at: datetime
    filters: Mapping[str, str]
    least: int
    rows: Sequence[Row]

    @property
    def file_name(self) -> str:
        """Of a file that holds it, without its ending."""
        of = self.period
        when = f"{of.first:%Y-%m}-to-{of.last:%Y-%m}" if of is not None else f"{self.made_at:%Y-%m-%d}"
        return f"{self.report.name}-{when}"

    @property
    def rule(self) -> str:
        """How small numbers are kept back, in words."""
        return (
            f"Counts below {self.least} are suppressed, and so are groups of fewer. "
            f"All others, totals too, are rounded to the nearest multiple of {small_numbers.step(self.least)}, "
            "each by itself, so parts need not add up. "
            "Percentages are of the rounded counts."
        )


def report_named(name: str) -> Report:
    found = REPORTS.get(name)
    if found is None:
        raise NotFound("There is no such report.")
    return found


def run(work: Work, name: str, asked: Asked) -> Published:
    """The report as it may be seen; :class:`Invalid` names what is wrong with the question."""
    report = report_named(name)
    return make(work, report, question_of(work, report, asked), asked)


def make(work: Work, report: Report, question: Question, asked: Asked) -> Published:
    """The answer to a question that was found to be in order."""
    least = work.config.small_numbers
    rows = [protected(row, report.columns, least) for row in report.rows(work, question)]
    rows = [row for row in rows if _listed(row, report.columns)]
    return Published(report, question.period, work.now, asked.filters, least, rows)


def question_of(work: Work, report: Report, asked: Asked) -> Question:
    """What is asked, checked: filters the report takes, of things there are; whole months that are over."""
    faults = [
        FieldError(name, "NOT_TAKEN", "This report has no such filter.")
        for name in ("specialty", "priority", "provider")
        if getattr(asked, name) is not None and name not in report.filters
    ]
    if not report.of_a_period:
        faults += [
            FieldError(field, "NOT_TAKEN", "This report is about the present.")
            for field, value in (("from", asked.first), ("to", asked.last))
            if value is not None
        ]
    if asked.specialty is not None and work.session.get(Specialty, asked.specialty) is None:
        faults.append(FieldError("specialty", "SPECIALTY_UNKNOWN", f"{asked.specialty!r} is no specialty we know."))
    provider = _provider(work, asked.provider)
    if asked.provider is not None and provider is None:
        faults.append(FieldError("provider", "PROVIDER_UNKNOWN", f"{asked.provider!r} is no provider's ODS code."))
    if faults:
        raise Invalid(*faults)
    months = period(asked.first, asked.last, today=work.today) if report.of_a_period else None
    return Question(months, asked.specialty, asked.priority, provider)


def _provider(work: Work, code: str | None) -> int | None:
    if code is None:
        return None
    query = select(Organisation.id).where(Organisation.ods_code == code, Organisation.kind == OrganisationKind.PROVIDER)
    return work.session.scalar(query)


def protected(row: Row, columns: Iterable[Column], least: int) -> dict[str, Value]:
    """The row as it may be told. Percentages are made here, of counts as they are told, and of nothing else."""
    made: dict[str, Value] = {}
    for column in columns:
        value = row.get(column.name)
        match column.kind:
            case Kind.TEXT:
                known = not column.of or small_numbers.told(_whole(row.get(column.of[0])), least) is not None
                made[column.name] = value if known else None
            case Kind.COUNT:
                made[column.name] = small_numbers.told(_whole(value), least)
            case Kind.STATISTIC:
                people = small_numbers.told(_whole(row.get(column.of[0])), least)
                made[column.name] = value if people is not None and people >= least * column.times else None
            case Kind.PERCENT:
                part, whole = (small_numbers.told(_whole(row.get(name)), least) for name in column.of)
                made[column.name] = small_numbers.percent(part, whole)
    return made


def _listed(row: Row, columns: Iterable[Column]) -> bool:
    """Whether the row stays: one whose first count is not told would tell, by being there, that it is of somebody."""
    main = next(column.name for column in columns if column.kind is Kind.COUNT)
    return row[main] is not None or ALL in (row.get("group"), row.get("organisation"))


def _whole(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a count is a whole number, not {value!r}")
    return value
