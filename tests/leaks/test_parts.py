"""The pieces of the audit against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bench.leaks import decide, spectrum
from bench.leaks.compare import NONE, apart, audited
from bench.leaks.local_contrast import detail
from bench.leaks.registration import agreement, guesses, refine
from tests.leaks.planting import turn


def blobs(size: int = 128) -> np.ndarray:
    """A disc of water with round inserts, nowhere symmetric."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.where(np.hypot(x / 1.1, y) < 45, 1.0, 0.0)
    for u, v, r, value in (
        (15, 5, 9, 0.2),
        (-20, 12, 6, 1.6),
        (4, -25, 5, 0.4),
        (-8, -9, 3, 1.9),
        (25, -12, 4, 0.1),
    ):
        image[np.hypot(x - u, y - v) < r] = value
    return ndimage.gaussian_filter(image, 0.7).astype(np.float32)


def test_detail_is_blind_to_linear_changes_of_the_values() -> None:
    values = blobs()
    assert np.sum(detail(values) * detail(np.float32(0.3) * values + np.float32(5.0))) > 0.999
    assert np.sum(detail(values) ** 2) == pytest.approx(1.0, abs=1e-5)
    assert not detail(np.full((128, 128), 0.5, np.float32)).any()


def test_table_beside_the_body_leaves_no_trace() -> None:
    values = blobs()
    table = values.copy()
    table[118:121, 14:114] = 0.5
    assert np.sum(detail(values) * detail(table)) > 0.98


def test_polar_spectrum_ignores_shifts_and_turns_with_the_picture() -> None:
    one = detail(blobs())
    rings = spectrum.polar(one)
    assert np.sum(rings * spectrum.polar(np.roll(one, (9, -5), (0, 1)))) > 0.97
    turned = spectrum.polar(np.rot90(one, -1))
    assert np.sum(np.roll(rings, 90, axis=1) * turned) > 0.999
    mirrored = spectrum.polar(one[:, ::-1])
    assert np.sum(np.roll(rings[:, ::-1], 1, axis=1) * mirrored) > 0.999
    kept = spectrum.invariant(spectrum.series(rings))
    for other in (turned, mirrored):
        assert np.sum(kept * spectrum.invariant(spectrum.series(other))) > 0.999


@pytest.mark.parametrize(
    ("mirrored", "angle"), [(False, 0.0), (False, 31.0), (False, 90.0), (True, 0.0), (True, 200.0)]
)
def test_pose_of_a_turned_copy_is_found(mirrored: bool, angle: float) -> None:
    values = blobs()
    copy = turn(values[:, ::-1] if mirrored else values, angle).astype(np.float32)
    fixed, moving = detail(copy), detail(values)
    tried = guesses(*(spectrum.series(spectrum.polar(each)) for each in (fixed, moving)))
    best = max((refine(fixed, moving, each) for each in tried), key=lambda pose: pose.score)
    assert best.mirrored is mirrored
    assert abs((best.angle - angle + 180) % 360 - 180) <= 1.0
    assert best.score > 0.93


def test_shift_is_read_between_pixels() -> None:
    one = detail(blobs())
    moved = ndimage.shift(one, (-3.4, 5.75), order=3)
    scores, shifts = agreement(one, moved[None].astype(np.float32))
    np.testing.assert_allclose(shifts[0], (3.4, -5.75), atol=0.15)
    assert scores[0] > 0.97


def test_apart_means_two_parts_of_one_fold() -> None:
    parts = np.array([[0, 0], [0, 1], [1, -1], [-1, 1]], np.int8)
    every = np.arange(4)
    expected = [[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(apart(parts, every, every), np.array(expected, bool))


def test_audited_slices_meet_every_pair_of_parts() -> None:
    rng = np.random.default_rng(1)
    parts = rng.choice([-1, 0, 0, 0, 1, 2], (60, 2)).astype(np.int8)
    every = np.arange(60)
    rows = set(audited(parts))
    for i, j in zip(*np.nonzero(apart(parts, every, every)), strict=True):
        assert i in rows or j in rows


def test_leak_must_be_high_and_out_of_line() -> None:
    rng = np.random.default_rng(2)
    owners = np.repeat(np.arange(4), 10)
    usual = np.tanh(rng.normal(0.2, 0.05, (40, 12))).astype(np.float32)
    usual[np.arange(40), owners] = NONE
    assert not decide.leaks(usual, usual, owners, 0.45, decide.OUTLIER).any()
    planted = usual.copy()
    planted[5, 9], planted[6, 9] = 0.9, 0.44  # one is alike enough, one is only out of line
    assert np.argwhere(decide.leaks(planted, planted, owners, 0.45, decide.OUTLIER)).tolist() == [[5, 9]]
    alike = np.where(usual > NONE, np.tanh(np.arctanh(np.maximum(usual, 0)) * 6), NONE).astype(np.float32)
    assert (alike > 0.45).any() and not decide.leaks(alike, alike, owners, 0.45, decide.OUTLIER).any()


def test_too_few_patients_leave_the_absolute_limit() -> None:
    scores = np.array([[NONE, 0.3], [0.5, NONE]], np.float32)
    found = decide.leaks(scores, scores, np.array([0, 1]), 0.45, decide.OUTLIER)
    assert np.argwhere(found).tolist() == [[1, 0]]
