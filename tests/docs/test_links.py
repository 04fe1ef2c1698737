"""What the documentation points at is there: pages, anchors, pictures, management commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.docs.pages import PAGES, ROOT, anchors

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
COMMAND = re.compile(r"(?:manage\.py|dev\.py manage) ([a-z]\w+)")
NOT_YET = re.compile(r"not yet[^|\n]*", re.IGNORECASE)


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text()):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_management_command_named_exists(document: Path) -> None:
    named = set(COMMAND.findall(NOT_YET.sub("", document.read_text())))
    assert named - set(get_commands()) == set()


def test_no_picture_is_heavy() -> None:
    heavy = [path.name for path in (ROOT / "docs" / "images").iterdir() if path.stat().st_size > 150_000]
    assert heavy == []
