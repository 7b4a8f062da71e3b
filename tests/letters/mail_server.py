"""An SMTP server with STARTTLS on a port of its own that can be down, be slow, and remembers what it took."""

from __future__ import annotations

import contextlib
import email
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Taken:
    """The Message-IDs taken, in their order, and how many connections there were."""

    ids: list[str] = field(default_factory=list)
    connections: int = 0


def certificate(folder: Path) -> Path:
    """A key and a certificate for ``localhost`` in one file, valid today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = folder / "mail.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def mail_server(port: int, pem: Path, taken: Taken, *, seconds: float = 0.0) -> Iterator[None]:
    """Serve until the block ends; each message takes ``seconds`` between being taken and being acknowledged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            taken.connections += 1
            try:
                with contextlib.suppress(OSError):
                    self._talk()
            finally:
                for connection in self.open:
                    connection.close()

        def _talk(self) -> None:
            connection = self.request
            file = connection.makefile("rwb")
            self.open = [connection]

            def answer(text: str) -> None:
                file.write(f"{text}\r\n".encode())
                file.flush()

            answer("220 localhost")
            while line := file.readline():
                match line.split(b" ")[0].strip().upper():
                    case b"EHLO":
                        answer("250-localhost\r\n250 STARTTLS")
                    case b"STARTTLS":
                        answer("220 go ahead")
                        file.close()
                        connection = context.wrap_socket(connection, server_side=True)
                        file = connection.makefile("rwb")
                        self.open.append(connection)
                    case b"DATA":
                        answer("354 go on")
                        lines = []
                        while (part := file.readline()) not in (b".\r\n", b""):
                            lines.append(part)
                        taken.ids.append(email.message_from_bytes(b"".join(lines))["Message-ID"])
                        time.sleep(seconds)
                        answer("250 taken")
                    case b"QUIT":
                        answer("221 bye")
                        return
                    case _:
                        answer("250 fine")

    with _Server(("127.0.0.1", port), Session) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(5)
