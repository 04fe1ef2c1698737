"""Everything a person reads exists in Vietnamese, and what runs is what was translated.

After marking new texts: `python manage.py makemessages -l vi --no-location --no-obsolete -i .venv -i tests -i 'gateways/*'`,
translate what is empty in templates/locale/vi, then `python manage.py compilemessages` (gettext is needed for both).
makemessages does not know the alias `_t`: it takes those texts out again, so put them back by hand; the test names them.
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).parents[3]
CATALOG: Final = ROOT / "templates" / "locale" / "vi" / "LC_MESSAGES"
OURS: Final = ("config", "payments", "ledger", "settlements", "templates")
MARKS: Final = frozenset(["_", "_t", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"])
HOLES: Final = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


def catalog() -> dict[str, str]:
    """The compiled texts."""
    with (CATALOG / "django.mo").open("rb") as file:
        known = gettext.GNUTranslations(file)
    return {key if isinstance(key, str) else key[0]: text for key, text in known._catalog.items()}


def marked_in(source: str) -> Iterator[str]:
    """Texts that Python code hands to gettext."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in MARKS and isinstance(node.args[0].value, str):
            yield node.args[0].value


def marked() -> Iterator[tuple[str, str]]:
    """(file, text) of everything that is marked in code and templates of ours."""
    for folder in OURS:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix == ".py" and "migrations" not in file.parts:
                yield from ((str(file.relative_to(ROOT)), text) for text in marked_in(file.read_text()))
            elif file.suffix in (".html", ".txt") and "templates" in file.parts:
                told = templatize(file.read_text(), origin=str(file))
                for call in re.findall(r"gettext\((?:u?)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", told):
                    yield str(file.relative_to(ROOT)), ast.literal_eval(call)


def test_every_text_of_ours_exists_in_vietnamese() -> None:
    known = catalog()

    missing = sorted({(file, text) for file, text in marked() if not known.get(text)})

    assert missing == []


def test_the_scan_sees_what_is_there() -> None:
    texts = {text for _, text in marked()}

    assert {"awaiting payment", "Paid. Thank you!", "Pay with %(method)s"} <= texts


def test_the_scan_knows_every_name_that_gettext_goes_by() -> None:
    names = {
        alias.asname or alias.name
        for folder in OURS
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
        if "gettext" in alias.name
    }

    assert "_t" in names
    assert names - MARKS == set()


def test_translations_keep_the_holes_that_values_go_into() -> None:
    odd = {text: told for text, told in catalog().items() if sorted(HOLES.findall(text)) != sorted(HOLES.findall(told))}

    assert {text: told for text, told in odd.items() if text} == {}


def test_what_runs_is_what_was_translated() -> None:
    """The compiled catalog is committed beside its source; one without the other would not show."""
    source = (CATALOG / "django.po").read_text()
    entries = re.findall(
        r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?msgstr(?:\[0\])? ((?:".*"\n?)+)', source, re.MULTILINE
    )
    written = {_text(key): _text(told) for key, told in entries}

    assert {key: told for key, told in written.items() if key} == {key: told for key, told in catalog().items() if key}


def _text(lines: str) -> str:
    return "".join(str(ast.literal_eval(line)) for line in lines.strip().splitlines())
