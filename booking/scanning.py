"""Asking ClamAV's daemon about a file, by its INSTREAM command over TCP or a Unix socket."""

from __future__ import annotations

import re
import socket
import struct
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30
_CHUNK = 64 * 1024
_LONGEST_ANSWER = 4096


class ScanFailed(Exception):  # reads better than ScanFailedError
    """The daemon answered something that is neither clean nor found: it is asked again later."""


def threat_in(clamd: str, data: bytes) -> str | None:
    """The name of what was found, None if clean. Raises :class:`OSError` where the daemon can't be reached.

    ``clamd`` is ``tcp://host:port`` or ``unix:/path``, as the settings have it.
    """
    with _connected(clamd) as connection:
        connection.sendall(b"zINSTREAM\0")
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            connection.sendall(struct.pack("!I", len(chunk)) + chunk)
        connection.sendall(struct.pack("!I", 0))
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
            more = connection.recv(_LONGEST_ANSWER)
            if not more:
                break
            answer += more
    text = answer.rstrip(b"\0\n").decode("utf-8", "replace")
    if text == "stream: OK":
        return None
    if found := re.fullmatch(r"stream: (.+) FOUND", text):
        return found[1]
    raise ScanFailed(text[:200] or "no answer")


def _connected(clamd: str) -> socket.socket:
    if clamd.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect(clamd.removeprefix("unix:"))
        except BaseException:
            connection.close()
            raise
        return connection
    parts = urlsplit(clamd)
    return socket.create_connection((parts.hostname or "", parts.port or 3310), TIMEOUT_SECONDS)
