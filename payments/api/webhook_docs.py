"""The gateways' paths in the OpenAPI document: plain views, so they are described here by hand."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
MOMO_FIELDS: Final = {
    "partnerCode": "string",
    "orderId": "string",
    "requestId": "string",
    "amount": "integer",
    "orderInfo": "string",
    "orderType": "string",
    "transId": "integer",
    "resultCode": "integer",
    "message": "string",
    "payType": "string",
    "responseTime": "integer",
    "extraData": "string",
    "signature": "string",
}
MOMO_EXAMPLE: Final = {
    "partnerCode": "MOMO",
    "orderId": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "requestId": "06dq0qg5wnvbd9w5t2dvhm71m9-c",
    "amount": 960000,
    "orderInfo": "Order ORD-1001",
    "orderType": "momo_wallet",
    "transId": 4088878653,
    "resultCode": 0,
    "message": "Thành công.",
    "payType": "qr",
    "responseTime": 1795233670000,
    "extraData": "",
    "signature": "hex HMAC-SHA256 of the other fields",
}
XENDIT_FIELDS: Final = {
    "id": {"type": "string"},
    "external_id": {"type": "string"},
    "status": {"type": "string", "enum": ["PAID", "SETTLED", "EXPIRED"]},
    "amount": {"type": "number"},
    "paid_amount": {"type": "number"},
    "currency": {"type": "string"},
    "paid_at": {"type": "string", "format": "date-time"},
    "payment_method": {"type": "string"},
    "payment_channel": {"type": "string"},
    "payment_id": {"type": "string"},
    "event": {"type": "string", "description": "Messages of the newer kinds have this, and their object in `data`."},
    "data": {"type": "object"},
}
XENDIT_EXAMPLE: Final = {
    "id": "6748105a77f16ebe0cc583a7",
    "external_id": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "status": "PAID",
    "amount": 510000,
    "paid_amount": 510000,
    "currency": "IDR",
    "paid_at": "2026-11-20T06:40:26.353Z",
    "payment_method": "BANK_TRANSFER",
    "payment_channel": "BCA",
    "payment_id": "py-1",
}
STRIPE_FIELDS: Final = {
    "id": {"type": "string"},
    "object": {"type": "string", "enum": ["event"]},
    "type": {"type": "string", "description": "What happened; unknown types are taken and ignored."},
    "created": {"type": "integer"},
    "livemode": {"type": "boolean"},
    "api_version": {"type": "string"},
    "data": {"type": "object", "description": "The object as it was then, in `object`."},
}
STRIPE_EXAMPLE: Final = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1795000000,
    "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount_received": 1099}},
}
FIUU_FORM: Final = (
    "nbcb", "amount", "orderid", "tranID", "domain", "status", "appcode", "error_code", "error_desc", "currency", "channel",
    "paydate", "extraP", "skey",
)  # fmt: skip
FIUU_JSON: Final = {
    "transaction_id": "30365812",
    "order_id": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "amount": "100.50",
    "currency": "MYR",
    "payment_status": "1",
    "error_code": "",
    "error_description": "",
    "signature": "",
}
REFUSED: Final = {
    400: {"description": "The message proves nothing; it is kept, and nothing else changes."},
    413: {"description": "The body is too large.", "content": PROBLEM},
    500: {"description": "Kept, not applied; send it again. In the gateway's own words."},
}


def add_webhooks(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Put the gateways' paths beside the others (a hook of drf-spectacular)."""
    result["paths"]["/v1/transaction/callback"] = {
        "post": {
            "operationId": "reference_transaction_callback",
            "tags": ["Gateways tell us"],
            "summary": "MoMo's notification",
            "description": "To our first MoMo account. Believed only if its signature holds.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": list(MOMO_FIELDS),
                            "properties": {name: {"type": kind} for name, kind in MOMO_FIELDS.items()},
                        },
                        "example": MOMO_EXAMPLE,
                    }
                },
            },
            "responses": {"204": {"description": "Taken."}, **_refused()},
        }
    }
    result["paths"]["/v1/payments/xendit/webhook"] = {"post": _xendit()}
    result["paths"]["/api/v1/stripe/webhook"] = {"post": _stripe()}
    result["paths"]["/api/v1/webhooks/fiuu"] = {"post": _fiuu()}
    result["paths"]["/api/v1/webhooks/{gateway}/{account}"] = {
        "get": _webhook("get"),
        "post": {
            **_webhook("post"),
            "requestBody": {
                "content": {
                    "application/json": {"schema": {"type": "object"}},
                    "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
                }
            },
        },
    }
    return result


