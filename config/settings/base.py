"""Every setting, read from the environment here and nowhere else, each variable once.

A missing or odd variable stops the start and is named. Names of the reference systems are accepted as aliases.
Secrets have no defaults: the demo and the tests make their own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import environ

from config.settings import read
from config.settings.frameworks import *  # noqa: F403  # settings like those below, which no variable changes
from config.settings.frameworks import BASE_DIR
from config.settings.unfold import UNFOLD as UNFOLD

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env", overwrite=False)

# --- Who we are ------------------------------------------------------------------------------------------------------
ENVIRONMENT = read.choice(env, "ENVIRONMENT", ("development", "test", "staging", "production"), default="development")
BUILD_ID = env.str("BUILD_ID", default="unknown")
SECRET_KEY = read.secret(env, "SECRET_KEY", at_least=32)
DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = read.url(env, "PUBLIC_URL", "PUBLIC_ID", default="http://127.0.0.1:8000").removesuffix("/v1")
"""Where customers and gateways reach us (the reference systems' PUBLIC_ID)."""
CLIENT_ORIGINS = [origin for origin in env.list("CLIENT_IP", default=[]) if origin]
"""Shop front-ends: allowed as return hosts and for cross-origin calls."""
CORS_ALLOWED_ORIGINS = CLIENT_ORIGINS
CORS_URLS_REGEX = r"^/(api/)?v1/.*$"
RETURN_HOSTS = frozenset(
    [*env.list("RETURN_HOSTS", default=[]), *(urlsplit(url).hostname or "" for url in [*CLIENT_ORIGINS, PUBLIC_URL])]
)
PLATFORM_ID = env.str("PLATFORM_ID", default="1" * 36)
"""The platform as owner of ledger accounts and as the shop of orders without shops (36 characters)."""
BUSINESS_TIME_ZONE = "Asia/Ho_Chi_Minh"

# --- Language and time -----------------------------------------------------------------------------------------------
LANGUAGE_CODE = read.choice(env, "LANGUAGE_CODE", ("en", "vi"), default="en")
LANGUAGES = [("vi", "Tiếng Việt"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = BUSINESS_TIME_ZONE

# --- Stores ----------------------------------------------------------------------------------------------------------
WEB_THREADS = read.integer(env, "WEB_THREADS", default=8, at_least=2)
"""Threads of one web process, as its start command says: what may be taken at once is counted from it."""
DATABASES: dict[str, Any] = {"default": read.database(env)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["ATOMIC_REQUESTS"] = False
DATABASES["default"]["OPTIONS"] = {
    "pool": {
        "min_size": 1,
        "max_size": read.integer(env, "DB_POOL_SIZE", default=WEB_THREADS, at_least=1),
        "timeout": 10,
    },
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,
    "application_name": "reckoner",
    # Planned once per connection: planning was half of what a capture costs the server (docs/performance.md).
    "server_side_binding": True,
    "prepare_threshold": 2,
}
REDIS_URL = read.redis_url(env)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": read.with_redis_db(REDIS_URL, 1),
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}
KAFKA_BROKERS = env.str("KAFKA_BROKERS", default="")
KAFKA_CONSUMER_GROUP = env.str("KAFKA_CONSUMER_GROUP", default="reckoner")
KAFKA_CONSUMER_WORKERS = read.integer(env, "KAFKA_CONSUMER_WORKERS", default=4, at_least=1)
"""How many messages consume_events handles side by side; those of one key stay in order."""
KAFKA_OPTIONS: dict[str, Any] = read.mapping(env, "KAFKA_OPTIONS")
"""What else librdkafka must know, as JSON: security.protocol, sasl.mechanism, sasl.username, ssl.ca.location ..."""
EVENT_TOPIC_ALIASES_OFF = frozenset(env.list("EVENT_TOPIC_ALIASES_OFF", default=[]))
"""Alias topics that are switched off, such as payment-success (ACCEPTANCE K1, K2)."""
EVENT_RETRY_TTL_MS = read.integer(env, "EVENT_RETRY_TTL_MS", default=300_000)
EVENT_MAX_TRIES = read.integer(env, "EVENT_MAX_TRIES", default=3, at_least=1)

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=env.str("RABBITMQ_URL", default=REDIS_URL))
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = BUSINESS_TIME_ZONE
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- Secrets and tokens ----------------------------------------------------------------------------------------------
ENCRYPTION_KEYS = read.encryption_keys(env)
"""Key id -> 32 bytes, newest first: the first encrypts, all decrypt (ENCRYPTION_KEYS=k2:base64,k1:base64)."""
JWT_ISSUERS = read.jwt_issuers(env)
"""Issuer -> how its tokens are verified; the reference systems' JWT_SECRET makes one HS256 issuer."""
SYSTEM_AUDIENCE = env.str("JWT_AUDIENCE", default="reckoner")

# --- Payments --------------------------------------------------------------------------------------------------------
ORDER_DURATION: timedelta = read.duration(env, "ORDER_DURATION", default="90m")
"""How long an order may be paid."""
EXPIRY_GRACE: timedelta = read.duration(env, "EXPIRY_GRACE", default="15m")
"""How long after its end we wait for a gateway that does not answer before a payment expires."""
AUTHORIZATION_LIFETIME: timedelta = read.duration(env, "AUTHORIZATION_LIFETIME", default="3d")
"""How long reserved money waits for its capture before we give it free."""
PROCESSING_LIFETIME: timedelta = read.duration(env, "PROCESSING_LIFETIME", default="7d")
"""How long a payment waits for a gateway that is still deciding: a second approver at a bank has a week."""
MAX_ATTEMPTS_PER_PAYMENT = read.integer(env, "MAX_ATTEMPTS_PER_PAYMENT", default=10, at_least=1)
ROUTE_TRIES = read.integer(env, "ROUTE_TRIES", default=2, at_least=1)
"""Accounts that one request may try in turn, each after a definite no of the one before."""
INVOICE_MODE = "batch" if read.flag(env, "DISABLE_CREATE_INVOICE_DIRECTLY", default=False) else "realtime"
"""When payments are opened at gateways whose account says nothing of its own (ACCEPTANCE D23, K25)."""
HIDE_UNAVAILABLE_METHODS = read.flag(env, "HIDE_UNAVAILABLE_METHODS", default=False)
"""Leave methods whose gateways are all down out of lists, instead of showing them as unavailable."""
REFUND_APPROVAL_LIMITS = read.limits(env, "REFUND_APPROVAL_LIMITS", default="VND:2000000,USD:100")
"""Currency -> major units; a refund above it needs a second person."""
OTP_REQUIRED_ABOVE = read.limits(env, "OTP_REQUIRED_ABOVE", default="")
"""Currency -> major units; paying more needs a one-time code. A currency that is not named never does."""
ALLOW_RAW_CARD_DATA = read.flag(env, "ALLOW_RAW_CARD_DATA", default=False)
"""Whether `/api/v1/stripe/payment` takes card numbers, against a sandbox: they become test tokens in memory."""
URL_ORDER_SERVICE = read.url(env, "URL_ORDER_SERVICE", default="")
URL_PRODUCT_SERVICE = read.url(env, "URL_PRODUCT_SERVICE", default="")
ORDER_SERVICE_TOKEN = env.str("ORDER_SERVICE_TOKEN", default="")
WEBHOOK_INTERNAL_HOSTS = frozenset(env.list("WEBHOOK_INTERNAL_HOSTS", default=[]))
"""Services of the house that webhooks may reach by plain http, on any port and at private addresses."""
WEBHOOK_PORTS = read.ports(env, "WEBHOOK_PORTS", default="443")
"""Ports that webhooks to everybody else may name."""
WEBHOOK_CALLS_AT_ONCE = read.integer(env, "WEBHOOK_CALLS_AT_ONCE", default=16, at_least=2)
WEBHOOK_CA_FILE = env.str("WEBHOOK_CA_FILE", default="")
"""Further certificate authorities that receivers may be known by, as PEM: one's own."""
NOTIFICATION_MAX_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

SANDBOX_URL = read.url(env, "SANDBOX_URL", default="")
"""The gateways' faked side, where there is one: the demo and its tests."""
SANDBOX_HOSTS = [host for host in [urlsplit(SANDBOX_URL).hostname] if host]
"""Hosts that adapters may call without TLS."""
NOTIFY_URL = read.url(env, "NOTIFY_URL", default="")
"""Where gateways reach us, if not at PUBLIC_URL: a tunnel to a developer's machine, a host of its own."""
GATEWAYS = {
    "momo": {
        "partner_code": env.str("PARTNER_CODE_MOMO", default="MOMO"),
        "access_key": env.str("ACCESS_KEY_MOMO", default=""),
        "secret_key": env.str("SECRET_KEY_MOMO", default=""),
        "previous_access_key": env.str("PREVIOUS_ACCESS_KEY_MOMO", default=""),
        "previous_secret_key": env.str("PREVIOUS_SECRET_KEY_MOMO", default=""),
        "endpoint": env.str("ENDPOINT_MOMO", default="https://test-payment.momo.vn"),
        "plain_http_hosts": SANDBOX_HOSTS,
        "settlement_columns": read.mapping(env, "SETTLEMENT_COLUMNS_MOMO"),
    },
    "vnpay": {
        "tmn_code": env.str("VNPAY_TMN_CODE", default=""),
        "hash_secret": env.str("VNPAY_HASH_SECRET", default=""),
        "previous_hash_secret": env.str("VNPAY_PREVIOUS_HASH_SECRET", default=""),
        "pay_url": env.str("VNPAY_PAY_URL", default="https://sandbox.vnpayment.vn/paymentv2/vpcpay.html"),
        "api_url": env.str("VNPAY_API_URL", default="https://sandbox.vnpayment.vn/merchant_webapi/api/transaction"),
        "server_ip": env.str("VNPAY_SERVER_IP", default="127.0.0.1"),
        "order_type": env.str("VNPAY_ORDER_TYPE", default="other"),
        "settlement_columns": read.mapping(env, "VNPAY_SETTLEMENT_COLUMNS"),
        "plain_http_hosts": SANDBOX_HOSTS,
    },
    "zalopay": {
        "app_id": env.str("ZALOPAY_APP_ID", default="2553"),
        "key1": env.str("ZALOPAY_KEY1", default=""),
        "key2": env.str("ZALOPAY_KEY2", default=""),
        "previous_key1": env.str("ZALOPAY_PREVIOUS_KEY1", default=""),
        "previous_key2": env.str("ZALOPAY_PREVIOUS_KEY2", default=""),
        "endpoint": env.str("ZALOPAY_ENDPOINT", default="https://sb-openapi.zalopay.vn"),
        "plain_http_hosts": SANDBOX_HOSTS,
        "settlement_columns": read.mapping(env, "ZALOPAY_SETTLEMENT_COLUMNS"),
    },
    "xendit": {
        "secret_key": env.str("XENDIT_SECRET_KEY", default=env.str("XENDIT_SECRET_API_KEY", default="")),
        "webhook_token": env.str("XENDIT_WEBHOOK_TOKEN", default=""),
        "previous_webhook_token": env.str("XENDIT_PREVIOUS_WEBHOOK_TOKEN", default=""),
        "endpoint": env.str("XENDIT_ENDPOINT", default="https://api.xendit.co"),
        "api_version": env.str("XENDIT_API_VERSION", default="2024-11-11"),
        "plain_http_hosts": SANDBOX_HOSTS,
    },
    "fiuu": {
        "merchant_id": env.str("FIUU_MERCHANT_ID", default=""),
        "verify_key": env.str("FIUU_VERIFY_KEY", default=""),
        "secret_key": env.str("FIUU_SECRET_KEY", default=""),
        "previous_secret_key": env.str("FIUU_PREVIOUS_SECRET_KEY", default=""),
        "sandbox": read.flag(env, "FIUU_SANDBOX", default=True),
        "timeout_seconds": read.duration(env, "FIUU_TIMEOUT", default="30s").total_seconds(),
        "pay_endpoint": read.url(env, "FIUU_PAY_ENDPOINT", default=""),
        "api_endpoint": read.url(env, "FIUU_API_ENDPOINT", default=""),
        "vcode_extended": read.flag(env, "FIUU_VCODE_EXTENDED", default=True),
        "ipn_enabled": read.flag(env, "FIUU_IPN_ENABLED", default=False),
        "refund_notify_url": f"{NOTIFY_URL or PUBLIC_URL}/api/v1/webhooks/fiuu/fiuu",
        "settlement_token_key": env.str("FIUU_SETTLEMENT_TOKEN_KEY", default="secret"),
        "plain_http_hosts": SANDBOX_HOSTS,
    },
    "stripe": {
        "secret_key": env.str("STRIPE_SECRET_KEY", default=env.str("STRIPE_API_KEY", default="")),
        "webhook_secret": env.str("STRIPE_WEBHOOK_SECRET", default=""),
        "previous_webhook_secret": env.str("STRIPE_PREVIOUS_WEBHOOK_SECRET", default=""),
        "publishable_key": env.str("STRIPE_PUBLISHABLE_KEY", default=""),
        "endpoint": env.str("STRIPE_ENDPOINT", default="https://api.stripe.com"),
        "api_version": env.str("STRIPE_API_VERSION", default="2026-10-28.endive"),
        "plain_http_hosts": SANDBOX_HOSTS,
    },
    "cod": {},
    "bank_transfer": {
        "bank": env.str("BANK_TRANSFER_BANK", default=""),
        "bank_bin": env.str("BANK_TRANSFER_BIN", default=""),
        "account_number": env.str("BANK_TRANSFER_ACCOUNT", default=""),
        "account_name": env.str("BANK_TRANSFER_HOLDER", default=""),
        "bank_name": env.str("BANK_TRANSFER_BANK_NAME", default=""),
        "template": env.str("BANK_TRANSFER_TEXT", default="{reference}"),
        "statement_columns": read.mapping(env, "BANK_TRANSFER_COLUMNS"),
    },
}
"""The first account of each gateway: its keys are the adapter's fields. Further accounts are made in the admin."""
GATEWAY_BREAKER = read.numbers(env, "GATEWAY_BREAKER", default="")
"""What differs from config.core.breaker.Policy: consecutive:5,open_seconds:20."""
GATEWAY_CALLS_PER_PROCESS = read.integer(
    env, "GATEWAY_CALLS_PER_PROCESS", default=WEB_THREADS - (WEB_THREADS + 3) // 4, at_least=1
)
"""Calls of one process that may wait for one gateway: a quarter of its threads is left for everybody else."""
GATEWAY_SPACING = read.numbers(env, "GATEWAY_SPACING", default="fiuu.query:5")
"""gateway.operation -> the least seconds between two such calls of all our processes."""
FAULTPOINT = env.str("FAULTPOINT", default="")
"""Where a crash test wants this process to die (config/core/faultpoints.py); empty everywhere else."""
DEMO_STAFF: dict[str, str] = read.mapping(env, "DEMO_STAFF")
"""E-mail -> password of the users that seed_demo makes; development only."""
GATEWAY_ADDRESSES: dict[str, dict[str, str]] = {
    "momo": {"notify": read.url(env, "IPNURL", default=""), "return": read.url(env, "REDIRECTURL", default="")},
}
"""Account -> where its gateway shall send notifications and browsers, where that is not our usual address."""

# --- E-mail ----------------------------------------------------------------------------------------------------------
BREVO_API_KEY = env.str("BREVO_API_KEY", default="")
EMAIL_BACKEND = env.str(
    "EMAIL_BACKEND",
    default="anymail.backends.brevo.EmailBackend"
    if BREVO_API_KEY
    else "django.core.mail.backends.console.EmailBackend",
)
EMAIL_FILE_PATH = env.str("EMAIL_FILE_PATH", default="") or None
ANYMAIL = {"BREVO_API_KEY": BREVO_API_KEY}
DEFAULT_FROM_EMAIL = (
    f"{env.str('SENDER_NAME', default='Reckoner')} <{env.str('SENDER_EMAIL', default='no-reply@localhost')}>"
)
EMAIL_ON_FAILURE = read.flag(env, "EMAIL_ON_FAILURE", default=False)

# --- API -------------------------------------------------------------------------------------------------------------
RATE_LIMIT_PER_SECOND = read.integer(env, "RATE_LIMIT_PER_SECOND", default=100, at_least=1)
RATE_LIMIT_BURST = read.integer(env, "RATE_LIMIT_BURST", default=200, at_least=1)
RATE_LIMITS = read.rates(env, "RATE_LIMITS", default="")
"""Scope -> (per second, burst) where it differs from the two above: RATE_LIMITS=otp:0.2/5,exports:1/5."""
TRUSTED_PROXIES = read.integer(env, "TRUSTED_PROXIES", default=0)
REFERENCE_PATHS = ("/v1/", "/api/v1/payments", "/api/v1/stripe/", "/api/v1/webhooks/fiuu")
"""Paths of the reference systems: their problems also carry `error` and `message`."""
# --- Metrics ---------------------------------------------------------------------------------------------------------
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Bearer token of the scraper; without it /metrics answers this machine, staff, and keys with metrics:read."""
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", default="")

# --- Logs ------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOG_SERVICE_NAME = env.str("LOG_SERVICE_NAME", default="reckoner")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.core.observability.json_formatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stdout"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},
    },
}
