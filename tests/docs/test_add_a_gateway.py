"""docs/add-a-gateway.md shows the code of the invented gateway as it is, and names what there is to name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateways import abilities, base, registry, reports, requests
from tests.docs.pages import ROOT
from tests.gateways.driver import Driver
from tests.gateways.invented import added
from tests.gateways.invented.adapter import MekongPay
from tests.gateways.invented.simulator import MekongPay as Simulator

PAGE = (ROOT / "docs" / "add-a-gateway.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests" / "gateways"
SHOWN = {name: TESTS / "invented" / name for name in ("adapter.py", "simulator.py", "driver.py")} | {
    "test_invented.py": TESTS / "test_invented.py"
}
"""What is compared byte for byte, by the first line of a block."""
INTERFACE = {**vars(requests), **vars(reports), **vars(abilities), **vars(base)}
BLOCKS = re.findall(r"^```python\n# ([^\n]+)\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
EXCERPTS = [
    (head, piece.strip("\n") + "\n")
    for head, body in BLOCKS
    if head in SHOWN
    for piece in re.split(r"^ *# \.\.\.$", body, flags=re.MULTILINE)
]
LINES = [(head, body) for head, body in BLOCKS if head not in SHOWN]


def test_every_block_of_python_says_whose_it_is() -> None:
    assert len(BLOCKS) == PAGE.count("```python")
    assert {head for head, _ in EXCERPTS} == set(SHOWN)


@pytest.mark.parametrize(("name", "piece"), EXCERPTS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EXCERPTS)])
def test_what_is_shown_stands_in_its_file(name: str, piece: str) -> None:
    assert piece.strip() != ""
    assert piece in SHOWN[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("head", [head for head, _ in LINES])
def test_a_line_that_is_to_be_added_goes_where_such_lines_are(head: str) -> None:
    file, name = head.split(": ")
    assert re.search(rf"^{name}\b.* = ", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_settings_block_has_the_adapters_fields_and_the_demo_its_keys() -> None:
    block, demo = (body for head, body in LINES if head.startswith(("config/settings", "dev.py")))
    with added.mekongpay():
        fields = [one.name for one in registry.setting_fields("mekongpay")]

    assert re.findall(r'^        "(\w+)":', block, re.MULTILINE) == [one for one in fields if one != "timeout_seconds"]
    keys = re.findall(r'^        "(\w+)":', demo, re.MULTILINE)
    assert len(keys) == 1 + len(Simulator.key_names)
    assert set(keys) <= set(re.findall(r'env\.str\("(\w+)"', block))
    assert re.findall(r'^    "(\w+)": \{$', block + "\n" + demo, re.MULTILINE) == [MekongPay.code] * 2


def test_the_lines_counted_are_the_lines_there_are() -> None:
    counted = [int(one) for one in re.findall(r"^\| [1-5] \|.*\| (\d+)[^|\n]* \|$", PAGE, re.MULTILINE)]
    files = ("protocol.md", "adapter.py", "simulator.py", None, "driver.py")
    there = [len((TESTS / "invented" / one).read_text(encoding="utf-8").splitlines()) if one else 1 for one in files]

    assert counted == there


def test_the_code_on_the_page_can_be_read_in_one_sitting() -> None:
    assert sum(len(block.splitlines()) for block in re.findall(r"^```\w*\n(.*?)^```", PAGE, re.DOTALL | re.M)) < 350


@pytest.mark.parametrize("row", re.findall(r"^\| (`[^|]+) \| [^|\n]+ \| [^|\n]+ \|$", PAGE, re.MULTILINE))
def test_every_ability_named_is_in_the_interface(row: str) -> None:
    for name in re.findall(r"`([A-Za-z_.]+)", row):
        owner, _, method = name.partition(".")
        found = INTERFACE.get(owner) or next(
            (one for one in INTERFACE.values() if isinstance(one, type) and hasattr(one, owner)), None
        )
        assert found is not None, name
        assert not method or hasattr(found, method), name


def test_every_subject_and_switch_of_the_contract_is_there() -> None:
    suite = "".join(file.read_text(encoding="utf-8") for file in sorted((TESTS / "contract").glob("*.py")))
    table = PAGE.split("| Class | Asks for |")[1].split("\n\n")[0]
    switches = PAGE.split("First use the driver's switches: ")[1].split(".\n")[0].split(". ")[0]

    assert set(re.findall(r"`(\w+)`", table)) == set(re.findall(r"^class (\w+)", suite, re.MULTILINE))
    assert [
        name for name in re.findall(r"`(\w+)", switches) if name not in {*vars(Driver), *Driver.__annotations__}
    ] == []


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|gateways|config|payments|deploy)/[\w/.]+)[`:]", PAGE)))
)
def test_every_file_named_is_there(path: str) -> None:
    assert Path(ROOT / path).exists()
