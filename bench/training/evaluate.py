"""From a network and pairs to one row of raw scores per slice."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from bench import metrics
from bench.ct.units import MU_WATER, relative
from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError
from bench.metrics.texture import Spectra
from bench.training import memory

#: Keeps the activations of the widest network below about 1 GB. On a CPU within 8 % of the best batch at 64 and 512 px
#: for the published networks; one slice alone costs up to 2.6 times as much (benchmarks/README.md).
PIXELS_PER_BATCH = 2 * 512 * 512
KEPT_BYTES = 1 << 30  # of validation slices that stay in memory between epochs; more are read again at each

Predict = Callable[[np.ndarray], np.ndarray]
HU_PER_UNIT = 1000.0  # mu/mu_water to HU, with water at 0


def predictor(model: Any, *, divisible: bool = True) -> Predict:
    """Return a function from (B, H, W) to (B, H, W), both float32 in mu/mu_water, for any B up to the batch.

    Where memory runs out it goes on image by image, if the network is ``divisible``: an image's output does not depend
    on those beside it.
    """
    alone = False

    def predict(images: np.ndarray) -> np.ndarray:
        nonlocal alone
        if not alone:
            try:
                output = model.predict_on_batch(images[..., None])
                return np.asarray(output, np.float32)[..., 0]
            except Exception as error:
                if not divisible or len(images) == 1 or not memory.exhausted(error):
                    raise
                traceback.print_exc()
                alone = True
        outputs = [model.predict_on_batch(image[None, ..., None]) for image in images]
        return np.concatenate([np.asarray(output, np.float32) for output in outputs])[..., 0]

    return predict


def untreated(images: np.ndarray) -> np.ndarray:
    """Return the images as they are: the column ``input`` of the table."""
    return images


class Batch(NamedTuple):
    """Slices as a network is given them: (B, H, W) images and (n, H, W) references, float32 in mu/mu_water.

    The last batch of a part has n < B rows and is filled up: a compiled network sees one shape only, and one that
    normalizes by the statistics of the batch (``batch_norm: batch``) always sees as many images.
    """

    rows: np.ndarray
    images: np.ndarray
    references: np.ndarray


def _batches(pairs: PairSet, rows: np.ndarray) -> Iterator[Batch]:
    """Yield the slices of ``rows`` in their order, each read once."""
    side = int(pairs.degraded.shape[-1])
    size = batch_size(len(rows), side**2)
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        yield Batch(chosen, filled(relative(pairs.degraded[chosen]), size), relative(pairs.reference[chosen]))


def batch_size(images: int, pixels: int) -> int:
    """Return how many of so many images, each of so many pixels, are predicted at once."""
    return max(1, min(images, PIXELS_PER_BATCH // pixels))


def filled(images: np.ndarray, size: int) -> np.ndarray:
    """Return a batch of ``size`` images: these (B, H, W), and the first of them again in the places left."""
    return np.concatenate([images, np.repeat(images[:1], size - len(images), axis=0)])


class Validation:
    """The slices that choose the best epoch: read once and kept for all epochs, where they fit ``KEPT_BYTES``."""

    def __init__(self, pairs: PairSet, rows: np.ndarray) -> None:
        self._pairs, self._rows = pairs, rows
        size = 2 * len(rows) * pairs.degraded.nbytes // len(pairs.names)
        self._kept = list(_batches(pairs, rows)) if size <= KEPT_BYTES else None
        self._peaks: dict[int, float] = {}

    def mean_psnr(self, predict: Predict) -> float:
        """Return the mean PSNR in dB, peak = maximum of each slice's reference; NaN if an output is."""
        values = []
        for batch in self._kept or _batches(self._pairs, self._rows):
            outputs = predict(batch.images)
            for row, reference, output in zip(batch.rows, batch.references, outputs, strict=False):
                if not np.isfinite(output).all():
                    return float("nan")
                with _naming(self._pairs, row):
                    if row not in self._peaks:
                        self._peaks[row] = metrics.slice_max(reference)
                    values.append(metrics.psnr(reference, output, data_range=self._peaks[row]))
        return float(np.mean(values))


def reference_ranges(pairs: PairSet) -> dict[str, list[float]]:
    """Return the smallest and largest reference value of each part, mu/mu_water to four decimals; NaN is left out.

    Raises:
        BenchError: a slice that is to be scored cannot be: found before a training, not after it.
    """
    ranges = {}
    for part, rows in pairs.parts.items():
        edges = np.empty((len(rows), 2), np.float32)
        for place, row in enumerate(rows):
            image = np.asarray(pairs.reference[row])
            edges[place] = np.fmin.reduce(image, axis=None), np.fmax.reduce(image, axis=None)
            if part in ("validation", "test"):
                with _naming(pairs, row):
                    image = relative(image)
                    _ = metrics.Pair(image, image).peak
        if len(rows):
            low, high = float(np.fmin.reduce(edges[:, 0])), float(np.fmax.reduce(edges[:, 1]))
            ranges[part] = [round(low / MU_WATER, 4), round(high / MU_WATER, 4)]
    return ranges


