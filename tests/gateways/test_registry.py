"""Adapters are built from stored settings, and what is wrong with those is said by name."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from config.core.money import Money
from gateways import registry
from gateways.abilities import Captures, Refunds
from gateways.cod import CashOnDelivery
from gateways.errors import ReportInvalid
from gateways.momo.adapter import MoMo
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.registry import GatewaySettingsError
from gateways.reports import ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest

AT = datetime(2026, 11, 21, tzinfo=UTC)
KEYS = {"partner_code": "MOMO", "access_key": "a", "secret_key": "s"}


@pytest.mark.parametrize("code", sorted(registry.GATEWAYS))
def test_every_adapter_is_a_frozen_dataclass_of_keyword_settings(code: str) -> None:
    adapter = registry.GATEWAYS[code]

    assert dataclasses.is_dataclass(adapter)
    assert adapter.__dataclass_params__.frozen is True
    assert adapter.code == code
    assert adapter.secret_fields <= {one.name for one in registry.setting_fields(code)}


def test_a_gateway_is_built_from_settings_as_they_are_stored() -> None:
    built = registry.build(
        "momo", {**KEYS, "timeout_seconds": "45", "pay_hosts": "momo.vn, example.vn", "plain_http_hosts": []}
    )

    assert built == MoMo(
        partner_code="MOMO", access_key="a", secret_key="s", timeout_seconds=45.0, pay_hosts=("momo.vn", "example.vn")
    )


@pytest.mark.parametrize(
    ("code", "settings", "message"),
    [
        ("paypal", {}, f"no gateway 'paypal'; there are {', '.join(sorted(registry.GATEWAYS))}"),
        ("momo", {}, "momo settings: missing: access_key, partner_code, secret_key"),
        ("momo", {**KEYS, "secret_key": ""}, "momo settings: missing: secret_key"),
        ("momo", {**KEYS, "merchant": "x", "api": "y"}, "momo settings: unknown: api, merchant"),
        ("momo", {"colour": "red", **KEYS, "secret_key": None}, "momo settings: unknown: colour; missing: secret_key"),
        ("momo", {**KEYS, "timeout_seconds": "soon"}, "momo settings: timeout_seconds is no number"),
        ("momo", {**KEYS, "access_key": 5}, "momo settings: access_key has an unusable value"),
        ("momo", {**KEYS, "pay_hosts": [5]}, "momo settings: pay_hosts has an unusable value"),
        ("momo", {**KEYS, "settlement_columns": "gross"}, "momo settings: settlement_columns is no JSON object"),
        ("momo", {**KEYS, "settlement_columns": {"tip": 1}}, "momo settings: settlement_columns: unknown: tip"),
        ("momo", {**KEYS, "endpoint": "momo.vn"}, "momo settings: endpoint must be an https address"),
        ("cod", {"fee": 1}, "cod settings: unknown: fee"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(code: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(GatewaySettingsError) as caught:
        registry.build(code, settings)

    assert str(caught.value).startswith(message)


def test_a_mapping_may_be_given_as_json_text() -> None:
    columns = {"gross": "Amount", "reference": "Order"}

    as_text = registry.build("momo", {**KEYS, "settlement_columns": '{"gross": "Amount", "reference": "Order"}'})

    assert as_text == registry.build("momo", {**KEYS, "settlement_columns": columns})
    assert {one.name for one in registry.setting_fields("momo") if one.is_mapping} == {"settlement_columns"}
    assert registry.build("momo", {**KEYS, "settlement_columns": " "}) == registry.build("momo", KEYS)


def test_a_wrong_setting_is_named_without_its_value() -> None:
    with pytest.raises(GatewaySettingsError) as caught:
        registry.build("momo", {**KEYS, "secret_key": ["hush"]})

    assert "hush" not in str(caught.value)


def test_the_fields_of_an_account_are_known_for_forms() -> None:
    fields = {one.name: one for one in registry.setting_fields("momo")}

    assert {name for name, one in fields.items() if one.required} == {"partner_code", "access_key", "secret_key"}
    assert {name for name, one in fields.items() if one.secret} == MoMo.secret_fields
    assert fields["endpoint"].default == "https://test-payment.momo.vn"
    assert registry.setting_fields("cod") == ()


def test_cash_on_delivery_opens_nothing_hears_nothing_and_waits() -> None:
    cod = registry.build("cod", {})
    request = CheckoutRequest(
        reference="r", money=Money(1, "VND"), description="", return_url="", notify_url="", locale="vi", created_at=AT, expires_at=AT
    )  # fmt: skip

    assert isinstance(cod, CashOnDelivery)
    assert (cod.notifies, isinstance(cod, Refunds), isinstance(cod, Captures)) == (False, False, False)
    assert cod.create_checkout(request).pay_url == ""
    assert cod.query(QueryRequest(reference="r", money=Money(1, "VND"), created_at=AT)).status is ReportStatus.PENDING
    assert cod.reference(7, AT) == "0" * 25 + "7"
    assert cod.acknowledge(Acknowledgement.ACCEPTED).status == 404
    for read in (cod.read_notification, cod.read_return):
        with pytest.raises(ReportInvalid):
            read(HttpMessage(method="POST", path="/", body=b"{}"))
