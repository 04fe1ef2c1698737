"""Reading one variable well: every refusal names the variable and says what it should look like."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")


def secret(env: environ.Env, name: str, *, at_least: int) -> str:
    """A secret of at least so many bytes; there is no default."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. It is a secret and has no default.")
    if len(value.encode()) < at_least:
        raise ImproperlyConfigured(f"{name} is too short: it needs at least {at_least} bytes.")
    return value


def choice(env: environ.Env, name: str, allowed: Sequence[str], *, default: str) -> str:
    """One of a few words."""
    value: str = env.str(name, default=default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value


def integer(env: environ.Env, name: str, *, default: int, at_least: int = 0) -> int:
    """A whole number."""
    value: str = env.str(name, default=str(default))
    if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or int(value) < at_least:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number of at least {at_least}.")
    return int(value)


def flag(env: environ.Env, name: str, *, default: bool) -> bool:
    """Yes or no. A misspelt yes must not quietly mean no."""
    value: str = env.str(name, default=str(default)).lower()
    if value not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be true or false.")
    return value in ("true", "1", "yes", "on")


def mapping(env: environ.Env, name: str) -> dict[str, Any]:
    """A JSON object; empty when it is not set."""
    try:
        value = env.json(name, default={})
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name} must be a JSON object.")
    return value


def url(env: environ.Env, *names: str, default: str) -> str:
    """An http(s) address without a trailing slash, under the first of its names that is set."""
    for name in names:
        value: str = env.str(name, default="")
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ImproperlyConfigured(f"{name} is {value!r}; it must be an http or https address.")
            return value.rstrip("/")
    return default


def duration(env: environ.Env, name: str, *, default: str) -> timedelta:
    """A time span such as 90m, 1h30m or 45s."""
    value: str = env.str(name, default=default)
    found = DURATION.match(value)
    if not found or not value:
        raise ImproperlyConfigured(f"{name} is {value!r}; write it like 90m, 1h30m or 45s.")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def limits(env: environ.Env, name: str, *, default: str) -> dict[str, str]:
    """Amounts in major units per currency: VND:2000000,USD:100."""
    result = {}
    for part in filter(None, env.str(name, default=default).split(",")):
        currency, _, amount = part.partition(":")
        if not re.fullmatch(r"[A-Z]{3}", currency) or not re.fullmatch(r"\d+(\.\d+)?", amount):
            raise ImproperlyConfigured(f"{name} is odd at {part!r}; write it like VND:2000000,USD:100.")
        result[currency] = amount
    return result


def rates(env: environ.Env, name: str, *, default: str) -> dict[str, tuple[float, int]]:
    """Token buckets per scope: otp:0.2/5 is one in five seconds on average, five at once."""
    result = {}
    for part in filter(None, env.str(name, default=default).split(",")):
        found = re.fullmatch(r"(\w+):(\d+(?:\.\d+)?)/(\d+)", part.strip())
        if not found or not float(found[2]) or not int(found[3]):
            raise ImproperlyConfigured(f"{name} is odd at {part!r}; write it like otp:0.2/5 (scope:per second/burst).")
        result[found[1]] = (float(found[2]), int(found[3]))
    return result


def ports(env: environ.Env, name: str, *, default: str) -> frozenset[int]:
    """TCP ports: 443,8443."""
    value: str = env.str(name, default=default)
    if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", value, re.ASCII) or not all(
        0 < int(p) < 65536 for p in value.split(",")
    ):
        raise ImproperlyConfigured(f"{name} is {value!r}; write it like 443,8443.")
    return frozenset(int(part) for part in value.split(","))


def numbers(env: environ.Env, name: str, *, default: str) -> dict[str, float]:
    """A number above zero per word: fiuu.query:5,fiuu.refund_query:5."""
    result = {}
    for part in filter(None, env.str(name, default=default).split(",")):
        found = re.fullmatch(r"([\w.]+):(\d+(?:\.\d+)?)", part.strip())
        if not found or not float(found[2]):
            raise ImproperlyConfigured(f"{name} is odd at {part!r}; write it like word:5 (a number above zero).")
        result[found[1]] = float(found[2])
    return result


