"""Is it alive, may it get traffic, and what does it depend on: three questions, three answers.

`ready` asks PostgreSQL only: without Redis, Kafka or a gateway payments still go on, and taking every instance out of
the load balancer would turn an outage of theirs into one of ours (RELIABILITY 5.3).
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from config.core import apikeys, context
from config.core import scrape as metrics_page
from config.core.api import problem_response
from config.core.models import DeadLetter, JobRun, OutboxEvent
from config.core.remembered import remembered

PROBE: Final = "SELECT 1"
QUERY_LIMIT_MS: Final = 500
STALE_BEAT_SECONDS: Final = 180.0
STALE_OUTBOX_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """What one dependency said. `up` is None when it is not configured."""

    up: bool | None
    detail: str = ""
    age_seconds: float | None = None
    count: int | None = None

    def as_json(self) -> dict[str, object]:
        """Without what it does not say."""
        status = "off" if self.up is None else "ok" if self.up else "down"
        more = {"detail": self.detail, "age_seconds": self.age_seconds, "count": self.count}
        return {"status": status, **{name: value for name, value in more.items() if value not in (None, "")}}


# --- Views -----------------------------------------------------------------------------------------------------------


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. Touches nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Send traffic here: PostgreSQL answers and its tables are ours."""
    database, tables = postgres(), migrated()
    fine = bool(database.up and tables.up)
    checks = {"postgres": database.as_json(), "migrations": tables.as_json()}
    return JsonResponse({"status": "ok" if fine else "down", "checks": checks}, status=200 if fine else 503)


@require_safe
def overall(request: HttpRequest) -> HttpResponse:
    """One word for people and for the reference systems' probes, and which build this is."""
    checks = {"postgres": postgres(), "redis": redis_server(), "kafka": kafka()}
    word = "down" if not checks["postgres"].up else "ok"
    if word == "ok" and any(check.up is False for check in checks.values()):
        word = "degraded"
    body = {
        "status": word,
        "service": settings.LOG_SERVICE_NAME,
        "build": settings.BUILD_ID,
        "environment": settings.ENVIRONMENT,
        "time": timezone.now().isoformat(timespec="seconds"),
        "checks": {name: check.as_json()["status"] for name, check in checks.items()},
    }
    return JsonResponse(body, status=503 if word == "down" else 200)


@require_safe
def dependencies(request: HttpRequest) -> HttpResponse:
    """Everything we lean on, with ages; for staff and monitoring only."""
    if not may_look_inside(request):
        return problem_response(request, status=403)
    database = postgres()
    checks = {"postgres": database, "migrations": migrated(), "redis": redis_server(), "kafka": kafka()}
    if database.up:
        checks |= {"beat": beat(), "relay": relay(), "dead_letters": dead_letters()}
    word = "down" if not database.up else "degraded" if any(c.up is False for c in checks.values()) else "ok"
    body = {"status": word, "checks": {name: check.as_json() for name, check in checks.items()}}
    return JsonResponse(body, status=503 if word == "down" else 200)


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """All metrics, for Prometheus."""
    if not may_look_inside(request):
        return problem_response(request, status=403)
    body = metrics_page.page(multiprocess_dir=settings.PROMETHEUS_MULTIPROC_DIR)
    return HttpResponse(body, content_type=metrics_page.CONTENT_TYPE)


def may_look_inside(request: HttpRequest) -> bool:
    """The same machine, the METRICS_TOKEN, a key with metrics:read, or signed-in staff."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        if settings.METRICS_TOKEN and hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode()):
            return True
        if not token.startswith(apikeys.PREFIXES):
            return False
        key = apikeys.find(token, ip=context.get().ip, at=timezone.now())
        return key is not None and "metrics:read" in key.scopes
    # A proxy that nobody told us about makes strangers look local: its header gives it away.
    hidden = settings.TRUSTED_PROXIES == 0 and "HTTP_X_FORWARDED_FOR" in request.META
    ip = context.get().ip
    if ip and not hidden and ipaddress.ip_address(ip).is_loopback:
        return True
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated and user.is_active and user.is_staff


# --- Checks ----------------------------------------------------------------------------------------------------------


@remembered(1.0)
def postgres() -> Check:
    """A connection of its own, with short limits: the pool would make a probe wait ten seconds for a lost server."""
    try:
        with _connect() as connection:
            connection.execute(PROBE)
    except (psycopg.Error, OSError) as error:
        return Check(up=False, detail=type(error).__name__)
    return Check(up=True)


_migrated: dict[str, bool] = {"yes": False}


def migrated() -> Check:
    """Whether the last migration of each app was applied; once true, true until the next start."""
    if not _migrated["yes"]:
        try:
            with _connect() as connection:
                applied = set(connection.execute("SELECT app, name FROM django_migrations").fetchall())
        except (psycopg.Error, OSError) as error:
            return Check(up=False, detail=type(error).__name__)
        missing = sorted(set(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes()) - applied)
        if missing:
            return Check(up=False, detail=".".join(missing[0]), count=len(missing))
        _migrated["yes"] = True
    return Check(up=True)


def _connect() -> psycopg.Connection[Any]:
    given = connections["default"].get_connection_params()
    host, port = given.get("host") or "", int(given.get("port") or 5432)
    if host and not host.startswith("/"):
        socket.create_connection((host, port), timeout=QUERY_LIMIT_MS / 1000).close()  # libpq would wait two seconds
    wanted = {
        name: given[name] for name in ("dbname", "user", "password", "host", "port", "sslmode") if given.get(name)
    }
    return psycopg.connect(
        **wanted,
        connect_timeout=2,
        tcp_user_timeout=2 * QUERY_LIMIT_MS,
        options=f"-c statement_timeout={QUERY_LIMIT_MS}",
        application_name="reckoner-health",
        autocommit=True,
    )


@remembered(1.0)
def redis_server() -> Check:
    """PING within a quarter of a second."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.25, socket_connect_timeout=0.25) as client:
            client.ping()
    except redis.RedisError as error:
        return Check(up=False, detail=type(error).__name__)
    return Check(up=True)


@remembered(10.0)
def kafka() -> Check:
    """Whether a broker tells its topics within a second."""
    if not settings.KAFKA_BROKERS:
        return Check(up=None)
    client = AdminClient({"bootstrap.servers": settings.KAFKA_BROKERS, "log_level": 0}, logger=None)
    try:
        found = client.list_topics(timeout=1)
    except KafkaException as error:
        return Check(up=False, detail=error.args[0].name())
    return Check(up=True, count=len(found.brokers))


def beat() -> Check:
    """How long ago any scheduled job began."""
    last = JobRun.objects.order_by("-started_at").values_list("started_at", flat=True).first()
    if last is None:
        return Check(up=False, detail="no job has run yet")
    age = (timezone.now() - last).total_seconds()
    return Check(up=age < STALE_BEAT_SECONDS, age_seconds=round(age, 1))


def relay() -> Check:
    """How long the oldest unpublished event has waited."""
    waiting = OutboxEvent.objects.filter(published_at=None, parked_at=None)
    oldest = waiting.order_by("position").values_list("created_at", flat=True).first()
    if oldest is None:
        return Check(up=True, age_seconds=0.0)
    age = (timezone.now() - oldest).total_seconds()
    return Check(up=age < STALE_OUTBOX_SECONDS, age_seconds=round(age, 1))


def dead_letters() -> Check:
    """How many things wait for a person."""
    count = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).count()
    return Check(up=count == 0, count=count)
