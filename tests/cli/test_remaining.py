"""The time left of a run, by hand, with a clock that a test sets."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from bench.cli.display import SAY_LEFT_S, Lines
from bench.cli.remaining import Remaining
from bench.events import CellCost, CellEnded, CellsPlanned, CellStarted, Event, Progress


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(costs: Sequence[CellCost], *events: tuple[float, Event]) -> tuple[Remaining, Clock]:
    clock = Clock()
    left = Remaining(clock)
    left.note(CellsPlanned(tuple(costs)))
    for clock.now, event in events:
        left.note(event)
    return left, clock


def cost(cell: str, network: str = "unet", seconds: float | None = 100.0, done: float = 0.0) -> CellCost:
    return CellCost(cell, network, 0 if network == "input" else 1000, done, seconds)


FOUR = [cost("a"), cost("b"), cost("c", "ddnet", 300.0), cost("d", "ddnet", 300.0)]


def test_before_anything_is_measured_the_forecast_counts() -> None:
    assert told(FOUR)[0].seconds() == (800, [])


def test_what_has_ended_corrects_its_network_and_in_proportion_those_that_nothing_is_known_of() -> None:
    left, _ = told(FOUR, (0, CellStarted("a", 1, 4)), (150, CellEnded("a", "finished", "", 150.0)))
    assert left.seconds() == (pytest.approx(150 + 2 * 450), [])


def test_a_training_is_measured_from_its_first_sign_so_tracing_does_not_count() -> None:
    steps = [(60, Progress("train", "a", 100, 1000)), (100, Progress("train", "a", 300, 1000))]
    left, _ = told(FOUR[:2], (0, CellStarted("a", 1, 2)), *steps)
    # 40 s for a fifth, so 200 s a cell: eight tenths of one... seven of the first and all of the second are left
    assert left.seconds() == (pytest.approx(200 * 0.7 + 200), [])


def test_cells_at_once_share_what_is_left_but_none_ends_before_itself() -> None:
    begun = [(0, CellStarted("a", 1, 4)), (0, CellStarted("c", 2, 4))]
    assert told(FOUR, *begun)[0].seconds() == (400, [])
    assert told([FOUR[0], FOUR[2]], *begun)[0].seconds() == (300, [])


def test_a_cell_that_goes_on_costs_what_is_left_of_it() -> None:
    half = [cost("a", done=0.5), cost("b")]
    assert told(half)[0].seconds() == (150, [])
    # its 60 s were for half of its updates
    left, _ = told(half, (0, CellStarted("a", 1, 2)), (60, CellEnded("a", "finished", "", 60.0)))
    assert left.seconds() == (pytest.approx(120), [])


def test_the_untreated_input_corrects_no_network() -> None:
    cells = [cost("i", "input", 0.01), cost("j", "input", 0.01), cost("a")]
    left, _ = told(cells, (0, CellStarted("i", 1, 3)), (2, CellEnded("i", "finished", "", 2.0)))
    assert left.seconds() == (pytest.approx(2 + 100), [])


def test_networks_of_unknown_cost_are_named_and_left_out() -> None:
    unknown = [cost("a", seconds=None), cost("b", seconds=None), cost("c", "ddnet", None)]
    left, clock = told(unknown)
    assert left.seconds() == (None, ["unet", "ddnet"])
    assert left.words() == "0 of 3 cells in 0.0 s, time left not known yet"
    for clock.now, event in [(0, CellStarted("a", 1, 3)), (80, CellEnded("a", "finished", "", 80.0))]:
        left.note(event)
    assert re.fullmatch(
        r"1 of 3 cells in 1 min 20 s, 1 min 20 s left without ddnet, ends about \d\d:\d\d( tomorrow)?",
        left.words(),
    )


def test_a_cell_that_failed_and_one_that_begins_again_are_counted_once() -> None:
    crowded = CellEnded("a", "failed", "memory", 50.0, crowded=True)
    left, _ = told(FOUR[:2], (0, CellStarted("a", 1, 2)), (50, crowded))
    assert left.seconds() == (200, [])
    left, _ = told(FOUR[:2], (0, CellStarted("a", 1, 2)), (50, CellEnded("a", "failed", "why", 50.0)))
    assert left.seconds() == (100, [])


def test_a_log_says_it_after_each_cell_and_now_and_then() -> None:
    clock, lines = Clock(), list[str]()
    display = Lines(lines.append, clock)
    display.show(CellsPlanned((cost("a"), cost("b"))))
    display.show(CellStarted("a", 1, 2))
    for done in range(1, 10):
        clock.now = done * SAY_LEFT_S / 4
        display.show(Progress("train", "a", done * 100, 1000))
    assert [line[20:].partition(",")[0] for line in lines] == ["[1/2] a", "0 of 2 cells in 12 min 30 s"]
    display.show(CellEnded("a", "failed", "why", 3.0, log="runs/a/log.txt"))
    assert lines[-2][20:] == "a failed after 3.0 s: why; log: runs/a/log.txt"
    assert lines[-1][20:].startswith("1 of 2 cells in 22 min 30 s")
