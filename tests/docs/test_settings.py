"""The table of settings in docs/for-ops.md names every variable, and none that nobody reads."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

READ = re.compile(r"""(?:env(?:\.\w+)?\(|read\.\w+\(\s*env,)\s*((?:["'][A-Z][A-Z0-9_]+["'],?\s*)+)""")
NESTED = re.compile(r"""integer\(env, '([A-Z_]+)'""")
LISTED = re.compile(r"""for name in \(((?:"[A-Z_]+",? ?)+)\)""")


def _read() -> set[str]:
    source = "".join((ROOT / "config" / "settings" / name).read_text() for name in ("base.py", "read.py"))
    found = [*READ.findall(source), *LISTED.findall(source), *NESTED.findall(source)]
    return {name for names in found for name in re.findall(r"[A-Z][A-Z0-9_]+", names)}


def test_the_table_names_exactly_what_is_read() -> None:
    page = (ROOT / "docs" / "for-ops.md").read_text()
    table = page.split("## Settings")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.M)
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}
    started_by_the_procfile = {"PORT", "SERVER_PORT", "WEB_WORKERS", "WORKER_CONCURRENCY", "DJANGO_SETTINGS_MODULE"}
    assert named - started_by_the_procfile == _read()
