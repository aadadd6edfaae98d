from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from bench import phantom
from bench.phantom.canvas import Canvas
from bench.phantom.fields import Ellipsoid, capsule, smooth_min
from bench.phantom.texture import lattice_noise
from bench.phantom.thorax import lung_distance
from bench.phantom.tubes import tree, tube_cover
from tests.phantom.labels import Label, labels, slice_and_labels

PEOPLE = phantom.patients(8)
HEIGHTS = (0.1, 0.4, 0.6, 0.85)
RANGES = {  # HU of each tissue, from the anatomy the phantom imitates; (plain, contrast) where they differ
    Label.LUNG: ((-890, -790), (-890, -790)),
    Label.FAT: ((-115, -95), (-115, -95)),
    Label.MUSCLE: ((45, 65), (45, 65)),
    Label.BLOOD: ((35, 50), (150, 300)),
    Label.LIVER: ((45, 70), (90, 130)),
    Label.TRABECULAR: ((120, 260), (120, 260)),
}
GOLDEN = [
    [-990.9, -745.5, -740.5, -978.1],
    [-720.3, -416.5, -330.8, -688.7],
    [-656.6, -352.5, -268.8, -626.4],
    [-987.5, -779.1, -766.9, -982.0],
]


@functools.cache
def image(patient: str, z: float, size: int = 128) -> np.ndarray:
    """A slice in HU that may not be written to: many tests look at the same."""
    hu = phantom.render(patient, z, size=size)[0]
    hu.flags.writeable = False
    return hu


def digest(jobs: list[tuple[str, float, int]]) -> dict[tuple[str, float, int], str]:
    return {
        (p, z, n): hashlib.sha256(phantom.render(p, z, size=n)[0].tobytes()).hexdigest() for p, z, n in jobs
    }


def test_names_and_shape() -> None:
    assert phantom.patients(3) == ["P001", "P002", "P003"]
    hu, pixel = phantom.render("P001", 0.3, size=48)
    assert hu.shape == (48, 48)
    assert hu.dtype == np.float32
    fov = pixel * 48
    assert 300.0 <= fov <= 500.0
    assert fov == pytest.approx(phantom.anatomy("P001", 0).fov)
    assert phantom.render("P001", 0.3, size=96)[1] == pytest.approx(fov / 96)


def test_labels_are_those_of_the_slice() -> None:
    hu, code = slice_and_labels("P002", 0.8, size=64)
    np.testing.assert_array_equal(hu, image("P002", 0.8, 64))
    assert code.shape == hu.shape


