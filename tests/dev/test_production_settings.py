"""config/settings/prod.py starts with a whole environment and refuses an unsafe one by name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import dev

WHOLE = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k" * 48,
    "JWT_SECRET": "j" * 48,
    "ENCRYPTION_KEY": "e" * 32,
    "DATABASE_URL": "postgres://reckoner@db.internal/reckoner",
    "REDIS_URL": "redis://redis.internal/0",
    "KAFKA_BROKERS": "kafka.internal:9092",
    "PUBLIC_URL": "https://pay.example.com",
    "ALLOWED_HOSTS": "pay.example.com",
}


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    """Load the production settings in a process of its own, with this environment and no other."""
    return subprocess.run(
        [sys.executable, "-c", "from config.settings import prod; print(prod.SECURE_HSTS_SECONDS)"],
        cwd=dev.ROOT,
        env={"PATH": os.environ["PATH"], **WHOLE, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_whole_environment_starts() -> None:
    assert start().stdout == f"{365 * 24 * 3600}\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "development"),
        ("PUBLIC_URL", "http://pay.example.com"),
        ("ALLOWED_HOSTS", "*"),
        ("KAFKA_BROKERS", ""),
        ("SECRET_KEY", ""),
        ("JWT_SECRET", "short"),
        ("FAULTPOINT", "after_gateway_call"),
        ("DEMO_STAFF", '{"admin@example.com": "x"}'),
        ("SANDBOX_URL", "http://127.0.0.1:9500"),
    ],
)
def test_what_would_be_unsafe_stops_the_start_by_name(name: str, value: str) -> None:
    done = start(**{name: value})

    assert done.returncode == 1
    assert f"ImproperlyConfigured: {name}" in done.stderr or f"({name})" in done.stderr
