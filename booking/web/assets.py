"""Static files: read once, named by their content, compressed, cacheable for ever.

``url_for("static", …)`` adds a version taken from the file's bytes, so a new file has a new address and the old
one may be kept by browsers for a year.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, abort, request

from booking.edge.flask_app import BookingApp

FOLDER = Path(__file__).parent / "static"
SQUEEZED = frozenset({".css", ".js", ".svg", ".txt", ".json"})
FOR_EVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    squeezed: bytes | None
    kind: str
    version: str


def read(path: Path) -> Asset:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith(("javascript", "json")):
        kind += "; charset=utf-8"
    squeezed = gzip.compress(body, 9, mtime=0) if path.suffix in SQUEEZED else None
    return Asset(body, squeezed, kind, hashlib.sha256(body).hexdigest()[:12])


def read_all() -> dict[str, Asset]:
    return {path.relative_to(FOLDER).as_posix(): read(path) for path in sorted(FOLDER.rglob("*")) if path.is_file()}


def register(app: BookingApp) -> None:
    assets = read_all()

    def serve(filename: str) -> Response:
        asset = assets.get(filename)
        if asset is None:
            abort(404)
        squeeze = asset.squeezed is not None and "gzip" in request.headers.get("Accept-Encoding", "")
        body = asset.squeezed if squeeze and asset.squeezed is not None else asset.body
        response = Response(body, content_type=asset.kind)
        response.headers["Cache-Control"] = FOR_EVER if request.args.get("v") == asset.version else BRIEFLY
        response.headers["Vary"] = "Accept-Encoding"
        if squeeze:
            response.headers["Content-Encoding"] = "gzip"
        response.set_etag(asset.version)
        response.make_conditional(request)
        return response

    def version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and values.get("filename") in assets:
            values.setdefault("v", assets[values["filename"]].version)

    app.view_functions["static"] = serve
    app.url_defaults(version)
