"""What a person sees beside the work itself: help, completion, the closing table, colour, quiet and verbose."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rich.console import Console

from bench import cli
from bench.cli import closing, console
from bench.cli.display import Bars, Quiet
from bench.events import CellEnded, Event, Message, RunEnded
from tests import tiny

SCORES = (
    ("Condition", "Input", "UNet", "DnCNN"),
    ("60 views", "26.98 / .7947", "30.92 / .9351", "31.89* / .9398*"),
    ("7e4 photons", "27.36 / .7936", "29.42 / .8656", "30.31* / .9008*"),
)
FAILED = CellEnded("unet-noisy-s1-ab", "failed", "no memory", 2.0, log="")


def groups() -> Iterator[click.Group]:
    waiting: list[click.Command] = [cli.cli]
    while waiting:
        command = waiting.pop()
        if isinstance(command, click.Group):
            yield command
            waiting += command.commands.values()


@pytest.mark.parametrize("group", [*groups()], ids=lambda group: group.name)
def test_each_line_of_a_list_of_commands_is_whole_in_80_columns(group: click.Group) -> None:
    context = click.Context(group, info_name="bench", max_content_width=80, terminal_width=80)
    commands = group.get_help(context).partition("Commands:")[2].strip().splitlines()
    assert len(commands) == len(group.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("bench re", {"report", "replay"}),
        ("bench report smo", {"smoke"}),
        ("bench run pap", {"paper", "paper-files"}),
    ],
)
def test_a_shell_is_told_what_may_follow(tmp_path: Path, words: str, found: set[str]) -> None:
    asked = {
        "_BENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        tiny.command(),
        env=tiny.environment(**asked),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == found
    assert done.stderr == ""


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--version"],
        env=tiny.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "bench,", "")


@pytest.mark.parametrize(
    ("width", "first"),
    [(80, "Condition    Input"), (50, "Condition    60 views"), (30, "Condition    Network")],
)
def test_a_table_fits_the_terminal_or_has_a_line_for_each_number(width: int, first: str) -> None:
    lines = closing.table(SCORES, width)
    assert lines[0].startswith(first)
    assert sum(line.count("31.89* / .9398*") for line in lines) == 1
    assert max(map(len, lines[:-1])) <= max(width, 45)


def test_a_link_is_that_of_a_terminal() -> None:
    assert closing.linked("a.html", "file:///a.html") == "\x1b]8;;file:///a.html\x1b\\a.html\x1b]8;;\x1b\\"


def test_what_failed_is_red_in_a_terminal_and_nothing_else_is() -> None:
    screen = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False, width=80
    )
    with Bars(screen) as bars:
        for event in (Message("all is well"), FAILED):
            bars.show(event)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[31munet-noisy-s1 failed after 2.0 s: no memory" in text
    assert "\x1b[31mall" not in text


def test_quiet_tells_of_failures_only() -> None:
    lines: list[str] = []
    with Quiet(lines.append) as quiet:
        for event in (
            Message("wrote a"),
            CellEnded("a-b-s1-x", "finished", "", 1.0),
            FAILED,
            RunEnded(1, 0),
            RunEnded(1, 1),
        ):
            quiet.show(event)
    assert lines == [
        "unet-noisy-s1 failed after 2.0 s: no memory",
        "1 cells finished, 1 did not; try --retry-failed",
    ]


def test_verbose_shows_the_end_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(30)), encoding="utf-8")

    def events() -> Iterator[Event]:
        yield CellEnded("unet-noisy-s1-ab", "failed", "no memory", 2.0, log=str(log))

    for verbose in (False, True):
        with click.Context(click.Command("run")) as context:
            context.meta[console.VERBOSE] = verbose
            console.show(events())  # type: ignore[arg-type]
        shown = capsys.readouterr().out
        assert ("  line 10\n" in shown, "line 9\n" in shown, "  line 29\n" in shown) == (
            verbose,
            False,
            verbose,
        )


def test_an_error_is_wrapped_for_a_person_and_one_line_for_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "word " * 40
    assert cli._fail(long, 2) == 2
    assert capsys.readouterr().err == f"bench: {long}\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    cli._fail(long, 2)
    lines = click.unstyle(capsys.readouterr().err).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert os.linesep not in lines[0]
