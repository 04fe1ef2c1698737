"""The control API: what a tester does to the providers, as JSON and as one page for people."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping

from gateways.sandbox import control_page
from gateways.sandbox.delivery import Delivery, DeliveryState
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, pretend
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response


class Control:
    """Routes under /control, the same for all providers."""

    def __init__(self, sandbox: Sandbox, providers: Mapping[str, Provider]) -> None:
        self.sandbox = sandbox
        self.providers = providers

    def routes(self) -> list[Route]:
        """Everything under /control."""
        return [
            Route(method="GET", path="/health", handler=lambda request: json_response({"status": "ok"})),
            Route(method="GET", path="/", handler=self.page),
            Route(method="GET", path="/control", handler=self.page),
            Route(method="GET", path="/control/payments", handler=self.payments),
            Route(method="GET", path="/control/payments/{order}", handler=self.payment),
            Route(method="POST", path="/control/payments/{order}/{outcome}", handler=self.settle),
            Route(method="GET", path="/control/refunds", handler=self.refunds),
            Route(method="GET", path="/control/log", handler=self.log),
            Route(method="GET", path="/control/faults", handler=self.faults),
            Route(method="POST", path="/control/faults", handler=self.add_fault),
            Route(method="DELETE", path="/control/faults", handler=self.clear_faults),
            Route(method="DELETE", path="/control/faults/{number}", handler=self.clear_faults),
            Route(method="POST", path="/control/ipn", handler=self.send_ipn),
            Route(method="POST", path="/control/drain", handler=self.drain),
            Route(method="GET", path="/control/messages", handler=self.messages),
            Route(method="GET", path="/control/timetables", handler=self.timetables),
            Route(method="GET", path="/control/merchants", handler=self.merchants),
            Route(method="POST", path="/control/merchants", handler=self.add_merchant),
            Route(method="GET", path="/control/settings", handler=self.settings),
            Route(method="POST", path="/control/settings", handler=self.change_settings),
        ]

    def page(self, request: Request) -> Response:
        """For people."""
        return html_response(control_page.render(self.sandbox.settings.public_url))

    def payments(self, request: Request) -> Response:
        """Newest first; `?limit=` (200) and `?order=` narrow."""
        order = request.query.get("order")
        with self.sandbox.world.lock:
            newest = list(reversed(self.sandbox.world.payments.values()))
            found = [one for one in newest if order in (None, one.order)][: _limit(request)]
            return json_response({"payments": [self._shown(one) for one in found]})

    def payment(self, request: Request) -> Response:
        """One payment by its order id."""
        return json_response(self._shown(self._find(request)))

    def settle(self, request: Request) -> Response:
        """pay, decline, insufficient or expire. `?again=1` pays once more; `?code=` picks another failure code."""
        try:
            outcome = Outcome(request.arguments["outcome"])
        except ValueError:
            raise BadRequest(f"outcome must be one of {', '.join(Outcome)}", status=404) from None
        payment = self._find(request)
        code = request.query.get("code", "")
        self._provider(payment.provider).settle(
            payment, outcome, again=request.query.get("again") == "1", code=int(code) if code.isdigit() else None
        )
        return json_response(self._shown(payment))

    def refunds(self, request: Request) -> Response:
        """All refunds, newest first."""
        with self.sandbox.world.lock:
            found = list(reversed(self.sandbox.world.refunds.values()))[: _limit(request)]
            return json_response({"refunds": [dataclasses.asdict(one) for one in found]})

    def log(self, request: Request) -> Response:
        """What truly happened, oldest first; `?order=` and `?event=` narrow, `?limit=` keeps the last ones."""
        order, event = request.query.get("order"), request.query.get("event")
        with self.sandbox.world.lock:
            entries = [
                one for one in self.sandbox.world.log if order in (None, one["order"]) and event in (None, one["event"])
            ]
        limit = request.query.get("limit", "")
        return json_response({"log": entries[-int(limit) :] if limit.isdigit() and int(limit) else entries})

    def faults(self, request: Request) -> Response:
        """The rules in force, and all faults there are."""
        rules = [dataclasses.asdict(rule) for rule in self.sandbox.faults.listing()]
        return json_response({"faults": rules, "known": sorted(self._possible())})

    def add_fault(self, request: Request) -> Response:
        """{fault, scope: next|order|operation|always, order?, operation?, count?, seconds?, amount?, code?, ...}"""
        rule = self.sandbox.faults.add(request.object(), possible=self._possible())
        return json_response(dataclasses.asdict(rule), 201)

    def clear_faults(self, request: Request) -> Response:
        """Lift one or all."""
        number = request.arguments.get("number")
        if number is not None and not number.isdigit():
            raise BadRequest("no such fault", status=404)
        self.sandbox.faults.clear(int(number) if number else None)
        return Response(status=204)

    def send_ipn(self, request: Request) -> Response:
        """A truly signed notification with the given fields, now. Answers what the merchant answered."""
        fields = request.object()
        provider = self._provider(str(fields.pop("provider", next(iter(self.providers)))))
        parcel = provider.custom_notification(fields)
        return json_response({"status": self.sandbox.courier.deliver_now([parcel])[0], "sent": parcel.body.decode()})

    def drain(self, request: Request) -> Response:
        """Wait (`?seconds=`, 10) until nothing is on its way to a merchant."""
        seconds = request.query.get("seconds", "10")
        return json_response({"done": self.sandbox.courier.drain(float(seconds) if seconds.isdigit() else 10.0)})

    def messages(self, request: Request) -> Response:
        """Messages to merchants and how far they are, newest first; `?order=` and `?limit=` (200) narrow."""
        order = request.query.get("order")
        found = [one for one in self.sandbox.courier.messages() if order in (None, one.parcel.order)]
        return json_response({"messages": [self._told(one) for one in found[: _limit(request)]]})

    def timetables(self, request: Request) -> Response:
        """When each provider brings a message again, in its own seconds, and what of that nobody has confirmed."""
        return json_response({name: dataclasses.asdict(one.timetable) for name, one in self.providers.items()})

    def merchants(self, request: Request) -> Response:
        """Whom the providers know; secrets stay here."""
        known = self.sandbox.world.merchants.values()
        return json_response({"merchants": [{"provider": one.provider, "code": one.code} for one in known]})

    def add_merchant(self, request: Request) -> Response:
        """{provider, code, keys: {...}}, the keys as the provider names them."""
        body = request.object()
        code, keys = body.get("code"), body.get("keys")
        if (
            not isinstance(code, str)
            or not isinstance(keys, dict)
            or not all(isinstance(key, str) for key in keys.values())
        ):
            raise BadRequest("needs provider, code and keys", status=422)
        provider = self._provider(str(body.get("provider", "")))
        self.sandbox.world.keep(Merchant(provider=provider.name, code=code, keys=keys))
        return json_response({"provider": provider.name, "code": code}, 201)

    def settings(self, request: Request) -> Response:
        """How the sandbox behaves without faults."""
        courier = self.sandbox.courier
        shown = {
            **dataclasses.asdict(self.sandbox.settings),
            "pace": courier.pace,
            "retry_delays": courier.retry_delays,
        }
        return json_response(shown)

    def change_settings(self, request: Request) -> Response:
        """{autopay?: bool, link_minutes?: number, at_ms?: the moment the providers believe in, null for now,
        pace?: how much faster than at the providers notifications come again, above 0,
        deliver_to?: scheme and host to which all notifications go, "" for the addresses that merchants gave}"""
        body, settings = request.object(), self.sandbox.settings
        if isinstance(body.get("autopay"), bool):
            settings.autopay = bool(body["autopay"])
        minutes = body.get("link_minutes")
        if isinstance(minutes, int | float) and not isinstance(minutes, bool) and minutes >= 0:
            settings.link_minutes = float(minutes)
        pace = body.get("pace")
        if isinstance(pace, int | float) and not isinstance(pace, bool) and 0 < pace < math.inf:
            self.sandbox.courier.change_pace(float(pace))
        if "at_ms" in body and (body["at_ms"] is None or type(body["at_ms"]) is int):
            pretend(body["at_ms"])
        if isinstance(body.get("deliver_to"), str):
            self.sandbox.courier.deliver_to = str(body["deliver_to"]).rstrip("/")
        return self.settings(request)

    def _find(self, request: Request) -> Payment:
        wanted = request.query.get("provider")
        found = self.sandbox.world.payments_of_order(request.arguments["order"])
        found = [one for one in found if wanted in (None, one.provider)]
        if not found:
            raise BadRequest("no payment with this order id", status=404)
        if len(found) > 1:
            raise BadRequest("several merchants have this order id; add ?provider=", status=409)
        return found[0]

    def _provider(self, name: str) -> Provider:
        try:
            return self.providers[name]
        except KeyError:
            raise BadRequest(f"no such provider; there are {', '.join(self.providers)}", status=404) from None

    def _possible(self) -> frozenset[Fault]:
        """Faults that at least one provider here can have."""
        return frozenset(Fault).difference(frozenset.intersection(*(one.impossible for one in self.providers.values())))

    def _told(self, delivery: Delivery) -> dict[str, object]:
        """A message. While it waits: seconds until the next try here, and the pause before it at the provider."""
        parcel, is_waiting = delivery.parcel, delivery.state is DeliveryState.WAITING
        pauses = self.sandbox.courier.pauses(parcel)
        return {
            "number": delivery.number, "provider": parcel.provider, "order": parcel.order, "kind": parcel.kind,
            "state": delivery.state, "status": delivery.status, "error": delivery.error, "tried": delivery.tried,
            "tries": delivery.tries,
            "next_in_seconds": max(0.0, round(delivery.due - time.monotonic(), 1)) if is_waiting else None,
            "pause_seconds": pauses[delivery.tried - 1] if is_waiting and delivery.tried else None,
        }  # fmt: skip

    def _shown(self, payment: Payment) -> dict[str, object]:
        shown = dataclasses.asdict(payment)
        shown["refunds"] = [dataclasses.asdict(one) for one in self.sandbox.world.refunds_of(payment)]
        return shown


def _limit(request: Request) -> int:
    limit = request.query.get("limit", "")
    return int(limit) if limit.isdigit() else 200
