"""Oracles: orders written down by hand, planted faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.files.file_format import FileFormat
from bench.data.files.index import FileIndex
from bench.data.files.patients import find_table, patient_of, read_table
from bench.data.files.scan import DicomHeader, FileScan, SliceScan
from bench.data.files.values import Values
from bench.data.sources.catalogue import SliceRef, assemble
from bench.errors import BenchError
from bench.names import natural


def ref(patient: str, name: str, z: float | None = None, file: str = "f") -> SliceRef:
    return SliceRef(patient, name, file, 0, z, 1.0)


def test_slices_are_sorted_by_patient_then_z_then_name() -> None:
    wanted = [ref("P2", "b", -3.0), ref("P2", "a", 4.0), ref("P10", "s2"), ref("P10", "s10")]
    found = assemble("s", "npy", reversed(wanted), fingerprint="x")
    assert list(found.refs) == wanted
    assert found.patients == ("P2", "P10")


def test_one_name_twice_is_refused_for_one_patient_only() -> None:
    assert len(assemble("s", "phantom", [ref("A", "z0"), ref("B", "z0")], fingerprint="x").refs) == 2
    with pytest.raises(BenchError, match=r"g and h: two slices of patient A have the same name z0"):
        assemble("s", "npy", [ref("A", "z0", file="h"), ref("A", "z0", file="g")], fingerprint="x")


@given(st.lists(st.text(max_size=8), unique=True, max_size=6))
def test_names_have_one_order(names: list[str]) -> None:
    """Different texts have different keys, and any two keys can be compared."""
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)
    assert len({natural(name) for name in names}) == len(names)


# --- the index of scanned files


HEADER = DicomHeader("1.2", "1.3", "1.4", "thorax", "2", (-250.0, -250.0))
FULL = FileScan(
    (SliceScan("1.2", -7.5, (0.7, 0.7)),), (512, 512), "P1", header=HEADER, values=(Values(9, -1000.0, 50.5),)
)


def counting(calls: list[Path], found: FileScan = FULL, name: str = "kind") -> FileFormat:
    def scan(path: Path) -> FileScan:
        calls.append(path)
        return found

    return FileFormat(name, None, scan, np.load)


def test_index_remembers_until_the_file_changes(tmp_path: Path) -> None:
    file, place, calls = tmp_path / "a.bin", tmp_path / "index.json", list[Path]()
    file.write_bytes(b"abc")
    for _ in range(2):
        with FileIndex.open(place) as index:
            found = index.scan(counting(calls), file)
    # SHA-256 of "abc" from FIPS 180-2, appendix B.1
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found == replace(FULL, sha256=sha256)
    assert len(calls) == 1
    FileIndex.open(place).scan(counting(calls, name="other kind"), file)
    assert len(calls) == 2
    file.write_bytes(b"abcd")
    assert FileIndex.open(place).scan(counting(calls), file).sha256 != sha256


def test_an_entry_of_another_shape_is_read_anew(tmp_path: Path) -> None:
    file, place, calls = tmp_path / "a.bin", tmp_path / "index.json", list[Path]()
    file.write_bytes(b"abc")
    with FileIndex.open(place) as index:
        index.scan(counting(calls), file)
    place.write_text(place.read_text().replace("-7.5", '"high"'))
    assert FileIndex.open(place).scan(counting(calls), file).slices == FULL.slices
    assert len(calls) == 2


def test_the_index_is_written_also_where_a_file_stops_the_scan(tmp_path: Path) -> None:
    file, place, calls = tmp_path / "a.bin", tmp_path / "index.json", list[Path]()
    file.write_bytes(b"abc")
    index = FileIndex.open(place)
    index.scan(counting(calls), file)
    with pytest.raises(BenchError, match="cannot be read"), index:
        index.scan(counting(calls), tmp_path / "not there")
    FileIndex.open(place).scan(counting(calls), file)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version": 99, "entries": {}}', '{"version": 1, "entries": [1]}']
)
def test_a_broken_index_is_ignored(tmp_path: Path, text: str) -> None:
    place, file = tmp_path / "index.json", tmp_path / "a"
    place.write_text(text)
    file.write_bytes(b"")
    with FileIndex.open(place) as index:
        index.scan(counting([]), file)
    assert len(json.loads(place.read_text())["entries"]) == 1


def test_a_file_that_is_no_slice_is_not_hashed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    text = FileScan(no_image="")
    assert FileIndex(None).scan(counting([], text), tmp_path / "a") == text


# --- patients


def test_patient_by_table_then_field_then_folder(tmp_path: Path) -> None:
    table_file = tmp_path / "patients.csv"
    table_file.write_text("\ufefffile,patient,note\nA/1.npy,X,\n.\\B\\1.npy,Y,\n")
    table = find_table(None, tmp_path, tmp_path)
    assert table is not None
    assert patient_of("A/1.npy", "field", table, tmp_path) == "X"
    assert patient_of("B/1.npy", None, table, tmp_path) == "Y"
    assert patient_of("A/deep/1.npy", "field", None, tmp_path) == "field"
    assert patient_of("A/deep/1.npy", None, None, tmp_path) == "A"


def test_no_way_to_know_the_patient_names_both_remedies(tmp_path: Path) -> None:
    with pytest.raises(
        BenchError, match=r"1\.npy: nothing says whose .*folder of its own, or write patients\.csv"
    ):
        patient_of("1.npy", None, None, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,name\na,b\n", r":1: has no column patient; needs the columns"),
        ("file,patient\na,\n", r":2: an empty entry"),
        ("file,patient\na,X\nb,Y\na,Z\n", r":4: a belongs to two patients"),
    ],
)
def test_faults_of_a_table_name_the_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(BenchError, match=words):
        read_table(tmp_path / "p.csv")


def test_a_file_without_a_row_and_a_missing_table(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("file,patient\na,X\n")
    with pytest.raises(BenchError, match="has no row for b; add it"):
        read_table(tmp_path / "p.csv").patient("b")
    with pytest.raises(BenchError, match="patients: not found"):
        find_table("q.csv", tmp_path, tmp_path)
