"""Logs that name nobody: what gunicorn, APScheduler and Python itself would write of requests and exceptions.

An exception's text may hold a row (drivers quote parameters and keys), a URL an NHS number. So of an exception its
type and place are written, of a request its route's pattern, whatever log level or format the operator asks for.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from gunicorn.glogging import Logger

ROUTE = "booking.route"
"""Where the application leaves the route's pattern in the WSGI environment."""
_PLAIN_ATOMS = frozenset("hltsHbBTDMLp")
"""What of a request is neither path nor header."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FROM = re.compile(r"(Invalid request from ip=[^:\s]*).*", re.DOTALL)
_OWN_WORDS = frozenset(
    {"Starting gunicorn %s", "Listening at: %s (%s)", "Listening at: %s", "Using worker: %s", "Handling signal: %s",
     "Worker (pid:%s) was sent %s!%s", "Ignoring unknown signal: %s", "Unhandled signal: %s"}
)  # fmt: skip
"""Templates whose arguments are gunicorn's own."""


def known(method: str) -> str:
    """The method, if it is one: anything can stand in its place."""
    return method if method in _METHODS else "OTHER"


def place_of(trace: TracebackType | None) -> str:
    """``file:line`` of where an exception was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"


def strip(record: logging.LogRecord) -> bool:
    """A filter that lets every record through without what may be somebody's data."""
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        said = record.msg if isinstance(record.msg, str) else "Exception"
        record.msg = f"{said.replace('%s', '…')}: {kind.__name__} at {place_of(trace)}"
        record.args, record.exc_info, record.exc_text = (), None, None
    elif isinstance(record.msg, BaseException):
        record.msg, record.args = type(record.msg).__name__, ()
    else:
        record.msg = _FROM.sub(r"\1", str(record.msg))
        if record.msg not in _OWN_WORDS and isinstance(record.args, tuple):
            record.args = tuple(one if isinstance(one, (int, float)) else "…" for one in record.args)
    return True


class QuietLogger(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's logger, at any level and with any access log format, without paths, headers or exceptions' texts."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.addFilter(strip)

    def atoms(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: Any) -> dict[str, Any]:
        every = super().atoms(resp, req, environ, request_time)
        route = environ.get(ROUTE, "unmatched")
        plain = {name: value for name, value in every.items() if name in _PLAIN_ATOMS}
        method = known(environ["REQUEST_METHOD"])
        return {**plain, "m": method, "U": route, "r": f"{method} {route} {environ['SERVER_PROTOCOL']}"}


def configure() -> None:
    """Uncaught exceptions end with their type and the places they went through; APScheduler's own log is shut, for
    the scheduler's listener writes of each job that failed."""
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    quiet = logging.getLogger("apscheduler")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())


def _uncaught(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Interrupted.\n")
        return
    sys.stderr.write("Traceback, without the exception's text, which may hold personal data:\n")
    traceback.print_tb(trace)
    sys.stderr.write(f"{kind.__module__}.{kind.__qualname__}\n")


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is not SystemExit:
        _uncaught(given.exc_type, given.exc_value or given.exc_type(), given.exc_traceback)
