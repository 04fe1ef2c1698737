"""The sandbox as one HTTP server: finds the route, lets the faults in force strike, answers."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
from collections.abc import Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from gateways.sandbox.control import Control
from gateways.sandbox.courier import PACE, Courier
from gateways.sandbox.faults import CALL_FAULTS, Fault, Faults, Rule
from gateways.sandbox.fiuu.simulator import Fiuu
from gateways.sandbox.momo.simulator import MoMo
from gateways.sandbox.provider import Provider, Sandbox, Settings
from gateways.sandbox.state import Merchant, World
from gateways.sandbox.stripe.simulator import Stripe
from gateways.sandbox.vnpay.simulator import VNPay
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response
from gateways.sandbox.xendit.simulator import Xendit
from gateways.sandbox.zalopay.simulator import ZaloPay

log = logging.getLogger(__name__)

PROVIDERS: Final[tuple[type[Provider], ...]] = (MoMo, VNPay, Fiuu, ZaloPay, Xendit, Stripe)
"""Every simulator; the next gateway is one line here."""
MAX_BODY: Final = 1_000_000


class App:
    """Routes of the control API and of all providers, over one world."""

    def __init__(self, sandbox: Sandbox, providers: Iterable[Provider]) -> None:
        self.sandbox = sandbox
        self.providers = {provider.name: provider for provider in providers}
        self.stopping = threading.Event()
        self._routes: list[tuple[Route, Provider | None]] = [
            (route, None) for route in Control(sandbox, self.providers).routes()
        ]
        for provider in self.providers.values():
            self._routes += [(route, provider) for route in provider.routes()]
            for merchant in provider.merchants():
                if (merchant.provider, merchant.code) not in sandbox.world.merchants:
                    sandbox.world.keep(merchant)

    def handle(self, request: Request) -> Response:
        """The answer to any request."""
        for route, provider in self._routes:
            arguments = route.match(request.method, request.path)
            if arguments is not None:
                request = dataclasses.replace(request, arguments=arguments)
                try:
                    return self._call(route, provider, request)
                except BadRequest as error:
                    return json_response({"error": str(error)}, error.status)
        return json_response({"error": "there is nothing here"}, 404)

    def _call(self, route: Route, provider: Provider | None, request: Request) -> Response:
        operation = route.operation_of(request) if route.operation_of else route.operation
        if provider is None or not operation:
            return route.handler(request)
        order = route.order_of(request)
        struck = self.sandbox.faults.take(operation, order, CALL_FAULTS)
        for fault in struck:
            self.sandbox.world.record("fault", provider=provider.name, order=order, fault=fault, operation=operation)
        refused = _instead(struck, provider)
        return refused or self._afterwards(struck, provider, route.handler(request))

    def _afterwards(self, struck: dict[Fault, Rule], provider: Provider, response: Response) -> Response:
        """What becomes of the answer to a call that was carried out."""
        if Fault.SLOW in struck:
            self.stopping.wait(struck[Fault.SLOW].seconds)
        if Fault.ACCEPT_THEN_TIMEOUT in struck:
            self.stopping.wait(struck[Fault.ACCEPT_THEN_TIMEOUT].seconds)
            return Response(drop=True)
        if Fault.ERROR_500_AFTER_ACCEPT in struck:
            return json_response({"error": "internal"}, 500)
        if Fault.HTML_200 in struck:
            return html_response(MAINTENANCE)
        return provider.tamper(response) if Fault.TAMPER in struck else response


MAINTENANCE: Final = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"


def _instead(struck: dict[Fault, Rule], provider: Provider) -> Response | None:
    """The answer of a fault that keeps a call from being carried out."""
    if Fault.ERROR_500 in struck:
        return json_response({"error": "internal"}, 500)
    if Fault.HTML_200 in struck and not struck[Fault.HTML_200].accept:
        return html_response(MAINTENANCE)
    if Fault.ANSWER_CODE in struck:
        return provider.error(struck[Fault.ANSWER_CODE].code)
    return None


class _Handler(BaseHTTPRequestHandler):
    app: ClassVar[App]
    protocol_version = "HTTP/1.1"
    server_version = "ReckonerSandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(json_response({"error": "no usable Content-Length"}, 413))
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        try:
            response = self.app.handle(request)
        except Exception:  # whatever a simulator dies of is its own fault, and never looks like the gateway's answer
            log.exception("%s %s failed", request.method, request.path)
            response = json_response({"error": "the sandbox itself failed; see its output"}, 500)
        self._send(response)

    def _send(self, response: Response) -> None:
        if response.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)
        self.wfile.flush()

    def handle_one_request(self) -> None:
        """Callers that hang up are part of the game."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what matters is in the sandbox's own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox that answers at `url` until `stop()`."""

    url: str
    app: App
    server: ThreadingHTTPServer
    thread: threading.Thread

    def drain(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until every notification has been delivered or given up. False if time ran out."""
        return self.app.sandbox.courier.drain(timeout_seconds)

    def stop(self) -> None:
        """End it, held answers included."""
        self.app.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.app.sandbox.courier.stop()
        self.app.sandbox.world.close()


def start(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    public_url: str = "",
    state: Path | None = None,
    pace: float = PACE,
    retry_delays: Sequence[float] | None = None,
    autopay: bool = False,
    link_minutes: float = 15.0,
    merchants: Sequence[Merchant] = (),
) -> RunningSandbox:
    """Start a sandbox in threads of this process. Port 0 takes any free one. Raises OSError if the port is taken.

    Messages that are not taken come again by each provider's timetable, `pace` times as fast; with `retry_delays` after
    just these seconds.
    """
    handler = type("Handler", (_Handler,), {})
    server = _Server((host, port), handler)
    url = f"http://{host}:{server.server_address[1]}"
    world = World(state)
    for merchant in merchants:
        world.keep(merchant)
    sandbox = Sandbox(
        world=world,
        faults=Faults(),
        courier=Courier(world, pace=pace, retry_delays=retry_delays),
        settings=Settings(public_url=(public_url or url).rstrip("/"), autopay=autopay, link_minutes=link_minutes),
    )
    app = App(sandbox, [provider(sandbox) for provider in PROVIDERS])
    handler.app = app  # type: ignore[attr-defined]  # the class attribute of this server's own handler class
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True)
    thread.start()
    return RunningSandbox(url=url, app=app, server=server, thread=thread)
