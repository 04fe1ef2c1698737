"""The whole product as processes of its own: stores, web, worker and relay, each of which may be killed.

The gateways' side lives in the test's process, so what it remembers outlives every death.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import requests
from psycopg.rows import dict_row

import dev
from gateways.sandbox.momo.simulator import PUBLISHED
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.server import start as start_sandbox
from gateways.sandbox.stripe.simulator import KNOWN

WEB, WORKER, RELAY = "web", "worker", "relay"
STAFF_PASSWORD: Final = "a long enough password"
SCOPES: Final = (
    "payments:read payments:write refunds:read refunds:write orders:write cod:write transfers:write reports:read ledger:read"
    " events:read cases:read disputes:read disputes:write"
)
PATIENCE_SECONDS: Final = 60.0
(PARTNER, ACCESS_KEY, SECRET_KEY), *_ = PUBLISHED
(STRIPE_ACCOUNT, STRIPE_KEY, STRIPE_PUBLISHABLE, STRIPE_WEBHOOK_SECRET, *_), *_ = KNOWN
NO_ANSWER: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
BEING_ASKED: Final = ("gateway_timeout",)
TRY_LATER: Final = ("idempotency_in_flight", "attempt_undecided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Who dies, and where: `victim` is the process itself, the whole web or PostgreSQL while the process stands there."""

    process: str
    point: str
    times: int = 1
    victim: str = "itself"

    def __str__(self) -> str:
        place = self.point if self.times == 1 else f"{self.point}:{self.times}"
        return (
            f"{self.process} at {place}"
            if self.victim == "itself"
            else f"{self.victim} while {self.process} at {place}"
        )

    @property
    def words(self) -> str:
        """What the fuse says."""
        return f"{self.point}:{self.times}" + ("" if self.victim == "itself" else "!pause")


