"""Values that no scanner writes, in every kind of source. Oracle: the mistake that was made, and its range."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import cli, phantom
from bench.config import schema
from bench.data.files import plausible, values
from bench.data.files.dicom_format import dicom_format
from bench.data.sources import examine
from bench.data.sources.open import open_source
from bench.errors import BenchError
from bench.execution import resolve
from tests import tiny
from tests.data import bodies
from tests.data.bodies import Change, same, to_mu

REAL = Path(__file__).parents[3] / ".." / "shared" / "real-ct"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real slices are not beside this checkout")
COMMANDS = (("data", "check"), ("data", "build"), ("run", "--all"))
IN_HU = ("dicom", "nifti", "npz", "npy", "folders", "doses")


def wrapped(hu: np.ndarray) -> np.ndarray:
    return hu.astype(np.uint16)


def shifted(hu: np.ndarray) -> np.ndarray:
    return hu + 1024


def scaled(hu: np.ndarray) -> np.ndarray:
    return (2 * (hu + 1024.0) / 4096 - 1).astype(np.float32)


def grey(hu: np.ndarray) -> np.ndarray:
    return (np.clip((hu + 160) / 400, 0, 1) * 255).astype(np.int16)


def per_mm(hu: np.ndarray) -> np.ndarray:
    return to_mu(hu) / np.float32(10)


WRAPPED = (wrapped, "exceeds 32767 HU", "PixelRepresentation 1")
SHIFTED = (shifted, "no air .* CT numbers plus 1024", "subtract 1024")
SCALED = (scaled, "no air .* scaled to -1 to 1", "convert them back to HU")
GREY = (grey, "no air .* grey levels of 0 to 255", "give the CT numbers")
MU = (to_mu, "no air .* attenuation in 1/cm", "unit: 1/cm")
PER_MM = (per_mm, "nothing near water", "set unit: 1/mm")
HU = (same, "cannot be in 1/cm", "set unit: HU")
ARRAYS = ("nifti", "npz", "npy", "folders")
CASES = [
    *((kind, *WRAPPED) for kind in IN_HU),
    *((kind, *SHIFTED) for kind in IN_HU),
    *((kind, *GREY) for kind in IN_HU if kind != "nifti"),  # so few levels are refused there as a mask's
    *((kind, *SCALED) for kind in ARRAYS),
    *((kind, *MU) for kind in ARRAYS),
    *((kind, *case) for kind in ("flt", "study") for case in (PER_MM, HU)),
]
SIDES = [(*case, False) for case in CASES] + [(*case, True) for case in CASES if case[0] in bodies.PAIRS]


def bench(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Run a command in ``here`` and return its exit code, what it printed, and its errors."""
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", ["bench", *arguments, "--profile", "tiny"])
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(SystemExit) as caught:
        cli.main()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


def skip_without(kind: str) -> None:
    if kind == "nifti":
        pytest.importorskip("nibabel")


@pytest.mark.parametrize("kind", bodies.SOURCES)
def test_whole_bodies_pass_and_are_described_without_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    skip_without(kind)
    bodies.write(tmp_path, kind, bodies.stored(kind))
    code, out, _ = bench(tmp_path, monkeypatch, capsys, "data", "check", "--no-leaks")
    assert (code, "remark" in out, "12 slices, 4 patients" in out) == (0, False, True)


@pytest.mark.parametrize(("kind", "change", "words", "remedy", "degraded"), SIDES)
def test_values_that_no_scanner_writes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    change: Change,
    words: str,
    remedy: str,
    degraded: bool,
) -> None:
    """One patient of four is wrong: one line with file, range and remedy, exit 2, whatever is asked."""
    skip_without(kind)
    file = bodies.write(tmp_path, kind, change, degraded=degraded)
    lines = set()
    first = next(case for case in SIDES if (case[0], case[4]) == (kind, degraded))
    for command in COMMANDS if first[1] is change else COMMANDS[:1]:  # they all read a source in one place
        code, _, line = bench(tmp_path, monkeypatch, capsys, *command)
        assert code == 2
        lines.add(line)
    (line,) = lines
    assert line.count("\n") == 1
    assert f"mine/{file}: " in line
    assert remedy in line
    assert "accept: [" in line
    assert re.search(words, line)
    seed, noise = int(degraded), 8.0 + 40 * degraded
    made = [change(bodies.body(2, z, seed, noise)) for z in range(bodies.SLICES)]
    shown = made[:1] if "cannot be in" in words or "exceeds" in words else made
    low, high = min(float(one.min()) for one in shown), max(float(one.max()) for one in shown)
    assert f"{low:.5g} to {high:.5g}" in line
    assert not (tmp_path / "runs" / "tiny" / "plan.json").exists()


