"""Small real servers that the tests talk to: a clamd, an S3, an HTTP gateway."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Clamd(socketserver.StreamRequestHandler):
    """INSTREAM as clamd(8) has it: chunks with their length before them, a chunk of length 0 at the end."""

    sick = False

    def handle(self) -> None:
        command = b""
        while not command.endswith(b"\0"):
            command += self.rfile.read(1)
        assert command == b"zINSTREAM\0", command
        data = b""
        while size := struct.unpack("!I", self.rfile.read(4))[0]:
            data += self.rfile.read(size)
        if type(self).sick:
            self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
        else:
            self.wfile.write(b"stream: Win.Test.EICAR_HDB-1 FOUND\0" if EICAR in data else b"stream: OK\0")


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def clamd(path: str | None = None, *, sick: bool = False) -> Iterator[str]:
    """A clamd on TCP, or on a Unix socket at ``path``; yields the setting. ``sick`` answers with an error."""
    handler = type("Handler", (_Clamd,), {"sick": sick})
    server: socketserver.BaseServer
    if path:
        server = _Unix(path, handler)
        setting = f"unix:{path}"
    else:
        tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        tcp.daemon_threads = True
        server, setting = tcp, f"tcp://127.0.0.1:{tcp.server_address[1]}"
    with _serving(server):
        yield setting


@dataclass
class Heard:
    """What an HTTP server was sent, and what it answers."""

    url: str = ""
    status: int = 201
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@contextlib.contextmanager
def http_gateway() -> Iterator[Heard]:
    """Takes JSON and remembers it; answers with ``status``."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.requests.append((self.path, dict(self.headers), body))
            self.send_response(heard.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_address[1]}"
    with _serving(server):
        yield heard


class _S3(BaseHTTPRequestHandler):
    """PUT, GET, DELETE and the listing of objects, as S3's REST interface has them. Checks that requests are signed."""

    objects: ClassVar[dict[str, tuple[bytes, datetime]]]
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _key(self) -> str | None:
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential="):
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return None
        return unquote(urlsplit(self.path).path).removeprefix("/bucket").lstrip("/")

    def do_PUT(self) -> None:
        if (key := self._key()) is not None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.objects[key] = (data, datetime.now(UTC))
            self._answer(200, ETag=f'"{hashlib.md5(data).hexdigest()}"')  # what S3 does

    def do_GET(self) -> None:
        key = self._key()
        if key is None:
            return
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list(query.get("prefix", [""])[0])
        elif key in self.objects:
            data, at = self.objects[key]
            self._answer(200, data, ETag='"x"', Last_Modified=f"{at:%a, %d %b %Y %H:%M:%S} GMT")
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_DELETE(self) -> None:
        if (key := self._key()) is not None:
            self.objects.pop(key, None)
            self._answer(204)

    def do_POST(self) -> None:
        if self._key() is None:
            return
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = [part.partition("</Key>")[0] for part in body.split("<Key>")[1:]]
        for key in keys:
            self.objects.pop(key, None)
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode(), Content_Type="application/xml")

    def _list(self, prefix: str) -> None:
        found = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f'<ETag>"x"</ETag><Size>{len(data)}</Size></Contents>'
            for key, (data, at) in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        self._answer(200, body.encode(), Content_Type="application/xml")

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def s3() -> Iterator[tuple[str, dict[str, tuple[bytes, datetime]]]]:
    """A bucket called ``bucket``; yields its endpoint and what is in it."""
    objects: dict[str, tuple[bytes, datetime]] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_S3,), {"objects": objects}))
    server.daemon_threads = True
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}", objects
