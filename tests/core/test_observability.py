"""One line of JSON per event, one id per request, and nothing that should not be there."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from config.core import context
from config.core.models import User
from config.core.observability import json_formatter, surface_of

pytestmark = pytest.mark.django_db

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Lines:
    """What went to stdout."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def raw(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def all(self, event: str = "") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.raw()]
        return [line for line in found if not event or line["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The root logger's lines as the formatter writes them."""
    kept = Lines()
    handler = logging.StreamHandler(kept.stream)
    handler.setFormatter(json_formatter())
    logging.getLogger().addHandler(handler)
    yield kept
    logging.getLogger().removeHandler(handler)


# --- Requests ----------------------------------------------------------------------------------------------------------


def test_a_request_is_one_line_with_its_ids_and_its_route(
    edge: Client, token: Callable[..., str], lines: Lines
) -> None:
    headers = {"authorization": f"Bearer {token()}", "x-request-id": "r-1", "traceparent": PARENT}
    answer = edge.get("/api/v1/me?email=an@example.com", headers=headers)

    (line,) = lines.all("request")
    assert line.pop("ts").endswith("+00:00")
    assert 0 < line.pop("duration_ms") < 5000
    assert line.pop("span_id") == answer.headers["traceparent"][36:52]
    assert line == {
        "level": "info",
        "event": "request",
        "logger": "reckoner.access",
        "service": "reckoner",
        "version": "unknown",
        "env": "test",
        "request_id": "r-1",
        "trace_id": TRACE,
        "actor_type": "customer",
        "actor_id": "e83f10dcd2c68747",
        "method": "GET",
        "surface": "api",
        "route": "api/v1/me",
        "status_code": 200,
    }


def test_the_answer_carries_the_request_id_and_the_trace(edge: Client) -> None:
    answer = edge.get("/api/v1/me", headers={"x-request-id": "abc.DEF_1-2", "traceparent": PARENT})

    assert answer.headers["X-Request-ID"] == "abc.DEF_1-2"
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert answer.headers["traceparent"] != PARENT
    assert answer.json()["request_id"] == "abc.DEF_1-2"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, 'a"b', "é", "a\tb", "{}", "a/b", "<script>"], ids=repr)
def test_an_odd_request_id_is_replaced(edge: Client, sent: str) -> None:
    answered = edge.get("/api/v1/me", headers={"x-request-id": sent}).headers["X-Request-ID"]

    assert re.fullmatch(r"req_[0-9a-f]{32}", answered)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "00-x-y-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        PARENT + "-more",
    ],
)
def test_an_odd_traceparent_begins_a_new_trace(edge: Client, sent: str) -> None:
    answered = edge.get("/api/v1/me", headers={"traceparent": sent}).headers["traceparent"]

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answered)
    assert TRACE not in answered


def test_two_requests_share_nothing(edge: Client, token: Callable[..., str], lines: Lines) -> None:
    edge.get("/api/v1/me", headers={"authorization": f"Bearer {token()}"})
    edge.get("/api/v1/me")

    first, second = lines.all("request")
    assert first["request_id"] != second["request_id"]
    assert first["trace_id"] != second["trace_id"]
    assert ("actor_id" in first, "actor_id" in second) == (True, False)
    assert context.get() == context.Context()


def test_a_path_that_nobody_knows_is_not_written_down(edge: Client, lines: Lines) -> None:
    edge.get("/pay/a-secret-of-a-customer?x=another-secret")

    (line,) = lines.all("request")
    assert (line["route"], line["status_code"]) == ("unmatched", 404)
    assert "secret" not in "".join(lines.raw())


def test_probes_do_not_fill_the_log(client: Client, lines: Lines) -> None:
    client.get("/health/live")

    assert lines.all("request") == []


def test_staff_are_named_in_the_context_of_admin_pages(client: Client, lines: Lines) -> None:
    client.force_login(User.objects.create_superuser("an@example.com", "a password of tests"))

    client.get("/admin/jsi18n/")

    (line,) = lines.all("request")
    assert line["actor_type"] == "user"
    assert "an@example.com" not in "".join(lines.raw())


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/api/v1/payments", "api"),
        ("/v1/payment/init", "compat"),
        ("/v1/transaction/callback", "webhook"),
        ("/v1/payments/xendit/webhook", "webhook"),
        ("/api/v1/webhooks/momo/1", "webhook"),
        ("/api/v1/stripe/webhook", "webhook"),
        ("/admin/", "admin"),
        ("/health/ready", "health"),
        ("/metrics", "health"),
        ("/static/x.css", "static"),
        ("/pay/x", "page"),
    ],
)
def test_each_side_of_the_house_has_its_name(path: str, surface: str) -> None:
    assert surface_of(path) == surface


