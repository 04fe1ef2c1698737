"""API keys: made once, shown once, and refused as soon as anything about them is not right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from config.core import apikeys
from config.core.errors import InvalidInput
from config.core.models import ApiKey, AuditEntry, User

pytestmark = pytest.mark.django_db

ME = "/api/v1/me"


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("an@example.com", "a password of tests")


@pytest.fixture
def make(owner: User) -> Callable[..., tuple[ApiKey, str]]:
    def make(**changed: Any) -> tuple[ApiKey, str]:
        given: dict[str, Any] = {"name": "BI", "scopes": ["reports:read"], "mode": "test", "created_by": owner}
        return apikeys.create(**{**given, **changed})

    return make


def ask(client: Client, secret: str, **extra: str) -> Any:
    return client.get(ME, headers={"authorization": f"Bearer {secret}", **extra})


def test_a_key_works_and_says_who_it_is(edge: Client, make: Callable[..., tuple[ApiKey, str]]) -> None:
    key, secret = make(scopes=["refunds:write", "reports:read"])

    assert ask(edge, secret).json() == {
        "kind": "key",
        "client": key.id,
        "subject": key.id,
        "actor": "key:BI",
        "scopes": ["refunds:write", "reports:read"],
        "customer": "",
    }
    assert edge.get("/api/v1/refunders", headers={"authorization": f"Bearer {secret}"}).status_code == 200


def test_only_the_hash_is_kept(make: Callable[..., tuple[ApiKey, str]]) -> None:
    key, secret = make(mode="live")
    row = ApiKey.objects.filter(pk=key.pk).values().get()

    assert secret.startswith("sk_live_")
    assert len(secret) == 51
    assert secret[12:] not in str(row)
    assert row["prefix"] == secret[:12]
    assert row["hash"] == apikeys.hash_of(secret)


def test_making_and_revoking_a_key_leaves_a_trail(make: Callable[..., tuple[ApiKey, str]], owner: User) -> None:
    key, secret = make()
    assert apikeys.revoke(key, by=owner, reason="lost laptop", at=timezone.now()) is True
    assert apikeys.revoke(key, by=owner, reason="again", at=timezone.now()) is False

    entries = list(AuditEntry.objects.filter(object_id=key.id).order_by("id").values_list("action", "actor", "reason"))
    assert entries == [
        ("api_key.created", "user:an@example.com", ""),
        ("api_key.revoked", "user:an@example.com", "lost laptop"),
    ]
    assert secret not in str(list(AuditEntry.objects.values()))


def test_a_revoked_key_is_refused_at_once(edge: Client, make: Callable[..., tuple[ApiKey, str]], owner: User) -> None:
    key, secret = make()
    assert ask(edge, secret).status_code == 200

    apikeys.revoke(key, by=owner, reason="over", at=timezone.now())

    assert ask(edge, secret).status_code == 401


def test_an_expired_key_is_refused(make: Callable[..., tuple[ApiKey, str]]) -> None:
    end = datetime(2026, 11, 1, tzinfo=UTC)
    _, secret = make(expires_at=end)

    assert apikeys.find(secret, ip=None, at=end - timedelta(seconds=1)) is not None
    assert apikeys.find(secret, ip=None, at=end) is None


def test_a_key_bound_to_addresses_works_from_there_only(
    edge: Client, make: Callable[..., tuple[ApiKey, str]], settings: Any
) -> None:
    _, secret = make(allowed_ips=["203.0.113.7"])

    assert ask(edge, secret).status_code == 401
    assert ask(edge, secret, **{"x-forwarded-for": "203.0.113.7"}).status_code == 401
    settings.TRUSTED_PROXIES = 1
    assert ask(edge, secret, **{"x-forwarded-for": "203.0.113.7"}).status_code == 200
    assert ask(edge, secret, **{"x-forwarded-for": "203.0.113.7, 203.0.113.8"}).status_code == 401


def test_test_keys_end_where_production_begins(
    edge: Client, make: Callable[..., tuple[ApiKey, str]], settings: Any
) -> None:
    _, test_secret = make()
    _, live_secret = make(mode="live")

    settings.ENVIRONMENT = "production"

    assert ask(edge, test_secret).status_code == 401
    assert ask(edge, live_secret).status_code == 200


def test_a_nearly_right_key_is_refused(edge: Client, make: Callable[..., tuple[ApiKey, str]]) -> None:
    _, secret = make()

    for wrong in (secret[:-1], secret + "A", secret.upper(), secret.replace("sk_test_", "sk_live_")):
        assert ask(edge, wrong).status_code == 401


def test_the_day_of_the_last_use_is_kept_with_one_write_a_day(
    make: Callable[..., tuple[ApiKey, str]], django_assert_num_queries: Any
) -> None:
    key, secret = make()
    late = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)  # already the 21st in Ho Chi Minh City

    with django_assert_num_queries(2):
        apikeys.find(secret, ip=None, at=late)
    with django_assert_num_queries(1):
        apikeys.find(secret, ip=None, at=late + timedelta(hours=1))
    key.refresh_from_db()
    assert key.last_used_on == date(2026, 11, 21)


@pytest.mark.parametrize(
    "changed",
    [{"scopes": ["refunds:wirte"]}, {"scopes": []}, {"mode": "prod"}],
    ids=["a misspelt scope", "no scope", "no such mode"],
)
def test_an_odd_key_is_not_made(make: Callable[..., tuple[ApiKey, str]], changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make(**changed)

    assert not ApiKey.objects.exists()
