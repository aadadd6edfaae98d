"""Building pairs, against direct computation, planted faults and kills. Images are 8 or 16 pixels wide."""

from __future__ import annotations

import copy
import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import atomic, seeds
from bench.config import schema
from bench.ct import dose
from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import ParallelBeam
from bench.data.pairs import build as pairs_build
from bench.data.pairs import manifest, pairs, partial_array, repair, simulate
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.data.splits import Selection
from bench.errors import BenchError
from bench.events import Message, Progress
from bench.plan.acquisition import Acquisition, scan_of
from tests.data.pairs.few import CONDITIONS, COUNT, GEOMETRY, NOISE_SEED, SIZE, choose, make_refs
from tests.tiny import flip


class Slices:
    """A source of smooth random objects that counts what it is asked for and can fail at one slice."""

    name = "fake"

    spec = schema.Source(title="Fake slices", licence="none", citation="nobody")

    def __init__(self, stored: bool = False, fail_at: str = "", how: str = "raise") -> None:
        self.conditions = tuple(CONDITIONS) if stored else ()
        self.fail_at, self.how, self.asked = fail_at, how, []

    def catalogue(self) -> Catalogue:
        return Catalogue("fake", "npz", (), "f", True, (), (("a.npz", "0" * 64),))

    def lesions(self, refs, size: int) -> list[dict]:
        return [{"slice": refs[0].name, "x_px": size / 2}]

    def object(self, ref: SliceRef, size: int) -> tuple[np.ndarray, np.ndarray, float]:
        self.asked.append(ref.name)
        if ref.name == self.fail_at:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("planted")
        reference = (
            seeds.generator("image", ref.patient, ref.name).uniform(0, 0.3, (size, size)).astype(np.float32)
        )
        return np.kron(reference, np.ones((2, 2), np.float32)), reference, ref.pixel_mm / 10

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[np.ndarray, np.ndarray, float]:
        reference = self.object(ref, size)[1]
        return reference - len(condition), reference, ref.pixel_mm / 10


class Degrade:
    """Stands in for the projector: the reference and a number from the key; counts what it projects."""

    def __init__(self) -> None:
        self.projected: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, objects, pixel_cm, geometry, keys, reference):
        made = copy.copy(self)  # one per call: several threads scan at once
        made.objects, made.keys = objects, keys
        return made

    def references(self, originals):
        return originals

    def degraded(self, conditions):
        objects, keys = self.objects, self.keys
        names = tuple(condition.name for condition in conditions)
        self.projected += [(key[2], names) for key in keys]
        noise = {n: np.array([seeds.generator(*key, n).normal() for key in keys], np.float32) for n in names}
        return {n: objects[:, ::2, ::2] + noise[n][:, None, None] for n in names}


@pytest.fixture
def degrade(monkeypatch: pytest.MonkeyPatch) -> Degrade:
    fake = Degrade()
    monkeypatch.setattr(simulate.dose, "scan", fake)
    monkeypatch.setattr(pairs_build, "SLICES_PER_BATCH", 3)
    return fake


def acquisition(conditions=CONDITIONS, **changed) -> Acquisition:
    return replace(Acquisition(SIZE, GEOMETRY, conditions, NOISE_SEED), **changed)


def locate(
    cache: Path, selection: Selection, conditions=CONDITIONS, fingerprint: str = "f", **changed
) -> dict[str, pairs.PairFiles]:
    return pairs.locate(cache, fingerprint, selection, acquisition(conditions, **changed))


def build(cache: Path, source=None, selection=None, conditions=CONDITIONS, threads=2, size=SIZE):
    selection = selection or choose(make_refs())
    files = locate(cache, selection, conditions, size=size)
    asked = acquisition(conditions, size=size)
    events = pairs_build.build(source or Slices(), selection, files, asked, threads=threads)
    return files, list(events)


def contents(files: dict[str, pairs.PairFiles]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pairs.arrays(files)}


# --- what is built --------------------------------------------------------------------------------


