"""Full- and quarter-dose DICOM pairs in the folders of LDCT-and-Projection-data, with values worked out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config import load as config
from bench.data.pairs.pairs import open_pairs
from bench.data.sources.doses import DosePairs
from bench.data.sources.open import open_source
from bench.errors import BenchError
from bench.execution import resolve, runner
from tests import tiny
from tests.data import trees
from tests.dicoms import uid, write_ct

FULL, LOW = "1.000000-Full Dose Images-12345", "1.000000-Low Dose Images-54321"
NAMES = {FULL: 0, LOW: 1}
SIDE = 16


def hu(patient: int, dose: int, z: int) -> np.ndarray:
    """Return a slice that tells patient, dose and place; its first pixel is padding."""
    values = np.full((SIDE, SIDE), 100 * patient + 10 * z + dose, np.int16)
    values[0, 0], values[1, 1] = -2000, -1100
    return values


def write_patient(
    root: Path, patient: int, *, doses: dict[str, int] = NAMES, count: int = 4, **header: Any
) -> None:
    for folder, dose in doses.items():
        for z in range(count):
            keys = {
                "PatientID": f"L{patient:03d}",
                "SeriesInstanceUID": uid(1000 * patient + 100 * dose),
                "StudyInstanceUID": uid(1000 * patient),
                "SeriesDescription": folder.split("-")[1] if "-" in folder else folder,
                "RescaleIntercept": 0,
                "PixelPaddingValue": -2000,
            }
            place = root / f"L{patient:03d}" / "08-17-2018-NA-NA-1" / folder / f"1-{count - z:03d}.dcm"
            number = 1000 * patient + 100 * dose + z + 1
            write_ct(
                place,
                hu(patient, dose, z),
                number=number,
                z=3.0 * z - 7.001 + 0.001 * dose,
                **(keys | header),
            )


def opened(root: Path, **keys: Any) -> DosePairs:
    value = {"kind": "pairs", "path": str(root), "layout": "dicom", "matrix": SIDE, **keys}
    source = open_source("doses", trees.pairs(value), base=root, index_cache=None)
    assert isinstance(source, DosePairs)
    return source


def test_doses_are_matched_by_patient_and_position(tmp_path: Path) -> None:
    for patient in (1, 2):
        write_patient(tmp_path, patient)
    source = opened(tmp_path)
    found = source.catalogue()
    assert (source.conditions, found.kind, found.patients) == (("quarter_dose",), "pairs", ("L001", "L002"))
    assert (found.patients_known, found.refused, found.remarks) == (True, (), ())
    assert [round(ref.z_mm or 0, 3) for ref in found.refs] == 2 * [-7.001, -4.001, -1.001, 1.999]
    for i, ref in enumerate(found.refs):
        patient, z = 1 + i // 4, i % 4
        degraded, reference, pixel_cm = source.pair(ref, "quarter_dose", SIDE)
        expected = [0.2 * (1 + (100 * patient + 10 * z + dose) / 1000) for dose in (0, 1)]
        assert reference[5, 5] == pytest.approx(expected[0], rel=1e-6)
        assert degraded[5, 5] == pytest.approx(expected[1], rel=1e-6)
        assert (reference[0, 0], degraded[0, 0]) == (0, 0)  # padding is air in both
        assert (reference[1, 1], degraded[1, 1]) == (
            0,
            pytest.approx(-0.02),
        )  # noise in air stays in the degraded one
        assert pixel_cm == pytest.approx(0.08)


def test_doses_are_told_apart_by_their_headers_where_folders_say_nothing(tmp_path: Path) -> None:
    write_patient(tmp_path, 1)
    for number, path in enumerate(sorted(tmp_path.rglob("*.dcm"))):
        (tmp_path / "flat").mkdir(exist_ok=True)
        path.rename(tmp_path / "flat" / f"{number}.dcm")
    source = opened(tmp_path)
    ref = source.catalogue().refs[2]
    degraded, reference, _ = source.pair(ref, "quarter_dose", SIDE)
    np.testing.assert_allclose(degraded[5, 5] - reference[5, 5], 0.2 * 1e-3, rtol=1e-2)


def test_other_names_as_in_the_2016_challenge(tmp_path: Path) -> None:
    write_patient(tmp_path, 1, doses={"full_1mm": 0, "quarter_1mm": 1})
    keys = {"reference": "full_1mm", "degraded": {"mine": "quarter_1mm"}}
    assert opened(tmp_path, **keys).conditions == ("mine",)
    assert len(opened(tmp_path, **keys).catalogue().refs) == 4
    with pytest.raises(BenchError, match="no patient has slices of 'full dose images' and 'low dose images'"):
        opened(tmp_path).catalogue()


def test_projections_are_not_looked_into_and_patients_of_one_dose_are_left_out(tmp_path: Path) -> None:
    write_patient(tmp_path, 1)
    write_patient(tmp_path, 2, doses={FULL: 0})
    other = tmp_path / "L001" / "study" / "1.000000-Full dose projections-3" / "1-1.dcm"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"no image at all")
    found = opened(tmp_path).catalogue()
    assert found.patients == ("L001",)
    assert found.remarks == ("left out for lack of a dose: L002",)


def test_a_changed_slice_or_pixel_changes_the_fingerprint(tmp_path: Path) -> None:
    write_patient(tmp_path, 1)
    before = opened(tmp_path).catalogue().fingerprint
    assert opened(tmp_path).catalogue().fingerprint == before
    assert opened(tmp_path, pixel_mm=0.7).catalogue().fingerprint != before
    write_patient(tmp_path, 1, doses={LOW: 1}, RescaleSlope=2)
    assert opened(tmp_path).catalogue().fingerprint != before


def lose(folder: str) -> Any:
    return lambda root: next(root.rglob(f"{folder}/1-002.dcm")).unlink()


def corner(root: Path) -> None:
    for z, path in enumerate(sorted(root.rglob(f"{LOW}/*.dcm"), reverse=True)):
        write_ct(
            path, hu(1, 1, z), number=1101 + z, PatientID="L001", SeriesInstanceUID=uid(1100),
            ImagePositionPatient=[1.5, 0, 3.0 * z - 7],
        )  # fmt: skip


def second_series(root: Path) -> None:
    folder = "2.000000-Full Dose Images-9"
    write_patient(root, 1, doses={folder: 5})


BROKEN = [
    (lose(FULL), r"Low Dose.*1-002\.dcm: no slice of full dose of patient L001 .*\(1 slices are alone\)"),
    (lose(LOW), r"Full Dose.*1-002\.dcm: no slice of quarter_dose of patient L001 .*\(1 slices are alone\)"),
    (lambda root: write_patient(root, 1, doses={LOW: 1}, PixelSpacing=[0.7, 0.7]), "another field of view"),
    (corner, "another field of view"),
    (
        second_series,
        "1.000000-Full Dose Images-12345 and 2.000000-Full Dose Images-9 are both 'full dose images' of "
        "patient L001; give names to reference and degraded that tell them apart",
    ),
    (
        lambda root: write_patient(root, 1, doses={LOW: 1}, SeriesInstanceUID="", PixelSpacing=[0.8, 0.9]),
        "field of view",
    ),
    (lambda root: write_patient(root, 1, PixelSpacing=[0.8, 0.9]), "not square pixels"),
    (lambda root: write_patient(root, 1, PatientID=""), None),
]


@pytest.mark.parametrize(("change", "words"), BROKEN)
def test_doses_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, change: Any, words: str | None
) -> None:
    write_patient(tmp_path, 1)
    change(tmp_path)
    if words is None:  # no PatientID: the first folder says it
        assert opened(tmp_path).catalogue().patients == ("L001",)
        return
    with pytest.raises(BenchError, match=words) as caught:
        opened(tmp_path).catalogue()
    assert "\n" not in str(caught.value)


def test_crops_are_refused(tmp_path: Path) -> None:
    write_patient(tmp_path, 1)
    with pytest.raises(BenchError, match="16 x 16 pixels, not 512 x 512"):
        opened(tmp_path, matrix=512).catalogue()


# --- a measured condition from datasets.yaml to the table ---

SOURCE = "\n  doses: {kind: pairs, path: scans, layout: dicom, matrix: 16}"
CONDITION = "\n  quarter_dose: {label: quarter dose, measured: true}"
SPLITS = """
  drawn: {rule: shares, test: 0.25, validation: 0.25}
  named: {rule: patients, test: [L001], validation: [L002]}"""
PROFILES = """
  drawn: {source: doses, split: drawn, experiment: measured, size: 16, budget: {slices_seen: 96, checks: 2}}
  named: {source: doses, split: named, experiment: measured, size: 16, budget: {slices_seen: 96, checks: 2}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    datasets = tiny.DATASETS.replace("\nsources:", f"\nsources:{SOURCE}")
    datasets = datasets.replace("\nconditions:", f"\nconditions:{CONDITION}").replace(
        "\nsplits:", f"\nsplits:{SPLITS}"
    )
    experiments = tiny.EXPERIMENTS.replace(
        "\nexperiments:", "\nexperiments:\n  measured: {models: [unet], conditions: [quarter_dose]}"
    )
    for patient in (1, 2, 3, 4):
        write_patient(tmp_path / "scans", patient)
    return tiny.write(tmp_path, datasets, experiments.rstrip() + PROFILES)


@pytest.mark.parametrize("profile", ["drawn", "named"])
def test_measured_pairs_are_split_and_built_as_they_are(here: Path, profile: str) -> None:
    prepared = resolve.resolve(tiny.request(here, profile))
    list(runner.build(prepared))
    parts = {part: {ref.patient for ref in refs} for part, refs in prepared.folds.selections[0].parts.items()}
    assert sorted(len(patients) for patients in parts.values()) == [1, 1, 2]
    assert len(set.union(*parts.values())) == 4
    refs = {(ref.patient, ref.name): ref for ref in prepared.reader.catalogue().refs}
    names = [(ref.patient, ref.name) for ref in prepared.folds.refs]
    built = open_pairs(prepared.files["quarter_dose"], {"all": names})
    assert set(built.names) == set(names) == set(refs)
    for row, name in enumerate(built.names):
        degraded, reference, _ = prepared.reader.pair(refs[name], "quarter_dose", 16)
        np.testing.assert_array_equal(built.degraded[row], degraded)
        np.testing.assert_array_equal(built.reference[row], reference)


def test_a_measured_condition_reaches_cells_and_table(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = tiny.use_fake_executor(monkeypatch)
    for _ in runner.run(tiny.request(here, "named")):
        pass
    assert len(kind.ran) == 2  # the input and the network
    (path,) = (here / "reports").rglob("results.md")
    text = path.read_text()
    assert "quarter dose" in text
    assert "photons per ray" not in text


def test_only_the_reference_is_built_again(here: Path) -> None:
    prepared = resolve.resolve(tiny.request(here, "named"))
    list(runner.build(prepared))
    files = prepared.files["quarter_dose"]
    before = files.reference_path.read_bytes()
    shutil.copy(files.reference_path, here / "copy")
    files.reference_path.unlink()
    list(runner.build(resolve.resolve(tiny.request(here, "named"))))
    assert files.reference_path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("measured: true", "measured: true, photons: 1e5", "a measured condition has neither views nor photons"),
        ("label: quarter dose, measured: true", "label: quarter dose", "needs views or photons, or measured: true"),
        ("layout: dicom,", "layout: dicom, unit: 1/cm,", "sources.doses.unit: must be HU, not '1/cm'"),
        ("{source: doses, split: named", "{source: phantom, split: phantom", "the slices of source phantom are"),
        ("conditions: [quarter_dose]", "conditions: [quarter_dose, noisy]", "no folder for condition noisy"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_measured_condition(here: Path, old: str, new: str, words: str) -> None:
    changed = 0
    for file in ("datasets.yaml", "experiments.yaml"):
        text = (here / file).read_text()
        changed += text.count(old)
        (here / file).write_text(text.replace(old, new))
    assert changed
    with pytest.raises(BenchError) as caught:
        config.load(here / "datasets.yaml", here / "experiments.yaml")
    assert words in str(caught.value)
