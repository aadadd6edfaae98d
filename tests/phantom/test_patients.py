"""Phantom patients differ as patients do. Oracles: what each disease does to a lung, measured in HU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

from bench import phantom
from bench.phantom.anatomy import WIDEST
from tests.phantom.labels import Label, slice_and_labels

PEOPLE = phantom.patients(40)


def of(disease: str) -> Iterator[str]:
    """Patients with a lung disease, the worst first."""
    bodies = {p: phantom.anatomy(p, 0) for p in PEOPLE}
    yield from sorted((p for p in PEOPLE if bodies[p].disease == disease), key=lambda p: -bodies[p].grade)


def lung(patient: str) -> np.ndarray:
    """HU well inside the lungs, at three heights."""
    found = []
    for z in (0.2, 0.4, 0.62):
        hu, code = slice_and_labels(patient, z, size=192)
        found.append(hu[ndimage.binary_erosion(code == Label.LUNG)])
    return np.concatenate(found)


def test_bodies_differ_and_fit_a_clinical_field() -> None:
    bodies = [phantom.anatomy(p, 0) for p in PEOPLE]
    area = np.array([a.half_width * a.half_depth for a in bodies])
    assert np.percentile(area, 90) > 1.4 * np.percentile(area, 10)
    assert np.ptp([a.fat for a in bodies]) > 25.0
    assert np.ptp([a.heart_size for a in bodies]) > 0.15
    assert {a.contrast for a in bodies} == {True, False}
    assert {a.arms for a in bodies} == {True, False}
    assert {a.disease for a in bodies} == {"", "emphysema", "fibrosis", "infiltrates", "effusion"}
    for a in bodies:
        assert a.half_width + abs(a.shift(100.0)[0]) < 0.5 * a.fov
        assert a.fov <= WIDEST


def test_raised_arms_are_out_of_the_slice() -> None:
    """Beside the trunk lies an arm with its bone, or air."""
    for wanted in (True, False):
        patient = next(p for p in PEOPLE if phantom.anatomy(p, 0).arms is wanted)
        hu, pixel = phantom.render(patient, 0.5, size=128)
        beyond = phantom.anatomy(patient, 0).half_width + 12.0
        side = hu[16:96, (np.arange(128) - 63.5) * pixel > beyond]
        assert bool(side.max() > 300.0) is wanted


@pytest.mark.parametrize(
    ("disease", "low", "high"),
    [("emphysema", -1100.0, -915.0), ("fibrosis", -740.0, 0.0), ("infiltrates", -650.0, 100.0)],
)
def test_disease_changes_the_lung(disease: str, low: float, high: float) -> None:
    """Of the sick lung a good part lies where of the healthy one hardly a pixel does."""
    parts = [lung(next(of(kind))) for kind in (disease, "")]
    shares = [((hu > low) & (hu < high)).mean() for hu in parts]
    assert shares[0] > 0.03
    assert shares[0] > 3.0 * shares[1]


def test_an_effusion_lies_behind_the_lung() -> None:
    patient = next(of("effusion"))
    hu, code = slice_and_labels(patient, 0.55, size=128)
    a = phantom.anatomy(patient, 0)
    fluid = (code == Label.SOFT) & (np.abs(hu - a.tissues.fluid.hu) < 12.0)
    assert ndimage.binary_opening(fluid).sum() > 150
    assert np.argwhere(fluid)[:, 0].mean() > np.argwhere(code == Label.LUNG)[:, 0].mean() + 8.0


def test_no_two_patients_look_alike() -> None:
    """Correlation of two patients' slices at one height stays well below that of neighbours 2 mm apart."""
    slices = [phantom.render(p, 0.4, size=64)[0].ravel() for p in PEOPLE[:8]]
    slices.append(phantom.render("P001", 0.4, size=64, seed=1)[0].ravel())
    beside = phantom.render("P001", 0.4 + 2.0 / phantom.z_mm("P001", 1.0), size=64)[0].ravel()
    own = np.corrcoef(slices[0], beside)[0, 1]
    others = np.corrcoef(slices)[np.triu_indices(len(slices), 1)]
    assert own > 0.985
    assert others.max() < 0.97
