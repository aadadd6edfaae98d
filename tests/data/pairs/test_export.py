"""Pairs written in the study's layout and read back: equal to the bit, with patients and parts."""

from __future__ import annotations

import csv
import errno
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bench import cli
from bench.data.pairs import export
from bench.data.pairs.pairs import open_pairs
from bench.errors import BenchError
from bench.events import Progress
from bench.execution import resolve, runner
from tests import tiny

SIZE, SLICES = 32, 20  # of the profile tiny: 5 patients with 4 slices each


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny.write(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> export.Export:
    """The built pairs of the profile tiny."""
    return built(tiny.write(tmp_path_factory.mktemp("pairs")), "tiny")


def built(here: Path, profile: str) -> export.Export:
    prepared = resolve.resolve(tiny.request(here, profile))
    list(runner.build(prepared))
    conditions = {name: prepared.config.datasets.conditions[name] for name in prepared.files}
    selection = prepared.folds.selections[0]
    return export.Export(
        profile, prepared.reader, selection, prepared.files, conditions, prepared.profile.size
    )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run ``bench`` in this process and return its exit code."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    yield run
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    for name in ("patients.csv", "split.csv"):
        with open(folder / name, newline="") as file:
            found[name] = list(csv.DictReader(file))
    return found


def with_exported(here: Path, folder: Path) -> None:
    """Add to both files what the note in the exported folder says, and two profiles that use it."""
    note = (folder / "README.txt").read_text()
    block = note.split("needs:\n\n")[1].split("\nSource:")[0].replace("THIS FOLDER", str(folder))
    added = yaml.safe_load(block)
    datasets = yaml.safe_load(tiny.DATASETS.replace("7e4", "7.0e+4"))
    for key in ("sources", "splits"):
        datasets[key] |= added[key]
    datasets["splits"]["kept"] = {"rule": "folders", "validation": 0.25}
    (here / "datasets.yaml").write_text(yaml.safe_dump(datasets))
    profiles = "".join(
        f"  {name}: {{source: exported, split: {split}, size: {SIZE}, budget: {{slices_seen: 96, checks: 2}}}}\n"
        for name, split in (("listed", "exported"), ("folders", "kept"), ("mine", "phantom"))
    )
    (here / "experiments.yaml").write_text(tiny.EXPERIMENTS.rstrip() + "\n" + profiles)


def test_a_file_is_a_slice_column_by_column(asked: export.Export, here: Path) -> None:
    into = here / "out"
    events = list(export.study(asked, into))
    assert [event.done for event in events if isinstance(event, Progress)] == list(range(1, 3 * SLICES + 1))
    files = sorted(path.relative_to(into).as_posix() for path in into.rglob("*.flt"))
    assert len(files) == 3 * SLICES
    assert {Path(file).parts[:2] for file in files} == {
        ("images", "ndct"), ("images", "noisy"), ("sparseview", "sparse")
    }  # fmt: skip
    assert files[0] == "images/ndct/test/P001-0001.flt"
    pairs = open_pairs(asked.files["noisy"], {"test": [("P001", "z002")]})
    row = pairs.parts["test"][0]
    for place, values in (("ndct", pairs.reference), ("noisy", pairs.degraded)):
        raw = np.fromfile(into / "images" / place / "test" / "P001-0003.flt", "<f4")
        np.testing.assert_array_equal(raw.reshape(SIZE, SIZE, order="F"), values[row])
        assert not np.array_equal(raw.reshape(SIZE, SIZE), values[row])


def test_read_back_it_is_equal_to_the_bit_with_patients_and_parts(asked: export.Export, here: Path) -> None:
    into = here / "out"
    list(export.study(asked, into))
    with_exported(here, into)
    again = built(here, "listed")
    was = {part: [ref.patient for ref in refs] for part, refs in asked.selection.parts.items()}
    assert {part: [ref.patient for ref in refs] for part, refs in again.selection.parts.items()} == was
    for condition in ("sparse", "noisy"):
        for part in ("train", "validation", "test"):
            sides = []
            for one in (asked, again):
                refs = one.selection.parts[part]
                pairs = open_pairs(one.files[condition], {part: [(ref.patient, ref.name) for ref in refs]})
                rows = pairs.parts[part]
                sides.append((np.array(pairs.degraded[rows]), np.array(pairs.reference[rows])))
            for before, after in zip(*sides, strict=True):
                assert before.tobytes() == after.tobytes()
    assert np.min(sides[0][0]) < 0  # degraded slices were not clipped on the way


def test_folders_and_patients_can_be_split_anew(asked: export.Export, here: Path) -> None:
    into = here / "out"
    list(export.study(asked, into))
    with_exported(here, into)
    kept = resolve.resolve(tiny.request(here, "folders")).folds.selections[0]
    assert {ref.patient for ref in kept.parts["test"]} == {"P001"}
    mine = resolve.resolve(tiny.request(here, "mine")).folds.selections[0]
    assert {ref.patient for ref in mine.parts["validation"]} == {"P002"}


def test_tables_name_patient_and_part_of_every_file(asked: export.Export, here: Path) -> None:
    into = here / "out"
    list(export.study(asked, into))
    found = tables(into)
    assert len(found["patients.csv"]) == len(found["split.csv"]) == SLICES
    assert all(row["file"].split("/")[1].startswith(row["patient"]) for row in found["patients.csv"])
    parts = {(row["part"], row["patient"], row["slice"].split("/")[0]) for row in found["split.csv"]}
    assert parts == {
        ("test", "P001", "test"), ("validation", "P002", "train"),
        *(("train", f"P{n:03d}", "train") for n in (3, 4, 5)),
    }  # fmt: skip


def test_names_that_folders_cannot_carry(asked: export.Export) -> None:
    """Two patients whose names become equal share a counter, so no file is written twice."""
    part = asked.selection.parts["train"]
    changed = [
        type(ref)(**{**vars(ref), "patient": "A/B" if ref.patient == part[0].patient else "A_B"})
        for ref in part
    ]
    selection = type(asked.selection)({**asked.selection.parts, "train": tuple(changed)})
    files = export._names(type(asked)(**{**vars(asked), "selection": selection}))
    assert len(set(files.values())) == SLICES
    assert {file for file in files.values() if "A" in file} == {
        f"train/A_B-{n:04d}.flt" for n in range(1, 13)
    }


def test_the_command_builds_and_writes(here: Path, bench: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert bench("data", "export", "--profile", "tiny", "--into", "out/deep", "--threads", "1") == 0
    out = capfd.readouterr().out
    assert "exporting phantom: 60 of 60 slices" in out
    assert "wrote 60 slices to out/deep; README.txt there says how to read them" in out
    assert bench("data", "export", "--profile", "tiny", "--into", "out/deep") == 2
    assert capfd.readouterr().err == (
        "bench: out/deep: exists already; remove it or name another folder with --into\n"
    )


def test_disk_too_small_or_full_leaves_nothing(
    asked: export.Export, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(here)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
        with pytest.raises(
            BenchError,
            match=r"need [\d.]+ MB and 67\.1 MB to spare, the disk has 1\.0 MB free; name a folder",
        ):
            list(export.study(asked, here / "out"))
    written = []

    def fill(path: Path, image: np.ndarray) -> None:
        written.append(path)
        path.write_bytes(b"part")
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(export, "_write", fill)
    with pytest.raises(BenchError, match=r"out: disk full; free 1 MB or name a folder on a larger disk"):
        list(export.study(asked, here / "out"))
    assert not [path.name for path in here.iterdir() if "out" in path.name]


def test_interrupted_it_leaves_nothing(asked: export.Export, here: Path) -> None:
    events = export.study(asked, here / "out")
    next(events)
    assert len([path for path in here.iterdir() if path.name.endswith("-out")]) == 1
    events.close()
    assert not [path.name for path in here.iterdir() if "out" in path.name]


def test_a_fold_must_be_named_where_there_are_several(here: Path) -> None:
    folds = resolve.resolve(tiny.request(here, "folds")).folds
    with pytest.raises(BenchError, match="the split has folds; name one of 1 to 2 with --fold"):
        export.one_fold(folds, None)
    with pytest.raises(BenchError, match="has no fold 3; name one of 1 to 2"):
        export.one_fold(folds, 3)
    assert export.one_fold(folds, 2).fold == 2