def test_attenuation_in_per_cm_called_per_mm(tmp_path: Path) -> None:
    bodies.write(tmp_path, "flt", to_mu)
    text = (tmp_path / "datasets.yaml").read_text().replace("unit: 1/cm}", "unit: 1/mm}")
    (tmp_path / "datasets.yaml").write_text(text)
    with pytest.raises(BenchError, match=r"A/0\.flt: .*nothing near water.*; set unit: 1/cm"):
        resolve.resolve(tiny.request(tmp_path))


@pytest.mark.parametrize(
    ("change", "keys"),
    [(shifted, "no_air"), (wrapped, "beyond_range, no_air"), (scaled, "no_air")],
)
def test_what_is_accepted_is_named_in_check_plan_and_deviations(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Any,
    keys: str,
) -> None:
    bodies.write(tmp_path, "npy", change, accept=keys)
    code, out, _ = bench(tmp_path, monkeypatch, capsys, "data", "check", "--no-leaks")
    assert (code, f"accept: {keys}" in out) == (0, True)
    _, out, _ = bench(tmp_path, monkeypatch, capsys, "plan")
    assert f"{keys} accepted" in " ".join(out.split())
    cells = resolve.resolve(tiny.request(tmp_path)).plan.cells
    assert all(any("accepted" in point for point in cell.scaled) for cell in cells)


def test_a_damaged_file_of_floats_is_beyond_range(tmp_path: Path) -> None:
    """Bytes in the wrong order: numbers up to 1e38 are named, not overflowed."""
    bodies.write(tmp_path, "flt", to_mu)
    (tmp_path / "mine" / "C" / "0.flt").write_bytes(to_mu(bodies.body(2, 0)).astype(">f4").tobytes())
    with pytest.raises(BenchError, match=r"C/0\.flt: (holds NaN|values of .*e\+3\d cannot be in 1/cm)"):
        resolve.resolve(tiny.request(tmp_path))


def test_an_unknown_word_in_accept_names_the_known_ones(tmp_path: Path) -> None:
    bodies.write(tmp_path, "npy", accept="no_ear")
    with pytest.raises(BenchError, match=r"datasets\.yaml:\d+: .*accept"):
        resolve.resolve(tiny.request(tmp_path))


@pytest.mark.parametrize("mistake", ["shifted", "one value", "grey"])
def test_one_wrong_slice_among_right_ones_is_found(tmp_path: Path, mistake: str) -> None:
    bodies.write(tmp_path, "npy")
    wrong = {"shifted": shifted(bodies.body(2, 1)), "grey": grey(bodies.body(2, 1))}
    image = wrong.get(mistake, np.zeros((64, 64), np.int16))
    np.save(tmp_path / "mine" / "C" / "1.npy", image)
    with pytest.raises(BenchError, match=r"C/1\.npy: values of .* no air and no tissue") as caught:
        resolve.resolve(tiny.request(tmp_path))
    assert f"{image.min()} to {image.max()}" in str(caught.value)


def test_a_crop_without_air_is_judged_with_its_patient(tmp_path: Path) -> None:
    """Muscle, fat and bone only, in one slice of three, on both sides: kept."""
    bodies.write(tmp_path, "folders")
    inner = np.random.default_rng(0).normal(50, 12, (64, 64))
    inner[20:40, 20:40] += 500
    for folder in ("full", "low"):
        inner = inner + np.random.default_rng(1).normal(0, 3, inner.shape)
        np.save(tmp_path / "mine" / folder / "C1.npy", np.rint(inner).astype(np.int16))
    assert len(resolve.resolve(tiny.request(tmp_path)).reader.catalogue().refs) == 12


# --- slices of air, pairs without a difference ---


