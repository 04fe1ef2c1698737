"""The one HTTP client: what it knows after each way in which a call can end."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateways import addresses, connections, http
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.http import HttpClient, Retries, Timeouts

OK_REPLY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'


class Peer:
    """The far end of the wire: one function for each connection; counts connections and requests."""

    def __init__(self, behave: Callable[[socket.socket, Peer], object]) -> None:
        self.connections, self._behave = 0, behave
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"
        threading.Thread(target=self._serve, daemon=True).start()

    def read(self, connection: socket.socket) -> bool:
        """One whole request; False when the caller has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(body)
        return True

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._behave(connection, self)
            except OSError:
                return


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket, Peer], object]], Peer]]:
    peers: list[Peer] = []

    def make(behave: Callable[[socket.socket, Peer], object]) -> Peer:
        peers.append(Peer(behave))
        return peers[-1]

    yield make
    for one in peers:
        one.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    seen: list[tuple[str, str, str]] = []
    monkeypatch.setattr(
        http, "on_call", lambda gateway, operation, outcome, seconds: seen.append((gateway, operation, outcome))
    )
    return seen


def client(**changes: object) -> HttpClient:
    values: dict[str, object] = {
        "gateway": "test", "hosts": frozenset({"127.0.0.1"}), "timeouts": Timeouts(connect=0.5, read=0.4, total=1.0),
        "retries": Retries(tries=3, base_seconds=0.01, cap_seconds=0.02),
    }  # fmt: skip
    return HttpClient(**{**values, **changes})


def post(url: str, *, safe: bool = False, **changes: object) -> http.Reply:
    return client(**changes).post_json(url, lambda: {"tên": "Nguyễn"}, operation="op", safe=safe)


def answering(reply: bytes) -> Callable[[socket.socket, Peer], object]:
    def behave(connection: socket.socket, peer: Peer) -> None:
        while peer.read(connection):
            connection.sendall(reply)

    return behave


def test_an_answer_is_read_and_the_connection_kept(peer, calls) -> None:
    far = peer(answering(OK_REPLY))

    replies = [post(far.url) for _ in range(3)]

    assert [(one.status, one.data) for one in replies] == [(200, {"a": 1})] * 3
    assert replies[0].headers["content-type"] == "application/json"
    assert (far.connections, len(far.requests)) == (1, 3)
    assert json.loads(far.requests[0]) == {"tên": "Nguyễn"}
    assert calls == [("test", "op", "ok")] * 3


def test_a_connection_that_was_idle_for_long_is_not_used_again(peer, monkeypatch) -> None:
    far = peer(answering(OK_REPLY))
    post(far.url)
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.0)

    post(far.url)

    assert far.connections == 2


def test_each_thread_has_connections_of_its_own(peer) -> None:
    far = peer(answering(OK_REPLY))

    threads = [threading.Thread(target=post, args=(far.url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert far.connections == 3


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", "server_error"),
        (b"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n{}", "unreadable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "unreadable"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\n<html>", "unreadable"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"a":1, "a": 2}', "unreadable"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":NaN}', "unreadable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{}" + b" " * 3998, "unreadable"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_unknown_outcome(peer, calls, reply: bytes, outcome: str) -> None:
    far = peer(answering(reply))

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url, max_reply_bytes=2000)

    assert (caught.value.code, caught.value.never_sent) == (outcome, False)
    assert calls == [("test", "op", outcome)]
    assert len(far.requests) == 1


def test_an_answer_below_500_is_the_adapters_to_judge(peer) -> None:
    far = peer(answering(b'HTTP/1.1 422 No\r\nContent-Length: 8\r\n\r\n{"a": 1}'))

    assert (post(far.url).status, post(far.url).data) == (422, {"a": 1})


def test_silence_ends_at_the_read_timeout(peer) -> None:
    far = peer(lambda connection, one: (one.read(connection), time.sleep(2)))
    started = time.monotonic()

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url)

    assert (caught.value.code, caught.value.never_sent) == ("timed_out", False)
    assert time.monotonic() - started < 0.9


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_a_drip_of_bytes_ends_at_the_total_timeout(peer, start: bytes) -> None:
    def drip(connection: socket.socket, one: Peer) -> None:
        one.read(connection)
        connection.sendall(start)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    far = peer(drip)
    started = time.monotonic()

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url)

    assert (caught.value.code, caught.value.never_sent) == ("timed_out", False)
    assert 0.9 < time.monotonic() - started < 1.6


def test_a_line_cut_after_the_request_is_an_unknown_outcome(peer) -> None:
    far = peer(lambda connection, one: one.read(connection))

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url)

    assert (caught.value.code, caught.value.never_sent) == ("broken", False)


def test_an_answer_cut_short_is_an_unknown_outcome(peer) -> None:
    far = peer(lambda connection, one: (one.read(connection), connection.sendall(OK_REPLY[:-3])))

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url)

    assert (caught.value.code, caught.value.never_sent) == ("broken", False)


