"""Misbehaviour on demand: which faults exist, and the rules that say when one strikes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateways.sandbox.web import BadRequest


class Fault(StrEnum):
    """What can go wrong. The value is the name in the control API."""

    # of a notification
    DUPLICATE = "duplicate"  # the same bytes again (`copies`, 1)
    LATE = "late"  # only after `seconds` (5)
    OUT_OF_ORDER = "out_of_order"  # the result first, then an older "being processed"
    FORGED = "forged"  # before the true one, a success signed with a wrong key
    TAMPER = "tamper"  # changed on its way; also of an answer, if `operation` names one
    LOST_IPN = "lost_ipn"  # never sent
    # of the money
    WRONG_AMOUNT = "wrong_amount"  # the payer truly pays another sum (`amount`, or 1,000 less), signed as such
    WRONG_CURRENCY = "wrong_currency"  # the same in another currency, where the provider knows one
    # of a call
    ACCEPT_THEN_TIMEOUT = "accept_then_timeout"  # carried out, then silence for `seconds` (45) and a closed line
    ERROR_500 = "error_500"  # not carried out
    ERROR_500_AFTER_ACCEPT = "error_500_after_accept"  # carried out
    HTML_200 = "html_200"  # a web page where JSON belongs; carried out only with `accept`
    SLOW = "slow"  # carried out, answered after `seconds` (2)
    IPN_BEFORE_REPLY = "ipn_before_reply"  # paid and notified while the create call still waits
    ANSWER_CODE = "answer_code"  # the provider's error `code`, not carried out
    REFUND_PENDING = "refund_pending"  # a refund that is decided only after `seconds` (3)


IPN_FAULTS: Final = frozenset(
    {Fault.DUPLICATE, Fault.LATE, Fault.OUT_OF_ORDER, Fault.FORGED, Fault.TAMPER, Fault.LOST_IPN}
)
MONEY_FAULTS: Final = frozenset({Fault.WRONG_AMOUNT, Fault.WRONG_CURRENCY})
CALL_FAULTS: Final = frozenset(
    {
        Fault.ACCEPT_THEN_TIMEOUT, Fault.ERROR_500, Fault.ERROR_500_AFTER_ACCEPT, Fault.HTML_200, Fault.SLOW,
        Fault.ANSWER_CODE, Fault.TAMPER,
    }
)  # fmt: skip
_DEFAULT_SECONDS: Final = {
    Fault.LATE: 5.0,
    Fault.ACCEPT_THEN_TIMEOUT: 45.0,
    Fault.SLOW: 2.0,
    Fault.REFUND_PENDING: 3.0,
}
_SCOPES: Final = ("next", "order", "operation", "always")


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault and when it strikes. `left` counts down; None is for ever. An empty `operation` is any call."""

    number: int
    fault: Fault
    scope: str
    order: str = ""
    operation: str = ""
    left: int | None = None
    seconds: float = 0.0
    copies: int = 1
    amount: int = 0
    code: int = 0
    accept: bool = False


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._rules: list[Rule] = []

    def add(self, spec: Mapping[str, object], *, possible: frozenset[Fault]) -> Rule:
        """Put a rule in force. Raises BadRequest."""
        try:
            fault = Fault(str(spec.get("fault", "")))
        except ValueError:
            raise BadRequest(f"no such fault; there are {', '.join(Fault)}", status=422) from None
        scope = str(spec.get("scope", "next"))
        if scope not in _SCOPES:
            raise BadRequest(f"scope must be one of {', '.join(_SCOPES)}", status=422)
        if fault not in possible:
            raise BadRequest(f"{fault} does not apply: no provider here knows it", status=422)
        if (scope == "order" and not spec.get("order")) or (scope == "operation" and not spec.get("operation")):
            raise BadRequest(f"scope {scope} needs {scope!r}", status=422)
        rule = Rule(
            number=next(self._numbers),
            fault=fault,
            scope=scope,
            order=str(spec.get("order") or ""),
            operation=str(spec.get("operation") or "") or _default_operation(fault),
            left=_whole(spec, "count", default=1 if scope == "next" else 0) or None,
            seconds=_seconds(spec, default=_DEFAULT_SECONDS.get(fault, 0.0)),
            copies=_whole(spec, "copies", default=1),
            amount=_whole(spec, "amount", default=0),
            code=_whole(spec, "code", default=99),
            accept=spec.get("accept") is True,
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def take(self, operation: str, order: str, among: frozenset[Fault]) -> dict[Fault, Rule]:
        """The rules that strike now, each counted down by one; of several of one kind, the oldest."""
        struck: dict[Fault, Rule] = {}
        with self._lock:
            for rule in self._rules:
                fits = rule.operation in ("", operation) and rule.order in ("", order)
                if fits and rule.fault in among and rule.fault not in struck:
                    struck[rule.fault] = rule
                    rule.left = None if rule.left is None else rule.left - 1
            self._rules = [rule for rule in self._rules if rule.left != 0]
        return struck

    def clear(self, number: int | None = None) -> None:
        """Lift one rule, or all."""
        with self._lock:
            self._rules = [rule for rule in self._rules if number is not None and rule.number != number]

    def listing(self) -> list[Rule]:
        """The rules in force."""
        with self._lock:
            return list(self._rules)


def _default_operation(fault: Fault) -> str:
    if fault in IPN_FAULTS:
        return "ipn"
    if fault in MONEY_FAULTS:
        return "pay"
    return {Fault.IPN_BEFORE_REPLY: "create", Fault.REFUND_PENDING: "refund"}.get(fault, "")


def _whole(spec: Mapping[str, object], name: str, *, default: int) -> int:
    value = spec.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadRequest(f"{name} must be a whole number", status=422)
    return value


def _seconds(spec: Mapping[str, object], *, default: float) -> float:
    value = spec.get("seconds", default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise BadRequest("seconds must be a number from 0 to 86400", status=422)
    return float(value)