def test_each_row_equals_its_slice_simulated_alone(tmp_path: Path) -> None:
    selection = choose(make_refs(11), train=5, test=3)
    one, _ = build(tmp_path / "one", selection=selection, threads=1, size=16)
    four, _ = build(tmp_path / "four", selection=selection, threads=4, size=16)
    assert contents(one) == contents(four)
    source, beam = Slices(), ParallelBeam(16, 24)
    for name, condition in CONDITIONS.items():
        opened = pairs.open_pairs(four[name], pairs.parts_of(selection))
        asked = Condition(name, condition.views, condition.noise_model)
        for part in ("train", "validation", "test"):
            for ref, row in zip(selection.parts[part], opened.parts[part], strict=True):
                fine, reference, pixel_cm = source.object(ref, 16)
                key = (NOISE_SEED, ref.patient, ref.name)
                alone = dose.degrade(fine[None], np.array([pixel_cm]), beam, [asked], [key])[name][0]
                assert np.array_equal(opened.degraded[row], alone)
                assert np.array_equal(opened.reference[row], reference)
                assert opened.pixel_cm[row] == pixel_cm
                assert opened.names[row] == (ref.patient, ref.name)


def test_a_slice_is_projected_once_for_all_conditions(tmp_path: Path, degrade: Degrade) -> None:
    source = Slices()
    _, events = build(tmp_path, source)
    assert sorted(source.asked) == [ref.name for ref in make_refs()]
    assert {names for _, names in degrade.projected} == {tuple(CONDITIONS)}
    assert [(e.stage, e.subject, e.total) for e in events] == [("build", "fake", COUNT)] * len(events)
    done = [event.done for event in events]
    assert done == sorted(set(done))
    assert (done[0], done[-1]) == (0, COUNT)


def test_another_condition_adds_its_array_and_nothing_else(tmp_path: Path, degrade: Degrade) -> None:
    build(tmp_path, conditions={"few": CONDITIONS["few"]})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    degrade.projected.clear()
    files, _ = build(tmp_path)
    assert sorted(degrade.projected) == [(ref.name, ("dim", "both")) for ref in make_refs()]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    source = Slices()
    assert build(tmp_path, source) == (files, [])
    assert source.asked == []


def test_another_split_reads_the_same_arrays(tmp_path: Path, degrade: Degrade) -> None:
    refs = make_refs()
    files, _ = build(tmp_path, selection=choose(refs))
    other = choose(refs[::-1], train=3, test=10)
    assert pairs.missing(locate(tmp_path, other)) == []
    opened = pairs.open_pairs(files["few"], pairs.parts_of(other))
    for part, members in other.parts.items():
        assert opened.part_names(part) == [(ref.patient, ref.name) for ref in members]
        stored = opened.reference[opened.parts[part]]
        assert np.array_equal(stored, [Slices().object(ref, SIZE)[1] for ref in members])


def test_pairs_on_disk_are_copied(tmp_path: Path, degrade: Degrade) -> None:
    files, _ = build(tmp_path, Slices(stored=True))
    assert degrade.projected == []
    for name in CONDITIONS:
        opened = pairs.open_pairs(files[name], pairs.parts_of(choose(make_refs())))
        assert np.array_equal(opened.degraded, opened.reference - len(name))
    files["few"].reference_path.unlink()
    before = np.array(opened.reference)
    build(tmp_path, Slices(stored=True))
    assert np.array_equal(pairs.open_pairs(files["few"], {}).reference, before)


def test_opened_arrays_are_read_only_and_their_hashes_those_of_the_values(
    tmp_path: Path, degrade: Degrade
) -> None:
    files, _ = build(tmp_path)
    opened = pairs.open_pairs(files["dim"], {})
    assert not opened.degraded.flags.writeable
    assert isinstance(opened.reference, np.memmap)
    assert opened.degraded.dtype == np.float32
    for key in ("degraded", "reference"):
        values = np.load(getattr(files["dim"], f"{key}_path"))
        assert opened.sha256[key] == hashlib.sha256(values.tobytes()).hexdigest()


