from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from bench.cli.display import Bars, Lines, short, text_of
from bench.events import (
    CellCost,
    CellEnded,
    CellsPlanned,
    CellStarted,
    EpochEnded,
    Event,
    Message,
    Progress,
    RunEnded,
)

CELL = "unet-sparseview_180-s1-0123456789"
EVENTS: list[tuple[Event, str]] = [
    (CellStarted(CELL, 3, 18), f"[3/18] {CELL}"),
    (CellStarted(CELL, 3, 18, resumed=2), f"[3/18] {CELL}, continued after epoch 2"),
    (
        EpochEnded(CELL, 12, 50, 0.01234, 33.456, 35.0, 75.2),
        "unet-sparseview_180-s1 epoch 12/50: 33.46 dB (-1.54), loss 0.0123, 1 min 15 s",
    ),
    (CellEnded(CELL, "finished", "", 12.4), "unet-sparseview_180-s1 finished after 12 s"),
    (CellEnded(CELL, "failed", "no memory", 12.4), "unet-sparseview_180-s1 failed after 12 s: no memory"),
    (Message("wrote a.md"), "wrote a.md"),
    (RunEnded(18, 0), "18 cells finished"),
    (RunEnded(16, 2), "16 cells finished, 2 did not; try --retry-failed"),
]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_each_event_has_its_line(event: Event, line: str) -> None:
    assert text_of(event) == line


def test_lines_of_the_longest_names_fit_a_terminal() -> None:
    assert all(len(line) <= 80 for _, line in EVENTS)


def test_short_name_leaves_the_hash_out() -> None:
    assert short(CELL) == "unet-sparseview_180-s1"
    assert short("phantom") == "phantom"


def test_without_a_terminal_each_event_is_one_plain_dated_line() -> None:
    lines: list[str] = []
    with Lines(lines.append) as display:
        for event, _ in EVENTS:
            display.show(event)
        display.show(Progress("train", CELL, 5, 10))
        display.show(Progress("score", CELL, 5, 10))
    assert [line[20:] for line in lines] == [text for _, text in EVENTS]
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line)
        assert line.isprintable()


def test_without_a_terminal_a_build_has_a_line_per_tenth_and_one_at_its_end() -> None:
    lines: list[str] = []
    display = Lines(lines.append)
    for done in [*range(0, 288, 8), 288, 288]:
        display.show(Progress("build", "phantom", done, 288))
    assert len(lines) == 11
    assert lines[0].endswith("building phantom: 0 of 288 slices")
    assert lines[-1].endswith("building phantom: 288 of 288 slices")


def drawn(events: list[Event], width: int = 80) -> list[str]:
    """Return the lines that a terminal of this width was sent, without control sequences."""
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, height=24, legacy_windows=False, _environ={}
    )
    with Bars(console) as bars:
        for event in events:
            bars.show(event)
            bars._bars.refresh()
    return [Text.from_ansi(line).plain.rstrip() for line in re.split(r"[\n\r]", out.getvalue())]


TRAINING: list[Event] = [
    CellStarted(CELL, 1, 18),
    *(Progress("train", CELL, done, 1000) for done in range(0, 1001, 100)),
    EVENTS[2][0],
    Progress("score", CELL, 3, 72),
    EVENTS[3][0],
    CellStarted("unet-ldct_7e4-s1-aaaaaaaaaa", 2, 18),
    Progress("train", "unet-ldct_7e4-s1-aaaaaaaaaa", 10, 1000),
]


def test_bars_tell_what_is_at_work_how_far_and_how_long() -> None:
    lines = drawn([Progress("build", "phantom", 8, 16), Progress("build", "phantom", 16, 16), *TRAINING])
    count = r"[ \d]+/ *{} +(\d+:\d\d:\d\d|-:--:--)"
    for name, total in [
        ("building phantom", 16),
        ("training unet-sparseview_180-s1", 1000),
        ("scoring unet-sparseview_180-s1", 72),
        ("all cells", 18),
    ]:
        pattern = re.compile(re.escape(name) + r" +[━╸╺ ]+ +" + count.format(total))
        assert any(pattern.fullmatch(line) for line in lines), (name, lines)
    assert EVENTS[2][1] in lines
    assert EVENTS[3][1] in lines


