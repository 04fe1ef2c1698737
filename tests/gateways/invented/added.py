"""The product with one more gateway: what a registry line and a simulator line are, for as long as a test lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateways import registry
from gateways.sandbox import server
from tests.gateways.invented.adapter import MekongPay
from tests.gateways.invented.simulator import MekongPay as SimulatedMekongPay


@contextmanager
def mekongpay() -> Iterator[None]:
    """Both lines, and nothing else."""
    with pytest.MonkeyPatch.context() as product:
        product.setitem(registry.GATEWAYS, MekongPay.code, MekongPay)
        product.setattr(server, "PROVIDERS", (*server.PROVIDERS, SimulatedMekongPay))
        yield
