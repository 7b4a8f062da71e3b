"""Small numbers: kept back, and not to be had by subtracting, by shifting the period, or from a percentage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import product

import pytest
from flask.testing import FlaskClient

from booking.config import Config, ConfigError, from_environment
from booking.domain.errors import Invalid
from booking.domain.small_numbers import LEAST_ALLOWED, percent, step, told
from booking.services.reports.period import period
from booking.services.reports.publish import protected
from booking.services.reports.table import count, statistic
from booking.services.reports.table import percent as share
from tests.conftest import SECRET
from tests.reports.conftest import API, Headers, Records, Report, row


@pytest.mark.parametrize("least", [5, 7, 9, 11])
def test_what_is_told_of_a_count(least: int) -> None:
    assert [told(n, least) for n in range(least)] == [None] * least
    for n in range(least, 300):
        shown = told(n, least)
        assert shown
        assert shown % step(least) == 0
        assert abs(shown - n) * 2 <= step(least)
    with pytest.raises(ValueError, match="people"):
        told(-1, least)


def tables(least: int, parts: int) -> Iterator[tuple[tuple[int | None, ...], list[set[int]]]]:
    """Every table of so many parts as it is told, with its total last, and what each part may be."""
    most = 5 * step(least)
    alike: dict[tuple[int | None, ...], list[set[int]]] = defaultdict(lambda: [set() for _ in range(parts)])
    for table in product(range(most), repeat=parts):
        seen = (*(told(n, least) for n in table), told(sum(table), least))
        for at, n in enumerate(table):
            alike[seen][at].add(n)
    for seen, possible in alike.items():
        # Tables with larger numbers than we try would look like these too.
        if all(part is None or part < most - step(least) for part in seen[:-1]):
            yield seen, possible


@pytest.mark.parametrize(("least", "parts"), [(5, 1), (5, 2), (5, 3), (7, 2), (9, 2), (11, 2)])
def test_subtraction_never_gives_a_hidden_number(least: int, parts: int) -> None:
    """An attacker who knows the rule, sees all the parts and their total, and tries every table there can be.

    What is hidden must then still be one of several numbers, or of nobody.
    """
    hidden = 0
    for seen, possible in tables(least, parts):
        for shown, numbers in zip(seen, possible, strict=False):
            if shown is None:
                hidden += 1
                assert len(numbers) > 1 or numbers == {0}, (seen, numbers)
    assert hidden >= 1 if parts == 1 else hidden > 10


@pytest.mark.parametrize("parts", range(2, 40))
def test_many_hidden_parts(parts: int) -> None:
    """However many parts of a total are hidden, it never says that all of them are as large as they can be."""
    greatest = 4 * parts
    shown = told(greatest, 5)
    assert shown == told(greatest - 1, 5)


def test_with_a_step_of_five_it_would_not_hold() -> None:
    """Why 6: by fives, 4 and 4 would be the only two hidden parts of a total that is told as 10."""
    by_fives = [(a, b) for a in range(5) for b in range(5) if (a + b + 2) // 5 * 5 == 10]
    assert by_fives == [(4, 4)]
    by_sixes = [(a, b) for a in range(5) for b in range(5) if a + b >= 5 and told(a + b, 5) == 6]
    assert {a for a, _ in by_sixes} == {1, 2, 3, 4}


def test_percentages_are_of_what_is_told() -> None:
    assert percent(6, 24) == 25
    assert percent(None, 24) is None
    assert percent(6, None) is None
    assert percent(12, 6) == 100  # rounded apart from each other
    columns = [count("ill", ""), count("people", ""), share("percent", "ill", "people", "")]
    assert protected({"ill": 3, "people": 20}, columns, 5) == {"ill": None, "people": 18, "percent": None}
    # 16 of 19 and 20 of 20 look the same: the 3 who are not ill can't be told from none.
    assert protected({"ill": 16, "people": 19}, columns, 5) == protected({"ill": 20, "people": 20}, columns, 5)


def test_statistics_need_enough_people() -> None:
    columns = [count("people", ""), statistic("mean", "people", ""), statistic("longest", "people", "", times=4)]
    for people, expected in ((4, (None, None, None)), (20, (18, 9, None)), (21, (24, 9, 30))):
        shown = protected({"people": people, "mean": 9, "longest": 30}, columns, 5)
        assert tuple(shown.values()) == expected, people


def test_a_hidden_group_in_a_report(records: Records, report: Report) -> None:
    for _ in range(20):
        records.referral()
    for _ in range(3):
        records.referral(specialty_code="320")
    records.commit()
    made = report("referrals")
    assert row(made)["referrals"] == 24  # 23
    # Neither the number nor that there is anybody.
    assert [one["group"] for one in made["rows"] if one["breakdown"] == "specialty"] == ["330"]
    assert row(made, "specialty", "330")["referrals"] == 18  # 20
    narrowed = report("referrals", "from=2026-02-01&to=2026-02-28&specialty=320")
    assert row(narrowed)["referrals"] is None
    assert made["small_numbers"]["least"] == 5
    assert "below 5" in made["small_numbers"]["rule"]


def test_periods_that_differ_by_a_day_can_not_be_asked_for(
    client: FlaskClient, records: Records, report: Report, commissioner: Headers
) -> None:
    """The other way to subtract: the same question about two periods that differ by one person's day."""
    for _ in range(10):
        records.referral()
    records.commit()
    assert row(report("referrals"))["referrals"] == 12
    for query, field in (
        ("from=2026-02-01&to=2026-02-27", "to"), ("from=2026-02-02&to=2026-02-28", "from"),
        ("from=2026-02-11&to=2026-03-10", "from"), ("from=2026-03-01&to=2026-03-31", "to"),
        ("from=2026-02-01&to=2026-01-31", "to"), ("from=2022-01-01&to=2026-02-28", "from"),
        ("from=February", "from"), ("to=2026-02-30", "to"), ("when=now", "when"), ("format=xls", "format"),
        ("specialty=999", "specialty"), ("provider=RX9", "provider"), ("priority=SOON", "priority"),
    ):  # fmt: skip
        answer = client.get(f"{API}/reports/referrals?{query}", headers=commissioner)
        assert answer.status_code == 422, query
        assert field in {error["field"] for error in answer.json["errors"]}, (query, answer.json)


