"""Conventions of PSNR against the definitions of the programs they come from, written out here and not imported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio

from bench import metrics
from bench.metrics import CONVENTIONS, METRICS, Convention
from bench.metrics.conventions import closed_form
from bench.report.conventions import values
from bench.seeds import generator

Array = NDArray[np.float64]
WATER = 0.02  # 1/mm
PSNRS = [one for one in CONVENTIONS.values() if one.score == "psnr"]


def slice_in_hu(number: int) -> tuple[Array, Array]:
    """Return a reference and an image in HU, from air to metal, with errors beyond the ends of every window."""
    draw = generator("test-conventions", number)
    regions = np.array([-1000.0, -850.0, -100.0, 40.0, 300.0, 1200.0, 1700.0 + 400 * number])
    reference = np.repeat(np.repeat(regions, 8)[None, :], 48, axis=0) + draw.normal(0, 20, (48, 56))
    reference = np.maximum(reference, -1000.0)
    reference[0, 0] = -1000.0
    return reference, reference + draw.normal(0, 60, reference.shape)


def dicom_window(hu: Array, centre: float, width: float) -> Array:
    """The linear function of DICOM PS3.3 C.11.2.1.2.1 onto 0 to 1, as eeulig/ldct-benchmark applies it to HU + 1024."""
    stored, middle = hu + 1024, centre + 1024 - 0.5
    return np.clip((stored - middle) / (width - 1) + 0.5, 0, 1)


#: Each takes reference and image in HU and returns what its program returns, by scikit-image.
UPSTREAM: dict[str, Callable[[Array, Array], float]] = {
    # the published table: air at 0, the maximum of the slice
    "psnr.slice_max": lambda x, y: peak_signal_noise_ratio(x + 1000, y + 1000, data_range=(x + 1000).max()),
    "psnr.slice_max_hu": lambda x, y: peak_signal_noise_ratio(x, y, data_range=x.max()),
    # images of SSinyu/RED-CNN (prep.py): -1024 to 3072 HU onto 0 to 1, and the peak 1.0
    "psnr.fixed_4096": lambda x, y: peak_signal_noise_ratio((x + 1024) / 4096, (y + 1024) / 4096, data_range=1.0),
    "psnr.attenuation": lambda x, y: peak_signal_noise_ratio(
        WATER * (x / 1000 + 1), WATER * (y / 1000 + 1), data_range=0.082
    ),
    # eeulig/ldct-benchmark (utils/metrics.py): HU + 1024 clipped to 0 and 2924
    "psnr.range_2924": lambda x, y: peak_signal_noise_ratio(
        np.clip(x + 1024, 0, 2924), np.clip(y + 1024, 0, 2924), data_range=2924
    ),
    # qgao21/CoreDiff (models/basic_template.py): -1000 to 1000 HU onto 0 to 255, range of the reference; here it is 255
    "psnr.range_255": lambda x, y: peak_signal_noise_ratio(
        *(255 * (np.clip(z, -1000, 1000) + 1000) / 2000 for z in (x, y)),
        data_range=np.ptp(255 * (np.clip(x, -1000, 1000) + 1000) / 2000),
    ),
    # SSinyu/RED-CNN (solver.py, main.py): HU clipped to -160 and 240, range 400
    "psnr.window_soft": lambda x, y: peak_signal_noise_ratio(
        np.clip(x, -160, 240), np.clip(y, -160, 240), data_range=400
    ),
    # eeulig/ldct-benchmark (evaluate/utils.py), chest: centre -600, width 1500, range 1
    "psnr.window_lung": lambda x, y: peak_signal_noise_ratio(
        dicom_window(x, -600, 1500), dicom_window(y, -600, 1500), data_range=1.0
    ),
    "psnr.window_bone": lambda x, y: peak_signal_noise_ratio(
        np.clip((x + 500) / 2000, 0, 1), np.clip((y + 500) / 2000, 0, 1), data_range=1.0
    ),
}  # fmt: skip


def scored(*slices: tuple[Array, Array], patients: str) -> pd.DataFrame:
    """Return the scores of slices in HU as ``scores.csv`` has them; ``patients`` names one a slice."""
    rows = [
        {"patient": patient, "slice": str(number), **metrics.score(1 + x / 1000, 1 + y / 1000)}
        for number, (patient, (x, y)) in enumerate(zip(patients, slices, strict=True))
    ]
    return pd.DataFrame(rows).set_index(["patient", "slice"])


@pytest.mark.parametrize("name", UPSTREAM)
@pytest.mark.parametrize("number", [0, 1])
def test_a_convention_equals_the_program_it_comes_from(name: str, number: int) -> None:
    x, y = slice_in_hu(number)
    found = values(scored((x, y), patients="A"), CONVENTIONS[name])
    assert found is not None
    assert found.item() == pytest.approx(UPSTREAM[name](x, y), abs=1e-9)


def test_the_maximum_of_the_volume_equals_fastmri() -> None:
    """fastmri/evaluate.py: one PSNR of the whole volume by its own maximum; patients of two and of one slice."""
    slices = [slice_in_hu(number) for number in (0, 1, 2)]
    found = values(scored(*slices, patients="AAB"), CONVENTIONS["psnr.volume_max"])
    assert found is not None
    for patient, numbers in (("A", [0, 1]), ("B", [2])):
        x, y = (np.stack([slices[n][which] for n in numbers]) + 1000 for which in (0, 1))
        assert found[patient] == pytest.approx(peak_signal_noise_ratio(x, y, data_range=x.max()), abs=1e-9)
    assert list(found.index) == ["A", "B"]


def test_every_psnr_of_the_table_is_held_against_a_program() -> None:
    assert {one.id for one in PSNRS} == {*UPSTREAM, "psnr.volume_max"}


def test_the_same_images_score_ten_decibels_apart() -> None:
    found = [UPSTREAM[name](*slice_in_hu(0)) for name in UPSTREAM]
    assert max(found) - min(found) > 10


def test_what_is_stored_is_a_metric_and_nothing_else() -> None:
    assert {one.id for one in CONVENTIONS.values() if one.stored} == METRICS.keys() & CONVENTIONS.keys()
    derived = [one for one in PSNRS if not one.stored]
    assert [one.clip for one in derived] == [None] * len(derived)


@pytest.mark.parametrize("offset", [(0, -1), (400, 0), (-300, 300)])
def test_only_errors_within_the_window_count(offset: tuple[float, float]) -> None:
    """Lung at -850 HU and bone at 1200 lie outside the soft-tissue window; errors that cross its edge count in part."""
    reference = np.full((16, 16), 1200.0)
    reference[:, :8] = -850.0
    image = reference + np.where(reference > 0, offset[1], offset[0])
    found = metrics.score(1 + reference / 1000, 1 + image / 1000, ["psnr.window_soft", "rmse.hu"])
    assert found["rmse.hu"] > 0
    assert found["psnr.window_soft"] == math.inf
    half = np.where(reference < 0, -200.0, 40.0)  # 40 HU below the lower edge, and in the middle
    worse = np.where(half < -100, 0.0, 40.0)  # 160 HU of the 200 lie within
    by_hand = 20 * math.log10(400 / math.sqrt(0.5 * 160**2))
    found = metrics.score(1 + half / 1000, 1 + worse / 1000, ["psnr.window_soft"])
    assert found["psnr.window_soft"] == pytest.approx(by_hand, abs=1e-9)


def test_images_of_any_height_are_clipped_whole() -> None:
    """Rows are taken in blocks: a remainder must count as much as the rest."""
    for height in (1, 63, 64, 65, 130):
        x = generator("heights", height).normal(40, 150, (height, 16))
        y = x + generator("errors", height).normal(0, 50, x.shape)
        found = METRICS["psnr.window_soft"].function(metrics.Pair(1 + x / 1000, 1 + y / 1000))
        assert found == pytest.approx(UPSTREAM["psnr.window_soft"](x, y), abs=1e-9)


# Between conventions


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(PSNRS, 2)))
def test_a_closed_form_is_given_where_it_holds_for_every_image_and_only_there(
    source: Convention, target: Convention
) -> None:
    scores = scored(*(slice_in_hu(number) for number in (0, 1, 2)), patients="AAB")
    unit = "patient" if "patients" in (source.order, target.order) else "slice"
    one, other = (values(scores, each).groupby(level=unit).mean() for each in (source, target))  # type: ignore[union-attr]
    shifts = (other - one).to_numpy()
    exact = closed_form(source, target)
    if exact is None:
        assert np.ptp(shifts) > 1e-3
    else:
        assert shifts == pytest.approx(exact, abs=1e-9)


def test_the_closed_form_by_hand() -> None:
    found = closed_form(CONVENTIONS["psnr.fixed_4096"], CONVENTIONS["psnr.attenuation"])
    assert found == pytest.approx(20 * math.log10(4100 / 4096), abs=1e-12)
    assert closed_form(CONVENTIONS["ssim.column"], CONVENTIONS["ssim.slice_max"]) is None


def test_two_networks_lie_equally_far_apart_by_every_peak_without_clipping() -> None:
    references = [slice_in_hu(number)[0] for number in (0, 1, 2)]
    networks = [
        scored(*((x, x + draw.normal(0, 30 + 20 * at, x.shape)) for at, x in enumerate(references)), patients="AAB")
        for draw in (generator("one"), generator("other"))
    ]  # fmt: skip
    for one in PSNRS:
        first, second = (values(scores, one).mean() for scores in networks)  # type: ignore[union-attr]
        usual = networks[1]["psnr.slice_max"].mean() - networks[0]["psnr.slice_max"].mean()
        assert (second - first == pytest.approx(usual, abs=1e-9)) == one.same_order, one.id
