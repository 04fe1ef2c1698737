"""dev.py: what it decides before it starts anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import stat
from pathlib import Path

import pytest

import dev

MAPPED = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


# --- Who runs PostgreSQL ---------------------------------------------------------------------------------------------
def test_postgres_runs_as_we_are_unless_we_are_root() -> None:
    assert dev.unprivileged(uid=1000, works=lambda _: False) == []


def test_root_runs_postgres_in_a_user_namespace_where_that_is_allowed() -> None:
    assert dev.unprivileged(uid=0, works=lambda _: True) == MAPPED


def test_root_runs_postgres_as_nobody_where_namespaces_are_refused() -> None:
    assert dev.unprivileged(uid=0, works=lambda prefix: prefix[0] == "setpriv") == AS_NOBODY


def test_root_without_either_is_told_what_to_do() -> None:
    with pytest.raises(dev.Trouble, match="as another user, or set DATABASE_URL"):
        dev.unprivileged(uid=0, works=lambda _: False)


# --- Ports -----------------------------------------------------------------------------------------------------------
def test_a_port_in_use_is_not_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert not dev.port_is_free(port)
        assert dev.Ports(None).take("web", prefer=port) != port
    assert dev.port_is_free(port)


def test_a_port_is_remembered_for_the_next_time(tmp_path: Path) -> None:
    memory = tmp_path / "ports.json"
    first = dev.Ports(memory).take("sandbox")

    assert dev.Ports(memory).take("sandbox", prefer=dev.free_port()) == first


# --- Services of the operator's own ----------------------------------------------------------------------------------
GIVEN = {
    "DATABASE_URL": "postgres://me@db/x",
    "REDIS_URL": "redis://cache/0",
    "KAFKA_BROKERS": "kafka:9092",
}
EMBEDDED = {"DATABASE_URL": "PostgreSQL", "REDIS_URL": "Valkey", "KAFKA_BROKERS": "Kafka mock"}


@pytest.mark.parametrize("name", GIVEN)
def test_each_service_of_the_operators_own_replaces_exactly_one_of_ours(name: str, tmp_path: Path) -> None:
    services = dev.Services(home=tmp_path, ports=dev.Ports(None), given={name: GIVEN[name]})

    assert services.urls[name] == GIVEN[name]
    assert [child.name for child in services.children] == [ours for key, ours in EMBEDDED.items() if key != name]


def test_with_all_three_given_nothing_of_ours_is_started(tmp_path: Path) -> None:
    services = dev.Services(home=tmp_path, ports=dev.Ports(None), given=GIVEN)

    assert services.children == []
    assert services.urls == GIVEN


def test_an_empty_variable_is_not_a_service(tmp_path: Path) -> None:
    services = dev.Services(home=tmp_path, ports=dev.Ports(None), given=dict.fromkeys(GIVEN, ""))

    assert [child.name for child in services.children] == ["PostgreSQL", "Valkey", "Kafka mock"]


def test_a_variable_that_the_operator_set_is_passed_on_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dev, "STATE", tmp_path)
    monkeypatch.setenv("SENDER_NAME", "Chợ")
    monkeypatch.setenv("PUBLIC_URL", "https://pay.example.com")

    env = dev.environment(urls=GIVEN, web="http://127.0.0.1:8000", sandbox="http://127.0.0.1:8001")

    assert (env["SENDER_NAME"], env["PUBLIC_URL"]) == ("Chợ", "https://pay.example.com")
    assert env["REDIS_URL"] == "redis://cache/0"
    assert env["ENDPOINT_MOMO"] == "http://127.0.0.1:8001"


# --- Secrets and tokens ----------------------------------------------------------------------------------------------
def test_secrets_are_made_once_and_only_their_owner_may_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dev, "STATE", tmp_path)

    first, again = dev.demo_secrets(), dev.demo_secrets()

    assert first == again
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert len(base64.b64decode(first["ENCRYPTION_KEYS"].removeprefix("k1:"))) == 32
    assert len(set(first["staff"].values())) == len(first["staff"])


def test_a_token_is_signed_hs256_and_says_who_may_do_what() -> None:
    token = dev.token(secret="s" * 32, subject="customer-1", kind="customer", scope="")
    header, claims, signature = token.split(".")

    digest = hmac.digest(b"s" * 32, f"{header}.{claims}".encode(), hashlib.sha256)
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert base64.urlsafe_b64decode(signature + "==") == digest
    assert (said["iss"], said["aud"], said["sub"], said["typ"]) == (
        "reckoner-demo",
        "reckoner",
        "customer-1",
        "customer",
    )
    assert said["exp"] - said["iat"] == 7 * 24 * 3600


# --- Which tests -----------------------------------------------------------------------------------------------------
TWO_WORKERS = ["-n", "2", "--dist", "worksteal"]
WHOLE = [*TWO_WORKERS, "--cov", "--cov-report=term:skip-covered"]


def test_the_whole_suite_runs_on_two_workers_with_the_coverage_gate() -> None:
    assert dev.pytest_runs(given=[], soak=False, other_postgres=False) == [WHOLE]


def test_of_the_long_tests_those_that_compare_times_come_last_and_by_themselves() -> None:
    runs = dev.pytest_runs(given=[], soak=True, other_postgres=False)

    assert runs == [[*WHOLE, "--soak", "-m", "not alone"], ["--soak", "-m", "alone"]]


def test_named_tests_run_as_asked() -> None:
    assert dev.pytest_runs(given=["tests/core", "-x"], soak=False, other_postgres=True) == [["tests/core", "-x"]]


def test_another_postgres_runs_what_leans_on_it_most() -> None:
    runs = dev.pytest_runs(given=[], soak=False, other_postgres=True)

    assert runs == [["tests/ledger", "tests/core", *TWO_WORKERS]]
