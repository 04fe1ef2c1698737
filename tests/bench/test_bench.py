"""Each case of the bench runs from nothing to figures, checks what it wrote, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.office.bench.result import Check, Measured, Result, Round, Verdict, figure, percentile
from tests.bench.conftest import Outcome

SMALL = ("--rounds", "1", "--seconds", "1", "--scale", "1", "--json")
Bench = Callable[..., Outcome]


def assert_sound(outcome: Outcome) -> None:
    assert outcome.code in (0, 3), outcome.err  # 3: a figure below its floor, which a second on a busy machine may be
    assert [check["sentence"] for check in outcome.result["checks"] if not check["holds"]] == []


def test_ledger_beside_the_yardstick_counts_what_it_posted_and_leaves_nothing_behind(bench: Bench, surroundings: Path):
    outcome = bench("ledger", *SMALL)

    assert_sound(outcome)
    ratio, ours, theirs = (outcome.figure(name)["median"] for name in ("journals / TPC-B", "journals per", "TPC-B per"))
    assert ratio == pytest.approx(ours / theirs)
    assert outcome.result["facts"]["fsync"] == "on"
    assert list(surroundings.iterdir()) == []


def test_a_server_that_may_forget_commits_is_refused(bench: Bench):
    outcome = bench("ledger", *SMALL, "--set", "synchronous_commit=off", "--set", "fsync=off")

    assert (outcome.code, outcome.out) == (5, "")
    assert "fsync, synchronous_commit must be on" in outcome.err


def test_a_server_that_is_not_its_own_is_refused(bench: Bench, tmp_path: Path):
    place = f'{{"folder": "{tmp_path}", "binaries": "{tmp_path}"}}'

    outcome = bench("ledger", *SMALL, "--inside", place)

    assert (outcome.code, outcome.out) == (5, "")
    assert "This is not the bench's own server" in outcome.err


@pytest.mark.soak
@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "--hot", "--clients", "2"),
        ("ledger", "--batch", "50"),
        ("ledger", "--balance", "--rows", "20000"),
        ("capture", "--clients", "2"),
        ("capture", "--compare", "orm", "--clients", "2"),
        ("checkout", "--rate", "10"),
        ("relay", "--rows", "500"),
        ("admin", "--rows", "500"),
    ],
    ids=" ".join,
)
def test_every_case_is_sound(bench: Bench, arguments: tuple[str, ...]):
    assert_sound(bench(*arguments, *SMALL))


# --- The arithmetic ----------------------------------------------------------------------------------------------------
def test_a_round_is_the_ratio_of_two_rates():
    one = Round(Measured(operations=400, seconds=2.0), Measured(operations=100, seconds=1.0, app_cpu=0.5))

    assert one.ratio == 0.5
    assert one.case.app_cpu_ms == 5.0


def test_a_figure_is_the_median_with_its_extremes_and_its_verdict():
    ratios = figure("x", [0.3, 0.9, 0.6], floor=0.5, goal=0.8)
    times = figure("y", [30.0, 10.0, 20.0], floor=15.0, goal=5.0, smaller_is_better=True)

    assert (ratios.median, ratios.low, ratios.high, ratios.verdict) == (0.6, 0.3, 0.9, Verdict.FLOOR)
    assert (times.median, times.verdict) == (20.0, Verdict.MISSED)


def test_the_95th_percentile_is_a_value_that_occurred():
    assert percentile([float(value) for value in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_check_that_fails_makes_the_result_unsound():
    result = Result(case="x", about="y", checks=[Check("all is well", True), Check("nothing is lost", False)])

    assert not result.is_sound