def test_periods() -> None:
    today = date(2026, 3, 2)
    assert period(None, None, today=today).first == date(2026, 2, 1)
    assert period(None, None, today=today).last == date(2026, 2, 28)
    assert period(date(2025, 11, 1), None, today=today).last == date(2025, 11, 30)
    assert period(None, date(2025, 12, 31), today=today).first == date(2025, 12, 1)
    long = period(date(2023, 3, 1), date(2026, 2, 28), today=today)
    assert [month.name for month in long.months][::35] == ["2023-03", "2026-02"]
    with pytest.raises(Invalid):
        period(date(2023, 2, 1), date(2026, 2, 28), today=today)
    # March 2026 begins in winter time and ends in summer time.
    march = period(date(2026, 3, 1), date(2026, 3, 31), today=date(2026, 4, 1))
    assert march.start.utcoffset() != march.end.utcoffset()


def test_the_setting() -> None:
    env = {"SECRET_KEY": SECRET}
    assert from_environment(env).small_numbers == LEAST_ALLOWED
    assert from_environment({**env, "SMALL_NUMBERS": "11"}).small_numbers == 11
    for wrong in ("3", "6", "-5"):
        with pytest.raises(ConfigError, match="SMALL_NUMBERS"):
            from_environment({**env, "SMALL_NUMBERS": wrong})
    assert Config(database_url="sqlite:///x", secret_key=SECRET).small_numbers == 5
