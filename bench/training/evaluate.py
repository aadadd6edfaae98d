"""From a network and pairs to one row of raw scores per slice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bench import metrics
from bench.ct.units import relative
from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError

PIXELS_PER_BATCH = 2 * 512 * 512  # keeps the activations of the widest network below about 1 GB
SAMPLES = 3  # slices shown per dataset

Predict = Callable[[np.ndarray], np.ndarray]
HU_PER_UNIT = 1000.0  # mu/mu_water to HU, with water at 0


def predictor(model: Any) -> Predict:
    """Return a function from (B, H, W) to (B, H, W), both float32 in mu/mu_water, for any B up to the batch."""

    def predict(images: np.ndarray) -> np.ndarray:
        output = model.predict_on_batch(images[..., None])
        return np.asarray(output, np.float32)[..., 0]

    return predict


def untreated(images: np.ndarray) -> np.ndarray:
    """Return the images as they are: the column ``input`` of the table."""
    return images


def outputs(
    pairs: PairSet, rows: np.ndarray, predict: Predict
) -> Iterator[tuple[int, np.ndarray, np.ndarray, float]]:
    """Yield (row, output, reference, seconds) for each of ``rows``; images float32 (H, W) in mu/mu_water."""
    batch = _batch(pairs, rows)
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        images = _inputs(pairs, chosen, batch)
        began = time.perf_counter()
        results = predict(images)
        seconds = (time.perf_counter() - began) / batch
        for row, result in zip(chosen, results, strict=False):
            reference = relative(pairs.reference[row])
            yield int(row), result, reference, seconds


def _batch(pairs: PairSet, rows: np.ndarray) -> int:
    return max(1, min(len(rows), PIXELS_PER_BATCH // int(pairs.degraded.shape[-1]) ** 2))


def _inputs(pairs: PairSet, rows: np.ndarray, batch: int) -> np.ndarray:
    """Return degraded images in mu/mu_water, filled up to ``batch``: a compiled network sees one shape only."""
    images = relative(pairs.degraded[rows])
    return np.concatenate([images, np.repeat(images[:1], batch - len(rows), axis=0)])


def mean_psnr(pairs: PairSet, rows: np.ndarray, predict: Predict) -> float:
    """Return the mean PSNR in dB over ``rows``, peak = maximum of each slice's reference; NaN if an output is."""
    values = []
    for row, output, reference, _ in outputs(pairs, rows, predict):
        if not np.isfinite(output).all():
            return float("nan")
        values.append(_scores(pairs, row, reference, output, (metrics.PSNR,))[metrics.PSNR])
    return float(np.mean(values))


def check(pairs: PairSet) -> None:
    """Raise a ``BenchError`` where a slice that is to be scored cannot be: before a training, not after it."""
    for row in (row for part in ("validation", "test") for row in pairs.parts.get(part, ())):
        reference = relative(pairs.reference[row])
        _scores(pairs, int(row), reference, reference, (metrics.PSNR,))


def _scores(
    pairs: PairSet,
    row: int,
    reference: np.ndarray,
    output: np.ndarray,
    ids: Iterable[str] | None = None,
) -> dict[str, float]:
    """Return the scores of one slice by metric id, or raise a ``BenchError`` that names it."""
    try:
        return metrics.score(reference, output, ids)
    except ValueError as error:
        patient, name = pairs.names[row]
        raise BenchError(f"slice {name} of patient {patient}: {error}") from error


def score(
    pairs: PairSet, predict: Predict, progress: Callable[[int, int], None]
) -> tuple[list[dict[str, str | float]], dict[str, float]]:
    """Return the rows of ``scores.csv``, one per test slice with all metrics, and the timings.

    ``ms_per_slice`` is the median over slices of the network's own time, after one batch that compiles.
    """
    began = time.perf_counter()
    rows: list[dict[str, str | float]] = []
    times: list[float] = []
    chosen = pairs.parts["test"]
    batch = _batch(pairs, chosen)
    predict(_inputs(pairs, chosen[:batch], batch))
    for row, output, reference, seconds in outputs(pairs, chosen, predict):
        patient, name = pairs.names[row]
        rows.append({"patient": patient, "slice": name, **_scores(pairs, row, reference, output)})
        times.append(seconds)
        progress(len(rows), len(chosen))
    return rows, {"score_s": time.perf_counter() - began, "ms_per_slice": 1000 * float(np.median(times))}


def samples(pairs: PairSet, predict: Predict) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the names and the images (N, H, W) in HU of the dataset's sample slices.

    The rule: the test slices sorted by name, at 1/6, 3/6 and 5/6 of the list; the same for every network.
    """
    test = sorted(pairs.parts["test"], key=lambda row: pairs.names[row])
    rows = np.array(sorted({test[len(test) * (2 * k + 1) // (2 * SAMPLES)] for k in range(SAMPLES)}))
    by_row = {row: (output, reference) for row, output, reference, _ in outputs(pairs, rows, predict)}
    images = {
        "input": relative(pairs.degraded[rows]),
        "output": np.stack([by_row[int(row)][0] for row in rows]),
        "reference": np.stack([by_row[int(row)][1] for row in rows]),
    }
    return ["/".join(pairs.names[row]) for row in rows], {k: HU_PER_UNIT * (v - 1) for k, v in images.items()}
