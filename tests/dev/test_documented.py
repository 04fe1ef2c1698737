"""What the start files promise about the settings and the processes."""

from __future__ import annotations

import re
from collections import defaultdict

import yaml

import dev
from config.core import kafka

READ = re.compile(r"""(?:env(?:\.\w+)?\(|read\.\w+\(\s*env,)\s*((?:["'][A-Z][A-Z0-9_]+["'],?\s*)+)""")


def variables_read() -> set[str]:
    sources = (dev.ROOT / "config" / "settings" / name for name in ("base.py", "read.py"))
    return {
        name for source in sources for names in READ.findall(source.read_text()) for name in re.findall(r"\w+", names)
    }


def test_every_variable_that_is_read_is_in_the_example() -> None:
    known = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", (dev.ROOT / ".env.example").read_text()))

    assert len(variables_read()) > 40
    assert variables_read() - known == set()


def test_the_example_names_no_variable_that_nobody_reads() -> None:
    lines = (dev.ROOT / ".env.example").read_text().splitlines()
    named = {match[1] for line in lines if (match := re.match(r"#?([A-Z][A-Z0-9_]+)=", line))}

    elsewhere = {"DJANGO_SETTINGS_MODULE", "PORT"}  # read by manage.py and by the Procfile
    sources = "".join((dev.ROOT / "config" / "settings" / name).read_text() for name in ("base.py", "read.py"))
    assert {name for name in named - elsewhere if f'"{name}"' not in sources and f"'{name}'" not in sources} == set()


def test_demo_procfile_and_compose_run_the_same_processes() -> None:
    compose = yaml.safe_load((dev.ROOT / "compose.yaml").read_text())["services"]
    procfile = dict(line.split(": ", 1) for line in (dev.ROOT / "Procfile").read_text().splitlines())
    demo = {role.name for role in dev.roles(web_port=1, sandbox_port=2, env=defaultdict(str))}

    assert demo == {*procfile, "sandbox"} - {"release"}
    assert demo <= compose.keys()
    for name in ("worker", "beat", "relay", "consumer"):
        words = " ".join(compose[name]["command"][:3])
        assert procfile[name].startswith(words)


def test_the_mock_cluster_offers_every_topic_that_is_written_or_read() -> None:
    assert set(kafka.all_topics()) - set(dev.TOPICS) == set()
