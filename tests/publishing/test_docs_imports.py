"""``docs/imports.md`` as a test: its files and commands, in order, from an empty database."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import text

from booking.config import ROOT
from booking.db import Database
from booking.edge.flask_app import BookingApp

FLASK = ".venv/bin/flask --app app "
BOOKABLE = """
    SELECT p.name, s.name, c.clinic_type_code FROM slot
    JOIN service s ON s.id = slot.service_id JOIN practitioner p ON p.id = slot.practitioner_id
    JOIN service_clinic_type c ON c.service_id = s.id ORDER BY 3
"""


def test_the_files_and_commands_of_the_guide_work(
    app: BookingApp, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8")
    files = re.findall(r"^## \d\. (\S+\.csv)\n.*?^```csv\n(.*?)^```", page, re.S | re.M)
    for name, content in files:
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M) for line in block.splitlines()]
    assert (len(files), len(commands)) == (8, 10)
    for command in commands:
        arguments = shlex.split(command.removeprefix(FLASK))
        done = app.test_cli_runner().invoke(args=arguments, input="correct horse battery\n" * 2)
        assert done.exit_code == 0, f"{command}\n{done.output}"
        assert arguments[0] != "import" or "unchanged" not in done.output
    with database.unit_of_work(write=False) as session:
        found = [tuple(row) for row in session.execute(text(BOOKABLE))]
    assert found == [("Dr Ann Smith", "Dermatology clinic", code) for code in ("330-RASH", "330-SKIN")]
