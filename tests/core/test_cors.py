"""The shops' front-ends may call the API from a browser; nobody else's pages may read an answer (CLIENT_IP, A59)."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop_front(settings: pytest.FixtureRequest) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]


def test_a_known_front_end_may_read_the_api(shop_front: None, client: Client) -> None:
    answer = client.get("/v1/payment-method", headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize(
    ("path", "origin"), [("/v1/payment-method", "https://evil.example"), ("/health", "https://shop.example")]
)
def test_a_foreign_page_or_another_path_may_not(shop_front: None, client: Client, path: str, origin: str) -> None:
    assert "access-control-allow-origin" not in client.get(path, headers={"origin": origin}).headers
