"""Scores belong to names, whatever the order and the batch; which slices are kept for the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from bench import metrics
from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError
from bench.training import evaluate

WATER = 0.2  # 1/cm
Make = Callable[..., PairSet]


class Blur:
    """A stand-in for a network: a function of one image alone that remembers the shapes it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.shapes.append(images.shape)
        return (images + np.roll(images, 1, 1) + np.roll(images, 1, 2)) / np.float32(3)


@pytest.fixture
def pairs(pair_set: Make, tmp_path: Path) -> PairSet:
    return pair_set(tmp_path)


def by_name(rows: list[dict[str, str | float]]) -> dict[tuple, dict]:
    return {(row.pop("patient"), row.pop("slice")): row for row in rows}


def nothing(done: int, total: int) -> None:
    pass


def one_by_one(pairs: PairSet, row: int) -> dict[str, float]:
    degraded, reference = (
        np.asarray(a[row], np.float32) / np.float32(WATER) for a in (pairs.degraded, pairs.reference)
    )
    return metrics.of_pair(metrics.Pair(reference, Blur()(degraded[None])[0], untreated=degraded))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 99])
def test_every_slice_has_the_score_it_has_alone(
    pairs: PairSet, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(evaluate, "PIXELS_PER_BATCH", batch * 16 * 16 + 7)
    blur = Blur()
    rows, timings, _, _ = evaluate.score(pairs, blur, nothing)
    assert [(row["patient"], row["slice"]) for row in rows] == pairs.part_names("test")
    for row, place in zip(rows, pairs.parts["test"], strict=True):
        assert {key: row[key] for key in metrics.METRICS if key in row} == one_by_one(pairs, place)
    assert set(blur.shapes) == {(min(batch, 5), 16, 16)}  # one shape only: the last batch is filled up
    assert len(blur.shapes) == math.ceil(5 / min(batch, 5)) + 1  # one to compile, which is not timed
    assert timings["ms_per_slice"] > 0


def test_scores_follow_the_names_through_any_order(pair_set: Make, tmp_path: Path, pairs: PairSet) -> None:
    names = pairs.part_names("test")
    expected = by_name(evaluate.score(pairs, Blur(), nothing).rows)
    assert len({tuple(values.values()) for values in expected.values()}) == 5
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        other = pair_set(tmp_path, parts={"test": [names[i] for i in order]})
        assert by_name(evaluate.score(other, Blur(), nothing).rows) == expected


def test_the_untreated_slice_is_scored_in_units_of_water(pairs: PairSet) -> None:
    """PSNR by scikit-image on 1/cm: the ratio does not know the unit. RMSE in HU by hand."""
    rows = evaluate.score(pairs, evaluate.untreated, nothing).rows
    for row, place in zip(rows, pairs.parts["test"], strict=True):
        x, y = (np.asarray(a[place], np.float64) for a in (pairs.reference, pairs.degraded))
        assert row["psnr.slice_max"] == pytest.approx(
            peak_signal_noise_ratio(x, y, data_range=x.max()), abs=1e-4
        )
        assert row["rmse.hu"] == pytest.approx(1000 * np.sqrt(np.mean((x - y) ** 2)) / WATER, rel=1e-5)


class Counted:
    """An array of slices that counts how often each row of it is read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.reads = values, Counter[int]()
        self.shape, self.nbytes = values.shape, values.nbytes

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.reads.update(np.atleast_1d(rows).tolist())
        return self.values[rows]


def counted(pairs: PairSet) -> tuple[PairSet, list[Counter[int]]]:
    arrays = Counted(pairs.degraded), Counted(pairs.reference)
    return replace(pairs, degraded=arrays[0], reference=arrays[1]), [array.reads for array in arrays]


def once(rows: np.ndarray) -> dict[int, int]:
    return dict.fromkeys(rows.tolist(), 1)


@pytest.mark.parametrize("batch", [2, 99])
def test_scores_and_samples_read_each_test_slice_once(
    pairs: PairSet, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(evaluate, "PIXELS_PER_BATCH", batch * 16 * 16)
    watched, reads = counted(pairs)
    evaluate.score(watched, Blur(), nothing, evaluate.sample_rows(pairs))
    assert reads == [once(pairs.parts["test"])] * 2
    for array in reads:
        array.clear()
    evaluate.sample_rows(watched)  # one pass before any prediction
    assert reads == [once(pairs.parts["test"])] * 2


def test_validation_slices_are_kept_between_epochs_where_they_fit(
    pairs: PairSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pairs.parts["validation"]
    watched, reads = counted(pairs)
    validation = evaluate.Validation(watched, rows)
    values = {validation.mean_psnr(Blur()) for _ in range(3)}
    assert reads == [once(rows)] * 2
    monkeypatch.setattr(evaluate, "KEPT_BYTES", 2 * len(rows) * 16 * 16 * 4 - 1)
    validation = evaluate.Validation(watched, rows)
    values |= {validation.mean_psnr(Blur()) for _ in range(3)}
    assert reads[0] == reads[1] == dict.fromkeys(rows.tolist(), 4)
    assert len(values) == 1


def test_ranges_are_taken_in_one_reading(pairs: PairSet) -> None:
    watched, reads = counted(pairs)
    ranges = evaluate.reference_ranges(watched)
    assert reads == [{}, once(np.concatenate(list(pairs.parts.values())))]
    reference = np.asarray(pairs.reference)
    for part, rows in pairs.parts.items():
        values = reference[rows] / WATER
        assert ranges[part] == pytest.approx([values.min(), values.max()], abs=5.1e-5)


def test_progress_counts_slices(pairs: PairSet) -> None:
    seen: list[tuple[int, int]] = []
    evaluate.score(pairs, Blur(), lambda done, total: seen.append((done, total)))
    assert seen == [(k, 5) for k in range(1, 6)]


def test_mean_psnr_is_the_mean_over_slices(pairs: PairSet) -> None:
    rows = pairs.parts["validation"]
    expected = [one_by_one(pairs, row)["psnr.slice_max"] for row in rows]
    assert evaluate.Validation(pairs, rows).mean_psnr(Blur()) == pytest.approx(sum(expected) / 4, abs=1e-12)


def test_one_nan_in_one_output_is_a_nan_mean(pairs: PairSet) -> None:
    def broken(images: np.ndarray) -> np.ndarray:
        images = images.copy()
        images[-1, 3, 3] = np.nan
        return images

    assert math.isnan(evaluate.Validation(pairs, pairs.parts["validation"]).mean_psnr(broken))


def kept(pairs: PairSet) -> list[str]:
    return ["/".join(pairs.names[row]) for row in evaluate.sample_rows(pairs)]


def ranked(pair_set: Make, folder: Path, order: list[tuple[str, str]], **asked: object) -> PairSet:
    """Pairs whose test slices have a better input the earlier they stand in ``order``."""

    def change(degraded: dict, reference: dict) -> None:
        for place, name in enumerate(order):
            degraded[name][:] = reference[name] + np.float32(0.001 * (1 + place))

    return pair_set(folder, parts={"test": sorted(order)}, change=change, **asked)


@pytest.mark.parametrize(
    ("count", "places"), [(1, [0]), (2, [0, 1]), (3, [1, 2, 0]), (5, [2, 4, 0]), (6, [2, 5, 0])]
)
def test_samples_are_median_worst_and_best_of_the_input(
    pair_set: Make, tmp_path: Path, count: int, places: list[int]
) -> None:
    order = [("B", "2"), ("A", "1"), ("B", "0"), ("A", "3"), ("A", "0"), ("B", "1")][:count]
    pairs = ranked(pair_set, tmp_path, order)
    assert kept(pairs) == ["/".join(order[place]) for place in places]
    rows = evaluate.sample_rows(pairs)
    images = evaluate.score(pairs, Blur(), nothing, rows).samples
    assert list(images) == ["input", "output", "reference"]
    for key, array in (("input", pairs.degraded), ("reference", pairs.reference)):
        assert np.allclose(images[key], 1000 * (np.asarray(array[rows]) / WATER - 1), atol=1e-3)
    assert np.allclose(images["output"], 1000 * (Blur()(pairs.degraded[rows] / WATER) - 1), atol=1e-3)


def test_of_inputs_of_equal_psnr_the_first_by_name_is_the_better(pair_set: Make, tmp_path: Path) -> None:
    def exact(degraded: dict, reference: dict) -> None:
        for name in degraded:
            degraded[name][:] = reference[name]

    names = [("B", "0"), ("A", "1"), ("A", "0"), ("C", "0")]
    pairs = pair_set(tmp_path, parts={"test": names}, change=exact)
    assert kept(pairs) == ["A/1", "C/0", "A/0"]


def test_a_slice_with_the_most_lesions_is_kept_where_no_other_shows_one(
    pair_set: Make, tmp_path: Path
) -> None:
    pairs = ranked(pair_set, tmp_path, [("A", str(place)) for place in range(4)] + [("B", "0"), ("B", "1")])
    assert kept(pairs) == ["A/2", "B/1", "A/0"]

    def known(*names: str) -> PairSet:
        rows = [{"patient": n[0], "slice": n[2:], "slice_diameter_mm": 8.0, "kind": n} for n in names]
        return replace(pairs, lesions=tuple(rows), pixel_cm=np.full(len(pairs.names), 0.1))

    assert kept(known("A/1", "B/0", "B/0", "A/3", "A/3")) == ["A/2", "B/1", "A/0", "A/3"]
    assert kept(known("A/1", "A/1", "A/0")) == [
        "A/2",
        "B/1",
        "A/0",
    ]  # one of the three shows a lesion already
    assert kept(known("Z/1")) == ["A/2", "B/1", "A/0"]  # of a slice that is not tested
    row = pairs.names.index(("A", "3"))
    found = evaluate.lesions_in(known("A/1", "A/3"), row)
    assert [(lesion["kind"], lesion["radius_px"]) for lesion in found] == [
        ("A/3", 4.0)
    ]  # 8 mm at 1 mm a pixel


def test_a_slice_that_cannot_be_scored_is_named(pair_set: Make, pairs: PairSet, tmp_path: Path) -> None:
    def empty(degraded: dict, reference: dict) -> None:
        reference["E", "1"][:] = 0

    def broken(images: np.ndarray) -> np.ndarray:
        images = images.copy()
        images[2, 3, 3] = np.nan
        return images

    air = pair_set(tmp_path / "air", change=empty)
    message = r"slice 1 of patient E: the reference has no range \(all air\)"
    for fails in (lambda: evaluate.reference_ranges(air), lambda: evaluate.score(air, Blur(), nothing)):
        with pytest.raises(BenchError, match=message):
            fails()
    evaluate.reference_ranges(pairs)
    with pytest.raises(BenchError, match=r"slice 2 of patient D: the image has 1 values that are NaN"):
        evaluate.score(pairs, broken, nothing)


def test_a_validation_slice_of_air_is_named_before_the_training(pair_set: Make, tmp_path: Path) -> None:
    def empty(degraded: dict, reference: dict) -> None:
        reference["C", "3"][:] = 0

    with pytest.raises(BenchError, match=r"slice 3 of patient C: the reference has no range"):
        evaluate.reference_ranges(pair_set(tmp_path, change=empty))