class Worker:
    """The process of tests.flows.worker, spoken to over its pipes."""

    def __init__(self, *, env: Mapping[str, str], log: Path) -> None:
        self.env, self.log = dict(env), log
        self.process: subprocess.Popen[str] | None = None
        self.deaths = 0

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*dev.dies_with_us("TERM"), str(dev.PYTHON), "-m", "tests.flows.worker"],
                cwd=dev.ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def ask(self, **told: Any) -> Any:
        """Have it do something. None when it died of it, or had to say that the database is away."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        process = self.process
        assert process is not None and process.stdin is not None
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass
        while line := self._line(process):
            if not line.startswith(('{"ready"', '{"answer"', '{"error"')):
                continue  # a line of its log
            heard = json.loads(line)
            if "answer" in heard:
                return heard
            if "error" in heard:
                return None
        self.deaths += process.wait() == -signal.SIGKILL
        return None

    def _line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
        assert ready, f"the worker hangs; see {self.log}"
        return process.stdout.readline()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass(kw_only=True)
class Stack:
    """Everything that runs, and the words to drive it by."""

    home: Path
    services: dev.Services
    sandbox: RunningSandbox
    url: str
    env: dict[str, str]
    web: dev.Child
    relay: dev.Child
    worker: Worker
    token: str
    ahead: timedelta = timedelta(0)
    """How far the worker's clock has been put on."""
    repeats: int = 0
    run: str = field(default_factory=lambda: secrets.token_hex(3))
    """Brokers may be shared: this run's orders are its own."""
    session: requests.Session = field(default_factory=requests.Session)

    # --- Starting and stopping ---------------------------------------------------------------------------------------
    @classmethod
    def begin(cls, home: Path, *, kafka_brokers: str, more: Callable[[str], Mapping[str, str]] | None = None) -> Stack:
        """Stores of our own (the brokers may be shared), tables, staff and methods, then the processes.

        `more` says what else their environment holds, given the sandbox's address.
        """
        home.chmod(0o755)
        given = {"KAFKA_BROKERS": kafka_brokers} if kafka_brokers else {}
        services = dev.Services(home=home, ports=dev.Ports(None), given=given, throw_away=True)
        assert services.postgres is not None
        # Processes die here, not the machine: a commit must reach the system before it is answered, no further.
        services.postgres.child.command += ["-c", "synchronous_commit=on"]
        services.start()
        sandbox = start_sandbox(retry_delays=(0.2, 0.5, 1, 2, 2, 4, 4, 8, 8, 16))
        url = f"http://127.0.0.1:{dev.free_port()}"
        cards = sandbox.app.sandbox.world.merchants["stripe", STRIPE_ACCOUNT].keys
        cards["webhookUrl"] = f"{url}/api/v1/webhooks/stripe/stripe"
        env = {**_environment(home, services.urls, url=url, sandbox=sandbox.url), **(more(sandbox.url) if more else {})}
        for command in (["migrate", "--no-input", "-v", "0"], ["seed_demo", "--empty"]):
            dev.run_quietly([dev.PYTHON, "manage.py", *command], what=command[0], env=env)
        stack = cls(
            home=home, services=services, sandbox=sandbox, url=url, env=env,
            web=_child(home, WEB, _granian(url), env),
            relay=_child(home, RELAY, [str(dev.PYTHON), "manage.py", "relay_events"], env),
            worker=Worker(env=_armed(env, home, WORKER), log=home / "log" / "worker.log"),
            token=dev.token(secret=env["JWT_SECRET"], subject="orders", kind="system", scope=SCOPES),
        )  # fmt: skip
        stack.session.trust_env = False
        stack.web.start()
        stack.relay.start()
        stack.worker.start()
        dev.wait_ready(stack.web, stack.is_up, seconds=PATIENCE_SECONDS)
        return stack

    def end(self) -> None:
        """Processes first, then the stores."""
        self.worker.stop()
        dev.stop_in_order([self.web, self.relay], self.services.children)
        self.sandbox.stop()

    def is_up(self) -> bool:
        return dev.answers(f"{self.url}/health/ready")

    def revive(self) -> None:
        """What a supervisor does: bring back whoever is dead. From the main thread only (see dev.Child.start)."""
        postgres = self.postgres
        if not postgres.alive():
            self.services.restart(postgres)
        for child in (self.web, self.relay):
            if not child.alive():
                child.signal_group(signal.SIGKILL)
                child.start()

    @property
    def postgres(self) -> dev.Child:
        assert self.services.postgres is not None
        return self.services.postgres.child

    # --- Death -------------------------------------------------------------------------------------------------------
    def fuse(self, process: str) -> Path:
        return self.home / f"{process}.fuse"

    @contextmanager
    def doomed(self, death: Death | None) -> Iterator[None]:
        """Arm a process for the block, which must reach the point; whoever was to die has died when the block ends."""
        if death is None:
            yield
            return
        fuse = self.fuse(death.process)
        struck = fuse.with_name(f"{fuse.name}.struck")
        struck.unlink(missing_ok=True)
        before = self._pids(death)
        draft = fuse.with_suffix(".new")
        draft.write_text(death.words)
        draft.replace(fuse)
        over = threading.Event()
        killer = threading.Thread(target=self._kill_when_struck, args=(death, struck, over))
        if death.victim != "itself":
            killer.start()
        try:
            yield
        finally:
            over.set()
            was_reached = not fuse.exists()
            fuse.unlink(missing_ok=True)
            struck.unlink(missing_ok=True)
            if killer.ident:
                killer.join()
        assert was_reached, f"{death}: the point was not reached"
        assert before - self._pids(death), f"{death}: nobody died"

    def _kill_when_struck(self, death: Death, struck: Path, over: threading.Event) -> None:
        while not struck.exists():
            if over.wait(0.01):
                return
        if death.victim == "PostgreSQL":
            process = self.postgres.process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        else:
            self.web.signal_group(signal.SIGKILL)
        time.sleep(0.1)  # its children notice
        struck.unlink(missing_ok=True)

    def _pids(self, death: Death) -> set[int]:
        if death.victim == "PostgreSQL":
            return {self.postgres.process.pid} if self.postgres.process else set()
        if death.process == WORKER:
            return {self.worker.process.pid} if self.worker.process and self.worker.process.poll() is None else set()
        child = self.web if death.process == WEB else self.relay
        return {pid for pid in child.pids() if not _is_zombie(pid)}

    # --- Driving -----------------------------------------------------------------------------------------------------
    def now(self) -> datetime:
        """The worker's moment."""
        return datetime.now(UTC) + self.ahead

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        """What a careful client does: the same request with the same key until there is an answer."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
            try:
                answer = self.session.post(self.url + path, json=body, headers=headers, timeout=20)
            except NO_ANSWER:
                self._before_a_repeat(0.1)
                continue
            if answer.status_code < 500 and answer.json().get("code") not in TRY_LATER:
                assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
                return {**answer.json(), "_replayed": answer.headers.get("Idempotent-Replayed") == "true"}
            if answer.status_code < 500 or answer.json().get("code") in BEING_ASKED:
                self.sweep(minutes=1)
            self._before_a_repeat(0.1)
        raise AssertionError(f"{path} got no answer in {PATIENCE_SECONDS} s; see {self.home}/log")

    def get(self, path: str) -> dict[str, Any]:
        """Read from the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.session.get(self.url + path, headers=headers, timeout=20)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def _before_a_repeat(self, seconds: float) -> None:
        self.repeats += 1
        self.revive()
        time.sleep(seconds)

    def ask_worker(self, do: str, **told: Any) -> Any:
        """What its verb answers; a worker that died is started again and asked again."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            heard = self.worker.ask(do=do, at=self.now().isoformat(), **told)
            if heard is not None:
                return heard["answer"]
            self._before_a_repeat(0.05)
        raise AssertionError(f"the worker could not {do}; see {self.home}/log/worker.log")

    def sweep(self, *, minutes: float = 0) -> None:
        """Everything that beat runs, so many minutes later."""
        self.ahead += timedelta(minutes=minutes)
        self.ask_worker("sweep")

    def hear(self) -> None:
        """Until the gateway's notifications are taken, or given up by it."""
        self.wait(lambda: self.sandbox.drain(0.1), "the gateway delivered its notifications")

    def settle(self) -> None:
        """Time goes by until nobody has anything left to do: notifications, sweeps, events."""
        self.hear()
        for minutes in (1, 11, 3 * 60, 26 * 60):
            self.sweep(minutes=minutes)
        self.wait(
            lambda: (
                not self.rows("SELECT 1 FROM core_outboxevent WHERE published_at IS NULL AND parked_at IS NULL")
                and not self.rows("SELECT 1 FROM core_deadletter WHERE mirrored_at IS NULL")
            ),
            "the relay told everything",
        )

    def wait(self, probe: Callable[[], Any], what: str) -> None:
        """Until something is so; who dies meanwhile is brought back."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if probe():
                    return
            except psycopg.OperationalError:
                pass
            assert time.monotonic() < until, f"in vain: {what}; see {self.home}/log"
            self.revive()
            time.sleep(0.05)

    # --- Looking -----------------------------------------------------------------------------------------------------
    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What is truly committed, read past everything of ours."""
        with psycopg.connect(self.env["DATABASE_URL"], row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(sql, values or None).fetchall()

    @property
    def letters(self) -> list[bytes]:
        """Every e-mail that was sent, as written to its file."""
        return [file.read_bytes() for file in sorted((self.home / "mail").glob("*"))]


def _environment(home: Path, urls: Mapping[str, str], *, url: str, sandbox: str) -> dict[str, str]:
    """What dev.py's demo tells its processes, with the secrets of the tests."""
    staff = {f"{name}@reckoner.example": STAFF_PASSWORD for name in dev.STAFF}
    (home / "mail").mkdir(exist_ok=True)
    (home / "metrics").mkdir(exist_ok=True)
    return {
        **os.environ,
        **urls,
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "ENVIRONMENT": "development",
        "PUBLIC_URL": url,
        "IPNURL": f"{url}/v1/transaction/callback",
        "PARTNER_CODE_MOMO": PARTNER,
        "ACCESS_KEY_MOMO": ACCESS_KEY,
        "SECRET_KEY_MOMO": SECRET_KEY,
        "ENDPOINT_MOMO": sandbox,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "STRIPE_PUBLISHABLE_KEY": STRIPE_PUBLISHABLE,
        "STRIPE_WEBHOOK_SECRET": STRIPE_WEBHOOK_SECRET,
        "STRIPE_ENDPOINT": sandbox,
        "SANDBOX_URL": sandbox,
        **dev.DEMO_BANK,
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "EMAIL_FILE_PATH": str(home / "mail"),
        "EMAIL_ON_FAILURE": "true",
        "PROMETHEUS_MULTIPROC_DIR": str(home / "metrics"),
        "DEMO_STAFF": json.dumps(staff),
        "LANGUAGE_CODE": "en",
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }


def _granian(url: str) -> list[str]:
    """As the Procfile says: two workers, and one that dies is replaced."""
    granian = [str(dev.VENV / "bin" / "granian"), "--interface", "wsgi", "--host", "127.0.0.1"]
    granian += ["--port", url.rpartition(":")[2], "--workers", "2", "--blocking-threads", "8", "--no-access-log"]
    return [*granian, "--respawn-failed-workers", "--respawn-interval", "0.1", "config.wsgi:application"]


def _armed(env: Mapping[str, str], home: Path, process: str) -> dict[str, str]:
    return {**env, "FAULTPOINT": f"@{home / process}.fuse"}


def _child(home: Path, name: str, command: list[str], env: Mapping[str, str]) -> dev.Child:
    return dev.Child(
        name=name, command=[*dev.dies_with_us("TERM"), *command], env=_armed(env, home, name),
        log=dev.log_file(home, name), patience=10,
    )  # fmt: skip


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
