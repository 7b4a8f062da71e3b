"""``docs/api.md`` as a test: its commands, in order, in one shell, against a real server with the demo region."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from booking.config import Config
from booking.db import Database
from booking.demo import seed
from booking.keys import Keys
from booking.services.work import SYSTEM, Work
from tests import servers
from tests.conftest import SECRET

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # as `make run` has it
def test_every_command_of_the_api_guide_works_on_the_demo(
    database: Database, config: Config, keys: Keys, tmp_path: Path
) -> None:
    with database.unit_of_work() as session:
        made = seed.seed(Work(session, SYSTEM, datetime.now(UTC), config, keys), 1)
    gp = next(person for person in made.staff if person.role == "GP")
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    script = "set -euo pipefail\n" + "\n".join(blocks)
    mine = {name: value for name, value in os.environ.items() if name not in ("POSTCODE", "NHS_NUMBER")}
    with servers.gunicorn(database.url, SECRET_KEY=SECRET) as server:
        environment = {**mine, "BASE": f"{server.url}/api/v1", "USERNAME": gp.username, "PASSWORD": gp.password}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "Skin assessment"  # read first by a clinician, so it can't stand on a shortlist with others
    assert "We are keeping this time for you." in done.stdout
    assert "BEGIN:VCALENDAR" in done.stdout
    assert "CANCELLED" in said
    assert said[-1] == "CANCELLED_REFERRAL"
