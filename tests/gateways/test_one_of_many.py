"""Adding a gateway touches one adapter, one registry line, one settings block, one simulator: nothing above knows names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateways import registry

ROOT = Path(__file__).parents[2]
EVERY = {
    "config/settings/base.py",  # its settings block
    "payments/services/starters.py",  # its first payment method: a name in two languages and limits
    "gateways/sandbox/server.py",  # its simulator's line
    "gateways/registry.py",  # its line
    "dev.py",  # the demo's merchant
}
REFERENCE_NAMES = {
    "momo": {"payments/api/ipn.py"},
    "xendit": {"payments/api/ipn.py", "payments/api/urls.py", "config/core/observability.py"},
    "fiuu": {
        "payments/api/ipn.py",
        "payments/api/urls.py",
        "config/core/observability.py",
        "config/core/scrape.py",
        "payments/gauges.py",
    },
    "stripe": {"payments/api/ipn.py", "payments/api/urls.py", "config/core/observability.py"},
}
"""Addresses and metrics that a replaced system gave to its gateway belong to that gateway's first account."""


def mentions(code: str) -> set[str]:
    """Files outside its own that name a gateway in code: not in examples of the API's documentation or the demo."""
    word = re.compile(rf"""["'/]{code}["'/_]|gateways\.{code}\b""")
    example = re.compile(r"""["'](payment_method|code|owner_id|gateway|account)["']: |docs\.|/control/""")
    found = set()
    for folder in ("config", "payments", "ledger", "settlements", "gateways"):
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            is_its_own = (
                file.name.startswith((code, "channels.")) or "/office/demo/" in name or "/office/bench/" in name
            )
            if is_its_own or "/migrations/" in name or "/commands/" in name or "/compat/" in name or "_docs" in name:
                continue
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not example.search(line)]
            if any(word.search(line) for line in lines):
                found.add(name)
    return found


@pytest.mark.parametrize("code", sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies))
def test_nothing_above_the_interface_knows_a_gateway_by_name(code: str) -> None:
    assert mentions(code) - REFERENCE_NAMES.get(code, set()) <= EVERY
