"""What the pages say of states, roles, errors and processes is what the code says."""

from __future__ import annotations

import re

from config.core.errors import DomainError
from config.office.roles import ROLES
from payments import errors as _payment_errors  # noqa: F401 - their classes are found below
from payments.states import PAYMENT_TRANSITIONS
from tests.docs.pages import ROOT


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def _codes(root: type[DomainError]) -> dict[str, int]:
    found = {one.code: one.status for one in root.__subclasses__()}
    for one in root.__subclasses__():
        found |= _codes(one)
    return found


def test_every_arrow_of_the_picture_is_allowed_and_no_way_to_money_is_missing() -> None:
    arrows = re.findall(r"^  (\w+) --> (\w+)", _page("architecture.md"), re.M)
    assert [pair for pair in arrows if pair[1] not in PAYMENT_TRANSITIONS[pair[0]]] == []
    to_money = {start for start, ends in PAYMENT_TRANSITIONS.items() if "succeeded" in ends} - {"pending"}
    assert {start for start, end in arrows if end == "succeeded"} == to_money


def test_the_table_of_roles_names_every_role_once() -> None:
    table = _page("for-finance.md").split("## Who may what")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.M)) == sorted(ROLES)


def test_every_error_code_named_for_callers_has_that_status() -> None:
    known = _codes(DomainError)
    table = _page("for-developers.md").split("| Status | What it means here")[1].split("\n\n")[0]
    wrong = [
        code
        for statuses, row in re.findall(r"^\| ([\d, ]+) \|(.*)\|$", table, re.M)
        for code in re.findall(r"`([a-z_]+)`", row)
        if code in known and str(known[code]) not in statuses
    ]
    assert wrong == []


def test_every_process_of_the_procfile_has_its_row() -> None:
    processes = re.findall(r"^(\w+):", (ROOT / "Procfile").read_text(), re.M)
    table = _page("for-ops.md").split("## Processes")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == processes