def test_time_left_appears_once_there_is_a_speed() -> None:
    lines = [line for line in drawn(TRAINING) if line.startswith("training")]
    assert lines[0].endswith("-:--:--")
    assert any(re.search(r" 0:00:\d\d$", line) for line in lines)


def test_the_time_of_the_whole_run_stands_below_the_bars() -> None:
    planned = CellsPlanned(
        (CellCost(CELL, "unet", 1000, 0.0, 7200.0), CellCost("b", "ddnet", 10, 0.0, 7200.0))
    )
    lines = drawn([planned, TRAINING[0], Progress("train", CELL, 5, 1000)])
    line = re.compile(r"0 of 2 cells in 0\.\d s, 3 h 59 min left, ends about \d\d:\d\d( tomorrow)?")
    assert any(line.fullmatch(text) for text in lines)
    assert any(re.fullmatch(r"all cells .* 3:59:\d\d", text) for text in lines)
    assert max(map(len, lines)) <= 80


def test_nothing_wraps_at_80_columns() -> None:
    lines = drawn([Progress("build", "qin-lung-ct", 3954, 3954), *TRAINING])
    assert max(map(len, lines)) <= 80
    assert all(line.count("/") == 1 for line in lines if line.startswith(("training", "all cells")))


def test_a_training_moves_the_bar_of_all_cells_between_cells() -> None:
    out = io.StringIO()
    bars = Bars(Console(file=out, force_terminal=True, width=80, _environ={}))
    for event in TRAINING[:6]:
        bars.show(event)
    assert bars._bars.tasks[0].completed == pytest.approx(0.4)
    for event in TRAINING[6:]:
        bars.show(event)
    assert [task.description for task in bars._bars.tasks] == ["all cells", "training unet-ldct_7e4-s1"]
    assert bars._bars.tasks[0].completed == pytest.approx(1.01)


def test_two_cells_at_once_have_a_bar_each_and_are_counted_as_they_end() -> None:
    one, two, three = CELL, "unet-ldct_7e4-s1-aaaaaaaaaa", "dncnn-ldct_7e4-s1-bbbbbbbbbb"
    bars = Bars(Console(file=io.StringIO(), force_terminal=True, width=80, _environ={}))

    def shown(*events: Event) -> dict[str, float]:
        for event in events:
            bars.show(event)
        return {task.description: task.completed for task in bars._bars.tasks}

    assert shown(
        Progress("build", "phantom", 16, 16), CellStarted(one, 1, 3), CellStarted(two, 2, 3),
        Progress("train", one, 500, 1000), Progress("train", two, 250, 1000), Progress("train", one, 750, 1000),
    ) == {"all cells": 1.0, f"training {short(one)}": 750, f"training {short(two)}": 250}  # fmt: skip
    # the second ends first: the first keeps its bar, and one has ended
    assert shown(CellEnded(two, "finished", "", 1.0), CellStarted(three, 3, 3)) == {
        "all cells": 1.75, f"training {short(one)}": 750,
    }  # fmt: skip
    assert shown(Progress("train", three, 100, 1000), Progress("score", one, 3, 72)) == {
        "all cells": pytest.approx(2.1), f"training {short(three)}": 100, f"scoring {short(one)}": 3,
    }  # fmt: skip
    assert shown(CellEnded(one, "failed", "why", 1.0), CellEnded(three, "finished", "", 1.0)) == {
        "all cells": 3
    }


def test_terminal_is_left_without_a_stale_stage_and_with_its_cursor() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True, width=80, _environ={})) as bars:
        bars.show(TRAINING[0])
        bars.show(TRAINING[1])
    assert out.getvalue().rstrip().endswith("\x1b[?25h")
    assert [task.description for task in bars._bars.tasks] == ["all cells"]
