"""The filters against their definitions over frequency, their published taps and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.transform.radon_transform import _get_fourier_filter

from bench.ct.filters import WINDOWS, response

FREQUENCY = np.fft.rfftfreq(2048)
SHAPES = {
    "ram-lak": FREQUENCY,
    "shepp-logan": np.sin(np.pi * FREQUENCY) / np.pi,
    "cosine": FREQUENCY * np.cos(np.pi * FREQUENCY),
    "hann": FREQUENCY * np.cos(np.pi * FREQUENCY) ** 2,
}


def test_every_filter_is_described_here() -> None:
    assert list(WINDOWS) == list(SHAPES)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_filter_is_the_ramp_times_its_window(name: str) -> None:
    found = response(1024, name)
    assert found.shape == (1025,)
    assert np.abs(found - SHAPES[name]).max() < 2e-4  # the taps end at half the length
    assert 0 < found[0] < 2e-4


@pytest.mark.parametrize("name", WINDOWS)
def test_filters_agree_with_scikit_image(name: str) -> None:
    known = {"ram-lak": "ramp"}.get(name, name)
    theirs = _get_fourier_filter(2048, known)[:1025, 0] / 2  # theirs is twice the ramp
    assert np.abs(response(1024, name) - theirs).max() < 5e-4  # their Hann window is one sample narrower


def test_shepp_logan_has_its_published_taps() -> None:
    taps = np.fft.irfft(response(1024, "shepp-logan").astype(np.float64))
    k = np.arange(40)
    assert np.abs(taps[:40] + 2 / (np.pi**2 * (4 * k**2 - 1.0))).max() < 1e-6


@pytest.mark.parametrize("name", WINDOWS)
def test_equal_angles_stretch_the_taps(name: str) -> None:
    pitch = 0.004
    line, arc = (np.fft.irfft(response(300, name, angle).astype(np.float64))[:300] for angle in (0.0, pitch))
    angle = np.arange(1, 300) * pitch
    assert arc[0] == pytest.approx(line[0], abs=1e-6)
    assert arc[1:] == pytest.approx(line[1:] * (angle / np.sin(angle)) ** 2, abs=1e-6)
