"""Real servers for the tests: a PostgreSQL of our own, and the application under gunicorn."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def postgresql_binaries() -> Path | None:
    """Where ``initdb`` and ``postgres`` are: Debian keeps them outside the PATH."""
    found = shutil.which("initdb")
    candidates = [Path(found).parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def _as_other_user() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then its processes belong to ``nobody``."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgresql_server() -> Iterator[str]:
    """A server with its own data folder on a free port; yields the URL prefix up to the database's name."""
    binaries = postgresql_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL's initdb is not on this machine: run 'make setup-test'")
    folder = tempfile.mkdtemp(prefix="choose-and-book-pg-")
    user = _as_other_user()
    if user:
        os.chown(folder, user["user"], user["group"])  # type: ignore[arg-type]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": folder}
    common = {"env": environment, "stdout": subprocess.DEVNULL, "cwd": folder, **user}
    subprocess.run(
        [binaries / "initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, **common,  # type: ignore[call-overload]
    )  # fmt: skip
    port = free_port()
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "max_connections": 100,
        "fsync": os.environ.get("TEST_FSYNC", "off"), "shared_buffers": "128MB",
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = open(f"{folder}/log", "wb")  # noqa: SIM115
    process = subprocess.Popen(
        [binaries / "postgres", "-D", f"{folder}/data", *options],
        stderr=log,
        **common,  # type: ignore[call-overload]
    )
    try:
        _wait_for_port(port, process)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    import psycopg

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", connect_timeout=2).close()
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not answer in time")


@dataclass
class LiveServer:
    """The application in its own processes, as it runs in production."""

    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    def kill(self) -> None:
        """SIGKILL to the whole group: what a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextlib.contextmanager
def gunicorn(database_url: str, *, workers: int = 2, **settings: str) -> Iterator[LiveServer]:
    """Run gunicorn on a free port until the block ends; settings are environment variables."""
    port = free_port()
    environment = {
        **os.environ, "DATABASE_URL": database_url, "SECRET_KEY": "x" * 40, "COOKIE_SECURE": "false",
        "PYTHONUNBUFFERED": "1", **settings,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-w", str(workers), "-b", f"127.0.0.1:{port}",
         "app:create_app()"],
        cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = LiveServer(f"http://127.0.0.1:{port}", process, environment)
    try:
        _wait_for_answer(server)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for_answer(server: LiveServer, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {server.process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.url}/healthz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("gunicorn did not answer in time")
