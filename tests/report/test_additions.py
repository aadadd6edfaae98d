"""A section, a figure and a gallery added by one function and one line of a tuple reach every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.metrics import RMSE
from bench.report import table
from bench.report.board import Scoreboard
from bench.report.values import Drawing, Figure, Gallery, Grid, HuImage, Panel, Sample, Window, label


def worst(board: Scoreboard) -> Grid:
    """The largest mean error of each row."""
    rows = []
    for row in board.rows:
        means = [mean for group in row.groups.values() if (mean := group.mean(RMSE)) is not None]
        rows.append((label(board.condition(row)), label(board.text(max(means), RMSE))))
    return Grid(name="worst", title="Worst error", headings=("Condition", "RMSE"), rows=tuple(rows))


def square(board: Scoreboard) -> Figure:
    """A drawing, and two images to switch between."""
    windows = tuple(Window(key, key, 0.0, 1.0) for key in ("wide", "narrow"))
    panels = (Panel("Input", "as given", 0, "data:image/png;base64,small"), Panel("Reference", "", 0))
    samples = (Sample("worst of 2", "p1/a", "60 views", panels),)
    images = (HuImage(1, 1, "eJxjYAAAAAIAAQ=="),)
    return Figure(
        name="square",
        title="A square",
        lead="Drawn by hand.",
        drawings=(Drawing("Square", '<svg viewBox="0 0 1 1"></svg>', "One by one."),),
        gallery=Gallery(samples, images, windows, "by hand", 100.0, board.credit, crisp=True),
    )


def nothing(board: Scoreboard) -> None:
    """A section, or a figure, that has nothing to show in this run."""


def test_a_section_and_a_figure_are_a_function_and_a_line(
    filled: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "SECTIONS", (*table.SECTIONS, nothing, worst))
    monkeypatch.setattr(table, "FIGURES", (*table.FIGURES, nothing, square))
    run = filled(leaky="cut by hand").save()
    texts = {
        path.suffix: path.read_text(encoding="utf-8") for path in report.publish(run, tmp_path).paths[:4]
    }
    markdown = texts[".md"].split("## Worst error\n\n", 1)[1]
    assert markdown.splitlines()[2:4] == ["| 60 views    |   50.0 |", "| Low dose    |   50.0 |"]
    assert markdown.split("\n\n")[1] == "Leaky split split: cut by hand."  # under every table, this one too
    assert r"\label{tab:worst}" in texts[".tex"]
    page = texts[".html"]
    for name in ("worst", "square"):
        assert page.index(f'<a href="#{name}">') < page.index(f'<section id="{name}">')
    assert page.index('<section id="images">') < page.index('<section id="square">')
    assert '<svg viewBox="0 0 1 1"></svg>' in page
    assert page.count('<script type="text/plain" class="hu" data-rows="1" data-columns="1">eJxj') == 1
    assert '"label": "wide"' in page and 'src="data:image/png;base64,small"' in page


def test_names_with_line_ends_stand_on_one_line_of_the_csv(
    filled: Callable[..., Any], tmp_path: Path
) -> None:
    report.publish(filled(leaky="cut\rby\r\n hand").save(), tmp_path)
    lines = (tmp_path / "results.csv").read_bytes().split(b"\n")
    assert len(lines) == 1 + 6 * 4 + 1  # heading, cells and metrics, end
    assert all(b",cut by hand," in line for line in lines[1:-1])
