"""The way back from Xendit's page. Xendit adds nothing to the redirect addresses of an invoice, so what they carry is
ours: whose payment it is, by which of the two a browser came, and our signature over both. It says nothing of money.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

from config.core import ids
from gateways.errors import ReportInvalid
from gateways.reports import Report, ReportStatus

PAID, FAILED = "paid", "failed"
"""Which of the two redirect addresses it is."""
REFERENCE: Final = re.compile(f"[{ids.ALPHABET}]{{26}}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def address(return_url: str, reference: str, result: str, *, token: str) -> str:
    """A redirect address of an invoice."""
    fields = {"external_id": reference, "result": result}
    fields["signature"] = _signature(token, fields)
    return f"{return_url}{'&' if '?' in return_url else '?'}{urlencode(fields)}"


def read(query: str, *, tokens: Sequence[str]) -> Report:
    """Which payment a browser came back from; PENDING, whatever the address says. Raises ReportInvalid."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError as error:
        raise ReportInvalid("xendit: the query cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ReportInvalid("xendit: a parameter occurs twice")
    reference, result, signature = (fields.get(name, "") for name in ("external_id", "result", "signature"))
    if not REFERENCE.fullmatch(reference) or result not in (PAID, FAILED) or not _SIGNATURE.fullmatch(signature):
        raise ReportInvalid("xendit: the return is not one of ours")
    expected = [_signature(token, fields) for token in tokens]
    if not any(hmac.compare_digest(signature.encode(), one.encode()) for one in expected):
        raise ReportInvalid("xendit: the return's signature does not hold")
    return Report(reference=reference, status=ReportStatus.PENDING, code=result)


def _signature(token: str, fields: Mapping[str, str]) -> str:
    text = f"xendit-return\n{fields['external_id']}\n{fields['result']}"
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
