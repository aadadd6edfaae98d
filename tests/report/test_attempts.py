"""What the table says of divided batches and of trainings that were begun again."""

from __future__ import annotations

from typing import Any

import pytest

from bench.records.record import Attempt
from bench.report import table
from bench.report.values import Table


def tried(bench: Any, cell: Any, *attempts: dict[str, Any]) -> None:
    """Give the record of a cell other attempts."""
    store = bench.run.cell(cell.id)
    usual = {"seed": 1, "updates": 100, "epochs": 4, "ended": "finished"}
    record = store.read_record()
    store.write_record(record.model_copy(update={"attempts": tuple(Attempt(**usual | a) for a in attempts)}))


def build(bench: Any) -> Table:
    run = bench.save()
    plan = run.read_plan()
    return table.build(plan, run.read_all(plan))


def test_a_divided_batch_is_a_footnote(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    cell = bench.add("unet", "sv60", scores(30.0))
    bench.add("ddnet", "sv60", scores(31.0))
    tried(bench, cell, {"ended": "out_of_memory"}, {"micro_batch": 2, "parts": 2})
    [note] = next(grid for grid in build(bench).grids if grid.name == "scores").footnotes
    assert (
        note == "trained in micro-batches of 2 after running out of memory; batch statistics are of 2 images"
    )


@pytest.mark.parametrize(
    ("then", "how"), [("best", "set back to its best check"), ("next_seed", "trained anew with another seed")]
)
def test_a_training_begun_again_is_marked_and_in_no_claim_about_the_method(
    bench: Any, scores: Any, then: str, how: str
) -> None:
    bench.conditions = {"sv60": "60 views"}
    slices = [(f"p{i}", "a") for i in range(6)]
    for seed in (1, 2, 3):
        bench.add("unet", "sv60", scores([30.0 + i + 0.1 * seed for i in range(6)], slices=slices), seed=seed)
        cell = bench.add(
            "ddnet", "sv60", scores([31.0 + 1.1 * i for i in range(6)], slices=slices), seed=seed
        )
    before = build(bench)
    tried(bench, cell, {"ended": "diverged", "then": then}, {})
    made = build(bench)
    claims = [
        [row[6].parts[0].text for row in next(grid for grid in one.grids if grid.name == "lead").rows]
        for one in (before, made)
    ]
    assert "trained again" not in claims[0][0]
    assert claims[1] == ["no claim: ddnet diverged and was trained again"] * 2
    [note] = next(grid for grid in made.grids if grid.name == "scores").footnotes
    assert note == f"{how} after it diverged; in no claim about the method (seed 3)"


def test_an_untreated_input_that_was_scored_at_last_does_not_say_why_it_was_not_before(
    bench: Any, scores: Any
) -> None:
    """A worker was killed as it scored; the next run did it, and an input has no attempt of its own."""
    bench.conditions = {"sv60": "60 views"}
    cell = bench.add("input", "sv60", scores(25.0))
    tried(bench, cell, {"ended": "failed", "message": "the worker was killed"})
    made = build(bench)
    (status,) = (
        row[1] for grid in made.provenance if grid.name == "cells" for row in grid.rows if "input" in str(row)
    )
    assert (status.parts[0].text, status.detail) == ("finished", "")
    assert [folder.status for card in made.cards for folder in card.folders] == ["finished"]
