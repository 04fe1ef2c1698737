"""What every gateway owes us in what it shows."""

from __future__ import annotations

import dataclasses
import json

import pytest

from gateways.errors import GatewayRejected
from tests.gateways.driver import Driver


class Secrecy:
    """No secret leaves an adapter."""

    def test_no_secret_shows_in_what_is_printed_stored_or_raised(self, driver: Driver) -> None:
        secrets = [str(driver.settings()[name]) for name in driver.gateway.secret_fields if name in driver.settings()]
        request = driver.request()
        checkout = driver.create(request)
        (message,) = driver.end(request.reference, "pay")
        (report,) = driver.gateway.read_notification(message)
        wrong = driver.build(
            **{name: driver.wrong_secret(name) for name in driver.gateway.secret_fields if name in driver.settings()}
        )
        with pytest.raises(GatewayRejected) as caught:
            wrong.create_checkout(driver.request())

        kept = [
            repr(driver.gateway),
            json.dumps([checkout.request, checkout.response, report.raw]),
            str(caught.value),
            str(caught.value.raw),
        ]
        assert len(secrets) >= 1
        assert [secret for secret in secrets for text in kept if secret in text] == []
        assert driver.signature_of(message) not in json.dumps(report.raw)

    def test_an_adapter_is_frozen(self, driver: Driver) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(driver.gateway, dataclasses.fields(driver.gateway)[0].name, "other")
