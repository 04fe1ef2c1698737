"""The channel catalogue: everybody who may see payment methods sees it, searches it and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import pytest
from django.test import Client
from django.urls import reverse

from config.office import roles
from gateways import channels
from payments.models import GatewayAccount, PaymentMethod
from tests import factories
from tests.office.test_roles import SEES

pytestmark = pytest.mark.django_db
NAME: Final = "admin:payments_channel_catalogue"


def rows(client: Client, **query: str) -> list[str]:
    """The codes that the page shows."""
    answer = client.get(reverse(NAME), query)
    assert answer.status_code == 200
    (table,) = answer.context["panels"]
    return [re.findall(r'data-copy="([^"]*)"', str(row[1]))[0] for row in table.rows]


def test_every_channel_is_listed_with_what_is_known_of_it(boss: Client) -> None:
    page = boss.get(reverse(NAME)).text

    assert len(rows(boss)) == len(channels.every())
    for text in (
        "Touch &#x27;n Go eWallet",
        "&gt; 4.000,00<",
        "2,00 – 1.000.000,00",
        "≤ 100.000,00",
        "several countries",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({"gateway": "fiuu", "country": "SG", "kind": "bnpl"}, ["Atome", "pace"]),
        ({"gateway": "fiuu", "country": "several"}, ["creditT", "creditW", "creditAN", "creditAI"]),
        ({"gateway": "fiuu", "q": "maybank2u"}, ["MB2U", "fpx_mb2u"]),  # a name, and a spelling of messages
        ({"gateway": "fiuu", "q": "TNG"}, ["TNG-EWALLET"]),
        ({"q": "no such channel"}, []),
        ({"kind": "nonsense"}, []),
        ({"country": "%", "q": "% OR 1=1"}, []),
    ],
)
def test_it_is_searched_and_filtered(boss: Client, query: dict[str, str], codes: list[str]) -> None:
    assert rows(boss, **query) == codes


def test_a_channel_leads_to_the_method_that_offers_it(boss: Client) -> None:
    account = GatewayAccount.objects.create(code="fiuu-2", gateway="fiuu")
    method: PaymentMethod = factories.PaymentMethodFactory(code="grab", account=account, channel="GrabPay")

    page = boss.get(reverse(NAME), {"q": "GrabPay", "gateway": "fiuu"}).text

    assert reverse("admin:payments_paymentmethod_change", args=[method.pk]) in page


def test_nothing_can_be_posted_to_it(boss: Client) -> None:
    before = channels.every()

    assert boss.post(reverse(NAME), {"q": "x"}).status_code in (200, 405)
    assert channels.every() == before


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_who_sees_payment_methods_sees_it(role: str, login: Callable[..., Client]) -> None:
    client = login(role)
    may = "paymentmethod" in SEES[role]

    assert client.get(reverse(NAME)).status_code == (200 if may else 403)
    assert (reverse(NAME) in client.get(reverse("admin:index")).text) is may


def test_a_stranger_must_log_in(client: Client) -> None:
    assert client.get(reverse(NAME)).status_code == 302
