"""``docs/api.md`` as a test: its commands, in order, in one shell, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from booking.db import Database
from booking.services.work import Work
from tests import factories, servers
from tests.conftest import SECRET

ROOT = Path(__file__).resolve().parent.parent


def test_every_command_of_the_api_guide_works(database: Database, work: Work, tmp_path: Path) -> None:

    factories.region(replace(work, now=datetime.now(UTC)))
    work.session.commit()
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    script = "set -euo pipefail\n" + "\n".join(blocks)
    with servers.gunicorn(database.url, SECRET_KEY=SECRET) as server:
        environment = {
            **os.environ, "BASE": f"{server.url}/api/v1", "USERNAME": "referring_clinician@p81001",
            "PASSWORD": factories.PASSWORD,
        }  # fmt: skip
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
    assert said[0] == "Dermatology clinic"
    assert "We are keeping this time for you." in done.stdout
    assert "BEGIN:VCALENDAR" in done.stdout
    assert "CANCELLED" in said
    assert said[-1] == "CANCELLED_REFERRAL"