def test_unknown_slices_and_unbuilt_pairs_are_errors_of_one_line(tmp_path: Path, degrade: Degrade) -> None:
    with pytest.raises(BenchError, match="not built"):
        pairs.open_pairs(locate(tmp_path, choose(make_refs()))["few"], {})
    files, _ = build(tmp_path)
    with pytest.raises(BenchError, match=r"slice s99 of patient P1 is not in it \(1 of 2") as caught:
        pairs.open_pairs(files["few"], {"test": [("P1", "s01"), ("P1", "s99")]})
    assert "\n" not in str(caught.value)


def test_nan_and_unfit_views_are_refused(tmp_path: Path, degrade: Degrade) -> None:
    class Broken(Slices):
        def object(self, ref, size):
            fine, reference, pixel_cm = super().object(ref, size)
            return fine, reference * (np.nan if ref.name == "s07" else 1), pixel_cm

    with pytest.raises(BenchError, match="slice s07 of patient P2 holds NaN"):
        build(tmp_path, Broken())
    with pytest.raises(BenchError, match="nearest: 6 or 8"):
        build(tmp_path, conditions={"odd": schema.Condition(views=7)})


# --- interruption ---------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupted_build_continues_without_doing_anything_again(
    tmp_path: Path, degrade: Degrade, threads: int
) -> None:
    whole, _ = build(tmp_path / "whole")
    degrade.projected.clear()
    in_order = [ref.name for ref in sorted(make_refs(), key=lambda ref: (ref.patient, ref.name))]
    with pytest.raises(RuntimeError, match="planted"):
        build(tmp_path / "cut", Slices(fail_at=in_order[10]), threads=threads)
    files = locate(tmp_path / "cut", choose(make_refs()))
    assert pairs.missing(files) == list(CONDITIONS)
    projected = {name for name, _ in degrade.projected}
    assert set(in_order[:9]) <= projected  # three batches of three came before
    again = Slices()
    _, events = build(tmp_path / "cut", again, threads=threads)
    assert sorted(again.asked) == sorted(set(in_order) - projected)
    assert events[0].done == len(projected) < COUNT
    assert contents(files) == contents(whole)


def test_a_closed_generator_keeps_what_is_done(tmp_path: Path, degrade: Degrade) -> None:
    selection, source = choose(make_refs()), Slices()
    files = locate(tmp_path, selection)
    arguments = (selection, files, acquisition())
    events = pairs_build.build(source, *arguments, threads=1)
    assert [next(events).done for _ in range(4)] == [0, 3, 6, 9]
    events.close()
    assert 9 <= len(degrade.projected) < COUNT
    assert next(pairs_build.build(Slices(), *arguments, threads=1)).done == len(degrade.projected)


def test_a_condition_added_to_an_interrupted_build_projects_only_what_is_missing(
    tmp_path: Path, degrade: Degrade
) -> None:
    whole, _ = build(tmp_path / "whole")
    degrade.projected.clear()
    first = {name: CONDITIONS[name] for name in ("few", "dim")}
    with pytest.raises(RuntimeError):
        build(tmp_path / "cut", Slices(fail_at="s07"), conditions=first, threads=1)
    done = {name for name, _ in degrade.projected}
    degrade.projected.clear()
    files, _ = build(tmp_path / "cut", threads=1)
    assert 0 < len(done) < COUNT
    expected = {ref.name: ("both",) if ref.name in done else tuple(CONDITIONS) for ref in make_refs()}
    assert dict(degrade.projected) == expected
    assert contents(files) == contents(whole)


def child(cache: str, fail_at: str) -> None:
    """Run in a process of its own: build and be killed at one slice."""
    simulate.dose.scan = Degrade()
    pairs_build.SLICES_PER_BATCH, pairs_build.FLUSH_EVERY_S = 3, 0.0
    build(Path(cache), Slices(fail_at=fail_at, how="kill"), threads=1)