def _xendit() -> dict[str, Any]:
    return {
        "operationId": "reference_xendit_webhook",
        "tags": ["Gateways tell us"],
        "summary": "Xendit's webhook",
        "description": "To our first Xendit account. What it tells is asked for at Xendit before it is believed.",
        "parameters": [
            {
                "name": "x-callback-token",
                "in": "header",
                "required": True,
                "description": "The account's webhook verification token.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": deepcopy(XENDIT_FIELDS)},
                    "example": XENDIT_EXAMPLE,
                }
            },
        },
        "responses": {
            "200": {"description": "Taken."},
            **_refused(),
            "404": {"description": "There is no such account.", "content": PROBLEM},
            "503": {"description": "Kept, as Xendit could not be asked about it; send it again."},
        },
    }


def _stripe() -> dict[str, Any]:
    return {
        "operationId": "reference_stripe_webhook",
        "tags": ["Gateways tell us"],
        "summary": "Stripe's webhook",
        "description": "To our first Stripe account. The signature is over the raw bytes and good for five minutes.",
        "parameters": [
            {
                "name": "Stripe-Signature",
                "in": "header",
                "required": True,
                "description": "t=<Unix time>,v1=<hex of HMAC-SHA256>[,v1=...]",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": deepcopy(STRIPE_FIELDS)},
                    "example": STRIPE_EXAMPLE,
                }
            },
        },
        "responses": {
            "200": {"description": "Taken.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **_refused(),
            "404": {"description": "There is no such account.", "content": PROBLEM},
        },
    }


def _fiuu() -> dict[str, Any]:
    texts = {"type": "string"}
    return {
        "operationId": "reference_webhooks_fiuu",
        "tags": ["Gateways tell us"],
        "summary": "Fiuu's notification",
        "description": (
            "To our first Fiuu account. Fiuu's own form, believed only if its `skey` holds; or JSON, believed only if "
            "`X-Fiuu-Signature` does: the hex HMAC-SHA256 of the body with the account's secret key. `order_id` is the "
            "`transaction_code` of a payment, `payment_status` 1 is paid."
        ),
        "parameters": [{"name": "X-Fiuu-Signature", "in": "header", "schema": texts, "description": "With JSON only."}],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": dict.fromkeys(FIUU_FORM, texts)},
                },
                "application/json": {
                    "schema": {"type": "object", "properties": dict.fromkeys(FIUU_JSON, texts)},
                    "example": FIUU_JSON,
                },
            },
        },
        "responses": {
            "200": {
                "description": "Taken.",
                "content": {
                    "text/plain": {"schema": texts, "example": "CBTOKEN:MPSTATOK"},
                    "application/json": {"schema": {"type": "object"}, "example": {"received": True}},
                },
            },
            "404": {"description": "There is no such account here.", "content": PROBLEM},
            "503": {"description": "Kept, not applied; send it again."},
            **_refused(),
        },
    }


def _webhook(method: str) -> dict[str, Any]:
    return {
        "operationId": f"webhooks_{method}",
        "tags": ["Gateways tell us"],
        "summary": "A gateway's notification",
        "description": "To one of our accounts there, as the gateway writes it; the answer is in its own words.",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}}
            for name in ("gateway", "account")
        ],
        "responses": {
            "200": {"description": "Taken, or not: the gateway's own words say so."},
            "204": {"description": "Taken."},
            **_refused(),
        },
    }


def _refused() -> dict[str, Any]:
    return {str(status): deepcopy(answer) for status, answer in REFUSED.items()}
