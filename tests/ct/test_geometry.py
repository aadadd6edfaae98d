"""The scan: published bin count, angles and which directions are distinct."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ct.geometry import ParallelBeam


def test_published_geometry() -> None:
    beam = ParallelBeam(512)
    assert (beam.bins, beam.views, beam.arc_degrees) == (729, 720, 360.0)
    assert beam.angles[180] == pytest.approx(np.pi / 2)
    assert beam.angles[-1] == pytest.approx(2 * np.pi - np.pi / 360)


@pytest.mark.parametrize("size", [1, 2, 63, 64, 100, 512])
def test_bins_are_odd_and_cover_every_pixel(size: int) -> None:
    bins = ParallelBeam(size).bins
    assert bins % 2 == 1
    assert (bins - 1) / 2 >= size * np.sqrt(2) / 2 + 1 - 1e-9


@pytest.mark.parametrize(("views", "arc"), [(720, 360.0), (9, 360.0), (50, 180.0)])
def test_directions_are_the_angles(views: int, arc: float) -> None:
    beam = ParallelBeam(64, views, arc)
    expected = np.stack([np.cos(beam.angles), np.sin(beam.angles)], axis=1)
    assert np.abs(beam.directions - expected).max() < 1e-14


def test_directions_are_exactly_symmetric() -> None:
    found = ParallelBeam(64, 24).directions
    assert np.array_equal(found[12:], -found[:12])
    assert np.array_equal(found[6:12], np.stack([-found[:6, 1], found[:6, 0]], axis=1))


@pytest.mark.parametrize(
    ("views", "arc", "stride", "expected"),
    [
        (720, 360.0, 12, 30),
        (720, 360.0, 8, 45),
        (720, 360.0, 4, 90),
        (720, 360.0, 1, 360),
        (720, 360.0, 16, 45),
        (720, 180.0, 12, 60),
        (9, 360.0, 1, 9),
    ],
)
def test_distinct_directions_by_hand_and_by_angle(views: int, arc: float, stride: int, expected: int) -> None:
    beam = ParallelBeam(64, views, arc)
    by_angle = {round(angle, 9) for angle in np.degrees(beam.angles[::stride]) % 180.0}
    assert beam.distinct_directions(stride) == expected == len(by_angle)


@pytest.mark.parametrize(
    "arguments", [(0,), (64, 0), (64.0,), (True,), (64, 720, 270.0), (64, 720, float("nan"))]
)
def test_impossible_scans_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ParallelBeam(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("stride", [0, -1, 7])
def test_a_stride_must_divide_the_views(stride: int) -> None:
    with pytest.raises(ValueError, match="does not divide 720"):
        ParallelBeam(64).every(stride)