def test_a_killed_process_loses_no_flushed_slice(tmp_path: Path, degrade: Degrade) -> None:
    whole, _ = build(tmp_path / "whole")
    order = [ref.name for ref in sorted(make_refs(), key=lambda ref: (ref.patient, ref.name))]
    code = f"import runpy; runpy.run_path({__file__!r})['child']({str(tmp_path / 'cut')!r}, {order[16]!r})"
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert ended.returncode == -signal.SIGKILL
    again = Slices()
    files, _ = build(tmp_path / "cut", again)
    assert set(again.asked) < set(order)
    assert set(order[15:]) <= set(again.asked)  # the batch it died in, and what came after
    assert len(again.asked) <= COUNT - 12  # one more batch may have been computed and not yet written
    assert contents(files) == contents(whole)


@pytest.mark.parametrize("step", ["hash", "manifest"])
def test_a_stop_while_finishing_computes_nothing_again(
    tmp_path: Path, degrade: Degrade, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    owner, name = (manifest, "write") if step == "manifest" else (partial_array, "sha256_of")
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path)
    again = Slices()
    files, _ = build(tmp_path, again)
    assert again.asked == []
    assert pairs.missing(files) == []


# --- broken files and full disks ------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut", "grown", "unnamed"])
def test_a_broken_array_is_never_read_and_is_built_again(
    tmp_path: Path, degrade: Degrade, fault: str
) -> None:
    files, _ = build(tmp_path)
    sound, broken = contents(files), files["dim"].degraded_path
    if fault == "unnamed":
        described = manifest.read(broken.parent)
        manifest.write(
            broken.parent,
            described.changed(arrays={k: v for k, v in described.arrays.items() if k != broken.name}),
        )
    else:
        os.truncate(broken, broken.stat().st_size + (1 if fault == "grown" else -1))
    assert pairs.missing(files) == ["dim"]
    with pytest.raises(BenchError, match="not built, or cut short"):
        pairs.open_pairs(files["dim"], {})
    degrade.projected.clear()
    build(tmp_path)
    assert {names for _, names in degrade.projected} == {("dim",)}
    assert contents(files) == sound
    assert pairs.missing(files) == []


@pytest.mark.parametrize("victim", ["partial", "progress"])
def test_a_broken_unfinished_array_starts_anew(tmp_path: Path, degrade: Degrade, victim: str) -> None:
    whole, _ = build(tmp_path / "whole")
    with pytest.raises(RuntimeError):
        build(tmp_path / "cut", Slices(fail_at="s19"))
    for path in (tmp_path / "cut").rglob(f"*.{victim}"):
        os.truncate(path, path.stat().st_size - 1)
    again = Slices()
    files, _ = build(tmp_path / "cut", again)
    assert len(again.asked) == COUNT
    assert contents(files) == contents(whole)


def test_a_wrong_header_with_the_right_size_is_refused(tmp_path: Path, degrade: Degrade) -> None:
    files, _ = build(tmp_path)
    path = files["few"].degraded_path
    content = path.read_bytes()
    path.write_bytes(content.replace(b"'<f4'", b"'<i4'"))
    with pytest.raises(BenchError, match="another shape or type"):
        pairs.open_pairs(files["few"], {})


