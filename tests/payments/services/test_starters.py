"""A new installation gets its first accounts and methods from its settings."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from payments.models import GatewayAccount, PaymentMethod

pytestmark = pytest.mark.django_db


@pytest.fixture
def configured(settings: Any) -> None:
    settings.GATEWAYS = {"momo": {"partner_code": "SHOP", "access_key": "a", "secret_key": "first"}, "cod": {}}


def run() -> str:
    out = StringIO()
    call_command("ensure_methods", stdout=out)
    return out.getvalue()


def test_accounts_and_methods_are_made_once(configured: None) -> None:
    assert run() == "gateway accounts: cod, momo; new methods: momo, cod\n"
    assert run() == "gateway accounts: cod, momo; new methods: none\n"
    assert set(PaymentMethod.objects.values_list("code", flat=True)) == {"momo", "cod"}


def test_keys_follow_the_environment_and_methods_keep_what_staff_made_of_them(configured: None, settings: Any) -> None:
    run()
    PaymentMethod.objects.filter(code="momo").update(is_active=False)
    settings.GATEWAYS["momo"]["secret_key"] = "second"
    run()

    assert GatewayAccount.objects.get(code="momo").secrets["secret_key"] == "second"
    assert not PaymentMethod.objects.get(code="momo").is_active


def test_a_gateway_without_keys_is_left_out(settings: Any) -> None:
    settings.GATEWAYS = {"momo": {"partner_code": "SHOP", "access_key": "", "secret_key": ""}, "cod": {}}
    assert run() == "gateway accounts: cod; new methods: cod\n"
