"""A missing or odd variable stops the start, and is named. Each case is a start of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
GOOD: Final = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "s" * 50,
    "DATABASE_URL": "postgres://u:p@db.internal:5432/reckoner",
    "REDIS_URL": "redis://redis.internal:6379/0",
    "KAFKA_BROKERS": "kafka.internal:9092",
    "ENCRYPTION_KEYS": "k1:" + "QUFB" * 10 + "QUE=",
    "JWT_SECRET": "j" * 40,
    "PUBLIC_URL": "https://pay.example.vn",
    "ALLOWED_HOSTS": "pay.example.vn",
}
START: Final = """
import json, sys
from django.conf import settings
try:
    settings.DEBUG
except Exception as error:
    print(type(error).__name__ + ": " + str(error))
    sys.exit(1)
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""


def start(changed: dict[str, str | None], *names: str, module: str = "prod") -> tuple[int, str]:
    """Load the settings in a process whose only variables are these. Answers exit code and output."""
    env = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    env |= {"DJANGO_SETTINGS_MODULE": f"config.settings.{module}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", START, *names], env=env, cwd="/", capture_output=True, text=True, timeout=60
    )
    return done.returncode, (done.stdout or done.stderr).strip()


REFUSED: Final[dict[str, dict[str, str | None]]] = {
    "SECRET_KEY": {"SECRET_KEY": None},
    "SECRET_KEY is too short": {"SECRET_KEY": "short"},
    "DATABASE_URL is not set": {"DATABASE_URL": None},
    "MySQL": {"DATABASE_URL": "mysql://u:p@db/x"},
    "DB_SOURCE": {"DATABASE_URL": None, "DB_SOURCE": "root:pw@tcp(mysql:3306)/x"},
    "REDIS_URL is not set": {"REDIS_URL": None},
    "ENCRYPTION_KEYS is not set": {"ENCRYPTION_KEYS": None},
    "ENCRYPTION_KEYS must be": {"ENCRYPTION_KEYS": "k1:dG9vIHNob3J0"},
    "ENCRYPTION_KEYS must be id:base64": {"ENCRYPTION_KEYS": "no colon"},
    "ENCRYPTION_KEY must be 32": {"ENCRYPTION_KEY": "short"},
    "JWT_SECRET": {"JWT_SECRET": "short"},
    "JWT_ISSUERS": {"JWT_ISSUERS": '{"a": {"algorithm": "none"}}'},
    "needs an https jwks_url": {"JWT_ISSUERS": '{"a": {"algorithm": "RS256", "jwks_url": "http://a.example/jwks"}}'},
    "ENVIRONMENT is 'prod'": {"ENVIRONMENT": "prod"},
    "ENVIRONMENT is 'development'": {"ENVIRONMENT": "development"},
    "PUBLIC_URL is 'pay'": {"PUBLIC_URL": "pay"},
    "PUBLIC_URL must be an https address": {"PUBLIC_URL": "http://pay.example.vn"},
    "ALLOWED_HOSTS": {"ALLOWED_HOSTS": "*"},
    "KAFKA_BROKERS is not set": {"KAFKA_BROKERS": None},
    "ORDER_DURATION is 'soon'": {"ORDER_DURATION": "soon"},
    "EXPIRY_GRACE is '15'": {"EXPIRY_GRACE": "15"},
    "REFUND_APPROVAL_LIMITS is odd at 'VND'": {"REFUND_APPROVAL_LIMITS": "VND"},
    "RATE_LIMITS is odd at 'otp'": {"RATE_LIMITS": "otp"},
    "RATE_LIMITS is odd at 'otp:0/5'": {"RATE_LIMITS": "otp:0/5"},
    "LANGUAGE_CODE is 'fr'": {"LANGUAGE_CODE": "fr"},
    "URL_ORDER_SERVICE is 'orders'": {"URL_ORDER_SERVICE": "orders"},
    "RATE_LIMIT_PER_SECOND": {"RATE_LIMIT_PER_SECOND": "many"},
    "DB_POOL_SIZE": {"DB_POOL_SIZE": "big"},
    "TRUSTED_PROXIES is '-1'": {"TRUSTED_PROXIES": "-1"},
    "EMAIL_ON_FAILURE is 'maybe'": {"EMAIL_ON_FAILURE": "maybe"},
    "JWT_ISSUERS must be a JSON": {"JWT_ISSUERS": "{half"},
    "JWT_ISSUERS must be a JSON object": {"JWT_ISSUERS": '["a"]'},
    "JWT_ISSUERS must be like": {"JWT_ISSUERS": '{"a": "b"}'},
    "KAFKA_OPTIONS must be a JSON object": {"KAFKA_OPTIONS": "1"},
    "RATE_LIMIT_BURST is '0'": {"RATE_LIMIT_BURST": "0"},
    "DB_PORT is 'x'": {"DATABASE_URL": None, "DB_HOST": "db", "DB_NAME": "n", "DB_PORT": "x"},
    "DB_NAME": {"DATABASE_URL": None, "DB_HOST": "db"},
    "REDIS_URL is odd": {"REDIS_URL": "redis.internal:6379"},
    "REDIS_URL is odd;": {"REDIS_URL": "redis://redis.internal:6379/first"},
}


