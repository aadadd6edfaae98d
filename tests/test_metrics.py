"""Metrics against scikit-image, plain loops, closed forms, invariances and planted faults."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench import metrics, similarity
from bench.metrics.lesions import LESIONS
from bench.metrics.tissues import TISSUES
from bench.seeds import generator

Array = NDArray[np.float64]
STANDARD = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
FOUR = ("psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu")
RANGED = [metrics.psnr, metrics.ssim, metrics.column_ssim]
SHAPES = [(64, 64), (11, 11), (11, 40), (37, 90), (101, 12), (301, 260)]


def pair(shape: tuple[int, int], kind: str) -> tuple[Array, Array]:
    """Return a reference and a degraded image of one kind, both mu/mu_water."""
    draw = generator("test-metrics", kind, *shape)
    noise = draw.standard_normal(shape)
    if kind == "white":
        reference = draw.random(shape)
    elif kind == "texture":
        reference = 1.0 + gaussian_filter(draw.standard_normal(shape), 1.5)
    elif kind == "body":
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
        radius = np.hypot(y / shape[0] - 0.5, x / shape[1] - 0.5)
        reference = np.where(radius < 0.35, 1.02, 0.0) + np.where(radius < 0.1, 1.4, 0.0)
    else:
        raise AssertionError(kind)
    return reference, 0.98 * reference + 0.05 * gaussian_filter(noise, 0.7) - 0.01


# Against scikit-image


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["white", "texture", "body"])
@pytest.mark.parametrize("data_range", [0.7, 2.5])
def test_psnr_and_ssim_equal_scikit_image(shape: tuple[int, int], kind: str, data_range: float) -> None:
    x, y = pair(shape, kind)
    other = peak_signal_noise_ratio(x, y, data_range=data_range)
    assert metrics.psnr(x, y, data_range=data_range) == pytest.approx(other, abs=1e-9)
    other = structural_similarity(x, y, data_range=data_range, **STANDARD)
    assert metrics.ssim(x, y, data_range=data_range) == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("shape", [*SHAPES, (5, 3), (1, 30), (400, 300)])
def test_column_ssim_equals_scikit_image_on_the_padded_vector(shape: tuple[int, int]) -> None:
    """scikit-image drops five samples at each end, which are here the replicated ones."""
    x, y = pair(shape, "texture")
    long_x, long_y = (np.pad(np.concatenate(list(image.T)), 5, mode="edge") for image in (x, y))
    other = structural_similarity(long_x, long_y, data_range=2.0, **STANDARD)
    assert metrics.column_ssim(x, y, data_range=2.0) == pytest.approx(other, abs=1e-9)


def test_float32_input_is_computed_in_float64() -> None:
    x, y = (image.astype(np.float32) for image in pair((40, 41), "texture"))
    wide = x.astype(np.float64), y.astype(np.float64)
    for metric in RANGED:
        assert metric(x, y, data_range=2.0) == metric(*wide, data_range=2.0)
    assert metrics.rmse_hu(x, y) == metrics.rmse_hu(*wide)


# Column SSIM by hand

SMALL = np.array(
    [
        [0.0, 0.9, 1.0, 0.1],
        [0.2, 1.1, 1.3, 0.0],
        [0.1, 1.0, 2.0, 0.3],
        [0.0, 0.7, 1.9, 0.2],
        [0.3, 0.8, 1.2, 0.1],
        [0.0, 1.2, 1.0, 0.0],
    ]
)
SMALL_NOISY = SMALL + np.array(
    [
        [0.1, -0.2, 0.0, 0.1],
        [-0.1, 0.1, 0.2, 0.0],
        [0.0, 0.3, -0.3, -0.1],
        [0.2, -0.1, 0.1, 0.0],
        [-0.2, 0.0, 0.1, 0.2],
        [0.1, 0.1, -0.1, -0.3],
    ]
)


def loop_ssim(
    x: list[float], y: list[float], peak: float, *, end: str = "replicate", moment: float = 1.0
) -> float:
    """Return the mean SSIM of two number lists with plain loops, two-pass weighted moments."""
    weights = [math.exp(-(offset**2) / (2 * 1.5**2)) for offset in range(-5, 6)]
    weights = [weight / math.fsum(weights) for weight in weights]
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    values = []
    for center in range(len(x)):
        places = [center + offset for offset in range(-5, 6)]
        last = len(x) - 1
        if end == "replicate":
            places = [min(max(place, 0), last) for place in places]
        else:
            places = [-place - 1 if place < 0 else place for place in places]
            places = [2 * last + 1 - place if place > last else place for place in places]
        mx = math.fsum(w * x[p] for w, p in zip(weights, places, strict=True))
        my = math.fsum(w * y[p] for w, p in zip(weights, places, strict=True))
        vx = moment * math.fsum(w * (x[p] - mx) ** 2 for w, p in zip(weights, places, strict=True))
        vy = moment * math.fsum(w * (y[p] - my) ** 2 for w, p in zip(weights, places, strict=True))
        cov = moment * math.fsum(w * (x[p] - mx) * (y[p] - my) for w, p in zip(weights, places, strict=True))
        top = (2 * mx * my + c1) * (2 * cov + c2)
        values.append(top / ((mx * mx + my * my + c1) * (vx + vy + c2)))
    return math.fsum(values) / len(values)


def by_columns(image: Array) -> list[float]:
    return [float(image[row, column]) for column in range(image.shape[1]) for row in range(image.shape[0])]


def by_rows(image: Array) -> list[float]:
    return [float(image[row, column]) for row in range(image.shape[0]) for column in range(image.shape[1])]


def test_column_ssim_equals_plain_loops() -> None:
    expected = loop_ssim(by_columns(SMALL), by_columns(SMALL_NOISY), 2.0)
    assert metrics.column_ssim(SMALL, SMALL_NOISY, data_range=2.0) == pytest.approx(expected, abs=1e-12)


def test_loops_tell_the_planted_faults_apart() -> None:
    """Row-major order, sample covariance, reflected ends and another range each give another number."""
    right = metrics.column_ssim(SMALL, SMALL_NOISY, data_range=2.0)
    faults = {
        "row-major": loop_ssim(by_rows(SMALL), by_rows(SMALL_NOISY), 2.0),
        "sample covariance": loop_ssim(by_columns(SMALL), by_columns(SMALL_NOISY), 2.0, moment=11 / 10),
        "reflected ends": loop_ssim(by_columns(SMALL), by_columns(SMALL_NOISY), 2.0, end="reflect"),
        "fixed range": loop_ssim(by_columns(SMALL), by_columns(SMALL_NOISY), 1.0),
    }
    for fault, value in faults.items():
        assert abs(value - right) > 1e-4, fault
    turned = metrics.column_ssim(SMALL.T, SMALL_NOISY.T, data_range=2.0)
    assert turned == pytest.approx(faults["row-major"], abs=1e-12)


def test_memory_layout_does_not_matter() -> None:
    x, y = pair((37, 90), "texture")
    for metric in RANGED:
        plain = metric(x, y, data_range=2.0)
        assert metric(np.asfortranarray(x), y, data_range=2.0) == pytest.approx(plain, abs=1e-13)
        assert metric(np.repeat(x, 2, axis=1)[:, ::2], y, data_range=2.0) == pytest.approx(plain, abs=1e-13)


def test_column_ssim_ignores_the_neighbouring_column_and_ssim_does_not() -> None:
    """Streaks along the columns: constant within each column, so 1-D windows see only level shifts."""
    reference = np.full((600, 40), 1.0)
    streaks = reference + 0.05 * generator("streaks").standard_normal(40)
    assert metrics.column_ssim(reference, streaks, data_range=2.0) > 0.95
    assert metrics.ssim(reference, streaks, data_range=2.0) < 0.75
    assert metrics.column_ssim(reference.T, streaks.T, data_range=2.0) < 0.75


def test_ssim_with_sample_covariance_or_seven_pixel_box_is_another_number() -> None:
    x, y = pair((64, 64), "texture")
    ours = metrics.ssim(x, y, data_range=2.0)
    sample = structural_similarity(x, y, data_range=2.0, **{**STANDARD, "use_sample_covariance": True})
    assert abs(ours - sample) > 1e-5
    assert abs(ours - structural_similarity(x, y, data_range=2.0)) > 1e-3


# Closed forms


@pytest.mark.parametrize(("offset", "data_range"), [(0.1, 1.0), (-0.02, 2.5), (1.0, 0.5)])
def test_constant_offset_has_closed_form_psnr_and_rmse(offset: float, data_range: float) -> None:
    x, _ = pair((20, 31), "white")
    expected = 20.0 * math.log10(data_range / abs(offset))
    assert metrics.psnr(x, x + offset, data_range=data_range) == pytest.approx(expected, abs=1e-9)
    assert metrics.rmse_hu(x, x + offset) == pytest.approx(1000.0 * abs(offset), rel=1e-12)


@pytest.mark.parametrize("metric", [metrics.ssim, metrics.column_ssim])
@pytest.mark.parametrize(("a", "b"), [(1.0, 0.5), (1.0, 0.0), (0.3, -0.3)])
def test_flat_images_have_the_luminance_term_only(metric: Callable[..., float], a: float, b: float) -> None:
    c1 = (0.01 * 2.0) ** 2
    value = metric(np.full((15, 20), a), np.full((15, 20), b), data_range=2.0)
    assert value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-10)


def test_identical_images() -> None:
    x, _ = pair((30, 33), "body")
    assert metrics.score(x, x, FOUR) == {
        "psnr.slice_max": math.inf,
        "ssim.slice_max": pytest.approx(1.0, abs=1e-12),
        "ssim.column": pytest.approx(1.0, abs=1e-12),
        "rmse.hu": 0.0,
    }


# Invariances


@pytest.mark.parametrize("metric", RANGED)
def test_scaling_images_and_range_together_changes_nothing(metric: Callable[..., float]) -> None:
    x, y = pair((40, 27), "texture")
    expected = metric(x, y, data_range=2.0)
    assert metric(0.2 * x, 0.2 * y, data_range=0.4) == pytest.approx(expected, abs=1e-9)
    assert abs(metric(x, y, data_range=3.0) - expected) > 1e-4


@pytest.mark.parametrize("metric", RANGED)
def test_symmetry_in_the_two_images_and_under_half_a_turn(metric: Callable[..., float]) -> None:
    x, y = pair((40, 27), "texture")
    expected = metric(x, y, data_range=2.0)
    assert metric(y, x, data_range=2.0) == pytest.approx(expected, abs=1e-12)
    assert metric(x[::-1, ::-1], y[::-1, ::-1], data_range=2.0) == pytest.approx(expected, abs=1e-12)


def test_standard_ssim_does_not_see_a_transposition() -> None:
    x, y = pair((40, 27), "texture")
    expected = metrics.ssim(x, y, data_range=2.0)
    assert metrics.ssim(x.T, y.T, data_range=2.0) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", RANGED)
def test_more_noise_scores_lower(metric: Callable[..., float]) -> None:
    x, _ = pair((64, 64), "body")
    noise = generator("noise").standard_normal(x.shape)
    scores = [metric(x, x + level * noise, data_range=2.4) for level in (0.01, 0.05, 0.2)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[2] + 0.05


def test_inputs_are_left_as_they_were() -> None:
    x, y = pair((30, 31), "white")
    before = x.copy(), y.copy()
    metrics.score(x, y)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


# Scores and definitions


def test_score_uses_the_maximum_of_the_reference_and_keeps_the_order() -> None:
    x, y = pair((40, 40), "body")
    y[0, 0] = 9.0  # a hot pixel of the degraded image must not become the range
    peak = float(x.max())
    scored = metrics.score(x, y)
    assert list(scored) == [name for name in metrics.METRICS if name in scored]
    assert set(metrics.METRICS) - set(scored) <= {metric.id for metric in (*TISSUES, *LESIONS)}
    assert list(metrics.score(x, y).items())[:4] == [
        ("psnr.slice_max", metrics.psnr(x, y, data_range=peak)),
        ("ssim.slice_max", metrics.ssim(x, y, data_range=peak)),
        ("ssim.column", metrics.column_ssim(x, y, data_range=peak)),
        ("rmse.hu", metrics.rmse_hu(x, y)),
    ]
    assert list(metrics.score(x, y, ids=["rmse.hu", "psnr.slice_max"])) == ["rmse.hu", "psnr.slice_max"]
    assert all(type(value) is float for value in metrics.score(x, y).values())


def test_golden_scores_guard_the_scoring_version() -> None:
    """A number that moves here needs a new ``Metric.version`` and a new ``SCORING_VERSION``.

    The images are formulas. PSNR and RMSE follow from the sum of squares; both SSIM values were computed with
    scikit-image 0.26 (the column one on the padded vector), not with the code under test.
    """
    row, column = np.mgrid[0:24, 0:20]
    x = 1.0 + 0.5 * np.sin(row / 3.0) * np.cos(column / 2.0)
    y = x + 0.04 * np.cos(row * 1.7 + column * 2.3)
    assert metrics.SCORING_VERSION == 1
    assert [metrics.METRICS[name].version for name in FOUR] == [1, 1, 1, 1]
    assert metrics.score(x, y, FOUR) == {
        "psnr.slice_max": pytest.approx(34.479517181, abs=1e-9),
        "ssim.slice_max": pytest.approx(0.98774589838, abs=1e-9),
        "ssim.column": pytest.approx(0.93866477398, abs=1e-9),
        "rmse.hu": pytest.approx(28.284910093, abs=1e-9),
    }


def test_definitions_are_json_and_complete() -> None:
    found = json.loads(json.dumps(metrics.definitions()))
    assert list(found) == list(metrics.METRICS)
    for entry in found.values():
        assert set(entry) == {"label", "unit", "range", "direction", "version", "decimals"}
        assert entry["direction"] in {"higher", "lower", "none"}
        assert entry["range"]
    assert found["psnr.slice_max"]["unit"] == "dB"
    assert found["rmse.hu"]["unit"] == "HU"
    assert found["rmse.hu"]["direction"] == "lower"
    assert found["ssim.slice_max"]["range"] != found["ssim.column"]["range"]
    assert list(metrics.definitions(["rmse.hu"])) == ["rmse.hu"]


def test_metric_is_frozen() -> None:
    with pytest.raises(AttributeError):
        metrics.METRICS["rmse.hu"].version = 2  # type: ignore[misc]


# One slice, all metrics


def test_metrics_of_a_slice_share_peak_difference_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def counted(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def count(*args: object, **kwargs: object) -> object:
            calls[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counted(similarity, "similarities")
    counted(metrics.pair, "slice_max")
    counted(metrics.pair.np, "square")
    metrics.score(*pair((40, 40), "body"), FOUR)
    assert calls == {"similarities": 1, "slice_max": 1, "square": 1}


def test_scores_have_the_same_bits_on_any_number_of_threads() -> None:
    slices = [pair((64 + k, 64), "texture") for k in range(8)]
    alone = [metrics.score(*both) for both in slices]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda both: metrics.score(*both), slices)) == alone


# Errors


@pytest.mark.parametrize("metric", RANGED)
@pytest.mark.parametrize("data_range", [0.0, -1.0, math.inf, math.nan])
def test_impossible_range_is_refused(metric: Callable[..., float], data_range: float) -> None:
    with pytest.raises(ValueError, match="data_range"):
        metric(*pair((16, 16), "white"), data_range=data_range)


@pytest.mark.parametrize("metric", RANGED)
def test_range_is_a_required_keyword(metric: Callable[..., float]) -> None:
    with pytest.raises(TypeError):
        metric(*pair((16, 16), "white"))
    with pytest.raises(TypeError):
        metric(*pair((16, 16), "white"), 1.0)


def with_range(metric: Callable[..., float]) -> Callable[[object, object], float]:
    return lambda x, y: metric(x, y, data_range=1.0)


@pytest.mark.parametrize(
    "metric", [*map(with_range, RANGED), metrics.rmse_hu, metrics.score], ids=lambda _: "metric"
)
def test_bad_images_are_refused(metric: Callable[[object, object], object]) -> None:
    x, y = pair((16, 16), "white")
    for bad in (math.nan, math.inf, -math.inf):
        spoiled = y.copy()
        spoiled[3, 4] = bad
        with pytest.raises(ValueError, match="image has 1 values that are NaN or infinite"):
            metric(x, spoiled)
        with pytest.raises(ValueError, match="reference has 1 values"):
            metric(spoiled, x)
    with pytest.raises(ValueError, match="shapes differ"):
        metric(x, y[:, :1])  # would broadcast
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        metric(x[..., None], y[..., None])
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        metric(x[:0], y[:0])
    with pytest.raises(ValueError, match="real number"):
        metric(x, y.astype(complex))


def test_ssim_needs_one_whole_window() -> None:
    x, y = pair((10, 40), "white")
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, not 10 x 40"):
        metrics.ssim(x, y, data_range=1.0)
    assert metrics.column_ssim(x, y, data_range=1.0) < 1.0


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_slice_without_positive_maximum_is_refused(level: float) -> None:
    air = np.full((16, 16), level)
    for name in ("psnr.slice_max", "ssim.slice_max", "ssim.column"):
        with pytest.raises(ValueError, match="the reference has no range"):
            metrics.score(air, air + 0.1, ids=[name])
    assert metrics.score(air, air + 0.1, ids=["rmse.hu"])["rmse.hu"] == pytest.approx(100.0)


def test_unknown_id_is_refused_with_the_known_ones() -> None:
    x, y = pair((16, 16), "white")
    with pytest.raises(ValueError, match=r"'psnr'; known: psnr\.slice_max, ssim\.slice_max"):
        metrics.score(x, y, ids=["psnr"])
    with pytest.raises(ValueError, match="unknown metric 'vif'"):
        metrics.definitions(["rmse.hu", "vif"])


def test_importing_metrics_brings_no_framework() -> None:
    code = (
        "import sys, bench.metrics\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'models', 'skimage', 'numba'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