@contextmanager
def _naming(pairs: PairSet, row: int) -> Iterator[None]:
    """Turn the fault of a slice into a ``BenchError`` that names it."""
    try:
        yield
    except ValueError as error:
        patient, name = pairs.names[row]
        raise BenchError(f"slice {name} of patient {patient}: {error}") from error


class Scores(NamedTuple):
    """What the test slices give.

    ``rows`` are those of ``scores.csv``, one per slice with all metrics that it has. Of ``timings``, ``ms_per_slice``
    is the median over slices of the network's own time, after one batch that compiles. ``samples`` are the slices to be
    kept for the report: ``input``, ``output`` and ``reference`` (N, H, W) in HU; empty where none are. ``spectra`` are
    the rows of ``spectra.csv``.
    """

    rows: list[dict[str, str | float]]
    timings: dict[str, float]
    samples: dict[str, np.ndarray]
    spectra: list[dict[str, str | float]]


def score(
    pairs: PairSet,
    predict: Predict | np.ndarray,
    progress: Callable[[int, int], None],
    shown: Sequence[int] = (),
) -> Scores:
    """Return the scores of the test slices, each read and predicted once, and the images of the rows ``shown``.

    In place of a network may stand the outputs of another program, (N, H, W) in HU, a test slice each.
    """
    began = time.perf_counter()
    chosen = pairs.parts["test"]
    rows: list[dict[str, str | float]] = []
    times: list[float] = []
    spectra = Spectra()
    kept: dict[int, tuple[np.ndarray, ...]] = dict.fromkeys(shown, ())
    for batch in _batches(pairs, chosen):
        if isinstance(predict, np.ndarray):
            outputs = 1 + predict[len(rows) : len(rows) + len(batch.rows)] / np.float32(HU_PER_UNIT)
        else:
            if not rows:
                predict(batch.images)  # compiles
            start = time.perf_counter()
            outputs = predict(batch.images)
            times += [(time.perf_counter() - start) / len(batch.images)] * len(batch.rows)
        for row, degraded, output, reference in zip(
            batch.rows, batch.images, outputs, batch.references, strict=False
        ):
            patient, name = pairs.names[row]
            with _naming(pairs, row):
                pair = metrics.Pair(reference, output, untreated=degraded, lesions=_lesions(pairs, row))
                rows.append({"patient": patient, "slice": name, **metrics.of_pair(pair)})
                spectra.add(pair, 10.0 * float(pairs.pixel_cm[row]))
            if row in kept:
                kept[row] = degraded, output, reference
            progress(len(rows), len(chosen))
    timings = {"score_s": time.perf_counter() - began}
    timings |= {"ms_per_slice": 1000 * float(np.median(times))} if times else {}
    return Scores(rows, timings, _in_hu(list(kept.values())), spectra.rows())


def _lesions(pairs: PairSet, row: int) -> tuple[metrics.Lesion, ...]:
    """Return the known lesions of a slice, in pixels; none where the source does not say how wide a pixel is."""
    known = [(str(one["kind"]), float(one["x_px"]), float(one["y_px"]), 2 * float(one["radius_px"]))
             for one in lesions_in(pairs, row)]  # fmt: skip
    return tuple(metrics.Lesion(*one) for one in known if np.isfinite(one[-1]))


def _in_hu(samples: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """Return input, output and reference of the samples as (N, H, W) in HU."""
    images = zip(("input", "output", "reference"), map(np.stack, zip(*samples, strict=True)), strict=False)
    return {name: HU_PER_UNIT * (values - 1) for name, values in images}


def sample_rows(pairs: PairSet) -> list[int]:
    """Return the rows of the test slices that are kept for the report, each once, the most telling first.

    The median, the worst and the best by the PSNR of the untreated input, which is the same for every network; and, if
    none of them shows a known lesion, the slice with the most. Of equals, the first by name. Before any slice is
    predicted: batches are not kept, and a slice predicted again beside others may come out otherwise.
    """
    values = {}
    for row in pairs.parts["test"].tolist():
        with _naming(pairs, row):
            pair = relative(pairs.reference[row]), relative(pairs.degraded[row])
            values[row] = metrics.score(*pair, [metrics.PSNR])[metrics.PSNR]
    ranked = sorted(values, key=lambda row: (-values[row], pairs.names[row]))
    chosen = list(dict.fromkeys([ranked[(len(ranked) - 1) // 2], ranked[-1], ranked[0]]))
    counts = {row: len(lesions_in(pairs, row)) for row in sorted(ranked, key=lambda row: pairs.names[row])}
    if any(counts.values()) and not any(counts[row] for row in chosen):
        chosen.append(max(counts, key=lambda row: counts[row]))
    return chosen


def lesions_in(pairs: PairSet, row: int) -> list[dict[str, str | float]]:
    """Return the known lesions of a slice as the manifest has them, each with its radius in pixels there."""
    return [
        lesion | {"radius_px": float(lesion["slice_diameter_mm"]) / (20.0 * float(pairs.pixel_cm[row]))}
        for lesion in pairs.lesions
        if (lesion["patient"], lesion["slice"]) == pairs.names[row]
    ]
