"""``bench init slices``: what it reads from a folder of each kind, and that its files run once they are filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from bench.config import load
from bench.data.sources.open import open_source
from bench.data.splits import PARTS
from bench.errors import BenchError, BenchErrors
from bench.execution import resolve
from bench.scaffold import folder, slices
from bench.scaffold.folder import Found, Given
from tests import tiny
from tests.data import bodies

KINDS = {
    "npz": (Given(), "HU"),
    "dicom": (Given(), "HU"),
    "nifti": (Given(), "HU"),
    "npy": (Given(pixel_mm=5.5), "HU"),
    "flt": (Given(pixel_mm=5.5), "1/cm"),
}
PATIENTS, SLICES = len(bodies.PATIENTS), len(bodies.PATIENTS) * bodies.SLICES


def scans(root: Path, kind: str) -> Path:
    """Write four patients of three 64 x 64 slices and return their folder."""
    bodies.write(root, kind, bodies.stored(kind))
    return root / "mine"


def written(
    root: Path, kind: str, given: Given | None = None, name: str | None = "scans"
) -> tuple[Path, Found]:
    """Let the files for a folder of a kind be written and return where, and what was found."""
    place, into = scans(root, kind), root / "new"
    found = folder.look(place, given or KINDS[kind][0], index_cache=None)
    slices.of(place, found, into, name).write(into)
    return into, found


def fill(into: Path) -> None:
    """Fill in what a person has to."""
    file = into / "datasets.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("FILL IN", "Scans of ours"), encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_refused_until_filled_in_and_then_plan_what_was_found(
    tmp_path: Path, kind: str
) -> None:
    into, found = written(tmp_path, kind)
    assert (found.source.kind, found.source.unit, found.source.matrix) == (kind, KINDS[kind][1], 64)
    assert len(found.catalogue.refs) == SLICES and {ref.pixel_mm for ref in found.catalogue.refs} == {5.5}
    with pytest.raises(BenchErrors) as refused:
        resolve.resolve(tiny.request(into, "scans"))
    lines = str(refused.value).splitlines()
    text = (into / "datasets.yaml").read_text(encoding="utf-8").splitlines()
    for line, key in zip(lines, ("title", "licence", "citation"), strict=True):
        number = next(n for n, one in enumerate(text, start=1) if one.strip().startswith(f"{key}:"))
        start = f"{into / 'datasets.yaml'}:{number}: sources.scans.{key}: is still to be filled in; write in place of"
        assert line.startswith(start)
    fill(into)
    resolved = resolve.resolve(tiny.request(into, "scans"))
    parts = resolved.folds.selections[0].parts
    assert {part: sorted({ref.patient for ref in parts[part]}) for part in PARTS} == {
        part: sorted(patients) for part, patients in found.patients.items()
    }
    assert {part: len(patients) for part, patients in found.patients.items()} == {
        "train": 2, "validation": 1, "test": 1,
    }  # fmt: skip
    assert (resolved.profile.size, len(resolved.plan.cells)) == (64, 8)  # three networks and the input, twice
    assert resolved.plan.source["title"] == "Scans of ours" and resolved.plan.source["restricted"] is True


def test_one_fill_in_that_is_left_is_one_line(tmp_path: Path) -> None:
    into, _ = written(tmp_path, "npz")
    file = into / "datasets.yaml"
    file.write_text(file.read_text().replace("FILL IN", "ours", 2))
    with pytest.raises(BenchErrors) as refused:
        load.load(file)
    assert str(refused.value).count("\n") == 0 and "sources.scans.citation: is still to be" in str(
        refused.value
    )


def test_a_path_below_the_files_is_relative(tmp_path: Path) -> None:
    place = scans(tmp_path, "npz")
    found = folder.look(place, Given(), index_cache=None)
    slices.of(place, found, tmp_path, "scans").files["datasets.yaml"].index("    path: mine\n")
    assert f"path: {place}\n" in slices.of(place, found, tmp_path / "new", "scans").files["datasets.yaml"]


def test_a_folder_names_the_profile_unless_the_name_is_taken(tmp_path: Path) -> None:
    found = folder.look(scans(tmp_path, "npz"), Given(), index_cache=None)
    for name, expected in (
        ("Chest CT (2024)", "chest-ct-2024"),
        ("phantom", "own-slices"),
        ("Ä", "own-slices"),
    ):
        commands = slices.of(tmp_path / name, found, tmp_path, None).commands
        assert commands[1] == f"bench run --all --profile {expected}"
    for name, words in (("Paper", "'Paper' cannot be the name of a source"), ("paper", "of that name")):
        with pytest.raises(BenchError, match=words):
            slices.of(tmp_path, found, tmp_path, name)


def test_what_is_found_is_told(tmp_path: Path) -> None:
    place = scans(tmp_path, "npz")
    (place / "notes.txt").write_text("x")
    lines = slices.of(place, folder.look(place, Given(), index_cache=None), tmp_path / "new", "scans").lines
    assert lines[0] == "found: 12 slices of 4 patients in 4 npz files, 64 x 64 pixels of 5.5 mm, in HU"
    assert "skipped: 1 .txt" in lines
    assert lines[-1].startswith("fill in title, licence and citation in datasets.yaml")


def fault(place: Path, given: Given | None = None) -> str:
    with pytest.raises(BenchError) as error:
        folder.look(place, given or Given(), index_cache=None)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_folders_that_cannot_be_used_are_one_line_with_a_remedy(tmp_path: Path) -> None:
    assert fault(tmp_path / "none").endswith("none: no such folder; give the folder that holds the slices")
    (tmp_path / "empty").mkdir()
    assert "holds no slices that can be read: it is empty; slices may be npz, npy, flt" in fault(
        tmp_path / "empty"
    )
    (tmp_path / "empty" / "notes.txt").write_text("x")
    assert "holds no slices that can be read, but 1 .txt; " in fault(tmp_path / "empty")
    place = scans(tmp_path / "npy", "npy")
    assert (
        "npy files do not say their pixel spacing; give the side of a pixel in mm, for example --pixel-mm"
        in fault(place)
    )
    assert "--kind: unknown kind 'npx'; did you mean npz?" in fault(place, Given("npx", pixel_mm=5.5))


def test_slices_of_several_sizes_are_refused_by_the_rarer_one(tmp_path: Path) -> None:
    place = scans(tmp_path, "npz")
    np.savez(
        place / "A" / "small.npz", hu=bodies.body(0, 0)[None, :32, :32], pixel_spacing_mm=5.5, patient_id="A"
    )
    words = "A/small.npz: 32 x 32 pixels (1 such), but 4 files have 64 x 64: slices of a source have one size; move"
    assert words in fault(place)


def test_too_few_patients_are_refused(tmp_path: Path) -> None:
    for name in ("A", "B"):
        np.savez(tmp_path / f"{name}.npz", hu=bodies.body(0, 0)[None], pixel_spacing_mm=5.5, patient_id=name)
        one = "one patient only (A)" if name == "A" else "2 patients only (A, B)"
        assert f"{one}; training, validation and test need one each at least; add patients" in " ".join(
            [fault(tmp_path)]
        )


def test_files_whose_patients_nothing_tells_name_the_option(tmp_path: Path) -> None:
    for name in "ABC":
        np.save(tmp_path / f"{name}_1.npy", bodies.body(0, 0))
    text = fault(tmp_path, Given(pixel_mm=5.5))
    assert "nothing says whose slices these are" in text and "here: --patient-from REGEX" in text
    found = folder.look(tmp_path, Given(pixel_mm=5.5, patient_from="^([A-C])_"), index_cache=None)
    into = tmp_path / "new"
    slices.of(tmp_path, found, into, "scans").write(into)
    fill(into)
    assert load.load(into / "datasets.yaml").datasets.sources["scans"].patient_from == "^([A-C])_"  # type: ignore[union-attr]


def test_small_slices_are_refused(tmp_path: Path) -> None:
    for name in "ABC":
        np.savez(
            tmp_path / f"{name}.npz",
            hu=bodies.body(0, 0)[None, ::4, ::4],
            pixel_spacing_mm=22.0,
            patient_id=name,
        )
    found = folder.look(tmp_path, Given(), index_cache=None)
    with pytest.raises(BenchError, match="slices of 16 x 16 pixels are too small to train on; 32 at least"):
        slices.of(tmp_path, found, tmp_path, "scans")


def doses(root: Path, full: str, low: str, patient_id: str = "") -> Path:
    """Write four patients at two doses, ``A/FULL/0.dcm`` and ``A/LOW/0.dcm``; with one PatientID where it is given."""
    place = scans(root, "doses")
    for patient in bodies.PATIENTS:
        for old, new in (("full", full), ("low", low)):
            (place / patient / old).rename(place / patient / new)
    for file in place.rglob("*.dcm") if patient_id else ():
        data = dcmread(file)
        data.PatientID = patient_id
        data.save_as(file)
    return place


@pytest.mark.parametrize(
    ("full", "low", "patient_id"),
    [
        ("full_1mm", "quarter_1mm", "Anonymous"),
        ("full_1mm", "quarter_1mm", ""),
        ("1.000000-Full Dose Images-12345", "1.000000-Low Dose Images-678", ""),
    ],
)
def test_two_doses_are_a_source_of_measured_pairs(
    tmp_path: Path, full: str, low: str, patient_id: str
) -> None:
    """The folders of the 2016 challenge and of LDCT-and-Projection-data, as docs/data.md writes their sources."""
    into = tmp_path / "new"
    place = doses(tmp_path, full, low, patient_id)
    found = folder.look(place, Given(), index_cache=None)
    made = slices.of(place, found, into, "scans")
    assert "in 24 dicom files" in made.lines[0]
    assert any(
        line.startswith("measured: ") and "is the condition quarter_dose" in line for line in made.lines
    )
    made.write(into)
    fill(into)
    resolved = resolve.resolve(tiny.request(into, "scans"))
    assert {cell.condition for cell in resolved.plan.cells} == {"quarter_dose"}
    assert len(resolved.plan.cells) == 4  # three networks and the input
    assert sorted(found.catalogue.patients) == list(bodies.PATIENTS)
    read = load.load(into / "datasets.yaml", into / "experiments.yaml").datasets.sources["scans"]
    assert read.patient_from == (r"^([^/]+)/" if patient_id else None)
    (source,) = (open_source("scans", read, base=into, index_cache=None),)
    degraded, reference, _ = source.pair(source.catalogue().refs[0], "quarter_dose", 64)
    assert np.std(degraded - reference) > 0.005  # 48 HU of noise instead of 8, in 1/cm


def test_what_the_files_of_two_doses_say_is_not_asked_for(tmp_path: Path) -> None:
    place = doses(tmp_path, "full_1mm", "quarter_1mm")
    assert "--pixel-mm: the DICOM files of" in fault(place, Given(pixel_mm=0.7))
    assert fault(place, Given(unit="1/cm")).endswith("say that themselves; leave it out")


def test_the_studys_own_files_are_sent_to_their_profile(tmp_path: Path) -> None:
    for name in ("ndct", "ldct_7e4"):
        (tmp_path / "images" / name / "train").mkdir(parents=True)
        (tmp_path / "images" / name / "train" / "0.flt").write_bytes(b"0" * 16)
    assert "the published study's own files; put it as `study` below BENCH_DATA" in fault(tmp_path)