@pytest.mark.parametrize("kind", ["npz", "npy", "dicom", "nifti", "folders", "study", "doses"])
def test_a_slice_of_air_is_left_out_and_listed(tmp_path: Path, kind: str) -> None:
    skip_without(kind)

    def empty(hu: np.ndarray) -> np.ndarray:
        """Turn the second of patient C's slices to air."""
        air = np.array_equal(hu, bodies.body(2, 1))
        return bodies.stored(kind)(np.full_like(hu, -1000) if air else hu)

    bodies.write(tmp_path, kind, empty)
    found = resolve.resolve(tiny.request(tmp_path)).reader.catalogue()
    assert len(found.refs) == 11
    ((file, reason),) = found.refused
    assert "C" in file
    assert "nothing but air (highest value -1000 HU), which cannot be scored" in reason


def test_a_source_of_air_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    np.save(tmp_path / "A" / "0.npy", np.full((2, 64, 64), -1000, np.int16))
    source = schema.FolderSource(kind="npy", path=".", matrix=64, pixel_mm=1.0)
    with pytest.raises(BenchError, match=r"A/0\.npy: nothing but air"):
        open_source("air", source, base=tmp_path, index_cache=None).catalogue()


def test_a_degraded_slice_of_air_beside_a_body_is_refused(tmp_path: Path) -> None:
    bodies.write(tmp_path, "folders")
    np.save(tmp_path / "mine" / "low" / "C1.npy", np.full((64, 64), -1000, np.int16))
    with pytest.raises(BenchError, match=r"low/C1\.npy: nothing but air .* beside a reference of a body"):
        resolve.resolve(tiny.request(tmp_path))


