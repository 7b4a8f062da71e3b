"""How gunicorn serves the application: sync workers, one request at a time each, recycled now and then."""

import os


def _workers(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise SystemExit(f"WEB_WORKERS: {text!r} is not a number of processes")
    return int(text)


bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = _workers(os.environ.get("WEB_WORKERS", "2"))
wsgi_app = "app:create_app()"
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8190
accesslog = None  # the application writes one line per request, without personal data
logger_class = "booking.edge.quiet.QuietLogger"  # gunicorn's own would quote paths and exceptions
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
