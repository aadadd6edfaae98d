"""Oracles: noise of a known deviation, rays through a water cylinder integrated by themselves, simulated doses."""

from __future__ import annotations

import numpy as np
import pytest

from bench import likeness, phantom
from bench.ct import dose
from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import ParallelBeam
from bench.ct.noise import Quanta
from bench.ct.units import MU_WATER, hu_to_mu, mu_to_hu
from bench.data.files.resize import to_object

SIDE, PIXEL_MM, RADIUS_MM = 128, 3.0, 150.0


def cylinder(noise: float, seed: int = 0) -> np.ndarray:
    """Return water in air with white noise."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2) * PIXEL_MM
    hu = np.where(np.hypot(x, y) < RADIUS_MM, 0.0, -1000.0)
    return hu + np.random.default_rng(seed).normal(0, noise, hu.shape)


@pytest.mark.parametrize("noise", [5.0, 40.0])
def test_white_noise_of_a_known_deviation(noise: float) -> None:
    found = likeness.statistics(cylinder(noise), PIXEL_MM)
    assert found[likeness.NOISE] == pytest.approx(noise, rel=0.05)
    assert found[likeness.GRAIN] == pytest.approx(
        1.0, abs=0.08
    )  # half of the deviation at twice the width, times 2
    assert found[likeness.PIXEL] == PIXEL_MM


def test_a_patient_is_taken_out_by_the_rays_through_a_cylinder() -> None:
    """A pixel at r sees chords at t = r cos(angle): exp(2 mu sqrt(R^2 - t^2)), averaged over the disc."""
    found = likeness.statistics(cylinder(10.0), PIXEL_MM)
    y, x = np.mgrid[-RADIUS_MM:RADIUS_MM:201j, -RADIUS_MM:RADIUS_MM:201j]
    rows = [
        np.abs(x * np.cos(angle) + y * np.sin(angle)) for angle in np.linspace(0, np.pi, 16, endpoint=False)
    ]
    inside = np.hypot(x, y) < RADIUS_MM - 3 * PIXEL_MM  # as far as surroundings are flat
    chords = [2 * np.sqrt(np.maximum(RADIUS_MM**2 - t[inside] ** 2, 0)) / 10 for t in rows]
    attenuation = np.mean(np.exp(MU_WATER * np.array(chords)))
    expected = found[likeness.NOISE] * PIXEL_MM / np.sqrt(attenuation)
    assert found[likeness.SOURCE_NOISE] == pytest.approx(expected, rel=0.05)


def test_what_is_not_known_is_left_out() -> None:
    assert not {likeness.PIXEL, likeness.SOURCE_NOISE} & set(likeness.statistics(cylinder(10.0), None))
    assert likeness.statistics(np.full((8, 8), -1000.0), 1.0) == {"air": 1.0, "pixel_mm": 1.0}
    assert likeness.unlike({}, {}) == () == likeness.unlike({"air": [0, 0, 0]}, {})


def test_few_slices_of_many() -> None:
    assert list(likeness.spread(3)) == [0, 1, 2] and not likeness.spread(0)
    assert len(likeness.spread(1000)) <= likeness.SLICES and likeness.spread(1000)[-1] > 950


def test_pixel_size_and_ct_numbers() -> None:
    training = likeness.profile([likeness.statistics(cylinder(20.0, seed), PIXEL_MM) for seed in range(4)])
    (line,) = likeness.unlike(likeness.profile([likeness.statistics(cylinder(20.0), PIXEL_MM)]) | {
        "pixel_mm": [0.7] * 3, "source_noise": training["source_noise"]}, training)  # fmt: skip
    assert line == "pixel size is 0.23 times that of the training slices (0.7 mm, there 3 mm)"
    shifted = likeness.profile([likeness.statistics(cylinder(20.0) + 1024, PIXEL_MM)])
    assert any("is air" in one for one in likeness.unlike(shifted, training))


CONDITIONS = [
    Condition("matching", None, Quanta(photons=7e4)),
    Condition("more photons", None, Quanta(photons=1e6)),
    Condition("fewer photons", None, Quanta(photons=1e4)),
]


def simulated(patient: str, size: int = 128) -> dict[str, list[likeness.Statistics]]:
    """Return the statistics of two slices of a phantom patient at each dose."""
    drawn = [phantom.render(patient, z, size=2 * size) for z in (0.3, 0.7)]
    pairs = [to_object(hu_to_mu(hu), size) for hu, _ in drawn]
    widths = np.array([2 * mm for _, mm in drawn])
    keys = [(1, patient, str(number)) for number in range(2)]
    scan = ParallelBeam(size, 360, 360.0, "ram-lak")
    scans = dose.scan(np.stack([fine for fine, _ in pairs]), widths / 10, scan, keys, Reference())
    images = {**scans.degraded(CONDITIONS), "clean": np.stack([one for _, one in pairs])}
    return {
        name: [likeness.statistics(mu_to_hu(mu), mm) for mu, mm in zip(values, widths, strict=True)]
        for name, values in images.items()
    }


def test_shifted_doses_are_warned_of_and_matching_ones_are_not() -> None:
    """The whole table, also of real slices: benchmarks/likeness.py, docs/denoise.md."""
    patients = [simulated(name) for name in phantom.patients(6)]
    training = likeness.profile(one for patient in patients[:4] for one in patient["matching"])
    for patient in patients[4:]:
        warned = {name for name, rows in patient.items() if likeness.unlike(likeness.profile(rows), training)}
        assert warned == {"more photons", "fewer photons", "clean"}
