"""The case `capture`: MoMo's notification over HTTP, from the first byte to our answer, everything committed."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import time
from collections.abc import Sequence
from typing import Final

from django.conf import settings

from config.office.bench import ground, load, naive, server, web
from config.office.bench.ground import Paid
from config.office.bench.result import Check, Figure, Measured, Result, figure, of_rounds, percentile
from config.office.bench.run import Run
from config.office.bench.stores import PARTNER
from config.office.bench.yardstick import Yardstick
from ledger import proof

CALLBACK: Final = "/v1/transaction/callback"
CLIENTS: Final = 8
WARM_UP: Final = 50
"""Notifications of each client before the clock runs."""
MOST_PER_SECOND: Final = 1_000
"""How many payments are prepared for a second of a round; a round that uses them all up ends early."""
_transactions = itertools.count(4_000_000_000)


def measure(run: Run) -> Result:
    """Notifications that capture money, as a fraction of TPC-B."""
    clients = run.size.clients or CLIENTS
    result = Result(case="capture", about=f"signed MoMo notifications over HTTP, {clients} clients")
    yardstick = Yardstick(run, clients=clients)
    ground.method()
    with web.served(folder=run.folder) as served:
        hearing = Hearing(run, served, clients=clients)
        hearing.warm_up()
        rounds = run.alternate(yardstick, hearing.round, what="captures beside TPC-B")
    result.figures = of_rounds(rounds, name="captures", floor=0.12, goal=0.4) + _latencies([r.case for r in rounds])
    result.checks = hearing.checks()
    return result


def compare_with_orm(run: Run) -> Result:
    """The same notifications against a naive version that does the same with the ORM and DRF: CPU per operation."""
    clients = run.size.clients or CLIENTS
    result = Result(case="capture --compare orm", about=f"CPU of the web process per notification, {clients} clients")
    ground.method()
    naive.make_tables()
    with (
        web.served(folder=run.folder) as served,
        web.served(folder=run.folder, name="naive", application="config.office.bench.naive_wsgi:application") as other,
    ):
        ours = Hearing(run, served, clients=clients)
        theirs = Hearing(run, other, clients=clients, path=naive.PATH)
        ours.warm_up()
        theirs.warm_up()
        rounds = run.alternate(theirs.round, ours.round, what="captures beside the naive version")
    result.figures = [
        figure(
            "naive / ours, application CPU",
            [one.yardstick.app_cpu_ms / one.case.app_cpu_ms for one in rounds],
            unit="x", floor=4.0, goal=10.0,
        ),
        figure(
            "naive / ours, CPU with PostgreSQL's",
            [_whole_cpu(one.yardstick) / _whole_cpu(one.case) for one in rounds], unit="x",
        ),
        figure("ours, application CPU per operation", [one.case.app_cpu_ms for one in rounds], unit="ms"),
        figure("naive, application CPU per operation", [one.yardstick.app_cpu_ms for one in rounds], unit="ms"),
        figure("ours, PostgreSQL CPU per operation", [one.case.server_cpu_ms for one in rounds], unit="ms"),
        figure("naive, PostgreSQL CPU per operation", [one.yardstick.server_cpu_ms for one in rounds], unit="ms"),
    ]  # fmt: skip
    result.checks = [*ours.checks(others=theirs.answered), *naive.checks(theirs.answered)]
    return result


class Hearing:
    """Clients that tell a web process about payments, and what must be in the tables then."""

    def __init__(self, run: Run, served: web.Web, *, clients: int, path: str = CALLBACK) -> None:
        self._run, self._web, self._clients = run, served, clients
        self.answered, self._failed = 0, 0
        run.on_step("preparing payments", 0, 1)
        self._a_round = int(MOST_PER_SECOND * run.size.seconds)
        count = WARM_UP * clients + run.size.rounds * self._a_round
        ground.open_books()
        payments = ground.waiting_payments(word=secrets.token_hex(4), count=count)
        self._left = iter([load.post(path, _body(payment)) for payment in payments])
        ground.tidy()
        run.on_step("preparing payments", 1, 1)

    def warm_up(self) -> None:
        """Connections, plans, imports and accounts of the ledger are made before the clock runs."""
        self._tell(WARM_UP * self._clients, seconds=60.0)

    def round(self, _number: int) -> Measured:
        """One round, on payments of its own."""
        return self._tell(self._a_round, seconds=self._run.size.seconds)

    def checks(self, *, others: int = 0) -> list[Check]:
        """Everything that one capture writes, once per acknowledged notification."""
        heard = self.answered
        wanted = {
            "payments_capture": ("disposition = 'applied'", heard + others),
            "payments_payment": ("status = 'succeeded'", heard + others),
            "payments_notification": ("status = 'processed'", heard + others),
            "core_outboxevent": ("type = 'payment.completed'", heard + others),
            "core_auditentry": ("action = 'payment.succeeded'", heard + others),
            "ledger_journal": ("event = 'captured'", heard),
        }
        checks = [Check(f"every answer was 2xx ({heard} of them)", self._failed == 0)]
        for table, (condition, expected) in wanted.items():
            found = server.count(table, condition)
            checks.append(Check(f"{found} rows of {table} where {condition}", found == expected))
        twice = "SELECT payment_id FROM payments_capture GROUP BY payment_id HAVING count(*) > 1"
        checks.append(Check("no payment is captured twice", server.count(f"({twice}) AS twice") == 0))
        checks.append(Check("the ledger proves from its rows", proof.verify().is_clean))
        return [*checks, Check("no deadlock", server.deadlocks() == 0)]

    def _tell(self, count: int, *, seconds: float) -> Measured:
        measured = load.closed_loop(
            itertools.islice(self._left, count),
            port=self._web.port,
            clients=self._clients,
            seconds=seconds,
            app=self._web.cpu,
            server=self._run.clock.read,
        )
        self.answered += measured.operations
        self._failed += measured.failed
        return measured


def _body(payment: Paid) -> bytes:
    """MoMo's manual v3, "payment notification": twelve fields in this order, behind the access key."""
    fields: dict[str, object] = {
        "amount": payment.amount_minor,
        "extraData": "",
        "message": "Successful.",
        "orderId": payment.reference,
        "orderInfo": f"Order {payment.reference}",
        "orderType": "momo_wallet",
        "partnerCode": PARTNER,
        "payType": "qr",
        "requestId": f"{payment.reference}-c",
        "responseTime": int(time.time() * 1000),
        "resultCode": 0,
        "transId": next(_transactions),
    }
    keys = settings.GATEWAYS["momo"]
    pairs = {"accessKey": keys["access_key"], **fields}
    text = "&".join(f"{name}={value}" for name, value in pairs.items())
    signature = hmac.digest(keys["secret_key"].encode(), text.encode(), hashlib.sha256).hex()
    return json.dumps({**fields, "signature": signature}).encode()


def _latencies(measured: Sequence[Measured]) -> list[Figure]:
    medians = [percentile(one.latencies_ms, 0.5) for one in measured]
    slowest = [percentile(one.latencies_ms, 0.99) for one in measured]
    tails = [slow / middle for slow, middle in zip(slowest, medians, strict=True) if middle]
    return [
        figure("answer, median", medians, unit="ms"),
        figure("answer, p99", slowest, unit="ms"),
        figure("p99 / median", tails or [0.0], unit="x", floor=10.0, smaller_is_better=True),
    ]


def _whole_cpu(measured: Measured) -> float:
    return measured.app_cpu_ms + measured.server_cpu_ms
