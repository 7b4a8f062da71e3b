"""A file of services keeps the rules that the API keeps."""

from __future__ import annotations

from pathlib import Path

from click.testing import Result
from sqlalchemy import select

from booking.models import Service
from tests.conftest import Rows
from tests.factories import Region
from tests.planning.conftest import Flask

HEADER = "provider,site,name,specialty,operational_from,booking_mode"


def test_a_service_booked_by_telephone_needs_its_number_and_keeps_it(
    region: Region, flask: Flask, tmp_path: Path, rows: Rows
) -> None:
    path = tmp_path / "services.csv"

    def imported(more: str, cell: str, code: int = 0) -> Result:
        row = f"RA1,RA101,By telephone,330,2026-01-01,INDIRECTLY_BOOKABLE{cell}"
        path.write_text(f"{HEADER}{more}\n{row}\n", encoding="utf-8")
        return flask("import", "services", str(path), code=code)

    for more, cell, column in (("", "", "booking_mode"), (",telephone", ",", "telephone")):
        assert f"column {column}" in imported(more, cell, code=1).stderr
    assert "not a" not in imported(",telephone", ",0161 496 0000").output
    assert "unchanged" in imported("", "").output
    assert rows(select(Service.telephone).where(Service.name == "By telephone")) == ["0161 496 0000"]


def test_limits_that_do_not_go_together_are_said_by_column(region: Region, flask: Flask, tmp_path: Path) -> None:
    path = tmp_path / "services.csv"
    path.write_text(
        f"{HEADER},operational_to,min_age,max_age\nRA1,RA101,One,330,2026-01-01,,2025-12-31,50,16\n", encoding="utf-8"
    )
    said = flask("import", "services", str(path), code=1).stderr
    assert "column operational_to, '2025-12-31': before the first day" in said
    assert "column max_age, '16': ages are 0 to 150, the highest not below the lowest" in said
