"""Errors by tissue, lesions and spectra against closed forms, scikit-image and SciPy, and planted faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import fourier_gaussian, gaussian_filter
from scipy.signal import periodogram
from scipy.special import ndtr
from skimage.measure import label

from bench import metrics
from bench.metrics import Lesion, Pair, segmentation, texture
from bench.metrics.lesions import edge_width, recovery, widening
from bench.seeds import generator

Array = NDArray[np.float64]
SIDE = 256
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


def disc(radius: float, x: float = 0.0, y: float = 0.0) -> NDArray[np.bool_]:
    """Return a disc about a place, in pixels from the middle."""
    return np.asarray(np.hypot(COLUMNS - x, ROWS - y) < radius)


def slice_of(*, lung: bool = True) -> Array:
    """Return a body of water with a spine, a couch that touches it, and lungs or a bubble of gas, in mu/mu_water."""
    hu = np.full((SIDE, SIDE), -1000.0)
    hu[disc(100)] = 0.0
    hu[disc(12, y=70)] = 700.0
    hu[disc(8, x=-60)] = -990.0  # gas
    if lung:
        hu[disc(30, x=-45)] = hu[disc(30, x=45)] = -800.0
    hu[228, 20:236] = 100.0  # the top of a couch, one pixel thin
    return 1.0 + hu / 1000.0


def noise(*shape: int) -> Array:
    return generator("test-clinical", *shape).standard_normal(shape or (SIDE, SIDE))


def test_body_and_tissues_are_those_that_were_drawn() -> None:
    x = slice_of()
    found = segmentation.anatomy(Pair(x, x))
    assert found.region == "chest"
    assert np.count_nonzero(found.masks["body"] ^ disc(100)) <= 0.001 * disc(100).sum()
    assert not found.masks["body"][228, :100].any()
    lungs = disc(30, x=-45) | disc(30, x=45)
    assert np.array_equal(found.masks["lung"], lungs)
    assert np.array_equal(found.masks["bone"] & disc(99), disc(12, y=70))
    assert int(label(found.masks["body"], connectivity=1).max()) == 1  # scikit-image


def test_gas_in_the_bowel_is_no_chest() -> None:
    x = slice_of(lung=False)
    assert segmentation.anatomy(Pair(x, x)).region == "no_lung"
    air = np.full((SIDE, SIDE), 1e-6)
    assert segmentation.anatomy(Pair(air, air)).region == ""


@pytest.mark.parametrize("size", [16, 64, 128, 300])
def test_any_size_has_a_body(size: int) -> None:
    x = np.zeros((size, size + 3))
    x[2:-2, 2:-2] = 1.0
    assert np.array_equal(segmentation.body(x), x > 0.5)


def test_opposite_biases_never_meet_in_one_number() -> None:
    chest, belly = slice_of(), slice_of(lung=False)
    scores = [metrics.score(chest, chest - 0.018), metrics.score(belly, belly + 0.014)]
    assert scores[0]["bias.chest.soft"] == pytest.approx(-18.0)
    assert scores[1]["bias.no_lung.soft"] == pytest.approx(14.0)
    assert not {n for n in scores[0] if n.startswith(("bias", "rmse.c", "rmse.n"))} & set(scores[1])
    assert scores[0]["rmse.chest.lung"] == pytest.approx(18.0)
    assert "bias.no_lung.lung" not in metrics.METRICS


def test_bias_and_rmse_of_one_tissue_are_its_own() -> None:
    x = slice_of()
    y = x + np.where(disc(30, x=-45) | disc(30, x=45), 0.02, 0.0) + 0.005 * noise()
    scores = metrics.score(x, y)
    assert scores["bias.chest.lung"] == pytest.approx(20.0, rel=0.02)
    assert scores["rmse.chest.lung"] == pytest.approx(math.hypot(20.0, 5.0), rel=0.02)
    assert scores["rmse.chest.soft"] == pytest.approx(5.0, rel=0.02)
    assert abs(scores["bias.chest.soft"]) < 0.1


def test_a_tissue_that_is_hardly_there_has_no_score() -> None:
    x = slice_of()
    x[disc(12, y=70)] = 1.0
    x[disc(4, y=70)] = 1.7  # 0.2 % of the body
    assert "rmse.chest.bone" not in metrics.score(x, x + 0.01)
    assert "rmse.chest.bone" in metrics.score(slice_of(), slice_of() + 0.01)


def test_noise_left_of_a_share_and_of_a_known_blur() -> None:
    """A Gaussian of sigma s leaves 1 / (2 s sqrt(pi)) of the deviation of white noise."""
    x, white = flat(), 0.03 * noise(512, 512)
    for left, expected in ((0.3 * white, 0.3), (gaussian_filter(white, 1.0), 1 / (2 * math.sqrt(math.pi)))):
        scores = metrics.of_pair(Pair(x, x + left + 0.01, untreated=x + white))
        assert scores["noise.left"] == pytest.approx(expected, rel=0.02)
    assert "noise.left" not in metrics.score(x, x + white)  # nobody said what the input was


# Lesions


def smooth_disc(lesion: Lesion, sigma: float, height: float = 0.8) -> Array:
    """Return lung with a disc of soft tissue, drawn eight times as fine, blurred by a Gaussian of ``sigma`` pixels."""
    side, fine = 64, 8
    y, x = ((np.mgrid[: side * fine, : side * fine] + 0.5) / fine) - 0.5
    drawn = height * (np.hypot(x - lesion.x, y - lesion.y) < lesion.diameter / 2)
    # the mean over a pixel blurs by sqrt(1 / 12)
    blurred = gaussian_filter(drawn, fine * math.sqrt(sigma**2 - 1 / 12))
    return np.asarray(0.2 + blurred.reshape(side, fine, side, fine).mean(axis=(1, 3)))


@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0])
@pytest.mark.parametrize("diameter", [8.0, 13.0, 24.0])
def test_edge_width_is_the_sigma_of_the_blur(diameter: float, sigma: float) -> None:
    lesion = Lesion("solid", 31.3, 30.6, diameter)
    assert edge_width(smooth_disc(lesion, sigma), lesion) == pytest.approx(sigma, rel=0.02)


def test_widening_is_the_ratio_of_both_widths() -> None:
    """Gaussians add in squares; 10 to 90 % of a straight edge is 2.563 sigma (SciPy)."""
    lesion = Lesion("solid", 31.3, 30.6, 20.0)
    pair = Pair(smooth_disc(lesion, 0.9), smooth_disc(lesion, math.hypot(0.9, 1.2)), lesions=[lesion])
    assert widening(pair, lesion) == pytest.approx(math.hypot(0.9, 1.2) / 0.9, rel=0.02)
    assert metrics.of_pair(pair)["edge.lung_nodules"] == widening(pair, lesion)
    assert ndtr(2.563 / 2) - ndtr(-2.563 / 2) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("kept", [1.0, 0.6, 0.1, 0.0])
def test_contrast_of_an_erased_lesion(kept: float) -> None:
    lesion = Lesion("ground-glass", 31.3, 30.6, 10.0)
    x = smooth_disc(lesion, 0.9)
    pair = Pair(x, 0.2 + kept * (x - 0.2) + 0.05, lesions=[lesion])  # a bias is no loss of contrast
    scores = metrics.of_pair(pair)
    assert scores["contrast.lung_nodules"] == pytest.approx(kept, abs=1e-6)
    assert ("edge.lung_nodules" in scores) == (kept > 1 / 3)
    assert "contrast.liver_lesions" not in scores


def test_lesions_that_cannot_be_told_have_no_score() -> None:
    x = smooth_disc(Lesion("solid", 31.3, 30.6, 10.0), 0.9)
    for lesion in (
        Lesion("solid", 31.3, 30.6, 2.0),  # under three pixels
        Lesion("solid", 6.0, 30.6, 10.0),  # at the border
        Lesion("solid", 52.0, 52.0, 10.0),  # nothing there
    ):
        assert recovery(Pair(x, x), lesion) is None
    assert "contrast.lung_nodules" not in metrics.score(x, x)


# Spectra


def spectra(untreated: Array, output: Array, reference: Array) -> dict[str, Array]:
    found = texture.Spectra()
    found.add(Pair(reference, output, untreated=untreated), 0.7)
    rows = found.rows()
    assert {(row["anatomy"], row["pixel_mm"]) for row in rows} == {("no_lung", 0.7)}
    return {key: np.array([row[key] for row in rows]) for key in ("cycles_per_pixel", *texture.KINDS)}


def flat() -> Array:
    """Return a slice of soft tissue up to a narrow rim of air."""
    x = np.ones((512, 512))
    x[:8] = x[-8:] = 0.0
    x[:, :8] = x[:, -8:] = 0.0
    return x


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    x, white = flat(), 0.03 * noise(512, 512)
    found = spectra(x + white, x, x)
    assert np.mean(found["noise"]) == pytest.approx(900.0, rel=0.02)
    assert found["noise"] == pytest.approx(np.full(16, 900.0), rel=0.15)
    assert found["removed"] == pytest.approx(found["noise"])
    assert found["left"] == pytest.approx(np.zeros(16), abs=1e-9)
    assert found["cycles_per_pixel"] == pytest.approx(np.arange(1, 17) / 32)


def test_a_known_blur_removes_and_leaves_its_transfer_function() -> None:
    """Left is H^2 of white noise and removed (1 - H)^2, with H = exp(-2 (pi s f)^2) of a Gaussian."""
    x, white = flat(), 0.03 * noise(512, 512)
    blurred = np.fft.ifft2(fourier_gaussian(np.fft.fft2(white), 0.6)).real
    found = spectra(x + white, x + blurred, x)
    transfer = np.exp(-2 * (np.pi * 0.6 * found["cycles_per_pixel"]) ** 2)
    assert (found["left"] / found["noise"])[2:14] == pytest.approx(transfer[2:14] ** 2, rel=0.05)
    total = np.sum(found["left"][1:]) / np.sum(found["noise"][1:])
    assert total == pytest.approx(np.sum(transfer[1:] ** 2) / 15, rel=0.02)
    total = np.sum(found["removed"][1:]) / np.sum(found["noise"][1:])
    assert total == pytest.approx(np.sum((1 - transfer[1:]) ** 2) / 15, rel=0.02)


def test_ramp_shaped_noise_has_a_ramp_for_its_spectrum() -> None:
    steps = np.fft.fftfreq(512)
    radius = np.hypot(steps[:, None], steps[None, :])
    ramp = np.fft.ifft2(np.fft.fft2(noise(512, 512)) * np.sqrt(radius)).real
    found = spectra(flat() + 0.03 * ramp, flat(), flat())
    expected = 900.0 * found["cycles_per_pixel"]
    assert found["noise"][2:] == pytest.approx(expected[2:], rel=0.12)
    assert np.sum(found["noise"][2:]) == pytest.approx(np.sum(expected[2:]), rel=0.02)


def test_white_noise_has_its_variance_also_at_the_lowest_frequency() -> None:
    """Over 4096 patches a ring scatters by 1 %; without the correction the first one has 7 % too little."""
    image = np.random.default_rng(1).normal(size=(1024, 1024))
    places = [(r, c) for r in range(0, 1024, 16) for c in range(0, 1024, 16)]
    assert texture.power(image, places, 16) / len(places) == pytest.approx(np.ones(8), rel=0.03)


def test_one_patch_has_the_power_that_scipy_gives() -> None:
    """SciPy's periodogram along both axes, one after the other, is the 2-D one of a separable image."""
    a, b = noise(32), noise(1, 32)[0]
    image = np.outer(a - a.mean(), b - b.mean())
    both = [
        periodogram(v, window="hann", detrend=False, return_onesided=False)[1]
        for v in (a - a.mean(), b - b.mean())
    ]
    steps = np.fft.fftfreq(32) * 32
    ring = np.rint(np.hypot(steps[:, None], steps[None, :]))
    taper = np.fft.fft(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32))
    lost = (
        np.abs(np.outer(taper, taper)) ** 2 / (32 * (3 / 8)) ** 2 / 32**2
    )  # of white noise, with the patch's mean
    expected = [(np.outer(*both) / (1 - lost))[ring == k].mean() for k in range(1, 17)]
    assert texture.power(image, [(0, 0)], 32) == pytest.approx(np.array(expected))


def test_patches_lie_in_soft_tissue_only() -> None:
    mask = np.zeros((64, 70), bool)
    mask[8:40, 16:48] = True
    places = texture.patches(mask, 8)
    assert len(places) == 16 and all(mask[r : r + 8, c : c + 8].all() for r, c in places)
    x = slice_of()
    found = texture.Spectra()
    found.add(Pair(x, x), 0.7)  # no untreated slice
    assert found.rows() == []