@pytest.mark.integration
def test_other_process_other_order_other_threads_same_bits() -> None:
    jobs = [("P001", 0.2, 64), ("P002", 0.8, 64), ("P001", 0.7, 64), ("P003", 0.5, 128)]
    code = (
        "import hashlib\nfrom bench import phantom\n"
        f"for p, z, n in {jobs[::-1]!r}:\n"
        "    bits = phantom.render(p, z, size=n)[0].tobytes()\n"
        "    print(hashlib.sha256(bits).hexdigest())\n"
    )
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    path = os.pathsep.join(p for p in sys.path if p)
    env = {**os.environ, **threads, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    ours = digest(jobs)
    assert done.stdout.split() == [ours[job] for job in jobs[::-1]]


def test_golden_block_means() -> None:
    """Block means of P001 drawn by version 3: whoever moves them raises PHANTOM_VERSION and renews them."""
    assert phantom.PHANTOM_VERSION == 3
    blocks = image("P001", 0.5, 64).reshape(4, 16, 4, 16).mean(axis=(1, 3))
    golden = np.array(GOLDEN)
    np.testing.assert_allclose(blocks, golden, atol=0.5)


def sampled() -> dict[str, dict[Label, np.ndarray]]:
    found: dict[str, dict[Label, np.ndarray]] = {}
    for patient in PEOPLE[:4]:
        parts: dict[Label, list[np.ndarray]] = {label: [] for label in RANGES}
        for z in HEIGHTS:
            hu, code = slice_and_labels(patient, z, size=256)
            for label in RANGES:
                depth = 1 if label is Label.TRABECULAR else 2
                parts[label].append(hu[ndimage.binary_erosion(code == label, iterations=depth)])
        found[patient] = {label: np.concatenate(values) for label, values in parts.items()}
    return found


@pytest.mark.integration
def test_tissues_lie_in_their_ranges() -> None:
    for patient, tissues in sampled().items():
        contrast = phantom.anatomy(patient, 0).contrast
        for label, values in tissues.items():
            low, high = RANGES[label][contrast]
            assert values.size > 20, (patient, label)
            assert low - 2 <= np.median(values) <= high + 2, (patient, label, np.median(values))
            assert values.std() > 1.5, (patient, label)  # never piecewise constant


def test_cortical_bone_shines() -> None:
    for patient in PEOPLE[:3]:
        assert 700 <= phantom.anatomy(patient, 0).tissues.cortical.hu <= 1900
        assert 500 < image(patient, 0.5, 512).max() < 1900


def test_air_is_exact_and_everything_finite() -> None:
    for patient in PEOPLE:
        for z in (0.0, 0.4, 1.0):
            hu = image(patient, z)
            assert np.isfinite(hu).all()
            assert hu.min() > -1300
            assert hu.max() < 2000
            np.testing.assert_allclose(hu[:4], -1000.0, atol=1e-3)
            np.testing.assert_allclose(hu[-3:], -1000.0, atol=1e-3)
            np.testing.assert_allclose(hu[:, :2], -1000.0, atol=1e-3)


def test_lungs_fill_the_chest_and_leave_the_belly() -> None:
    for patient in PEOPLE:
        shares = []
        for z in (0.1, 0.4, 1.0):  # two of them are drawn for the test above
            hu = image(patient, z)
            body = ndimage.binary_fill_holes(ndimage.binary_opening(hu > -500))
            shares.append(((hu < -700) & (hu > -960) & body).sum() / body.sum())
        assert 0.08 < shares[0] < 0.6
        assert 0.2 < shares[1] < 0.7
        assert shares[2] < 0.08


def test_sides() -> None:
    """Liver on the image's left, spleen on its right, spine in the middle and behind the liver."""
    for patient in PEOPLE[:4]:
        code = np.stack([labels(patient, z, size=128) for z in (0.81, 0.84, 0.87, 0.9)])
        liver, spleen, bone = (
            np.argwhere(code == label)[:, 1:].mean(axis=0)
            for label in (Label.LIVER, Label.SPLEEN, Label.TRABECULAR)
        )
        assert liver[1] < 60 < 68 < spleen[1]
        assert abs(bone[1] - 63.5) < 6.0
        assert bone[0] > liver[0]


def test_smooth_along_z() -> None:
    for patient in PEOPLE[:3]:
        length = phantom.z_mm(patient, 1.0)
        for z in (0.15, 0.45, 0.8):
            here = image(patient, z, 64)
            change = [
                np.sqrt(np.mean((image(patient, z + mm / length, 64) - here) ** 2)) for mm in (0.1, 1, 40)
            ]
            assert change[0] < 0.2 * change[1] + 0.5
            assert change[1] < 0.4 * change[2]


@pytest.mark.parametrize("size", [64, 128])
def test_size_changes_only_the_sampling(size: int) -> None:
    for z in (0.1, 0.6):
        n = 512 // size
        fine = image("P001", z, 512).reshape(size, n, size, n).mean(axis=(1, 3))
        off = image("P001", z, size) - fine
        assert abs(off.mean()) < 1.5
        assert np.sqrt(np.mean(off**2)) < 15.0
        assert np.median(np.abs(off[fine > -995])) < 3.0


def test_texture_has_unit_variance_and_its_own_length() -> None:
    a = phantom.anatomy("P001", 0)
    planes = np.stack([lattice_noise(a, z, 5.5, 200, 1.0) for z in np.linspace(0.0, 200.0, 41)])
    assert planes.var() == pytest.approx(1.0, abs=0.06)
    near = np.mean(planes[:, :, 1:] * planes[:, :, :-1])
    far = np.mean(planes[:, :, 22:] * planes[:, :, :-22])  # four spacings: B-splines no longer overlap
    assert near > 0.9
    assert abs(far) < 0.05


def test_distances_against_closed_forms() -> None:
    x = np.linspace(-9, 9, 37, dtype=np.float32)[None, :]
    y = np.linspace(-8, 8, 33, dtype=np.float32)[:, None]
    ball = Ellipsoid((1.0, -2.0, 3.0), (5.0, 5.0, 5.0), yaw=0.7, pitch=0.4)
    exact = np.sqrt((x - 1) ** 2 + (y + 2) ** 2 + 1.0) - 5.0
    np.testing.assert_allclose(ball.distance(x, y, 4.0), exact, atol=1e-4)
    bar = capsule(x, y, (-3.0, 0.0), (3.0, 0.0), 2.0)
    np.testing.assert_allclose(bar, np.hypot(np.maximum(np.abs(x) - 3, 0), y) - 2.0, atol=1e-4)
    union = smooth_min(exact, bar, 2.0)
    assert (union <= np.minimum(exact, bar) + 1e-6).all()
    assert (union >= np.minimum(exact, bar) - 0.5 - 1e-6).all()


@pytest.mark.parametrize("radius", [0.3, 1.0, 6.0])
def test_a_tube_across_the_slice_keeps_its_area(radius: float) -> None:
    canvas = Canvas(phantom.anatomy("P001", 0), 100.0, 128)
    areas = []
    for i, j in np.ndindex(6, 6):  # every place of the axis within a pixel
        x, y = i / 6 * canvas.step, j / 6 * canvas.step
        rod = np.array([[x, y, 50.0, x, y, 150.0, radius, radius]])
        areas.append(tube_cover(canvas, rod).sum() * canvas.step**2)
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=0.05)