def test_too_small_a_disk_is_named_before_anything_is_computed(
    tmp_path: Path, degrade: Degrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 4 * COUNT * SIZE * SIZE * 4 + 4 * 128  # four arrays of float32 and their headers
    with monkeypatch.context() as patched:
        usage = type("Usage", (), {"free": 1000})
        patched.setattr(atomic.shutil, "disk_usage", lambda _: usage)
        source = Slices()
        with pytest.raises(
            BenchError,
            match=rf"pairs need {needed / 1e6:.1f} MB and 67\.1 MB to spare, .*--cache DIR or BENCH_CACHE",
        ):
            build(tmp_path, source)
    assert source.asked == []
    build(tmp_path)


def test_a_disk_that_fills_up_is_one_error_and_loses_nothing(
    tmp_path: Path, degrade: Degrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = build(tmp_path / "whole")
    left = [40 * SIZE * SIZE * 4 + 50]  # bytes until the disk is full: in the middle of a row

    class Disk(io.FileIO):
        def write(self, data):
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            count = min(len(data), left[0])
            left[0] -= count
            return super().write(bytes(data)[:count])

    def open_small(path, mode, **options):
        return Disk(path, "r+") if options.get("buffering") == 0 else open(path, mode, **options)

    with monkeypatch.context() as patched:
        patched.setattr(partial_array, "open", open_small, raising=False)
        with pytest.raises(BenchError, match=r"disk full; free \d+ MB or .*BENCH_CACHE; the same") as caught:
            build(tmp_path / "full", threads=1)
    assert "\n" not in str(caught.value)
    again = Slices()
    files, events = build(tmp_path / "full", again)
    assert events[0].done >= 9  # 40 rows are ten slices of four arrays: three batches of three
    assert len(again.asked) == COUNT - events[0].done
    assert contents(files) == contents(whole)


def test_two_builders_of_one_folder_wait_for_each_other(
    tmp_path: Path, degrade: Degrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = choose(make_refs())
    monkeypatch.setattr(pairs, "LOCK_POLL_S", 0.01)
    files, folder = locate(tmp_path, refs), Path(locate(tmp_path, refs)["few"].folder)
    with ExitStack() as other:
        other.enter_context(atomic.lock(folder / "lock"))
        events = pairs_build.build(Slices(), refs, files, acquisition(), threads=1)
        said = next(events)
        assert isinstance(said, Message)
        assert said.text.startswith(f"waiting for the pairs: another bench process (pid {os.getpid()} on ")
        other.close()
        assert isinstance(next(events), Progress)
        list(events)
    assert not pairs.missing(files)


def test_the_manifest_says_what_lies_there_and_where_it_comes_from(tmp_path: Path, degrade: Degrade) -> None:
    files, _ = build(tmp_path)
    folder = Path(files["dim"].folder)
    value = json.loads((folder / "manifest.json").read_text())
    dim = value["arrays"][files["dim"].degraded]
    assert dim["content"]["views"] == "24 of 24 over 360 degrees"
    assert dim["content"]["noise"] == "1e+08 photons per ray, deviation x 64"
    assert dim["sha256"] == hashlib.sha256(np.load(files["dim"].degraded_path).tobytes()).hexdigest()
    assert set(value["arrays"]) == {path.name for path in folder.glob("*.npy")}
    assert value["source"] == {
        "name": "fake", "kind": "npz", "title": "Fake slices", "licence": "none", "citation": "nobody"
    }  # fmt: skip
    assert value["files"] == {"a.npz": "0" * 64}
    assert value["lesions"] == [{"slice": "s00", "x_px": SIZE / 2}]
    assert value["identity"]["geometry"] == GEOMETRY.model_dump(mode="json")
    assert (value["identity"]["noise_seed"], value["identity"]["source"]) == (NOISE_SEED, "f")
    assert value["versions"]["numpy"] == np.__version__


SCANS = [
    schema.Geometry(preset="fan360", views=24, reference="fbp"),
    schema.Geometry(preset="parallel180", views=24, filter="hann", reference_photons=1e8),
    schema.Geometry(views=24, reference="fbp", reference_photons=1e8),
]


@pytest.mark.parametrize("geometry", SCANS, ids=lambda geometry: f"{geometry.preset}-{geometry.reference}")
def test_every_scan_gives_the_same_bits_on_any_number_of_threads(
    tmp_path: Path, geometry: schema.Geometry
) -> None:
    selection = choose(make_refs(11), train=5, test=3)
    conditions = CONDITIONS | {"read": schema.Condition(photons=1e8, electronic_noise=100.0)}
    made = []
    for threads in (1, 2):
        files = locate(tmp_path / str(threads), selection, conditions, geometry=geometry)
        asked = acquisition(conditions, geometry=geometry)
        list(pairs_build.build(Slices(), selection, files, asked, threads=threads))
        made.append(contents(files))
    assert made[0] == made[1]
    opened = pairs.open_pairs(files["few"], pairs.parts_of(selection))
    ref, row = selection.parts["test"][1], opened.parts["test"][1]
    fine, original, pixel_cm = Slices().object(ref, SIZE)
    reference = Reference(geometry.reference == "fbp", geometry.reference_photons)
    beam = scan_of(geometry, SIZE)
    alone = dose.scan(fine[None], [pixel_cm], beam, [(3, ref.patient, ref.name)], reference)
    assert np.array_equal(opened.reference[row], alone.references(original[None])[0])
    few = Condition("few", views=6)
    assert np.array_equal(opened.degraded[row], alone.degraded([few])["few"][0])
    arrays = json.loads((Path(files["few"].folder) / "manifest.json").read_text())["arrays"]
    words = arrays[files["few"].reference]["content"]
    full = ", noise of 1e+08 photons per ray, deviation x 64" if geometry.reference_photons else ""
    made_from = "reconstructed from all views" if geometry.reference == "fbp" else "as in the source"
    assert words["reference"] == made_from + full
    assert arrays[files["few"].degraded]["content"].get("inherited", "") == full.removeprefix(", ")
    read = arrays[files["read"].degraded]["content"]["noise"]
    assert read == "1e+08 photons per ray, electronic noise of 100 photons, deviation x 64"


def test_a_field_that_reaches_the_source_is_an_error_of_one_line(tmp_path: Path) -> None:
    geometry, refs = schema.Geometry(preset="fan360", views=24), [SliceRef("P", "a", "", 0, 0.0, 150.0)]
    selection = Selection({"train": tuple(refs), "validation": (), "test": ()}, "hash")
    files = locate(tmp_path, selection, geometry=geometry)
    with pytest.raises(BenchError, match=r"slices a to a of patient P: a field of 120\.0 cm reaches"):
        list(pairs_build.build(Slices(), selection, files, acquisition(geometry=geometry), threads=1))


def test_a_damaged_manifest_vouches_for_nothing(tmp_path: Path, degrade: Degrade) -> None:
    files, _ = build(tmp_path)
    sound = contents(files)
    (Path(files["dim"].folder) / "manifest.json").write_text("{")
    assert pairs.missing(files) == list(CONDITIONS)
    again = Slices()
    build(tmp_path, again)
    assert len(again.asked) == COUNT
    assert contents(files) == sound


@pytest.mark.parametrize("victim", ["reference", "degraded"])
def test_a_changed_byte_is_found_and_its_array_built_again(
    tmp_path: Path, degrade: Degrade, victim: str
) -> None:
    files, _ = build(tmp_path)
    sound, broken = contents(files), getattr(files["dim"], f"{victim}_path")
    flip(broken, 200)
    degrade.projected.clear()
    events = list(repair.verify("fake", files, threads=2))
    assert [event.text for event in events if isinstance(event, Message)] == [
        f"{broken.parent}: the bytes of {broken.name} have changed; built anew"
    ]
    assert pairs.missing(files) == (["dim"] if victim == "degraded" else list(CONDITIONS))
    build(tmp_path)
    assert {names for _, names in degrade.projected} == ({("dim",)} if victim == "degraded" else set())
    assert contents(files) == sound
    assert not [event for event in repair.verify("fake", files, threads=1) if isinstance(event, Message)]


def test_a_row_that_changed_while_the_build_was_interrupted_is_computed_again(
    tmp_path: Path, degrade: Degrade
) -> None:
    whole, _ = build(tmp_path / "whole")
    with pytest.raises(RuntimeError):
        build(tmp_path / "cut", Slices(fail_at="s19"), threads=1)
    (partial,) = (tmp_path / "cut").rglob("dim*.partial")
    flip(partial, 130)  # the first row, after a header of 128 bytes
    degrade.projected.clear()
    files, _ = build(tmp_path / "cut", threads=1)
    assert ("s00", ("dim",)) in degrade.projected
    assert contents(files) == contents(whole)


def test_a_cell_refuses_an_array_that_changed_after_it_was_verified(tmp_path: Path, degrade: Degrade) -> None:
    files, _ = build(tmp_path)
    flip(files["few"].degraded_path, -3)
    with pytest.raises(BenchError, match="its bytes have changed since it was built"):
        pairs.open_pairs(files["few"], {})
    assert pairs.open_pairs(files["dim"], {}).names  # the others are sound
