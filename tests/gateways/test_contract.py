"""Each gateway that notifies is bound by the contract: here MoMo, and a count of the others."""

from __future__ import annotations

from typing import ClassVar

import pytest

from gateways import registry
from gateways.abilities import Closes, Refunds
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import CreateCall, QueryCall
from tests.gateways.driver import Driver, bound
from tests.gateways.drivers.momo import MoMoDriver


class TestMoMo(Paying, Hearing, CreateCall, QueryCall, Refunding, Secrecy):
    """MoMo, whole."""

    driver_class: ClassVar[type[Driver]] = MoMoDriver


@pytest.mark.parametrize("code", sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies))
def test_every_gateway_that_notifies_is_bound_by_the_contract(code: str) -> None:
    subjects = bound(code)

    assert {"Paying", "Hearing", "QueryCall", "Secrecy"} <= subjects
    assert ("Refunding" in subjects) == issubclass(registry.GATEWAYS[code], Refunds)
    assert ("Closing" in subjects) == issubclass(registry.GATEWAYS[code], Closes)
