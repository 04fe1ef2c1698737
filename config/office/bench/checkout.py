"""The case `checkout`: from "I want to pay" to the address where one pays, with a gateway that answers at once."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from django.conf import settings

from config.office.bench import ground, load, server, web
from config.office.bench.processes import Child, dies_with_us
from config.office.bench.result import Check, Measured, Result, figure, percentile
from config.office.bench.run import Run

INIT: Final = "/v1/payment/init"
CLIENTS: Final = 16
WARM_UP: Final = 60


def measure(run: Run) -> Result:
    """CPU per request and the slowest answers at a fixed rate of requests."""
    result = Result(case="checkout", about=f"init to pay URL over HTTP, {run.size.rate:g} requests per second")
    ground.method()
    with _sandbox(run.folder), web.served(folder=run.folder) as served:
        opening = _Opening(run, served)
        opening.warm_up()
        rounds = run.repeat(opening.round, what=f"payments opened at {run.size.rate:g}/s")
    slowest = [percentile(one.latencies_ms, 0.95) for one in rounds]
    result.figures = [
        figure(
            "application CPU per request", [one.app_cpu_ms for one in rounds],
            unit="ms", floor=6.0, goal=3.0, smaller_is_better=True,
        ),
        figure("PostgreSQL CPU per request", [one.server_cpu_ms for one in rounds], unit="ms"),
        figure(f"answer at {run.size.rate:g}/s, p95", slowest, unit="ms", floor=200.0, goal=50.0, smaller_is_better=True),
        figure("answer, median", [percentile(one.latencies_ms, 0.5) for one in rounds], unit="ms"),
        figure("answered per second", [one.rate for one in rounds], unit="/s"),
    ]  # fmt: skip
    result.checks = opening.checks()
    return result


class _Opening:
    """Customers who open payments of orders that we know."""

    def __init__(self, run: Run, served: web.Web) -> None:
        self._run, self._web = run, served
        self.opened, self.failed = 0, 0
        run.on_step("preparing orders", 0, 1)
        token = _customer_token()
        self._a_round = round(run.size.rate * run.size.seconds)
        orders = ground.orders(word=secrets.token_hex(4), count=WARM_UP + run.size.rounds * self._a_round)
        ground.give_to(customer=CUSTOMER, orders=orders)
        self._left = iter([load.post(INIT, _body(order), token=token) for order in orders])
        ground.tidy()
        run.on_step("preparing orders", 1, 1)

    def warm_up(self) -> None:
        """Imports, plans and connections, before the clock runs."""
        self._open(WARM_UP, seconds=WARM_UP / self._run.size.rate)

    def round(self, _number: int) -> Measured:
        """One round, on orders of its own."""
        return self._open(self._a_round, seconds=self._run.size.seconds)

    def checks(self) -> list[Check]:
        """One payment, one attempt with its address, one event and one audit row for each answer."""
        opened = self.opened
        wanted = {
            "payments_payment": "status = 'awaiting_payment'",
            "payments_attempt": "status = 'requires_action' AND pay_url <> ''",
            "core_outboxevent": "type = 'transaction.created'",
            "core_auditentry": "action = 'payment.created'",
        }
        checks = [Check(f"every answer was 2xx ({opened} of them)", self.failed == 0)]
        for table, condition in wanted.items():
            found = server.count(table, condition)
            checks.append(Check(f"{found} rows of {table} where {condition}", found == opened))
        return [*checks, Check("no deadlock", server.deadlocks() == 0)]

    def _open(self, count: int, *, seconds: float) -> Measured:
        measured = load.open_loop(
            itertools.islice(self._left, count),
            port=self._web.port,
            rate=self._run.size.rate,
            clients=CLIENTS,
            seconds=seconds,
            app=self._web.cpu,
            server=self._run.clock.read,
        )
        self.opened += measured.operations
        self.failed += measured.failed
        return measured


CUSTOMER: Final = "bench-customer"


def _body(order: str) -> bytes:
    return json.dumps({"order_id": order, "payment_method": "momo"}).encode()


def _customer_token() -> str:
    issuer, how = next((name, how) for name, how in settings.JWT_ISSUERS.items() if how["algorithm"] == "HS256")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer, "aud": how.get("audience", settings.SYSTEM_AUDIENCE), "sub": CUSTOMER, "typ": "customer",
        "iat": now, "exp": now + 24 * 3600,
    }  # fmt: skip
    return jwt.encode(claims, how["secret"], algorithm="HS256")


@contextmanager
def _sandbox(folder: Path) -> Iterator[None]:
    """MoMo's faked side, on the port that this environment's account calls."""
    momo = settings.GATEWAYS["momo"]
    port = urlsplit(momo["endpoint"]).port
    merchant = f"momo:{momo['partner_code']}:{momo['access_key']}:{momo['secret_key']}"
    child = Child(
        name="The sandbox",
        command=[
            *dies_with_us("TERM"), sys.executable, "-m", "gateways.sandbox", "--port", str(port), "--merchant", merchant,
        ],
        log=folder / "sandbox.log",
        env=os.environ,
        folder=Path(settings.BASE_DIR),
    )  # fmt: skip
    try:
        child.wait_until(lambda: "Payment sandbox on" in child.log.read_text(errors="replace"))
        yield
    finally:
        child.stop()