def test_only_safe_calls_are_repeated(peer, calls) -> None:
    far = peer(answering(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"))

    for safe in (False, True):
        with pytest.raises(GatewayUnavailable):
            post(far.url, safe=safe)

    assert len(far.requests) == 1 + 3
    assert len(calls) == 1 + 3


def test_a_repeated_question_gets_a_body_of_its_own(peer) -> None:
    far = peer(answering(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"))
    numbers = iter(range(10))

    with pytest.raises(GatewayUnavailable):
        client().post_json(far.url, lambda: {"n": next(numbers)}, operation="op", safe=True)

    assert far.requests == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']


def test_no_question_is_repeated_once_the_time_is_up(peer) -> None:
    far = peer(lambda connection, one: (one.read(connection), time.sleep(1)))

    with pytest.raises(GatewayUnavailable):
        post(far.url, safe=True, timeouts=Timeouts(connect=0.2, read=0.2, total=0.2))

    assert len(far.requests) == 1


def test_between_two_tries_there_is_a_pause(peer, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(http, "sleep", paused.append)
    far = peer(answering(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"))

    with pytest.raises(GatewayUnavailable):
        post(far.url, safe=True, retries=Retries(tries=3, base_seconds=0.5, cap_seconds=0.75))

    assert len(paused) == 2
    assert [seconds <= bound for seconds, bound in zip(paused, (0.5, 0.75), strict=True)] == [True, True]


def test_pauses_grow_stay_bounded_and_are_random() -> None:
    retries = Retries(tries=9, base_seconds=1.0, cap_seconds=4.0)

    pauses = {failures: [retries.pause(failures) for _ in range(200)] for failures in (1, 2, 3, 8)}

    assert [max(some) <= bound for some, bound in zip(pauses.values(), (1, 2, 4, 4), strict=True)] == [True] * 4
    assert [len(set(some)) > 100 for some in pauses.values()] == [True] * 4
    assert max(pauses[8]) > 2


# --- what surely was not sent ----------------------------------------------------------------------------------------


def never_sent(url: str, **changes: object) -> GatewayUnavailable:
    with pytest.raises(GatewayUnavailable) as caught:
        post(url, **changes)
    return caught.value


def test_a_refused_connection_sent_nothing(calls) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = never_sent(f"http://127.0.0.1:{taken.getsockname()[1]}/")

    assert (error.never_sent, error.code) == (True, "never_sent")
    assert calls == [("test", "op", "never_sent")]


def test_an_unknown_name_sent_nothing() -> None:
    assert never_sent("https://no-such-host.invalid/", hosts=frozenset({"no-such-host.invalid"})).never_sent is True


def test_a_failed_tls_handshake_sent_nothing(peer) -> None:
    heard: list[bytes] = []

    def no_tls(connection: socket.socket, one: Peer) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    far = peer(no_tls)

    assert never_sent(far.url.replace("http:", "https:")).never_sent is True
    assert b"Nguy" not in heard[0]


def test_a_tls_handshake_without_an_answer_sent_nothing(peer) -> None:
    far = peer(lambda connection, one: time.sleep(2))

    assert never_sent(far.url.replace("http:", "https:")).never_sent is True


def test_a_certificate_nobody_vouches_for_sent_nothing(peer, tmp_path) -> None:
    certificate = tmp_path / "own.pem"
    _self_signed(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def tls(connection: socket.socket, one: Peer) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            one.requests.append(secured.recv(65536))

    far = peer(tls)

    assert never_sent(far.url.replace("http:", "https:")).never_sent is True
    assert far.requests == []


def _self_signed(file) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True
    )
    certificate = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))


# --- seams -----------------------------------------------------------------------------------------------------------


def test_what_before_request_raises_stops_the_call(peer, monkeypatch) -> None:
    far = peer(answering(OK_REPLY))

    def refuse() -> None:
        raise AssertionError("a transaction is open")

    monkeypatch.setattr(http, "before_request", refuse)

    with pytest.raises(AssertionError, match="a transaction is open"):
        post(far.url)
    assert far.connections == 0


def test_a_breaker_can_keep_a_call_from_being_made(peer, monkeypatch) -> None:
    far = peer(answering(OK_REPLY))

    def open_breaker(gateway: str, operation: str) -> None:
        raise GatewayUnavailable(f"{gateway} {operation}", code="breaker_open", never_sent=True)

    monkeypatch.setattr(http, "admit", open_breaker)

    with pytest.raises(GatewayUnavailable) as caught:
        post(far.url, safe=True)

    assert (caught.value.code, caught.value.never_sent, str(caught.value)) == ("breaker_open", True, "test op")
    assert far.connections == 0


def test_a_body_that_cannot_be_made_asks_nobody_for_a_place(peer, monkeypatch) -> None:
    far, admitted = peer(answering(OK_REPLY)), []
    monkeypatch.setattr(http, "admit", lambda gateway, operation: admitted.append(operation))

    def impossible() -> dict[str, object]:
        raise GatewayRejected("no such amount", code="invalid_amount")

    with pytest.raises(GatewayRejected):
        client().post_json(far.url, impossible, operation="op")

    assert (admitted, far.connections) == ([], 0)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://127.0.0.1/", "https://example.com/", "http://[::ffff:10.0.0.1]/"]
)
def test_no_other_host_and_no_plain_http_is_spoken_to(url: str) -> None:
    with pytest.raises(AssertionError):
        post(url)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, answer: bool) -> None:
    assert addresses.is_loopback(host) is answer