def database(env: environ.Env) -> dict[str, Any]:
    """PostgreSQL from DATABASE_URL (or DB_URL, DB_SOURCE, or the DB_* parts). Other databases are refused."""
    for name in ("DATABASE_URL", "DB_URL", "DB_SOURCE"):
        value: str = env.str(name, default="")
        if value:
            break
    else:
        host: str = env.str("DB_HOST", default="")
        if not host:
            raise ImproperlyConfigured("DATABASE_URL is not set: postgres://user:password@host:5432/name.")
        user, password = (
            quote(env.str("DB_USER", default="postgres")),
            quote(env.str("DB_PASSWORD", default=""), safe=""),
        )
        value = f"postgres://{user}:{password}@{host}:{integer(env, 'DB_PORT', default=5432)}/{env.str('DB_NAME')}"
        name = "DB_HOST"
    if not value.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            f"{name} must be a PostgreSQL address (postgres://...); MySQL and others do not serve."
        )
    config: dict[str, Any] = environ.Env.db_url_config(value)
    config["OPTIONS"] = {}
    ssl_mode: str = env.str("DB_SSL_MODE", default="")
    if ssl_mode:
        config["OPTIONS"]["sslmode"] = ssl_mode
    return config


def redis_url(env: environ.Env) -> str:
    """Redis or Valkey from REDIS_URL, REDIS_ADDRESS or the REDIS_* parts."""
    value: str = env.str("REDIS_URL", default="")
    if value:
        if not re.match(r"(rediss?|unix)://", value) or not re.fullmatch(r"(/\d{0,3})?", urlsplit(value).path):
            raise ImproperlyConfigured("REDIS_URL is odd; write it like redis://host:6379/0.")
        return value
    address: str = env.str("REDIS_ADDRESS", default="")
    if not address:
        host: str = env.str("REDIS_HOST", default="")
        if not host:
            raise ImproperlyConfigured("REDIS_URL is not set: redis://host:6379/0.")
        address = f"{host}:{integer(env, 'REDIS_PORT', default=6379)}"
    password: str = env.str("REDIS_PASSWORD", default="")
    credentials = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{credentials}{address}/0"


def with_redis_db(address: str, offset: int) -> str:
    """The same server, a database `offset` further on: the broker's keys and the cache's stay apart."""
    parts = urlsplit(address)
    number = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{number + offset}"))


def encryption_keys(env: environ.Env) -> dict[str, bytes]:
    """Key ring for field encryption from ENCRYPTION_KEYS (id:base64, newest first) or one ENCRYPTION_KEY."""
    ring: dict[str, bytes] = {}
    for part in filter(None, env.str("ENCRYPTION_KEYS", default="").split(",")):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id or len(key) != 32:
            raise ImproperlyConfigured("ENCRYPTION_KEYS must be id:base64 of 32 bytes, newest first, split by commas.")
        ring[key_id] = key
    single: str = env.str("ENCRYPTION_KEY", default="")
    if single:
        if len(single.encode()) != 32:
            raise ImproperlyConfigured("ENCRYPTION_KEY must be 32 characters.")
        ring.setdefault("k0", single.encode())
    if not ring:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is not set (id:base64 of 32 bytes); it is a secret without a default."
        )
    return ring


def jwt_issuers(env: environ.Env) -> dict[str, dict[str, str]]:
    """Issuers whose tokens we verify: JWT_ISSUERS as JSON, and JWT_SECRET as one HS256 issuer.

    Each is {"algorithm": "HS256", "secret": ...} or {"algorithm": "RS256" | "ES256", "jwks_url": ...}, with an
    optional "audience". One algorithm per issuer, so that no token can choose how it is checked.
    """
    issuers: dict[str, dict[str, str]] = mapping(env, "JWT_ISSUERS")
    if not all(isinstance(issuer, dict) for issuer in issuers.values()):
        raise ImproperlyConfigured('JWT_ISSUERS must be like {"issuer": {"algorithm": ..., ...}}.')
    shared: str = env.str("JWT_SECRET", default="")
    if shared:
        name: str = env.str("JWT_ISSUER", default="reckoner-demo")
        issuers.setdefault(name, {"algorithm": "HS256", "secret": shared})
    for name, issuer in issuers.items():
        algorithm = issuer.get("algorithm")
        if algorithm == "HS256":
            if len(issuer.get("secret", "").encode()) < 32:
                raise ImproperlyConfigured(f"JWT secret of issuer {name!r} (JWT_SECRET) needs at least 32 bytes.")
        elif algorithm in ("RS256", "ES256"):
            if not issuer.get("jwks_url", "").startswith(("https://", "http://127.0.0.1", "http://localhost")):
                raise ImproperlyConfigured(f"JWT_ISSUERS: issuer {name!r} needs an https jwks_url.")
        else:
            raise ImproperlyConfigured(
                f"JWT_ISSUERS: issuer {name!r} has algorithm {algorithm!r}; use HS256, RS256, ES256."
            )
    return issuers
