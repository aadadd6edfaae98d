"""Clinical tables, flags and the figure of spectra, from records made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench import metrics
from bench.report import table
from bench.report.values import Table

IDS = (
    "bias.chest.lung",
    "rmse.chest.lung",
    "bias.no_lung.soft",
    "rmse.no_lung.soft",
    "contrast.lung_nodules",
)
#: Two slices of the chest, with a nodule each, then two without lung.
CHEST = ({"bias.chest.lung": 1.0, "rmse.chest.lung": 9.0, "contrast.lung_nodules": 1.0},) * 3
BELLY = ({"bias.no_lung.soft": 1.0, "rmse.no_lung.soft": 9.0},)


def with_scores(rows: list[dict], **changes: float) -> list[dict]:
    return [
        row | {key: changes.get(key.replace(".", "_"), value) for key, value in more.items()}
        for row, more in zip(rows, (*CHEST, *BELLY), strict=True)
    ]


@pytest.fixture
def built(
    bench: Any, scores: Callable[..., list[dict]], definitions: dict[str, dict[str, Any]]
) -> Callable[..., Table]:
    """Build the table of a run whose best network by PSNR, DD-Net, has other scores in ``changes``."""

    def build(**changes: float) -> Table:
        known = {**definitions, **metrics.definitions(IDS)}
        for model, psnr in (("input", 25.0), ("unet", 30.0), ("ddnet", 31.0)):
            rows = with_scores(scores(psnr), **(changes if model == "ddnet" else {}))
            bench.add(model, "ldct", rows, metrics=known)
        store = bench.save()
        return table.build(bench.plan(), store.read_all(bench.plan()))

    return build


def cells(made: Table, name: str) -> dict[tuple[str, ...], list[str]]:
    (grid,) = (grid for grid in made.grids if grid.name == name)
    texts = [[" / ".join(part.text for part in entry.parts) for entry in row] for row in grid.rows]
    return {tuple(row[:-3]): row[-3:] for row in texts}


def test_a_sound_winner_is_not_flagged(built: Callable[..., Table]) -> None:
    made = built()
    assert not [text for text in made.notices if "price" in text]
    assert not [text for text in made.notices if "not finite" in text]  # a slice without lung is no fault
    assert not [grid for grid in made.provenance if grid.name == "unscored"]
    (grid,) = (grid for grid in made.grids if grid.name == "tissues")
    assert grid.footnotes == ()


def test_anatomies_are_shown_apart(built: Callable[..., Table]) -> None:
    rows = cells(built(bias_chest_lung=-18.0, bias_no_lung_soft=14.0), "tissues")
    assert rows["slices with lung", "lung", "Low dose"] == ["9.0 / +1.0", "9.0 / +1.0", "9.0 / -18.0"]
    assert rows["slices without lung", "soft tissue", "Low dose"][2] == "9.0 / +14.0"
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contrast_lung_nodules": 0.61}, "contrast of lung nodules .61 (untreated input 1.00)"),
        ({"bias_chest_lung": -18.0}, "bias, lung, slices with lung -18.0 HU (untreated input +1.0 HU)"),
        ({"bias_no_lung_soft": 14.0}, "bias, soft tissue, slices without lung +14.0 HU (untreated input +1.0 HU)"),
    ],
)  # fmt: skip
def test_a_winner_that_pays_for_it_is_flagged(
    built: Callable[..., Table], changes: dict[str, float], words: str
) -> None:
    made = built(**changes)
    (text,) = (text for text in made.notices if "price" in text)
    assert text == f"DD-Net has the best PSNR on Low dose, but at a price: {words}."
    assert [note for grid in made.grids for note in grid.footnotes if note == words] == [words]


def test_a_bias_has_no_winner_and_a_lower_error_has(built: Callable[..., Table]) -> None:
    scores = {(s.metric, s.model): s for s in built(bias_chest_lung=0.0, rmse_chest_lung=3.0).scores}
    assert scores["rmse.chest.lung", "ddnet"].winner
    assert not any(scores["bias.chest.lung", model].winner for model in ("input", "unet", "ddnet"))
    assert scores["bias.chest.lung", "ddnet"].slices == 3


def test_spectra_are_drawn_for_each_anatomy(built: Callable[..., Table], bench: Any) -> None:
    made = built()
    assert "spectra" not in [figure.name for figure in made.figures]
    rows = [
        {"anatomy": name, "slices": 2, "patches": 3, "cycles_per_pixel": f, "pixel_mm": float("nan"),
         "noise": 9.0, "removed": 4.0, "left": 2.0}
        for name in ("chest", "no_lung") for f in (0.25, 0.5)
    ]  # fmt: skip
    for cell in bench.cells:
        bench.run.cell(cell.id).write_spectra(rows)
    assert bench.run.cell(bench.cells[0].id).read_spectra()[1]["cycles_per_pixel"] == 0.5
    (figure,) = (
        f for f in table.build(bench.plan(), bench.run.read_all(bench.plan())).figures if f.name == "spectra"
    )
    titles = [drawing.title for drawing in figure.drawings]
    assert titles == ["Low dose, slices with lung", "Low dose, slices without lung"]
