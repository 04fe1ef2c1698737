"""Production: everything of base, and tighter. What would be unsafe stops the start, by name."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *  # noqa: F403  # thin differences: everything else is base's
from config.settings.base import (
    ALLOW_RAW_CARD_DATA,
    ALLOWED_HOSTS,
    DEMO_STAFF,
    ENVIRONMENT,
    FAULTPOINT,
    KAFKA_BROKERS,
    PUBLIC_URL,
    SANDBOX_URL,
    TRUSTED_PROXIES,
    WEBHOOK_INTERNAL_HOSTS,
)

if ENVIRONMENT not in ("production", "staging"):
    raise ImproperlyConfigured(f"ENVIRONMENT is {ENVIRONMENT!r}; these settings need production or staging.")
if urlsplit(PUBLIC_URL).scheme != "https":
    raise ImproperlyConfigured("PUBLIC_URL must be an https address: customers and gateways reach us there.")
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts; '*' would trust any Host header.")
if not KAFKA_BROKERS:
    raise ImproperlyConfigured("KAFKA_BROKERS is not set: host:9092[,host:9092].")
if ENVIRONMENT == "production" and WEBHOOK_INTERNAL_HOSTS & {"localhost", "127.0.0.1", "::1"}:
    raise ImproperlyConfigured("WEBHOOK_INTERNAL_HOSTS names this machine itself; name the services that are told.")
for name, value in (
    ("FAULTPOINT", FAULTPOINT), ("DEMO_STAFF", DEMO_STAFF), ("SANDBOX_URL", SANDBOX_URL),
    ("ALLOW_RAW_CARD_DATA", ALLOW_RAW_CARD_DATA),
):  # fmt: skip
    if value and ENVIRONMENT == "production":
        raise ImproperlyConfigured(f"{name} is set; it serves tests and demos and has no place in production.")

DEBUG = False
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^health(/|$)", r"^metrics$"]  # probes and scrapers come from inside, over http
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
"""Believed only behind a proxy of ours, which overwrites what the client sent."""

SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "__Host-csrf"

# `collectstatic` ran when the image was built; names carry a hash, so browsers may keep them for a year.
WHITENOISE_USE_FINDERS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
