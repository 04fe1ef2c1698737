"""One POST to somebody else's address, over real sockets: pinned, bounded, and silent about what came back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.core import outbound
from config.core.destinations import Rules
from config.core.outbound import Limits
from tests.receiver import DRIP, HANG, certificate_of, free_port, receiving

HERE = Rules(internal_hosts=frozenset({"127.0.0.1", "hooks.example.com"}))
SHORT = Limits(connect_seconds=0.5, total_seconds=0.6)


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Answers of DNS to hooks.example.com, one each time it is asked; addresses are read as always."""
    real = socket.getaddrinfo

    def answering(*answers: str) -> list[str]:
        asked: list[str] = []

        def answer(host: str, port: int, *arguments: Any, **options: Any) -> Any:
            if host != "hooks.example.com":
                return real(host, port, *arguments, **options)
            asked.append(host)
            return real(answers[min(len(asked), len(answers)) - 1], port, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return asked

    return answering


def test_a_body_arrives_as_it_is_with_the_name_in_the_host_header(lookups: Callable[..., list[str]]) -> None:
    lookups("127.0.0.1")
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        url = f"http://hooks.example.com:{port}/a?b=c"
        answer = outbound.post(url, "đồng".encode(), headers={"X-Name": "value"}, rules=HERE)

    (heard,) = receiver.heard
    assert (answer.status, answer.problem, answer.is_success) == (204, "", True)
    assert (heard.path, heard.body.decode(), heard.headers["x-name"]) == ("/a?b=c", "đồng", "value")
    assert heard.headers["host"] == f"hooks.example.com:{port}"
    assert heard.headers["user-agent"] == "reckoner-webhooks"


def test_a_name_that_changes_its_mind_is_asked_once_and_called_where_it_was_checked(
    lookups: Callable[..., list[str]],
) -> None:
    asked = lookups("127.0.0.1", "169.254.169.254")
    with receiving() as receiver:
        answer = outbound.post(receiver.url.replace("127.0.0.1", "hooks.example.com"), b"{}", headers={}, rules=HERE)

    assert (answer.status, asked, len(receiver.heard)) == (204, ["hooks.example.com"], 1)


def test_a_name_that_leads_inside_is_not_called(lookups: Callable[..., list[str]]) -> None:
    lookups("127.0.0.1")
    with receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        answer = outbound.post(
            f"https://hooks.example.com:{port}/", b"{}", headers={}, rules=Rules(ports=frozenset({port}))
        )

    assert (answer.status, answer.problem, receiver.heard) == (None, "refused", [])


def test_tls_is_checked_against_the_name_and_not_the_address(lookups: Callable[..., list[str]], tmp_path: Path) -> None:
    lookups("127.0.0.1")
    right, wrong = certificate_of(tmp_path, "hooks.example.com"), certificate_of(tmp_path, "other.example.com")
    with receiving(right) as ours, receiving(wrong) as theirs:
        named = [one.url.replace("127.0.0.1", "hooks.example.com") for one in (ours, theirs)]
        good = outbound.post(named[0], b"{}", headers={}, rules=HERE, ca_file=str(right))
        untrusted = outbound.post(named[0], b"{}", headers={}, rules=HERE)
        stranger = outbound.post(named[1], b"{}", headers={}, rules=HERE, ca_file=str(wrong))

    assert (good.status, untrusted.problem, stranger.problem) == (204, "tls", "tls")
    assert (len(ours.heard), len(theirs.heard)) == (1, 0)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with receiving(status=302, reply_headers={"Location": "http://169.254.169.254/latest"}) as receiver:
        answer = outbound.post(f"{receiver.url}/", b"{}", headers={}, rules=HERE)

    assert (answer.status, answer.is_success, len(receiver.heard)) == (302, False, 1)


@pytest.mark.parametrize("manner", [HANG, DRIP])
def test_whoever_keeps_us_waiting_is_left_when_time_is_up(manner: int) -> None:
    with receiving(status=manner) as receiver:
        answer = outbound.post(receiver.url, b"{}", headers={}, rules=HERE, limits=SHORT)

    assert (answer.status, answer.problem) == (None, "timed_out")
    assert 0.5 < answer.seconds < 2


def test_a_long_answer_is_read_to_64_kb_and_counts_by_its_status() -> None:
    with receiving(status=200, reply=b"x" * 5_000_000) as receiver:
        answer = outbound.post(receiver.url, b"{}", headers={}, rules=HERE)

    assert (answer.status, answer.is_success) == (200, True)


def test_where_nobody_listens_nobody_is_reached() -> None:
    answer = outbound.post(f"http://127.0.0.1:{free_port()}/", b"{}", headers={}, rules=HERE)

    assert (answer.status, answer.problem) == (None, "unreachable")


def test_what_is_not_http_is_a_broken_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def speak() -> None:
            connection, _ = server.accept()
            connection.recv(1024)
            connection.sendall(b"220 smtp.example.com ESMTP\r\n")
            connection.close()

        thread = threading.Thread(target=speak)
        thread.start()
        answer = outbound.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", headers={}, rules=HERE)
        thread.join()

    assert (answer.status, answer.problem) == (None, "broken")
