"""Who is let in, and who is not: the JWT attacks of RELIABILITY T15 and T16, and staff sessions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client, override_settings

from config.core import jwks
from config.core.models import User

pytestmark = pytest.mark.django_db

ME = "/api/v1/me"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="reckoner"'
    assert answer.json()["code"] in ("unauthenticated", "invalid_credentials")


def test_a_customer_is_the_subject_of_their_token(edge: Client, token: Callable[..., str]) -> None:
    answer = edge.get(ME, headers=bearer(token()))

    assert answer.json() == {
        "kind": "customer",
        "client": "reckoner-demo:e83f10dcd2c68747",
        "subject": "customer-1",
        "actor": "customer:e83f10dcd2c68747",
        "scopes": [],
        "customer": "customer-1",
    }


def test_a_service_is_a_system_token_with_its_scopes(edge: Client, token: Callable[..., str]) -> None:
    answer = edge.get(ME, headers=bearer(token(typ="system", sub="orders", scope="refunds:write payments:write")))

    assert answer.json() == {
        "kind": "system",
        "client": "reckoner-demo",
        "subject": "orders",
        "actor": "system:orders",
        "scopes": ["payments:write", "refunds:write"],
        "customer": "",
    }


def test_a_customer_cannot_give_themselves_scopes(edge: Client, token: Callable[..., str]) -> None:
    answer = edge.get("/api/v1/refunders", headers=bearer(token(scope="refunds:write")))

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_two_customers_have_two_limits_and_two_sets_of_idempotency_keys(
    edge: Client, token: Callable[..., str]
) -> None:
    clients = {edge.get(ME, headers=bearer(token(sub=sub))).json()["client"] for sub in ("a", "b")}

    assert len(clients) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"iss": "https://evil.example"},
        {"iss": ["reckoner-demo"]},
        {"sub": ""},
        {"sub": "a\x00b"},
        {"sub": "x" * 201},
        {"sub": "\ud800"},
        {"typ": "root"},
        {"typ": ["system"]},
        {"typ": "system", "scope": ["refunds:write"]},
        {"nbf": 4_102_444_800},
        {"iat": 4_102_444_800},
    ],
    ids=repr,
)
def test_a_token_with_wrong_claims_is_refused(edge: Client, token: Callable[..., str], changed: Any) -> None:
    assert_refused(edge.get(ME, headers=bearer(token(**changed))))


def test_a_token_needs_no_iat(edge: Client, token: Callable[..., str], claims: dict[str, Any]) -> None:
    assert "iat" not in claims
    assert edge.get(ME, headers=bearer(token())).status_code == 200


def test_a_clock_may_be_30_seconds_off_and_no_more(edge: Client, token: Callable[..., str]) -> None:
    now = int(time.time())

    assert edge.get(ME, headers=bearer(token(exp=now - 25))).status_code == 200
    assert_refused(edge.get(ME, headers=bearer(token(exp=now - 35))))


def test_a_token_for_another_audience_is_forbidden(edge: Client, token: Callable[..., str]) -> None:
    answer = edge.get(ME, headers=bearer(token(aud="shop-front")))

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_audience")


def test_an_issuer_may_be_held_to_its_own_audience(edge: Client, token: Callable[..., str], settings: Any) -> None:
    issuer = {**settings.JWT_ISSUERS["reckoner-demo"], "audience": "payments"}
    settings.JWT_ISSUERS = {"reckoner-demo": issuer}

    assert edge.get(ME, headers=bearer(token())).status_code == 403
    assert edge.get(ME, headers=bearer(token(aud="payments"))).status_code == 200


def test_an_issuer_of_customers_cannot_speak_for_services(
    edge: Client, token: Callable[..., str], settings: Any
) -> None:
    settings.JWT_ISSUERS = {"reckoner-demo": {**settings.JWT_ISSUERS["reckoner-demo"], "kinds": "customer"}}

    assert edge.get(ME, headers=bearer(token())).status_code == 200
    assert_refused(edge.get(ME, headers=bearer(token(typ="system", sub="orders"))))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS512", "RS256", ""])
def test_the_token_has_no_say_in_how_it_is_checked(
    edge: Client, claims: dict[str, Any], token: Callable[..., str], algorithm: str
) -> None:
    signature = token().rpartition(".")[2]

    for end in ("", signature):
        forged = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims)}.{end}"
        assert_refused(edge.get(ME, headers=bearer(forged)))


@pytest.mark.parametrize("header", ["jku", "jwk", "x5u", "x5c", "crit"])
def test_a_token_may_not_bring_its_own_key(edge: Client, token: Callable[..., str], header: str) -> None:
    value: Any = ["exp"] if header in ("crit", "x5c") else "https://evil.example/jwks"

    assert_refused(edge.get(ME, headers=bearer(token(headers={header: value}))))


def test_any_changed_byte_of_a_token_is_noticed(edge: Client, token: Callable[..., str]) -> None:
    good = token()
    _, payload, signature = good.split(".")

    for part, index in ((payload, 5), (signature, 0), (signature, 10)):
        changed = part[:index] + ("A" if part[index] != "A" else "B") + part[index + 1 :]
        assert_refused(edge.get(ME, headers=bearer(good.replace(part, changed))))
    assert_refused(edge.get(ME, headers=bearer(token(key="another secret, also long enough to be used"))))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer a.b.c.d",
        "Bearer ..",
        "Basic dXNlcjpwYXNz",
        "bearer " + "x" * 9000,
        "Bearer sk_test_" + "x" * 43,
        "Bearer W10.W10.",
        "Bearer " + "bnVsbA.bnVsbA.x",
        "Bearer é",
        "Bearer " + base64.urlsafe_b64encode(b"[" * 100_000).decode()[:8000] + ".e30.x",
    ],
    ids=lambda header: header[:20],
)
def test_a_malformed_header_is_refused(edge: Client, header: str) -> None:
    assert_refused(edge.get(ME, headers={"authorization": header}))


def test_without_a_token_the_answer_asks_for_one(edge: Client) -> None:
    answer = edge.get(ME)

    assert_refused(answer)
    assert answer.json()["code"] == "unauthenticated"


def test_a_view_without_a_permission_is_closed(edge: Client, token: Callable[..., str]) -> None:
    assert edge.get("/api/v1/closed").status_code == 401
    assert edge.get("/api/v1/closed", headers=bearer(token())).status_code == 403


def test_permissions_can_be_put_together(edge: Client, token: Callable[..., str]) -> None:
    service, refunder = token(typ="system", sub="s"), token(typ="system", sub="s", scope="refunds:write")

    assert edge.get("/api/v1/either", headers=bearer(token())).status_code == 200
    assert edge.get("/api/v1/either", headers=bearer(refunder)).status_code == 200
    assert edge.get("/api/v1/either", headers=bearer(service)).status_code == 403
    assert edge.get("/api/v1/customers", headers=bearer(refunder)).status_code == 403


# --- Keys of an issuer -------------------------------------------------------------------------------------------------


class Issuer:
    """A token issuer with a key set behind HTTP."""

    def __init__(self) -> None:
        self.private = {"k1": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.asked = 0
        self.status = 200
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps({"keys": issuer.public_keys()}).encode()
                self.send_response(issuer.status)
                if issuer.status == 302:
                    self.send_header("Location", f"{issuer.url}/moved")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def public_keys(self) -> list[dict[str, Any]]:
        algorithm = jwt.algorithms.RSAAlgorithm
        return [
            {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "alg": "RS256", "use": "sig"}
            for kid, key in self.private.items()
        ]

    def token(self, claims: dict[str, Any], *, kid: str = "k1", signed_by: str = "k1") -> str:
        return jwt.encode({**claims, "iss": "login"}, self.private[signed_by], algorithm="RS256", headers={"kid": kid})


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    running = Issuer()
    settings.JWT_ISSUERS = {**settings.JWT_ISSUERS, "login": {"algorithm": "RS256", "jwks_url": running.url}}
    jwks.forget()
    yield running
    running.server.shutdown()
    running.server.server_close()
    jwks.forget()


def test_a_token_is_checked_with_the_issuers_published_key(
    edge: Client, issuer: Issuer, claims: dict[str, Any]
) -> None:
    for _ in range(3):
        assert edge.get(ME, headers=bearer(issuer.token(claims))).json()["subject"] == "customer-1"
    assert issuer.asked == 1


def test_the_public_key_is_no_shared_secret(edge: Client, issuer: Issuer, claims: dict[str, Any]) -> None:
    pem = (
        issuer.private["k1"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{encoded({**claims, 'iss': 'login'})}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), hashlib.sha256)).decode().rstrip("=")

    assert_refused(edge.get(ME, headers=bearer(f"{signed}.{mac}")))


def test_one_issuer_cannot_speak_for_another(edge: Client, issuer: Issuer, claims: dict[str, Any]) -> None:
    forged = jwt.encode({**claims}, issuer.private["k1"], algorithm="RS256", headers={"kid": "k1"})

    assert_refused(edge.get(ME, headers=bearer(forged)))


@pytest.mark.parametrize("kid", ["unknown", "../../etc/passwd", "http://evil.example/key", "k1' OR '1'='1", ""])
def test_an_unknown_key_id_is_refused_and_cannot_make_us_call_the_issuer_often(
    edge: Client, issuer: Issuer, claims: dict[str, Any], kid: str
) -> None:
    for _ in range(5):
        assert_refused(edge.get(ME, headers=bearer(issuer.token(claims, kid=kid))))
    assert issuer.asked == 1


def test_a_new_key_of_the_issuer_is_found(
    edge: Client, issuer: Issuer, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert edge.get(ME, headers=bearer(issuer.token(claims))).status_code == 200
    issuer.private["k2"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    renewed = issuer.token(claims, kid="k2", signed_by="k2")

    assert_refused(edge.get(ME, headers=bearer(renewed)))
    monkeypatch.setattr(jwks, "ASK_AGAIN_SECONDS", 0.0)
    assert edge.get(ME, headers=bearer(renewed)).status_code == 200


def test_an_issuer_that_is_away_makes_tokens_wait_not_fail(
    edge: Client, issuer: Issuer, claims: dict[str, Any]
) -> None:
    for status in (500, 302):
        issuer.status = status
        jwks.forget()
        answer = edge.get(ME, headers=bearer(issuer.token(claims)))
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
        assert answer.headers["Retry-After"] == "5"


def test_known_keys_serve_while_the_issuer_is_away(
    edge: Client, issuer: Issuer, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert edge.get(ME, headers=bearer(issuer.token(claims))).status_code == 200
    issuer.status = 500
    monkeypatch.setattr(jwks, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "ASK_AGAIN_SECONDS", 0.0)

    assert edge.get(ME, headers=bearer(issuer.token(claims))).status_code == 200
    assert issuer.asked == 2


# --- Staff -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff() -> User:
    return User.objects.create_user("an@example.com", "a password of tests")


def test_signed_in_staff_may_read(edge: Client, staff: User) -> None:
    edge.force_login(staff)

    assert edge.get("/api/v1/reports").json()["actor"] == "user:an@example.com"


def test_a_staff_session_may_not_write(edge: Client, staff: User) -> None:
    edge.force_login(staff)

    assert edge.post("/api/v1/reports", {}, content_type="application/json").status_code == 401


def test_a_user_who_is_not_staff_or_not_active_is_nobody(edge: Client, staff: User) -> None:
    for change in ({"is_staff": False}, {"is_active": False}):
        User.objects.filter(pk=staff.pk).update(is_staff=True, is_active=True)
        edge.force_login(staff)
        User.objects.filter(pk=staff.pk).update(**change)
        assert edge.get("/api/v1/reports").status_code == 401


def test_reports_need_their_scope(edge: Client, token: Callable[..., str]) -> None:
    assert edge.get("/api/v1/reports", headers=bearer(token())).status_code == 403
    assert edge.get("/api/v1/reports", headers=bearer(token(typ="system", scope="reports:read"))).status_code == 200


def test_a_refusal_never_says_what_would_have_been_accepted(edge: Client, token: Callable[..., str]) -> None:
    with override_settings(SYSTEM_AUDIENCE="inner-name"):
        answer = edge.get(ME, headers=bearer(token()))

    assert "inner-name" not in answer.content.decode()