def test_a_pair_without_a_difference_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it was saved in another type; all pairs of a condition equal are refused."""
    bodies.write(tmp_path, "folders")
    full, low = tmp_path / "mine" / "full", tmp_path / "mine" / "low"
    np.save(low / "D2.npy", np.load(full / "D2.npy").astype(np.float64))
    _, out, _ = bench(tmp_path, monkeypatch, capsys, "data", "check", "--no-leaks")
    text = " ".join(out.split())
    assert "remark: low: no difference from the reference, so no finite PSNR of the input, in D2.npy" in text
    for file in full.iterdir():
        (low / file.name).write_bytes(file.read_bytes())
    code, _, line = bench(tmp_path, monkeypatch, capsys, "data", "check")
    assert (code, "condition low: every degraded slice equals its reference" in line) == (2, True)


# --- padding without a tag (G2) ---


def corner(value: int) -> Change:
    def change(hu: np.ndarray) -> np.ndarray:
        padded = hu.copy()
        padded[:8, :8] = value
        return padded

    return change


@pytest.mark.parametrize("kind", ["doses", "folders", "study"])
@pytest.mark.parametrize("accept", ["", "padding"])
def test_untagged_padding_is_air_on_both_sides_and_counted(tmp_path: Path, kind: str, accept: str) -> None:
    """An 8 x 8 corner of -2000 HU (int16, intercept -1024 for DICOM): 64 of 4096 pixels. Air is 0, -2000 is -0.2."""

    def change(hu: np.ndarray) -> np.ndarray:
        padded = corner(-2000)(hu)
        return padded + 1024 if kind == "doses" else bodies.stored(kind)(padded)

    keys = {"RescaleIntercept": -1024} if kind == "doses" else {}
    bodies.write(tmp_path, kind, change, degraded=True, accept=accept, **keys)
    source = resolve.resolve(tiny.request(tmp_path)).reader
    found = source.catalogue()
    (condition,) = source.conditions
    ref = next(ref for ref in found.refs if ref.patient == "C")
    degraded, _, _ = source.pair(ref, condition, 64)
    np.testing.assert_allclose(degraded[:8, :8], -0.2 if accept else 0.0, atol=1e-6)
    assert degraded[8:].min() < 0  # noise in air stays
    words = "stays as it is" if accept else "is air here"
    assert any(f"{words}: in 3 slices, up to 1.6% of one, -2000 HU" in line for line in found.remarks)


def test_padding_changes_the_identity_and_nothing_else_does(tmp_path: Path) -> None:
    prints = []
    for name, change, accept in (("a", corner(-2000), ""), ("b", corner(-2000), "padding"), ("c", same, "")):
        bodies.write(tmp_path / name, "folders", change, degraded=True, accept=accept)
        prints.append(resolve.resolve(tiny.request(tmp_path / name)).reader.catalogue().fingerprint)
    assert len(set(prints)) == 3
    bodies.write(tmp_path / "d", "folders", accept="no_air")
    assert resolve.resolve(tiny.request(tmp_path / "d")).reader.catalogue().fingerprint == prints[2]


def test_noise_in_air_is_never_padding(tmp_path: Path) -> None:
    """Noise of 300 HU goes below -1500 HU at the border; every pixel reaches the pair as it is."""
    bodies.write(tmp_path, "folders")
    hu = bodies.body(2, 0, seed=5, noise=300.0)
    assert (hu < -1500).mean() > 0.01
    np.save(tmp_path / "mine" / "low" / "C0.npy", hu)
    source = resolve.resolve(tiny.request(tmp_path)).reader
    ref = next(ref for ref in source.catalogue().refs if ref.file == "C0.npy")
    np.testing.assert_allclose(source.pair(ref, "low", 64)[0], to_mu(hu), rtol=1e-5, atol=1e-6)
    assert source.catalogue().remarks == ()


def test_padding_that_lossy_compression_spread(tmp_path: Path) -> None:
    """Values near -2000 HU: air where the header says that it lost; else refused on the degraded side."""

    def change(hu: np.ndarray) -> np.ndarray:
        spread = corner(-2000)(hu)
        spread[:12, :12] = -2000 + np.random.default_rng(0).integers(-30, 31, (12, 12))
        return spread

    bodies.write(tmp_path / "lossy", "doses", change, degraded=True, LossyImageCompression="01")
    source = resolve.resolve(tiny.request(tmp_path / "lossy")).reader
    ref = next(ref for ref in source.catalogue().refs if ref.patient == "C")
    np.testing.assert_allclose(source.pair(ref, "low", 64)[0][:12, :12], 0, atol=1e-7)
    lines = source.catalogue().remarks
    assert any(
        "3 slices compressed with loss (LossyImageCompression 01), the first 0.dcm" in x for x in lines
    )
    bodies.write(tmp_path / "plain", "doses", change, degraded=True)
    with pytest.raises(
        BenchError, match=r"C/low/0\.dcm: 3\.5% of the slice lies below -1500 HU at its border"
    ):
        resolve.resolve(tiny.request(tmp_path / "plain"))


# --- bits of the header (G8) and the spacing ---


@pytest.mark.parametrize("kind", ["dicom", "doses"])
@pytest.mark.parametrize(
    ("change", "keys", "words"),
    [
        (
            lambda hu: np.where(hu > 600, 2900, hu).astype(np.int16),
            {"BitsStored": 12, "HighBit": 11},
            "to 2900 do not fit BitsStored 12, signed",
        ),
        (
            lambda hu: np.where(hu > 600, 2900, hu + 1024).clip(0).astype(np.int16),
            {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024},
            "to 2900 do not fit BitsStored 12, signed",
        ),
        (
            lambda hu: np.where(hu > 600, 5000, hu + 1024).clip(0).astype(np.uint16),
            {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024},
            "to 5000 do not fit BitsStored 12, unsigned",
        ),
        (
            lambda hu: ((hu + 1024) << 4).astype(np.int16),
            {"BitsStored": 12, "HighBit": 15},
            "HighBit 15 does not fit BitsStored 12",
        ),
    ],
)
def test_bits_that_contradict_the_header(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    change: Change,
    keys: dict[str, int],
    words: str,
) -> None:
    file = bodies.write(tmp_path, kind, change, **keys)
    for command in COMMANDS if words.startswith("HighBit") else COMMANDS[:1]:  # as above
        code, _, line = bench(tmp_path, monkeypatch, capsys, *command)
        assert (code, line.count("\n"), f"mine/{file}: " in line, words in line) == (2, 1, True, True)


def test_a_declared_overlay_in_the_spare_bits_is_no_fault(tmp_path: Path) -> None:
    """Bit 12 carries an overlay: the slice is that of its twelve low bits."""
    stored = ((bodies.body(2, 0) + 1024).clip(0).astype(np.uint16)) & 0x0FFF
    stored[10:20, 10:20] |= 0x1000
    keys = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024}
    bodies._dicom(tmp_path / "a.dcm", stored, "A", 0, 0, keys)
    import pydicom

    data = pydicom.dcmread(tmp_path / "a.dcm")
    with pytest.raises(BenchError, match="do not fit BitsStored 12"):
        list(dicom_format().slices(tmp_path / "a.dcm"))
    data.add_new((0x6000, 0x0010), "US", 64)
    data.add_new((0x6000, 0x0011), "US", 64)
    data.add_new((0x6000, 0x0100), "US", 16)
    data.add_new((0x6000, 0x0102), "US", 12)
    data.save_as(tmp_path / "a.dcm")
    ((hu, tagged, lossy),) = dicom_format().slices(tmp_path / "a.dcm")
    np.testing.assert_array_equal(hu, (stored & 0x0FFF).astype(np.float32) - 1024)
    assert (tagged, lossy) == (None, False)


def test_a_decimal_comma_in_the_spacing_is_named(tmp_path: Path) -> None:
    bodies.write(tmp_path, "dicom")
    path = tmp_path / "mine" / "C" / "0.dcm"
    content = path.read_bytes()
    assert content.count(b"5.5\\5.5") == 1
    path.write_bytes(content.replace(b"5.5\\5.5", b"5,5\\5,5"))
    with pytest.raises(
        BenchError, match=r"C/0\.dcm: PixelSpacing 5,5\\5,5 is not two numbers: decimal commas"
    ):
        resolve.resolve(tiny.request(tmp_path))


def test_values_of_0_to_1_called_attenuation_are_a_remark(tmp_path: Path) -> None:
    """(HU + 1000) / 2000 puts muscle at 0.525, where attenuation has it at 0.21 per cm."""
    bodies.write(tmp_path, "flt", lambda hu: ((hu + 1000.0) / 2000).clip(0, 1).astype(np.float32))
    (line,) = resolve.resolve(tiny.request(tmp_path)).reader.catalogue().remarks
    assert re.match(
        r"soft tissue is not near 0\.2 1/cm in 3 slices, the first 0\.flt \(most frequent 0\.5", line
    )


# --- what is right passes ---


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_phantom_passes_at_every_size(size: int) -> None:
    for patient in phantom.patients(2):
        measured = [
            values.measure(phantom.render(patient, height, size=size)[0], "HU") for height in (0.02, 0.98)
        ]
        slices = [
            plausible.Measured((patient,), Path("a.npy"), str(i), one) for i, one in enumerate(measured)
        ]
        plausible.check(slices, "HU", ())
        assert list(plausible.remarks(slices, "HU", ())) == []
        assert not any(plausible.only_air(one) for one in measured)


@real
@pytest.mark.parametrize("folder", ["slices", "crops"])
@pytest.mark.parametrize("unit", ["HU", "1/cm"])
def test_real_slices_and_crops_pass(folder: str, unit: str) -> None:
    for path in sorted((REAL / folder).glob("*.npz")):
        hu = np.load(path)["hu"]
        volume = hu if unit == "HU" else to_mu(hu)
        found = [values.measure(image, unit) for image in volume[:: max(1, len(volume) // 6)]]
        slices = [plausible.Measured((path.name,), path, str(i), one) for i, one in enumerate(found)]
        for unclipped in (False, True):
            plausible.check(slices, unit, (), unclipped=unclipped)
        for one in slices:  # and each alone, where it is whole
            plausible.check([one], unit, ())
        assert list(plausible.remarks(slices, unit, ())) == []
        assert not any(one.padded or plausible.only_air(one) for one in found)


@real
def test_real_dicom_files_pass_and_the_untagged_corner_of_one_is_counted() -> None:
    source = schema.FolderSource(kind="dicom", path="dicom")
    found = open_source("real", source, base=REAL, index_cache=None).catalogue()
    assert len(found.refs) == 7
    padded, lossy = found.remarks
    assert re.match(r"padding without a tag is air here: in 1 slice, up to 2\d\.\d% of one, -2048 HU", padded)
    assert "1 slice compressed with loss" in lossy
    assert examine.repaired({}) == {}
