"""The phantom's known lesions, measured in the rendered slices. Oracles: the list, and the area of a disc."""

from __future__ import annotations

import numpy as np
import pytest

from bench import phantom
from bench.phantom.lesions import Nodule, lead_around
from bench.phantom.tubes import depths
from bench.phantom.vessels import vessels
from tests.phantom.labels import MIXED, Label, slice_and_labels

PEOPLE = phantom.patients(12)


class Measured:
    """A lesion as it stands in its slice: background, contrast, and the disc above half the contrast."""

    def __init__(self, patient: str, lesion: Nodule, shift: float = 0.0) -> None:
        height = (lesion.z_mm + shift) / phantom.z_mm(patient, 1.0)
        hu, code = slice_and_labels(patient, height, size=512)
        pixel = phantom.anatomy(patient, 0).fov / 512
        axis = (np.arange(512) - 255.5) * pixel
        x, y = axis[None, :] - lesion.x_mm, axis[:, None] - lesion.y_mm
        away, radius = np.hypot(x, y), 0.5 * lesion.diameter_at(lesion.z_mm + shift)
        ring, core = (away > radius + 2.0) & (away < radius + 3.5), away < max(radius - 1.5, 0.5)
        around = float(np.median(hu[ring]))
        self.contrast = float(hu[core].mean()) - around
        disc = ((hu - around) / self.contrast > 0.5) & (away < radius + 2.5)
        self.diameter = 2.0 * np.sqrt(disc.sum() / np.pi) * pixel
        self.place = (np.where(disc, x, 0.0).sum() / disc.sum(), np.where(disc, y, 0.0).sum() / disc.sum())
        self.inside, self.outside = set(code[core]) - {MIXED}, code[ring]


@pytest.mark.integration
def test_place_size_and_contrast_are_those_of_the_list() -> None:
    off: dict[str, list[float]] = {"solid": [], "ground-glass": [], "liver": []}
    near = {"solid": 60.0, "ground-glass": 45.0, "liver": 9.0}  # three deviations of the texture's local mean
    for patient in PEOPLE[:2]:
        for lesion in phantom.nodules(patient)[::2]:
            if lesion.diameter_mm < 5.0:
                continue  # the blur takes height and width from the smallest
            got = Measured(patient, lesion)
            off[lesion.kind].append(got.contrast - lesion.contrast_hu)
            # a liver lesion stands only about five deviations of the texture above its surroundings
            wide = 0.9 if lesion.kind == "liver" else 0.45
            assert np.hypot(*got.place) < wide, lesion
            assert got.diameter == pytest.approx(lesion.diameter_mm, abs=wide), lesion
            assert abs(off[lesion.kind][-1]) < near[lesion.kind], lesion
            of_liver = lesion.kind == "liver"
            assert got.inside <= {Label.LESION if of_liver else Label.NODULE}, lesion
            around = Label.LIVER if of_liver else Label.LUNG
            assert (got.outside == around).mean() > 0.8, lesion  # no wall, no vessel beside it
    for kind, values in off.items():
        assert abs(np.mean(values)) < 0.5 * near[kind], kind


def test_a_slice_beside_the_middle_cuts_the_smaller_disc() -> None:
    lesion = phantom.nodules("P002")[0]
    shift = 0.3 * lesion.diameter_mm
    got = Measured("P002", lesion, shift)
    assert got.diameter == pytest.approx(0.8 * lesion.diameter_mm, abs=0.45)
    assert lesion.diameter_at(lesion.z_mm + 0.51 * lesion.diameter_mm) == 0.0


def test_every_patient_has_several_of_every_size() -> None:
    kinds: list[str] = []
    for patient in PEOPLE:
        found = phantom.nodules(patient)
        lung = [n for n in found if n.kind != "liver"]
        kinds += [n.kind for n in found]
        assert 4 <= len(lung) <= 8
        assert min(n.diameter_mm for n in lung) < 6.0
        assert max(n.diameter_mm for n in lung) > 12.0
        for n in found:
            assert 3.0 <= n.diameter_mm <= 20.0
            assert 0.0 < n.z_mm < phantom.z_mm(patient, 1.0)
            if n.kind == "liver":
                assert -40.0 <= n.contrast_hu <= -15.0
                assert n.hu - n.contrast_hu == pytest.approx(phantom.anatomy(patient, 0).tissues.liver.hu)
    assert len(kinds) > 8 * len(PEOPLE) * 0.8
    assert set(kinds) == {"solid", "ground-glass", "liver"}


def test_lists_depend_on_names_alone() -> None:
    first = [phantom.nodules(p) for p in PEOPLE[:4]]
    phantom.nodules("P001", seed=5)
    assert [phantom.nodules(p) for p in PEOPLE[:4]] == first
    assert len({n for found in first for n in found}) == sum(map(len, first))
    assert phantom.nodules("P001", seed=5) != first[0]


def test_no_tube_enters_a_lesion() -> None:
    a = phantom.anatomy("P001", 0)
    tubes = vessels(a)
    for n in phantom.nodules("P001"):
        centre = np.array([n.x_mm, n.y_mm, n.z_mm]) - (*a.shift(n.z_mm), 0.0)
        assert depths(tubes.lung, centre).min() > 0.5 * n.diameter_mm + 1.0
        straight = np.array([[*(centre - 30.0), *(centre + 31.0), 1.0, 1.0]])
        assert depths(straight, centre).min() < 0.0
        assert depths(lead_around(a, straight), centre).min() > 0.5 * n.diameter_mm


def test_depth_in_a_tube_by_hand() -> None:
    rod = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 10.0, 2.0, 1.0]])
    assert depths(rod, np.array([5.0, 0.0, 5.0])) == pytest.approx([3.0])
    assert depths(rod, np.array([0.0, 4.0, 13.0])) == pytest.approx([3.0])
