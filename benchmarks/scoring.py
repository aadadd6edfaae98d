"""Speed of scoring on this machine: the metrics beside scikit-image in the same run, and inference by batch.

``PYTHONPATH=. python benchmarks/scoring.py [metrics | inference]`` (both unless said; about a minute each). One thread,
processor-seconds, so that other work on the machine counts little; compiling is left out and stated apart.
Metrics: all of ``bench.metrics.METRICS`` over phantom slices of 512 x 512 with noise; scikit-image is called once for
each of the four numbers it has (its SSIM of the column vector is that of the padded vector). Inference: the three
published networks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    | {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
)

import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from tabulate import tabulate

from bench import environment, metrics, phantom

SIZE, SLICES, REPEATS = 512, 6, 5
FOUR = ("psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu")  # that scikit-image has
STANDARD = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
NETWORKS = ("unet", "ddnet", "dncnn")
BATCHES = {64: (1, 4, 16, 128), 128: (1, 4, 32), 512: (1, 2)}
LONGEST_S = 0.5  # of one entry of the table of inference

Pair = tuple[np.ndarray, np.ndarray]


def used(work: Callable[[], object]) -> float:
    """Return the processor-seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def slices() -> list[Pair]:
    """Return reference and noisy slices of a phantom patient, float32 in mu/mu_water as scoring gets them."""
    draw = np.random.default_rng(1)
    pairs = []
    for height in (np.arange(SLICES) + 0.5) / SLICES:
        reference = (1 + phantom.render("P000", height, size=SIZE)[0] / 1000).astype(np.float32)
        pairs.append((reference, reference + draw.normal(0, 0.03, reference.shape).astype(np.float32)))
    return pairs


def by_scikit_image(reference: np.ndarray, image: np.ndarray) -> list[float]:
    """Return PSNR, SSIM, SSIM of the column vector and RMSE in HU, each by its own call."""
    x, y = reference.astype(np.float64), image.astype(np.float64)
    peak = x.max()
    columns = [np.pad(values.ravel(order="F"), 5, mode="edge") for values in (x, y)]
    return [
        float(peak_signal_noise_ratio(x, y, data_range=peak)),
        float(structural_similarity(x, y, data_range=peak, **STANDARD)),
        float(structural_similarity(*columns, data_range=peak, **STANDARD)),
        1000 * float(np.sqrt(skimage.metrics.mean_squared_error(x, y))),
    ]


def all_metrics(reference: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Return all metrics of a slice, with a lesion and the untreated slice, as a cell's scoring has them."""
    lesions = (metrics.Lesion("solid", 0.4 * SIZE, 0.5 * SIZE, 12.0),)
    return metrics.of_pair(metrics.Pair(reference, image, untreated=image, lesions=lesions))


def scores() -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table of the metrics: the median over interleaved repeats."""
    pairs = slices()
    all_metrics(*pairs[0])  # compiles
    theirs, ours = ([] for _ in range(2))
    for _ in range(REPEATS):
        theirs.append(used(lambda: [by_scikit_image(*pair) for pair in pairs]) / SLICES)
        ours.append(used(lambda: [all_metrics(*pair) for pair in pairs]) / SLICES)
    far = max(
        float(np.max(np.abs(np.subtract(list(metrics.score(*pair, FOUR).values()), by_scikit_image(*pair)))))
        for pair in pairs
    )
    a, b = (1000 * float(np.median(values)) for values in (theirs, ours))
    yield a, b, a / b, far


def first(cache: str) -> float:
    """Return the processor-seconds of the first score of a process, which keeps compiled loops in ``cache``."""
    code = (
        "import time, numpy; from bench import metrics; x = numpy.ones((16, 16)); began = time.process_time(); "
        "metrics.score(x, x); print(time.process_time() - began)"
    )
    environment_of = {**os.environ, "NUMBA_CACHE_DIR": cache}
    run = subprocess.run([sys.executable, "-c", code], env=environment_of, capture_output=True, check=True)
    return float(run.stdout)


def inference() -> Iterator[tuple[object, ...]]:
    """Yield network, size and the processor-milliseconds of a slice for each batch."""
    from bench.training import evaluate
    from bench.training.networks import load_network

    for name in NETWORKS:
        predict = evaluate.predictor(load_network(f"models.{name}:build", {}))
        for size, batches in BATCHES.items():
            cost = [f"{batch}: {1000 * of_a_slice(predict, batch, size):.3g}" for batch in batches]
            yield name, size, ", ".join(cost)


def of_a_slice(predict: Callable[[np.ndarray], np.ndarray], batch: int, size: int) -> float:
    """Return the processor-seconds of a slice, the least of at least two calls after one that compiles."""
    images = np.random.default_rng(1).random((batch, size, size), np.float32)
    predict(images)
    began, times = time.perf_counter(), [used(lambda: predict(images))]
    while len(times) < 2 or time.perf_counter() - began < LONGEST_S:
        times.append(used(lambda: predict(images)))
    return min(times) / batch


def main() -> None:
    """Measure and print."""
    chosen = sys.argv[1:] or ["metrics", "inference"]
    print({**environment.describe(), "scikit-image": skimage.__version__})
    if "metrics" in chosen:
        header = ("scikit-image, CPU-ms a slice", "ours", "ratio", "largest difference")
        print(tabulate(scores(), header, tablefmt="github", floatfmt=".3g"))
        with TemporaryDirectory() as cache:
            print(
                f"first score of a process, CPU-s: {first(cache):.2f} compiled, {first(cache):.2f} from the cache"
            )
    if "inference" in chosen:
        print("| network | size | batch: CPU-ms a slice |\n| --- | --- | --- |")
        for row in inference():
            print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
