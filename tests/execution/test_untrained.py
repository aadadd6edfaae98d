"""Rows without clean targets and rows without a network, through the runner in this process."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench import classical, report
from bench.cli.outlook import Outlook
from bench.config.load import load
from bench.ct.units import MU_WATER
from bench.data.pairs.pairs import open_pairs
from bench.errors import BenchErrors
from bench.execution import cell, resolve, runner
from bench.records.record import Record
from bench.report.attempts import marks
from bench.report.rows import table_rows
from bench.report.slices import slice_scores
from bench.training import evaluate
from tests import tiny

N2N = tiny.EXPERIMENTS.replace("passes: 4,", "passes: 4, target: second_draw,")
ONLY_NOISE = N2N.replace("conditions: [sparse, noisy]", "conditions: [noisy]")
CLASSICAL = tiny.EXPERIMENTS.replace("models: [unet],", "models: [unet], classical: [nlm, tv],")


def run(folder: Path, *only: str) -> dict[str, Record]:
    """Run cells in this process and return their records by model."""
    with pytest.MonkeyPatch.context() as patch:
        tiny.use_executor(patch, tiny.InProcess)
        patch.setattr(report, "publish", tiny.no_tables)
        patch.setattr(runner, "_audited", tiny.unaudited)
        for _ in runner.run(tiny.request(folder, only=only)):
            pass
    resolved = resolve.resolve(tiny.request(folder, only=only))
    records = [resolved.store.cell(one.id).read_record() for one in resolved.chosen]
    return {record.spec.model: record for record in records if record is not None}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Record]]:
    folder = tiny.write(tmp_path_factory.mktemp("classical"), experiments=CLASSICAL)
    return folder, run(folder, "input:noisy", "nlm:noisy", "tv:noisy")


def test_the_strength_is_the_best_of_the_validation_and_no_other_slice_counts(
    tuned: tuple[Path, dict[str, Record]],
) -> None:
    folder, records = tuned
    resolved = resolve.resolve(tiny.request(folder))
    task = runner.task_of(resolved, resolved.chosen[0])
    pairs = open_pairs(resolved.files["noisy"], task.parts)
    for name in ("nlm", "tv"):
        tuning = records[name].tuning
        assert tuning is not None and tuning.slices == 4
        assert tuning.strengths == classical.STRENGTHS
        assert tuning.strength == classical.STRENGTHS[int(np.argmax(tuning.psnr))]
        by_hand = []
        for row in pairs.parts["validation"]:
            image, reference = (
                np.float64(part[row]) / MU_WATER for part in (pairs.degraded, pairs.reference)
            )
            output = classical.predictor(name, tuning.strength)(np.float32(image)[None])[0]
            error = np.mean((output - reference) ** 2)
            by_hand.append(10 * math.log10(reference.max() ** 2 / error))
        assert max(tuning.psnr) == pytest.approx(np.mean(by_hand), abs=1e-3)


def test_a_classical_row_is_scored_without_a_network_and_says_its_strength(
    tuned: tuple[Path, dict[str, Record]],
) -> None:
    folder, records = tuned
    resolved = resolve.resolve(tiny.request(folder))
    plan, results = resolved.plan, list(resolved.store.read_all(resolved.plan))
    row = table_rows(plan, results, slice_scores(results))[1]
    assert row.comparable
    for name in ("nlm", "tv"):
        record = records[name]
        assert (record.status, record.parameters, record.spec.training) == ("finished", {}, None)
        assert set(record.timings) == {"tune_s", "score_s", "ms_per_slice"}
        gain = row.groups[name].mean("psnr.slice_max") - row.groups["input"].mean("psnr.slice_max")  # type: ignore[operator]
        assert gain > 0.5
        assert record.tuning is not None
        (mark,) = marks(row.groups[name])
        assert f"{record.tuning.strength:g} HU chosen on 4 validation slices" in mark


def test_classical_methods_are_names_that_the_program_has(tmp_path: Path) -> None:
    tiny.write(tmp_path, experiments=CLASSICAL.replace("[nlm, tv]", "[nml]"))
    with pytest.raises(BenchErrors, match="unknown classical method 'nml'"):
        load(tmp_path / "datasets.yaml", tmp_path / "experiments.yaml")


@pytest.mark.integration
def test_without_clean_targets_no_reference_reaches_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it learns from and what it is checked on is the second draw, bit for bit; test slices have the reference."""
    noise_free = tiny.DATASETS.replace(
        "views: 90}", "views: 90, reference: fbp}"
    )  # so degraded - reference is noise
    folder = tiny.write(tmp_path, noise_free, ONLY_NOISE)
    seen = []
    validation = evaluate.Validation

    def watched(pairs: object, rows: object) -> evaluate.Validation:
        seen.append(pairs)
        return validation(pairs, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(cell.evaluate, "Validation", watched)
    record = run(folder, "unet:noisy", "input:noisy")["unet"]
    assert record.status == "finished"
    resolved = resolve.resolve(tiny.request(folder))
    task = runner.task_of(resolved, resolved.chosen[1])
    assert task.second is not None
    first, second = (open_pairs(files, task.parts) for files in (task.files, task.second))
    np.testing.assert_array_equal(seen[0].reference, second.degraded)
    np.testing.assert_array_equal(seen[0].degraded, first.degraded)
    np.testing.assert_array_equal(first.reference, second.reference)
    noise = [np.ravel(part - first.reference) for part in (first.degraded, second.degraded)]
    assert np.std(noise[0]) == pytest.approx(np.std(noise[1]), rel=0.05)
    assert (
        abs(np.corrcoef(*noise)[0, 1]) < 0.05
    )  # 20 slices of 32 x 32 pixels, neighbours alike: 0.01 by chance
    assert record.data == {**first.sha256, "second_draw": second.sha256["degraded"]}


def test_the_plan_counts_the_second_draws(tmp_path: Path) -> None:
    """What ``bench plan`` says the pairs take is what ``bench data build`` then writes, but for headers."""
    folder = tiny.write(tmp_path, experiments=ONLY_NOISE)
    resolved = resolve.resolve(tiny.request(folder))
    told = Outlook.of(resolved).pairs.bytes
    for _ in runner.build(resolved):
        pass
    written = sum(file.stat().st_size for file in folder.rglob("*.npy"))
    assert told == 4 * 20 * 32**2 * 4  # both draws and a reference for each, 20 slices of 32 x 32 in float32
    assert written - told == 4 * 128  # a header each
    assert Outlook.of(resolve.resolve(tiny.request(folder))).pairs.bytes == 0


def test_the_target_is_in_the_id_only_where_it_is_named(tmp_path: Path) -> None:
    plain, n2n = tiny.write(tmp_path / "a"), tiny.write(tmp_path / "b", experiments=ONLY_NOISE)
    named = tiny.write(tmp_path / "c", experiments=ONLY_NOISE.replace("second_draw", "reference"))
    ids = [
        [one.id for one in resolve.resolve(tiny.request(folder, only=("unet:noisy",))).chosen]
        for folder in (plain, n2n, named)
    ]
    assert ids[0] == ids[2] != ids[1]


def test_streaks_have_no_second_draw(tmp_path: Path) -> None:
    config = tiny.write(tmp_path, experiments=N2N)
    message = "unet learns from a second draw of the noise, but sparse: no noise, or streaks that are alike"
    with pytest.raises(BenchErrors, match=message):
        load(config / "datasets.yaml", config / "experiments.yaml")
