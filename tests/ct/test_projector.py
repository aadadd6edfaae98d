"""Projection and reconstruction against closed forms and the symmetries of the transform; more in ``tests/audit``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bench.audit.objects import blobs, coordinates, disc
from bench.ct.filters import WINDOWS
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.projector import project, reconstruct
from bench.ct.units import MU_WATER


def test_disc_has_its_closed_form_integrals() -> None:
    beam, radius, pixel = ParallelBeam(128, 48), 41.3, 0.11
    t = np.arange(beam.bins) - (beam.bins - 1) / 2
    edges = np.clip(np.stack([t - 0.5, t + 0.5]), -radius, radius)
    area = edges * np.sqrt(radius**2 - edges**2) + radius**2 * np.arcsin(edges / radius)
    expected = MU_WATER * pixel * (area[1] - area[0])  # the chord 2 mu sqrt(R^2 - t^2) averaged over a bin
    found = project(disc(128, radius), beam, [pixel])[0]
    assert found.dtype == np.float32
    gap = np.abs(found - expected) / expected.max()
    assert gap.max() < 4e-3  # the rim is drawn on square pixels
    assert gap[:, np.abs(t) < 0.9 * radius].max() < 2e-3


@pytest.mark.parametrize("radius", [20.0, 45.0])
def test_water_disc_is_flat_within_3_hu(radius: float) -> None:
    beam = ParallelBeam(128)
    image = reconstruct(project(disc(128, radius), beam, [0.3]), beam, [0.3])[0]
    distance = np.hypot(*coordinates(128, 128))
    inside = (image / MU_WATER - 1)[distance < radius - 4] * 1000
    assert abs(inside.mean()) < 0.3
    assert np.abs(inside).max() < 3.0
    assert abs(image[(distance > radius + 4) & (distance < 60)].mean() / MU_WATER) * 1000 < 0.5


def test_pixel_width_scales_integrals_and_leaves_attenuation() -> None:
    beam = ParallelBeam(64, 60)
    image = np.repeat(blobs(64), 2, axis=0)
    sinograms = project(image, beam, [0.1, 0.4])
    assert sinograms[1] == pytest.approx(4 * sinograms[0], rel=1e-6)
    first, second = reconstruct(sinograms, beam, [0.1, 0.4])
    assert np.abs(first - second).max() < 1e-6


def test_quarter_turn_of_the_object_is_a_shift_of_the_views() -> None:
    beam = ParallelBeam(64, 48)
    image = blobs(64)
    straight, turned = project(image, beam, [0.2]), project(np.rot90(image, axes=(1, 2)), beam, [0.2])
    assert np.abs(np.roll(straight, 12, axis=1) - turned).max() < 1e-5 * straight.max()
    images = [reconstruct(sinogram, beam, [0.2]) for sinogram in (straight, turned)]
    assert np.abs(np.rot90(images[0], axes=(1, 2)) - images[1]).max() < 1e-5 * images[0].max()


def test_opposite_views_are_mirrored_to_the_bit_and_truly_opposite() -> None:
    beam = ParallelBeam(64, 30)
    image = blobs(64)
    sinogram = project(image, beam, [0.2])
    assert np.array_equal(sinogram[:, 15:], sinogram[:, :15, ::-1])
    odd = project(image, ParallelBeam(64, 15), [0.2])  # 15 views mirror none: every one is computed
    assert np.abs(odd - sinogram[:, ::2]).max() < 1e-5 * sinogram.max()


def test_half_a_turn_reconstructs_like_a_full_one() -> None:
    image = blobs(64)
    full, half = ParallelBeam(64, 120), ParallelBeam(64, 60, 180.0)
    pair = [reconstruct(project(image, beam, [0.2]), beam, [0.2]) for beam in (full, half)]
    assert np.abs(pair[0] - pair[1]).max() < 1e-5 * image.max()


def test_noisy_opposite_views_both_count() -> None:
    beam, alone = ParallelBeam(48, 10), ParallelBeam(48, 5, 180.0)
    sinogram = np.random.default_rng(3).standard_normal((1, 10, beam.bins)).astype(np.float32)
    halves = [reconstruct(part, alone, [0.2]) for part in (sinogram[:, :5], sinogram[:, 5:, ::-1])]
    assert reconstruct(sinogram, beam, [0.2]) == pytest.approx((halves[0] + halves[1]) / 2, abs=1e-5)


def test_repeating_pixels_changes_no_integral() -> None:
    beam, image = ParallelBeam(40, 20), blobs(40, factor=1)
    one = project(image, beam, [0.2])
    assert np.array_equal(one, project(image.repeat(2, 1).repeat(2, 2), beam, [0.2]))
    four = project(image.repeat(4, 1).repeat(4, 2), beam, [0.2])
    assert np.abs(one - four).max() < 1e-3 * one.max()


@pytest.mark.parametrize("size", [1, 7, 33, 50, 96])
def test_any_size_keeps_the_mass_of_pixels_in_the_corners(size: int) -> None:
    beam = ParallelBeam(size, 9)
    sinogram = project(np.ones((1, 2 * size, 2 * size), np.float32), beam, [1.0])
    assert sinogram.sum(axis=2) == pytest.approx(np.full((1, 9), size**2), rel=1e-5)
    assert reconstruct(sinogram, beam, [1.0]).shape == (1, size, size)


SCANS = [
    ParallelBeam(48, 20),
    ParallelBeam(48, 15, 180.0, "hann"),
    FanBeam(48, 24),
]


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: f"{type(scan).__name__}{scan.views}")
def test_a_slice_has_the_same_bits_alone_in_any_batch_and_on_any_thread(scan: Geometry) -> None:
    random = np.random.default_rng(1)
    images, widths = random.random((11, 96, 96), dtype=np.float32), random.uniform(0.05, 0.5, 11)
    images[3, :, :64] = 0.0
    widths[4:8] = widths[2]
    sinograms = project(images, scan, widths)
    back = reconstruct(sinograms, scan, widths)
    order = random.permutation(11)
    assert np.array_equal(project(images[order], scan, widths[order]), sinograms[order])
    assert np.array_equal(reconstruct(sinograms[order], scan, widths[order]), back[order])
    pieces = [slice(index, index + 1) for index in range(11)] + [slice(0, 5), slice(3, 11)]
    with ThreadPoolExecutor(2) as pool:
        forward = list(pool.map(lambda at: project(images[at], scan, widths[at]), pieces))
        backward = list(pool.map(lambda at: reconstruct(sinograms[at], scan, widths[at]), pieces))
    for at, one, other in zip(pieces, forward, backward, strict=True):
        assert np.array_equal(one, sinograms[at])
        assert np.array_equal(other, back[at])
    assert project(images[:0], scan, []).shape == (0, scan.views, scan.bins)
    assert reconstruct(sinograms[:0], scan, []).shape == (0, 48, 48)


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: f"{type(scan).__name__}{scan.views}")
def test_a_stride_is_the_scan_of_its_views(scan: Geometry) -> None:
    sinogram = np.random.default_rng(2).random((1, scan.views, scan.bins), dtype=np.float32)
    part = scan.every(5 if scan.views % 4 else 4)
    assert part.filter == scan.filter
    stride = scan.views // part.views
    direct = reconstruct(sinogram[:, ::stride], part, [0.2])
    assert np.array_equal(reconstruct(sinogram, scan, [0.2], stride=stride), direct)


def test_smoother_filters_leave_less_noise_and_the_same_water() -> None:
    noise = np.random.default_rng(5).standard_normal((1, 60, ParallelBeam(64).bins)).astype(np.float32)
    left, water = [], []
    for name in WINDOWS:
        beam = ParallelBeam(64, 60, 180.0, name)
        left.append(float(reconstruct(noise, beam, [0.2]).std()))
        image = reconstruct(project(disc(64, 20.0), beam, [0.2]), beam, [0.2])[0]
        water.append(float(image[28:36, 28:36].mean()) / MU_WATER)
    assert left == sorted(left, reverse=True)
    assert left[0] > 1.8 * left[-1]
    assert water == pytest.approx([1.0] * 4, abs=1e-3)


def test_wrong_shapes_and_widths_are_refused() -> None:
    beam = ParallelBeam(16, 8)
    good = np.zeros((2, 32, 32), np.float32)
    for bad in (good[0], good[:, :, :16], np.zeros((2, 24, 24)), np.zeros((2, 0, 0))):
        with pytest.raises(ValueError, match="multiple of 16"):
            project(bad, beam, [0.1, 0.1])
    with pytest.raises(ValueError, match="finite"):
        project(good + np.nan, beam, [0.1, 0.1])
    for widths in ([0.1], [0.1, 0.0], [0.1, np.nan]):
        with pytest.raises(ValueError, match="pixel_cm"):
            project(good, beam, widths)
    with pytest.raises(ValueError, match="sinograms must be"):
        reconstruct(np.zeros((2, 7, beam.bins)), beam, [0.1, 0.1])
    with pytest.raises(ValueError, match="does not divide"):
        reconstruct(np.zeros((2, 8, beam.bins)), beam, [0.1, 0.1], stride=3)
