"""Pages go over the wire compressed. A random length hides from a listener how well secret and guess compress together.

The guard against BREACH (Gluck, Harris and Prado, 2013) is the one of "Heal the Breach" (Palacios and others, 2022),
which Django uses too: a file name of random length in the gzip header.
"""

from __future__ import annotations

import gzip
import io
import secrets

from flask import Response, request

LEVEL = 5
SHORTEST = 1_000
"""Bytes: less than this is not worth it."""
PADDING = 100
"""At most so many random bytes."""


def squeeze(response: Response) -> None:
    """Compress a page in place where the browser takes gzip."""
    if response.mimetype != "text/html" or response.direct_passthrough or "Content-Encoding" in response.headers:
        return
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"] or len(response.get_data()) < SHORTEST:
        return
    packed = io.BytesIO()
    name = secrets.token_hex(PADDING)[: secrets.randbelow(PADDING + 1)]
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=LEVEL, fileobj=packed, mtime=0) as file:
        file.write(response.get_data())
    response.set_data(packed.getvalue())
    response.headers["Content-Encoding"] = "gzip"
