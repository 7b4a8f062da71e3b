"""Files that leave a page: a plain name for old programs, the real one for all others (RFC 6266), run by no browser."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response

PDF = "application/pdf"


def download(data: bytes, content_type: str, name: str) -> Response:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)
    answer = Response(data, content_type=content_type)
    answer.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
