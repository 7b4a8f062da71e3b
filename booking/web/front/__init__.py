"""The front page: what this is, in a minute, and the way in for each kind of visitor."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from flask import render_template
from sqlalchemy.engine import make_url

from booking.config import INSTANCE
from booking.edge.flask_app import work
from booking.edge.policy import public
from booking.web.base import blp

SIGN_INS = "demo-sign-ins.json"
log = logging.getLogger("booking.web")


@blp.get("/")
@public()
def front() -> str:
    """What this is, in a minute, and the way in; with a demo, its people to sign in as."""
    return render_template("front/front.html", demo=demo_sign_ins() if work().config.demo else None)


def demo_sign_ins() -> dict[str, Any]:
    """What ``flask demo seed`` wrote down; empty lists where it has not run."""
    try:
        found: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = {}
    except (OSError, ValueError) as error:
        log.warning("the demo's sign-ins can't be read: %s", type(error).__name__)
        found = {}
    return {
        "patients": found.get("patients", []), "staff": found.get("staff", []), "to_refer": found.get("to_refer", {})
    }  # fmt: skip


def _file() -> Path:
    """Where the seed writes: beside the embedded database, else in ``instance/``."""
    url = make_url(work().config.database_url)
    beside = url.drivername.startswith("sqlite") and url.database
    return Path(beside).parent / SIGN_INS if beside else INSTANCE / SIGN_INS
