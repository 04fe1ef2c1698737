"""A receiver of webhooks over real HTTP: it keeps what it hears and answers as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG: Final = 0
"""In place of a status: never answer."""
DRIP: Final = -1
"""Answer 200, and then a byte of the body every tenth of a second, for ever."""


@dataclass
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What was heard, and what to answer: a status for all, or by path."""

    url: str = ""
    status: int = 204
    statuses: dict[str, int] = field(default_factory=dict)
    reply: bytes = b""
    reply_headers: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> list[str]:
        """The webhook-id of each request, in the order they came."""
        return [one.headers["webhook-id"] for one in self.heard]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.heard.append(Heard(self.path, headers, body))
            status = receiver.statuses.get(self.path, receiver.status)
            if status == HANG:
                receiver.released.wait(30)
                return
            self.send_response(200 if status == DRIP else status)
            for name, value in receiver.reply_headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                while status == DRIP and not receiver.released.is_set():
                    self.wfile.write(b".")
                    self.wfile.flush()
                    time.sleep(0.1)
                self.wfile.write(receiver.reply)
            except OSError:
                return  # the caller had heard enough

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    return Handler


@contextmanager
def receiving(certificate: Path | None = None, **answers: Any) -> Iterator[Receiver]:
    """Run one on a free port of 127.0.0.1, over TLS when it has a certificate."""
    receiver = Receiver(**answers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    receiver.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate_of(folder: Path, name: str) -> Path:
    """A certificate of a host name that signs itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
