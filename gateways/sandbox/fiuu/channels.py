"""Fiuu's channel status API: what an account has switched on and whether it is up; a switch of ours takes one down."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from gateways.sandbox.fiuu import rules
from gateways.sandbox.fiuu.api import received, refuse, same
from gateways.sandbox.fiuu.rules import NAME
from gateways.sandbox.state import World
from gateways.sandbox.web import BadRequest, Request, Response, json_response

TYPES: Final = {"card": "CC", "bank": "IB", "wallet": "EW", "cash": "OTC"}


class Channels:
    """The call, and the control route for it. A channel that is down stays down until it is put up or all this ends."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.down: set[str] = set()

    def status(self, request: Request) -> Response:
        """Every channel with its state. What a wrong question is answered is not documented: a refusal of our own."""
        fields = received(request)
        if not all(fields.get(name) for name in ("merchantID", "datetime", "skey")):
            return refuse("Q01")
        merchant = self.world.merchants.get((NAME, fields["merchantID"]))
        if merchant is None:
            return refuse("Q04")
        if not same(skey(merchant.keys, fields), fields["skey"]):
            return refuse("Q202")
        return json_response({"status": True, "result": [self._row(one) for one in rules.CHANNELS]})

    def _row(self, one: rules.Channel) -> dict[str, object]:
        way = {"request": one.code, "response": one.returned}
        return {
            "title": one.name, "status": 0 if one.code in self.down else 1,
            "currency": sorted(one.currencies or rules.CURRENCIES), "channel_type": TYPES[one.kind],
            "channel_map": {"hosted": way, "seamless": way, "direct": {"request": "", "response": ""}},
        }  # fmt: skip

    def switch(self, request: Request) -> Response:
        """Ours: a channel goes down or up in this list; the page still takes it."""
        code, state = request.arguments["channel"], request.arguments["state"]
        if not any(one.code == code for one in rules.CHANNELS) or state not in ("up", "down"):
            raise BadRequest("needs the code of a channel, and up or down", status=404)
        with self.world.lock:
            self.down = self.down | {code} if state == "down" else self.down - {code}
        return json_response({"down": sorted(self.down)})


def skey(keys: Mapping[str, str], fields: Mapping[str, str]) -> str:
    """HMAC-SHA256 over time and merchant with the verify key: the one hash of this API that is no MD5."""
    text = fields["datetime"] + fields["merchantID"]
    return hmac.digest(keys["verify_key"].encode(), text.encode(), hashlib.sha256).hex()
