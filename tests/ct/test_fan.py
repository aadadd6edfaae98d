"""The fan beam against closed forms, a slow sum along rays, and the parallel beam."""

from __future__ import annotations

import numpy as np
import pytest

from bench.audit.objects import BLOBS, blobs, coordinates, disc
from bench.ct import fan
from bench.ct.geometry import FanBeam, ParallelBeam
from bench.ct.projector import project, reconstruct
from bench.ct.units import MU_WATER


def rays(scan: FanBeam, pixel: float, within: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Angle of the normal (views, bins, 1) and signed distance (bins, within) of rays from the origin, in pixels.

    The ray (beta, gamma) of a fan is the parallel ray of angle beta + gamma at D sin gamma.
    """
    places = (np.arange(within) + 0.5) / within - 0.5
    gammas = scan.gammas[:, None] + places * scan.pitch
    return scan.angles[:, None, None] + gammas, scan.source_cm / pixel * np.sin(gammas)


def slow_integral(image: np.ndarray, angle: float, t: float, size: int) -> float:
    """Integrate along x cos + y sin = t over square pixels of the field of ``size``: the exact lengths."""
    fine = len(image)
    edges = (np.arange(fine + 1) - fine / 2) * size / fine
    cos, sin = np.cos(angle), np.sin(angle)
    with np.errstate(divide="ignore"):
        crossings = np.concatenate([(t * cos - edges) / sin, (edges - t * sin) / cos])
    s = np.sort(crossings[np.abs(crossings) < size])
    middle, length = (s[1:] + s[:-1]) / 2, np.diff(s)
    j = np.floor((t * cos - middle * sin + size / 2) * fine / size).astype(int)
    i = np.floor((size / 2 - t * sin - middle * cos) * fine / size).astype(int)
    inside = (i >= 0) & (i < fine) & (j >= 0) & (j < fine)
    return float((image[i[inside], j[inside]] * length[inside]).sum())


def test_scan_is_that_of_the_scanner() -> None:
    scan = FanBeam(512)
    assert (scan.bins, scan.views, scan.arc_degrees) == (736, 1080, 360.0)
    assert scan.pitch * 1085.6 == pytest.approx(1.2858)
    assert 595 * np.sin(scan.gammas[-1]) == pytest.approx(251, abs=1)  # mm: a field of 50 cm
    assert scan.gammas[0] + scan.gammas[-1] == pytest.approx(scan.pitch / 2)  # a quarter of a bin, twice
    assert scan.distinct_directions(18) == 60
    for size in (1, 2, 3, 50, 64, 300):
        other = FanBeam(size)
        assert other.bins % 2 == 0
        assert other.pitch * size == pytest.approx(scan.pitch * 512)
        assert other.gammas[0] <= scan.gammas[0] + other.pitch
        assert other.gammas[-1] < np.arctan(0.65)  # where the arctangent ends


def test_arctangent_is_good_to_a_millionth_of_a_bin() -> None:
    ratio = np.linspace(-0.65, 0.65, 10001)
    series = np.polynomial.polynomial.polyval(ratio**2, fan._ARCTANGENT)
    assert np.abs(ratio * series - np.arctan(ratio)).max() < 1e-6 * FanBeam(512).pitch


@pytest.mark.parametrize("radius", [20.0, 45.0, 62.0])
def test_disc_has_its_chords_and_is_water(radius: float) -> None:
    scan, pixel = FanBeam(128), 0.3
    found = project(disc(128, radius), scan, [pixel])
    _, t = rays(scan, pixel, 32)
    chords = 2 * MU_WATER * pixel * np.sqrt(np.maximum(radius**2 - t**2, 0)).mean(axis=1)
    gap = np.abs(found[0] - chords) / chords.max()
    assert gap.max() < 1.5e-2  # the rim is drawn on square pixels
    assert gap[:, np.abs(t).max(axis=1) < 0.9 * radius].max() < 3e-3
    image = reconstruct(found, scan, [pixel])[0]
    distance = np.hypot(*coordinates(128, 128))
    inside = (image / MU_WATER - 1)[distance < radius - 4] * 1000
    assert abs(inside.mean()) < 0.3
    assert np.abs(inside).max() < 3.0
    outside = image[(distance > radius + 4) & (distance < 62)] / MU_WATER * 1000
    assert not outside.size or abs(outside.mean()) < 0.5


@pytest.mark.parametrize(("size", "views"), [(64, 720), (65, 720), (64, 722), (33, 361)])
def test_water_on_any_grid_with_any_number_of_views(size: int, views: int) -> None:
    scan, pixel = FanBeam(size, views), 30.0 / size  # only even grids with whole quarters of views share rays
    image = reconstruct(project(disc(size, 0.3 * size), scan, [pixel]), scan, [pixel])[0]
    distance = np.hypot(*coordinates(size, size))
    assert np.abs(image[distance < 0.3 * size - 4] / MU_WATER - 1).max() < 0.004
    assert np.abs(image[(distance > 0.3 * size + 4) & (distance < 0.5 * size)]).max() < 0.004 * MU_WATER


def test_gaussians_have_their_closed_form_integrals() -> None:
    scan, pixel = FanBeam(64, 36), 0.7
    angle, t = rays(scan, pixel)
    expected = np.zeros(angle.shape)
    for cx, cy, width, height in BLOBS:
        away = t - 64 * (cx * np.cos(angle) + cy * np.sin(angle))
        expected += height * width * 64 * np.sqrt(2 * np.pi) * np.exp(-(away**2) / (2 * (width * 64) ** 2))
    found = project(blobs(64), scan, [pixel])[0]
    assert found.dtype == np.float32
    assert np.abs(found - pixel * expected[:, :, 0]).max() < 5e-3 * found.max()


def test_rough_objects_agree_with_a_slow_sum_along_rays() -> None:
    scan, pixel = FanBeam(16, 13), 1.9
    image = np.random.default_rng(4).random((32, 32)).astype(np.float32)
    found = project(image[None], scan, [pixel])[0]
    angle, t = rays(scan, pixel, 24)
    worst = 0.0
    for view in range(scan.views):
        for b in range(scan.bins):
            along = [slow_integral(image, angle[view, b, k], t[b, k], 16) for k in range(24)]
            worst = max(worst, abs(found[view, b] - pixel * np.mean(along)))
    assert worst < 0.02 * found.max()


def test_a_point_comes_back_to_its_place() -> None:
    scan, at = FanBeam(128), (31.3, -20.7)
    image = reconstruct(project(disc(128, 3.0, *at), scan, [0.3]), scan, [0.3])[0].astype(np.float64)
    x, y = coordinates(128, 128)
    near = image * (np.hypot(x - at[0], y - at[1]) < 8)
    assert [(near * axis).sum() / near.sum() for axis in (x, y)] == pytest.approx(at, abs=0.01)


def test_fan_and_parallel_beam_reconstruct_the_same() -> None:
    image = blobs(96)
    both = [
        reconstruct(project(image, scan, [0.35]), scan, [0.35])[0]
        for scan in (FanBeam(96, 360), ParallelBeam(96, 360))
    ]
    field = np.hypot(*coordinates(96, 96)) * 0.35 < 23.0
    assert np.abs(both[0] - both[1])[field].max() < 3e-3 * image.max()


def test_quarter_turn_of_the_object_is_a_shift_of_the_views() -> None:
    scan, image = FanBeam(64, 48), blobs(64)
    straight, turned = (project(values, scan, [0.5]) for values in (image, np.rot90(image, axes=(1, 2))))
    assert np.abs(np.roll(straight, 12, axis=1) - turned).max() < 1e-5 * straight.max()
    images = [reconstruct(sinogram, scan, [0.5]) for sinogram in (straight, turned)]
    assert np.abs(np.rot90(images[0], axes=(1, 2)) - images[1]).max() < 1e-5 * images[0].max()


def test_a_body_wider_than_the_field_is_truncated() -> None:
    scan, pixel, radius = FanBeam(64, 90), 0.9, 30.0  # a disc of 54 cm in a field of 57.6 cm
    found = project(disc(64, radius), scan, [pixel])[0]
    _, t = rays(scan, pixel, 32)
    assert np.abs(t).max() < radius
    chords = 2 * MU_WATER * pixel * np.sqrt(radius**2 - t**2).mean(axis=1)
    assert np.abs(found - chords).max() < 0.01 * chords.max()
    image = reconstruct(found[None], scan, [pixel])[0]
    distance = np.hypot(*coordinates(64, 64))
    assert np.isfinite(image).all()
    centre, rim = image[distance < 5].mean(), image[np.abs(distance * pixel - 24.5) < 0.5].mean()
    assert centre == pytest.approx(MU_WATER, rel=0.1)
    assert rim > 1.1 * centre


def test_a_field_that_reaches_the_source_is_refused() -> None:
    scan = FanBeam(16, 8)
    with pytest.raises(ValueError, match=r"96\.0 cm reaches the source"):
        project(np.zeros((2, 32, 32)), scan, [1.0, 6.0])
