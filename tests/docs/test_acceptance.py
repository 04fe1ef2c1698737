"""docs/acceptance.md: every item once, and every file, test and command it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import ROOT

TABLE = (ROOT / "docs" / "acceptance.md").read_text()
ROWS = dict.fromkeys(f"{system}{n}" for system, size in zip("ABCDEK", (84, 28, 34, 48, 49, 30), strict=True) for n in range(1, size + 1))  # fmt: skip
LINE = re.compile(r"^\| ([A-EK]\d+) \| (.+?) \|(.*)\|$", re.MULTILINE)
HOUSE = re.compile(
    r"`((?:config|payments|ledger|settlements|gateways|templates|tests|docs|deploy|\.ci)/[^`\s]*"
    r"|[A-Za-z_.]+\.(?:md|toml|yaml)|Makefile|Procfile|Dockerfile|LICENSE|\.env\.example)`"
)


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_item_has_exactly_one_row() -> None:
    assert [found[0] for found in LINE.findall(TABLE)] == list(ROWS)


@pytest.mark.parametrize("named", sorted(set(HOUSE.findall(TABLE))))
def test_everything_named_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    assert (ROOT / path).exists()
    assert not test or test in _tests_of(path)


def test_a_row_shows_something_or_says_what_is_missing() -> None:
    silent = [
        name
        for name, _what, rest in LINE.findall(TABLE)
        if not HOUSE.search(rest) and not re.search(r"not yet: \w|not yet: |instead|\]\(|`[^`]+`", rest)
    ]
    assert silent == []


def test_a_row_that_names_a_test_names_it_with_its_file() -> None:
    loose = re.findall(r"`(test_\w+)`", TABLE)
    assert loose == []
