"""A run with a leak: stopped before anything is trained, unless the split is declared as leaky."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from bench import gpus, leaks, phantom
from bench.data.pairs import pairs
from bench.data.sources.catalogue import SliceRef
from bench.data.splits import Folds, Selection
from bench.errors import BenchError
from bench.events import Event, Message, Progress
from bench.execution import leak_gate, resolve, runner
from bench.leaks import verdict as verdicts
from bench.records.store import RunStore
from tests import tiny

PATIENTS, SLICES, SIZE = 6, 2, 64
FOLDER = """
schema: 1
sources:
  scans: {kind: npz, path: scans, matrix: 64}
conditions:
  sparse: {views: 30}
  noisy: {photons: 7e4}
splits:
  phantom: {rule: patients, test: [TWIN], validation: [P002]LEAKY}
"""


rendered = functools.cache(functools.partial(phantom.render, size=SIZE))  # read, never written to


def scans(folder: Path, leaky: str = "", twin: bool = True) -> Path:
    """A folder of scans in which the patient TWIN is P003, mirrored; without ``twin`` a patient of its own."""
    (folder / "scans").mkdir(parents=True)
    patients = [f"P{number:03d}" for number in range(1, PATIENTS + 1)]
    for patient in [*patients, "TWIN"]:
        drawn = {"TWIN": "P003" if twin else "P040"}.get(patient, patient)
        slices = [rendered(drawn, (k + 0.5) / SLICES) for k in range(SLICES)]
        hu = np.rint(np.stack([image for image, _ in slices])).astype(np.int16)
        np.savez_compressed(
            folder / "scans" / f"{patient}.npz",
            hu=hu[:, :, ::-1] if patient == "TWIN" else hu,
            patient_id=patient,
            pixel_spacing_mm=np.full((SLICES, 2), slices[0][1]),
            z_mm=np.arange(SLICES) * 50.0,
        )
    declared = f', leaky: "{leaky}"' if leaky else ""
    experiments = tiny.EXPERIMENTS.replace("source: phantom", "source: scans").replace("size: 32", "size: 64")
    experiments = "\n".join(
        line for line in experiments.splitlines() if "split: " not in line or " tiny: " in line
    )
    return tiny.write(folder, FOLDER.replace("LEAKY", declared), experiments)


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pairs are built, so the slices are read from the source, and no tables are drawn."""
    monkeypatch.setattr(runner, "build", lambda *_: iter(()))
    monkeypatch.setattr(runner.report, "publish", tiny.no_tables)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))


@pytest.mark.usefixtures("unbuilt")
def test_leak_stops_a_run_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    with pytest.raises(BenchError) as caught:
        list(runner.run(tiny.request(scans(tmp_path))))
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'datasets.yaml'}: splits.phantom: slice ")
    assert "of patient TWIN (test, TWIN.npz) is a copy (flipped) of" in text
    assert "of patient P003 (train, P003.npz), correlation" in text
    assert "(and 1 further pair); give both one patient name" in text
    assert "declare the split with leaky:" in text
    assert fake.ran == []  # the worker has only built each network once, while the pairs were built


@pytest.mark.usefixtures("unbuilt")
def test_declared_leak_runs_and_the_plan_counts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    events = list(runner.run(tiny.request(scans(tmp_path, leaky="made for a test"))))
    assert len(fake.ran) == tiny.CELLS
    assert Message("2 leaks among 14 slices") in events
    stages = [
        (event.done, event.total)
        for event in events
        if isinstance(event, Progress) and event.stage == "audit"
    ]
    assert stages == [(done, 14) for done in range(1, 15)]
    store = RunStore(tmp_path / "runs" / "tiny")
    assert store.read_plan().leaky == "made for a test; the leak audit: 2 leaks among 14 slices"
    assert {r.record.leaky for r in store.read_all(store.read_plan()) if r.record} == {
        store.read_plan().leaky
    }


@pytest.mark.usefixtures("unbuilt")
def test_clean_split_runs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    events = list(runner.run(tiny.request(scans(tmp_path, twin=False))))
    assert Message("no leak among 14 slices") in events
    assert len(fake.ran) == tiny.CELLS


def test_a_cache_that_may_only_be_read_is_audited_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Path, _: object) -> None:
        raise BenchError("cannot write: read-only disk", file=place)

    prepared = resolve.resolve(tiny.request(scans(tmp_path)))
    list(runner.build(prepared))
    monkeypatch.setattr(verdicts.atomic, "write_json", refuse)
    verdict = None

    def audit() -> Generator[Event, None, None]:
        nonlocal verdict
        verdict = yield from leak_gate.audit(prepared)

    list(audit())
    assert verdict is not None
    assert verdict.count == 2
    assert leak_gate.known(prepared) is None


def test_data_check_names_the_leak_and_exits_with_1(tmp_path: Path) -> None:
    done = tiny.bench(scans(tmp_path), "data", "check", "--profile", "tiny")
    assert (done.returncode, done.stderr) == (1, "")
    assert "2 leaks among 14 slices in" in done.stdout
    assert max(map(len, done.stdout[done.stdout.index("2 leaks") :].splitlines())) <= 80
    skipped = tiny.bench(tmp_path, "data", "check", "--profile", "tiny", "--no-leaks")
    assert (skipped.returncode, "leaks among" in skipped.stdout) == (0, False)


def test_verdict_beside_built_pairs_is_not_asked_for_again(
    tmp_path: Path, pair_files: Callable[..., pairs.PairFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    def twin(_: dict[pairs.SliceName, np.ndarray], reference: dict[pairs.SliceName, np.ndarray]) -> None:
        reference["D", "1"][:] = reference["A", "2"]

    files = pair_files(tmp_path, change=twin, size=32)
    names = pairs.open_pairs(files, {}).names
    part = {"A": "train", "B": "train", "C": "validation", "D": "test", "E": "test"}
    parts = {
        which: tuple(SliceRef(p, s, "", 0, 0.0, 1.0) for p, s in names if part[p] == which)
        for which in ("train", "validation", "test")
    }
    folds = Folds((Selection(parts),))

    class Source:
        name = "discs"

    def ask(of: Folds) -> verdicts.Verdict:
        steps = leaks.audit(Source(), of, files, 32, threads=1)  # type: ignore[arg-type]
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    first = ask(folds)
    assert any("slice 1 of patient D (test) is a copy (identical) of" in text for text in first.told)
    monkeypatch.setattr(verdicts, "search", lambda *_, **__: pytest.fail("asked again"))
    assert ask(folds) == first
    with monkeypatch.context() as newer:
        newer.setattr(verdicts, "LEAK_VERSION", verdicts.LEAK_VERSION + 1)
        assert leaks.read(files, folds) is None
    other = Folds((Selection({**parts, "test": parts["test"][1:]}),))
    assert leaks.read(files, other) is None
