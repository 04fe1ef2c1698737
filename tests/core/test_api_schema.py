"""The OpenAPI document promises every refusal, and its page needs nothing from outside."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.validation import validate_schema

from config.core import schema as core_schema
from config.core.api import CODES
from tests.core import edge_urls


class Described(edge_urls.Echo):
    authentication_classes = edge_urls.WhoAmI.authentication_classes

    @extend_schema(request=edge_urls.Body, responses={201: edge_urls.Body, 409: None}, operation_id="describe")
    def post(self, request: Any) -> Any:
        return super().post(request)


class Open(edge_urls.Thing):
    @extend_schema(responses={200: edge_urls.Buyer}, operation_id="open")
    def get(self, request: Any, identifier: str) -> Any:
        return super().get(request, identifier)


class Staff(edge_urls.Reports):
    @extend_schema(responses={200: edge_urls.Buyer}, operation_id="staff")
    def get(self, request: Any) -> Any:
        return super().get(request)

    @extend_schema(exclude=True)
    def post(self, request: Any) -> Any:
        return super().post(request)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    patterns = [
        path("api/v1/described", Described.as_view()),
        path("api/v1/open/<own_id:identifier>", Open.as_view()),
        path("api/v1/staff", Staff.as_view()),
    ]
    made: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    return json.loads(json.dumps(made))


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    validate_schema(document)

    assert document["openapi"] == "3.1.0"


def test_every_operation_promises_its_refusals_as_problems(document: dict[str, Any]) -> None:
    operations = {path: next(iter(methods.values())) for path, methods in document["paths"].items()}
    # The gateways' webhooks are described beside what the patterns give: they are no part of this test.
    promised = {
        path: set(operation["responses"])
        for path, operation in operations.items()
        if not re.search("webhook|callback", path)
    }

    always = {"400", "403", "404", "405", "406", "409", "422", "429", "503"}
    assert promised == {
        "/api/v1/described": always | {"201", "401", "413", "415"},
        "/api/v1/open/{identifier}": always | {"200"},
        "/api/v1/staff": always | {"200", "401"},
    }
    answer = operations["/api/v1/staff"]["responses"]["429"]
    assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert answer["headers"]["Retry-After"]["schema"] == {"type": "integer", "minimum": 1}


def test_an_answer_that_a_view_describes_itself_is_kept(document: dict[str, Any]) -> None:
    described = document["paths"]["/api/v1/described"]["post"]["responses"]

    assert described["409"]["description"] == "No response body"


def test_the_two_ways_to_say_who_you_are_are_named(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]

    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["staff"]["in"], schemes["staff"]["name"]) == ("cookie", "sessionid")
    assert document["paths"]["/api/v1/staff"]["get"]["security"] == [{"bearer": []}, {"staff": []}]


def test_amounts_may_be_text_or_numbers(document: dict[str, Any]) -> None:
    amount = document["components"]["schemas"]["BodyRequest"]["properties"]["amount"]

    assert {one["type"] for one in amount["oneOf"]} == {"string", "number"}


@pytest.mark.django_db
def test_a_real_problem_is_what_the_document_says(edge: Client, document: dict[str, Any]) -> None:
    said = document["components"]["schemas"]["Problem"]

    for address in ("/api/v1/me", "/api/v1/raises/conflict", "/v1/raises/lock", "/api/v1/nothing"):
        found = edge.get(address).json()
        assert set(said["required"]) <= found.keys()
        assert found.keys() - said["properties"].keys() <= {"payment_id"}


def test_the_document_is_served_as_yaml_and_json(client: Client) -> None:
    plain = client.get("/api/v1/schema")
    as_json = client.get("/api/v1/schema?format=json")

    assert plain.content.startswith(b"openapi: 3.1.0")
    assert as_json.json()["info"]["title"] == "Reckoner"


def test_the_page_loads_only_our_own_files_and_runs_no_inline_script(client: Client) -> None:
    answer = client.get("/api/v1/docs")
    page, policy = answer.content.decode(), answer.headers["Content-Security-Policy"]

    assert "script-src 'self'" in policy.split("; ")
    assert "default-src 'self'" in policy.split("; ")
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page) == []
    assert "http://" not in page
    assert "https://" not in page
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert len(files) == 4
    assert all(finders.find(file) for file in files)
    script = client.get("/api/v1/docs?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_works_in_a_browser_under_its_policy(page: Any, live_server: Any) -> None:
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{live_server.url}/api/v1/docs")
    page.wait_for_selector(".swagger-ui .info .title")

    assert "Reckoner" in page.inner_text(".swagger-ui .info .title")
    assert said == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


def test_every_refusal_we_have_a_code_for_is_promised() -> None:
    assert set(CODES) - {500} <= set(core_schema.EVERYWHERE)
