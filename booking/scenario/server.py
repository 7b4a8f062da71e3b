"""The application under gunicorn on a free port, for as long as a block lasts: what patients meet in earnest."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from booking.config import ROOT, Config

START_SECONDS = 60.0


@contextmanager
def serving(config: Config, workers: int) -> Iterator[str]:
    """The address of the running server; :class:`RuntimeError` where it does not come up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {
        **os.environ, "DATABASE_URL": config.database_url, "SECRET_KEY": config.secret_key, "COOKIE_SECURE": "false",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-w", str(workers), "-b", f"127.0.0.1:{port}",
        "--log-level", "warning",
    ]  # fmt: skip
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=environment, start_new_session=True, stdout=nowhere, stderr=nowhere
        )
    try:
        _wait(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with {process.returncode} before it answered.")
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:  # noqa: S310  # our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("The server did not answer in time.")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