# --- Lines -------------------------------------------------------------------------------------------------------------


def test_nobody_can_write_a_line_of_their_own(lines: Lines) -> None:
    hostile = 'x\n{"level": "info", "event": "forged"}\r\x1b[2J\u2028\x85'
    structlog.get_logger("t").warning("odd", order_id=hostile, note=hostile)
    logging.getLogger("t").warning("odd %s", hostile)

    first, second = lines.raw()
    assert first.isascii() and first.isprintable()
    assert second.isascii() and second.isprintable()
    assert json.loads(first)["order_id"] == hostile
    assert [line["event"].split()[0] for line in lines.all()] == ["odd", "odd"]


def test_a_field_cannot_pose_as_one_of_ours(lines: Lines) -> None:
    with context.bind(request_id="r-1"):
        structlog.get_logger("t").warning("odd", request_id="forged", service="forged", ts="forged", level="forged")

    (line,) = lines.all()
    assert (line["request_id"], line["service"], line["level"]) == ("r-1", "reckoner", "warning")


def test_lines_of_libraries_carry_our_ids_and_are_masked(lines: Lines) -> None:
    with context.bind(request_id="r-9", trace_id=TRACE, traceparent=PARENT):
        logging.getLogger("urllib3").warning("retry for %s with %s", "an@example.com", "Bearer abcdefgh.ijkl")

    (line,) = lines.all()
    assert (line["request_id"], line["trace_id"], line["logger"]) == ("r-9", TRACE, "urllib3")
    assert line["event"] == "retry for [e-mail] with [masked]"


@pytest.mark.parametrize("how", ["structlog", "structlog_passed", "stdlib"])
def test_an_exception_is_one_field_and_masked(lines: Lines, how: str) -> None:
    try:
        raise ValueError("card 4242424242424242 of an@example.com, password=hunter2")
    except ValueError as error:
        if how == "structlog":
            structlog.get_logger("t").exception("went_wrong")
        elif how == "structlog_passed":
            structlog.get_logger("t").error("went_wrong", exc_info=error)
        else:
            logging.getLogger("t").exception("went_wrong")

    (line,) = lines.all()
    assert line["exception"].endswith("ValueError: card [card] of [e-mail], password=[masked]")
    assert "Traceback" in line["exception"]
    assert line.keys() == {"ts", "level", "event", "logger", "service", "version", "env", "exception"}


def test_secrets_and_people_in_fields_are_masked(lines: Lines) -> None:
    structlog.get_logger("t").info(
        "paid", payment_id="pay_1", email="an@example.com", secret_key="hunter2", amount_minor=5, note="ask 0912345678"
    )

    (line,) = lines.all()
    assert {name: line[name] for name in ("payment_id", "email", "secret_key", "amount_minor", "note")} == {
        "payment_id": "pay_1",
        "email": "[masked]",
        "secret_key": "[masked]",
        "amount_minor": 5,
        "note": "ask [phone]",
    }


def test_what_json_does_not_know_is_written_as_text(lines: Lines) -> None:
    structlog.get_logger("t").info("odd", count={1, 2}.__class__, kind=b"\xff")

    assert len(lines.all()) == 1


# --- Context -----------------------------------------------------------------------------------------------------------


def test_a_context_ends_with_its_block() -> None:
    with context.bind(request_id="a", actor="system"):
        with context.bind(request_id="b"):
            context.amend(actor="user:x")
            assert context.get() == context.Context(request_id="b", actor="user:x")
        assert context.get() == context.Context(request_id="a", actor="system")
    assert context.get() == context.Context()
    with pytest.raises(TypeError), context.bind(nobody="x"):
        pass


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "ip"),
    [
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", 2, "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4", 2, "10.0.0.1"),
        ("10.0.0.1", "nonsense", 1, None),
        ("", "", 0, None),
        ("::ffff:1.2.3.4", "", 0, "1.2.3.4"),
        ("2001:DB8::1", "", 0, "2001:db8::1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(remote: str, forwarded: str, proxies: int, ip: str | None) -> None:
    assert context.client_ip(remote=remote, forwarded=forwarded, trusted_proxies=proxies) == ip


def test_a_logger_that_was_used_is_heard_after_the_formatter_is_made_again() -> None:
    log = structlog.get_logger("tests.once")
    log.info("first")
    json_formatter()

    with structlog.testing.capture_logs() as logged:
        log.info("second", number=2)

    assert logged == [{"event": "second", "number": 2, "log_level": "info"}]