def test_tree_reaches_every_leaf_by_the_cube_law() -> None:
    leaves = np.random.default_rng(3).uniform(-20, 20, (60, 3))
    rows = tree(np.array([50.0, 0.0, 0.0]), leaves, 0.5)
    ends = rows[:, 3:6]
    assert max(np.linalg.norm(ends - leaf, axis=1).min() for leaf in leaves) < 1e-9
    assert rows[0, 7] == pytest.approx(0.5 * 60 ** (1 / 3))
    starts = {tuple(p) for p in rows[1:, :3]}
    assert starts <= {tuple(p) for p in ends}  # every branch starts where another ends


def test_lung_vessels_stay_in_the_lungs() -> None:
    """Bright pixels well inside the drawn lungs exist, so trees are there; their share is that of a lung."""
    a = phantom.anatomy("P001", 0)
    hu, pixel = phantom.render("P001", 0.4, size=512)
    axis = ((np.arange(512) + 0.5 - 256) * pixel).astype(np.float32)
    z = phantom.z_mm("P001", 0.4)
    x, y = (axis - np.float32(way) for way in a.shift(z))
    deep = lung_distance(a, x[None, :], y[:, None], z) < -6.0
    assert 0.01 < (hu[deep] > -500).mean() < 0.15


@pytest.mark.parametrize("z", [-0.01, 1.01, float("nan")])
def test_impossible_height(z: float) -> None:
    with pytest.raises(ValueError, match=r"z must lie in \[0, 1\]"):
        phantom.render("P001", z, size=64)
    with pytest.raises(ValueError, match="z must lie"):
        phantom.z_mm("P001", z)


@pytest.mark.parametrize("size", [0, -4, 15, 4096, 64.0])
def test_impossible_size(size: int) -> None:
    with pytest.raises(ValueError, match="size must be"):
        phantom.render("P001", 0.5, size=size)
    with pytest.raises(ValueError, match="at least 1"):
        phantom.patients(0)


def test_height_is_linear_and_by_patient() -> None:
    assert phantom.z_mm("P001", 0.0) == 0.0
    assert phantom.z_mm("P001", 0.5) == pytest.approx(0.5 * phantom.z_mm("P001", 1.0))
    assert phantom.z_mm("P001", 1.0) != phantom.z_mm("P002", 1.0)