@pytest.fixture(scope="module")
def refusals() -> dict[str, tuple[int, str]]:
    """All starts at once, two at a time: most of a start is waiting for Python's own."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(REFUSED, pool.map(start, REFUSED.values()), strict=True))


@pytest.mark.parametrize("words", REFUSED)
def test_an_odd_variable_stops_the_start_and_is_named(refusals: dict[str, tuple[int, str]], words: str) -> None:
    code, said = refusals[words]

    assert code == 1
    assert words in said
    assert said.startswith("ImproperlyConfigured: ")


def test_good_settings_start_production_tightly() -> None:
    names = ("DEBUG", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_PROXY_SSL_HEADER")
    code, said = start({}, *names)

    assert code == 0
    assert json.loads(said) == {
        "DEBUG": False,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_PROXY_SSL_HEADER": None,
    }


def test_names_of_the_reference_systems_are_understood() -> None:
    given: dict[str, str | None] = {
        "DATABASE_URL": None,
        "DB_HOST": "pg",
        "DB_PORT": "5433",
        "DB_NAME": "blytz",
        "DB_USER": "u",
        "DB_PASSWORD": "p@ss/word",
        "DB_SSL_MODE": "require",
        "REDIS_URL": None,
        "REDIS_HOST": "cache",
        "REDIS_PORT": "6380",
        "REDIS_PASSWORD": "r@dis",
        "RABBITMQ_URL": "amqp://guest@mq:5672//",
        "ENCRYPTION_KEYS": None,
        "ENCRYPTION_KEY": "e" * 32,
        "PUBLIC_URL": None,
        "PUBLIC_ID": "https://shop.example.vn/v1",
        "ORDER_DURATION": "1h30m",
        "CLIENT_IP": "https://front.example.vn",
        "RATE_LIMITS": "otp:0.2/5,exports:1/10",
        "STRIPE_API_KEY": "sk_test_reference",
        "FIUU_MERCHANT_ID": "acme",
        "FIUU_VERIFY_KEY": "v",
        "FIUU_SANDBOX": "false",
        "FIUU_TIMEOUT": "20s",
    }
    code, said = start(
        given,
        "DATABASES",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "PUBLIC_URL",
        "ORDER_DURATION",
        "RETURN_HOSTS",
        "RATE_LIMITS",
        "GATEWAYS",
    )

    assert code == 0, said
    found = json.loads(said)
    database = found["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("pg", 5433, "blytz")
    assert (database["USER"], database["PASSWORD"]) == ("u", "p@ss/word")
    assert found["REDIS_URL"] == "redis://:r%40dis@cache:6380/0"
    assert found["CELERY_BROKER_URL"] == "amqp://guest@mq:5672//"
    assert found["PUBLIC_URL"] == "https://shop.example.vn"
    assert found["ORDER_DURATION"] == "1:30:00"
    assert "front.example.vn" in found["RETURN_HOSTS"]
    assert found["RATE_LIMITS"] == {"otp": [0.2, 5], "exports": [1.0, 10]}
    assert found["GATEWAYS"]["stripe"]["secret_key"] == "sk_test_reference"
    fiuu = found["GATEWAYS"]["fiuu"]
    assert (fiuu["merchant_id"], fiuu["verify_key"], fiuu["sandbox"]) == ("acme", "v", False)
    assert fiuu["timeout_seconds"] == 20.0


def test_a_proxy_of_ours_is_believed_about_https() -> None:
    code, said = start({"TRUSTED_PROXIES": "1"}, "SECURE_PROXY_SSL_HEADER")

    assert (code, json.loads(said)) == (0, {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]})


def test_no_secret_has_a_default() -> None:
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS"):
        for module in ("dev", "prod"):
            code, said = start({name: None, "ENVIRONMENT": "production"}, module=module)
            assert (code, name in said) == (1, True)
    code, said = start({"JWT_SECRET": None}, "JWT_ISSUERS")
    assert (code, json.loads(said)) == (0, {"JWT_ISSUERS": {}})


@pytest.mark.parametrize("name", ["XENDIT_SECRET_KEY", "XENDIT_SECRET_API_KEY"])
def test_xendits_key_has_the_reference_systems_name_too(name: str) -> None:
    code, said = start({name: "xnd_production_k", "XENDIT_WEBHOOK_TOKEN": "t"}, "GATEWAYS")

    assert code == 0, said
    assert json.loads(said)["GATEWAYS"]["xendit"] == {
        "secret_key": "xnd_production_k",
        "webhook_token": "t",
        "previous_webhook_token": "",
        "endpoint": "https://api.xendit.co",
        "api_version": "2024-11-11",
        "plain_http_hosts": [],
    }
