"""``bench submit``: outputs of other programs get the scores of equal cells; what cannot be right is refused."""

from __future__ import annotations

import csv
import shutil
import sys
import types
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat

import bench
from bench import report
from bench.cli import cli
from bench.ct.units import mu_to_hu
from bench.data.pairs.pairs import open_pairs
from bench.errors import BenchError
from bench.events import Event
from bench.execution import attempt, cell, replay, rescore, resolve, runner, submit
from bench.execution.submit import Called, Files, Order
from bench.records.store import CellStore, RunStore
from tests import tiny

WHO = "N. Name, on 40 patients of another hospital"
SLICES = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the cells of one condition, the input and a small network, have run in this process."""
    folder = tiny.trained(tmp_path_factory.mktemp("trained"), ("unet:noisy", "input:noisy"))
    result = CliRunner().invoke(
        cli, ["data", "export", "--degraded-only", "--into", str(folder / "given"), *options(folder)]
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, where cells are scored in this process and no tables are drawn."""
    tiny.use_executor(monkeypatch, tiny.InProcess)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setattr(report, "publish", tiny.no_tables)
    place = trained.with_name("copy")
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(trained, place))


def options(folder: Path) -> list[str]:
    """Return the options of a command line on a folder."""
    values = tiny.request(folder)
    names = ("experiments", "datasets", "runs", "cache")
    return [
        "--profile",
        "tiny",
        *(text for name in names for text in (f"--{name}", str(getattr(values, name)))),
    ]


def ended(events: Generator[Event, None, Any]) -> Any:
    """Return the value that events end with."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def submitted(
    folder: Path, program: Callable[..., Any] | Path, name: str = "theirs", **changes: Any
) -> CellStore:
    """Return the cell of a function, or of a folder of files, after it was submitted on the noisy slices."""
    if isinstance(program, Path):
        order = Order(name, Files(program), WHO, ("noisy",), **changes)
    else:
        module = types.ModuleType("their_module")
        module.denoise = program  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "their_module", module)
            order = Order(name, Called("their_module:denoise"), WHO, ("noisy",), **changes)
            ended(submit.run(tiny.request(folder), order))
            return store_of(folder, name)
    ended(submit.run(tiny.request(folder), order))
    return store_of(folder, name)


def store_of(folder: Path, model: str) -> CellStore:
    (path,) = (folder / "runs" / "tiny").glob(f"{model}-noisy-*")
    return CellStore(path)


def same(mine: CellStore, theirs: CellStore) -> None:
    """Compare every score of every slice, to 1e-4 of its unit or of its size."""
    rows = [store.read_scores(store.read_record()) for store in (mine, theirs)]
    assert len(rows[0]) == SLICES and len(rows[0][0]) >= 20
    for a, b in zip(*rows, strict=True):
        assert a.keys() == b.keys() and (a["patient"], a["slice"]) == (b["patient"], b["slice"])
        numbers = [[float(v) for k, v in row.items() if k not in ("patient", "slice")] for row in (a, b)]
        np.testing.assert_allclose(*numbers, rtol=1e-4, atol=1e-4)


def test_the_identity_gets_the_numbers_of_the_untreated_input(folder: Path) -> None:
    store = submitted(folder, lambda image: image)
    same(store, store_of(folder, "input"))
    record = store.read_record()
    assert record is not None and record.submission is not None
    assert (record.submission.trained_by, record.submission.program) == (WHO, "callable their_module:denoise")
    assert record.status == "finished" and record.data == store_of(folder, "input").read_record().data  # type: ignore[union-attr]


def test_a_network_behind_a_function_of_numpy_gets_its_own_numbers(folder: Path) -> None:
    resolved = resolve.resolve(tiny.request(folder))
    (planned,) = (c for c in resolved.plan.cells if (c.spec.model, c.condition) == ("unet", "noisy"))
    work = runner.task_of(resolved, planned)
    model = attempt._networks().model(planned.spec, work.code)
    predict = cell._trained(work, model, work.store.read_weights(), 1)

    def denoise(hu: np.ndarray) -> np.ndarray:
        return 1000.0 * (predict((1 + hu / 1000).astype(np.float32)[None])[0].astype(np.float64) - 1)

    same(submitted(folder, denoise), work.store)


@pytest.mark.integration
def test_an_onnx_file_behind_a_function_gets_the_numbers_of_its_network(folder: Path, tmp_path: Path) -> None:
    """The network leaves this program as ONNX and comes back as a method of another framework."""
    pytest.importorskip("tf2onnx")
    onnx = pytest.importorskip("onnxruntime")
    bench.load(folder / "runs" / "tiny", "unet", "noisy").save(tmp_path / "unet.onnx")
    session = onnx.InferenceSession(tmp_path / "unet.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def denoise(hu: np.ndarray) -> np.ndarray:
        (output,) = session.run(None, {given.name: (1 + hu / 1000).astype(np.float32)[None, ..., None]})
        return 1000.0 * (np.asarray(output, np.float64)[0, ..., 0] - 1)

    same(submitted(folder, denoise), store_of(folder, "unet"))


def test_every_fold_of_a_split_has_a_submission_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices of all folds go out, and the identity's scores of each fold are those of its input."""
    tiny.use_executor(monkeypatch, tiny.InProcess)
    monkeypatch.setattr(report, "publish", tiny.no_tables)
    folder = tiny.write(tmp_path / "folds")
    request = replace(tiny.request(folder, "folds"), only=("input:noisy",))
    list(runner.run(request))
    order = Order("theirs", Called("their_module:denoise"), WHO, ("noisy",))
    module = types.ModuleType("their_module")
    module.denoise = lambda image: image  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_module", module)
    ended(submit.run(tiny.request(folder, "folds"), order))
    stores = {name: _by_fold(folder, name) for name in ("theirs", "input")}
    assert stores["theirs"].keys() == stores["input"].keys() == {1, 2}
    tested = []
    for fold, store in stores["theirs"].items():
        mine, other = (one.read_scores(one.read_record()) for one in (store, stores["input"][fold]))
        assert [(row["patient"], row["slice"]) for row in mine] == [
            (row["patient"], row["slice"]) for row in other
        ]
        for row, its in zip(mine, other, strict=True):
            assert float(row["psnr.slice_max"]) == pytest.approx(float(its["psnr.slice_max"]), abs=1e-4)
        tested += [row["patient"] for row in mine]
    assert {*tested} == {"P001", "P002", "P003", "P004", "P005"}  # each is tested in one fold


def _by_fold(folder: Path, model: str) -> dict[int | None, CellStore]:
    run = RunStore(folder / "runs" / "folds")
    return {
        result.planned.fold: run.cell(result.planned.id)
        for result in [*run.read_all(run.read_plan()), *run.others(run.read_plan())]
        if result.planned.spec.model == model and result.record is not None
    }


def test_a_function_gets_copies_of_degraded_slices_in_hu_and_their_names(folder: Path) -> None:
    seen: dict[tuple[str, str, str], np.ndarray] = {}

    def denoise(
        image: np.ndarray, strength: float = 1.0, *, slice: str, patient: str, condition: str
    ) -> np.ndarray:
        assert strength == 1.0
        seen[condition, patient, slice] = image.copy()
        output = image.copy()
        image[:] = np.nan  # harms no one
        return output

    same(submitted(folder, denoise), store_of(folder, "input"))
    resolved = resolve.resolve(tiny.request(folder))
    names = [(ref.patient, ref.name) for ref in resolved.folds.selections[0].parts["test"]]
    pairs = open_pairs(resolved.files["noisy"], {"test": names})
    for name, row in zip(names, pairs.parts["test"], strict=True):
        np.testing.assert_array_equal(seen["noisy", *name], mu_to_hu(pairs.degraded[row]))
        assert seen["noisy", *name].dtype == np.float32


def test_the_export_holds_every_degraded_test_slice_and_no_reference(folder: Path) -> None:
    resolved = resolve.resolve(tiny.request(folder))
    lines = list(csv.DictReader((folder / "given" / "index.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == 2 * SLICES == len(list((folder / "given").rglob("*.npy")))
    for line in lines:
        name = [(line["patient"], line["slice"])]
        pairs = open_pairs(resolved.files[line["condition"]], {"one": name})
        (row,) = pairs.parts["one"]
        image = np.load(folder / "given" / line["file"])
        np.testing.assert_array_equal(image, mu_to_hu(pairs.degraded[row]))
        assert not np.array_equal(image, mu_to_hu(pairs.reference[row]))


@pytest.mark.parametrize("kind", ["npy", "mat"])
def test_files_get_the_numbers_of_the_same_images(folder: Path, tmp_path: Path, kind: str) -> None:
    for file in (folder / "given").rglob("noisy/*/*.npy"):
        target = tmp_path / file.relative_to(folder / "given").with_suffix(f".{kind}")
        target.parent.mkdir(parents=True, exist_ok=True)
        image = np.load(file).astype(np.float64)
        np.save(target, image) if kind == "npy" else savemat(target, {"y": image})
    same(submitted(folder, tmp_path), store_of(folder, "input"))


def missing(files: list[Path]) -> Path:
    files[1].unlink()
    return files[1]


def further(files: list[Path]) -> Path:
    return Path(shutil.copy(files[1], files[1].with_name("z99.npy")))


def twice(files: list[Path]) -> Path:
    savemat(files[1].with_suffix(".mat"), {"y": np.load(files[1])})
    return files[1]


def two_variables(files: list[Path]) -> Path:
    image = np.load(files[1])
    files[1].unlink()
    savemat(files[1].with_suffix(".mat"), {"x": image, "y": image})
    return files[1].with_suffix(".mat")


def no_array(files: list[Path]) -> Path:
    files[1].write_bytes(b"nothing")
    return files[1]


def swapped(files: list[Path]) -> Path:
    images = [np.load(file) for file in files]
    np.save(files[1], images[2])
    np.save(files[2], images[1])
    return files[1]


def one_off(files: list[Path]) -> Path:
    images = [np.load(file) for file in files]
    for file, image in zip(files, (*images[1:], images[0]), strict=True):
        np.save(file, image)
    return files[0]


def all_by(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[list[Path]], Path]:
    def changed(files: list[Path]) -> Path:
        for file in files:
            np.save(file, change(np.load(file)))
        return files[0]

    return changed


def with_nan(image: np.ndarray) -> np.ndarray:
    return np.where(np.arange(image.size).reshape(image.shape) == 7, np.nan, image)


FAULTS: dict[str, tuple[Callable[[list[Path]], Path], str]] = {
    "missing": (missing, "missing"),
    "extra": (further, "is not the output of a test slice"),
    "twice": (twice, "is there twice"),
    "two variables": (two_variables, "holds 2 variables"),
    "no array": (no_array, "cannot be read as .npy"),
    "shape": (all_by(lambda x: x[:-1]), r"has the shape (31, 32), must have (32, 32)"),
    "channel": (all_by(lambda x: x[None]), "has the shape (1, 32, 32)"),
    "not finite": (all_by(with_nan), "1 of its values are NaN"),
    "complex": (all_by(lambda x: x + 0j), "must hold real numbers, not complex64"),
    "attenuation": (all_by(lambda x: 0.2 * (1 + x / 1000)), "this is attenuation in 1/cm"),
    "relative": (all_by(lambda x: 1 + x / 1000), "this is mu / mu_water"),
    "0 to 1": (all_by(lambda x: (x - x.min()) / np.ptp(x)), "goes from 0 to 1"),
    "0 to 255": (all_by(lambda x: np.clip((x + 1024) / 4095 * 255, 0, 255)), "HU from that of its degraded"),
    "no intercept": (all_by(lambda x: x + 1024), "has a mean +1024 HU from that of its degraded slice"),
    "swapped": (swapped, "belongs to another slice"),
    "one off": (one_off, "belongs to another slice"),
    "transposed": (all_by(lambda x: x.T), "is transposed, as are the others"),
    "upside down": (all_by(lambda x: x[::-1]), "is mirrored top to bottom, as are the others"),
}


@pytest.mark.integration
@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_right_is_refused_by_its_file_and_leaves_nothing(
    folder: Path, tmp_path: Path, fault: str
) -> None:
    shutil.copytree(folder / "given" / "noisy", tmp_path / "noisy")
    spoil, message = FAULTS[fault]
    file = spoil(sorted((tmp_path / "noisy").rglob("*.npy")))
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")}
    arguments = ["submit", "theirs", "--outputs", str(tmp_path), "--trained-by", WHO, "--only", "noisy"]
    process = CliRunner().invoke(cli, [*arguments, *options(folder)])
    assert isinstance(process.exception, BenchError)  # ``main`` prints it and exits with 2
    assert process.exception.file == str(file) and message in str(process.exception)
    after = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.name != ".lock"}
    assert {path for path in after if after[path] != before.get(path)} <= {folder / "runs" / "tiny"}


def test_strong_smoothing_and_the_reference_itself_are_taken(folder: Path) -> None:
    from scipy import ndimage

    resolved = resolve.resolve(tiny.request(folder))
    names = [(ref.patient, ref.name) for ref in resolved.folds.selections[0].parts["test"]]
    pairs = open_pairs(resolved.files["noisy"], {"test": names})
    perfect = {
        name: mu_to_hu(pairs.reference[row]) for name, row in zip(names, pairs.parts["test"], strict=True)
    }
    store = submitted(folder, lambda image, patient, slice: perfect[patient, slice], "perfect")
    assert all(float(row["rmse.hu"]) < 1e-3 for row in store.read_scores(store.read_record()))
    submitted(folder, lambda image: ndimage.gaussian_filter(image, 2.0), "smooth")


def test_runs_leave_a_submitted_method_alone_and_replay_and_score_take_its_outputs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = submitted(folder, lambda image: 0.9 * image - 100)
    written = (store.folder / "record.json").read_bytes()
    text = RunStore(folder / "runs" / "tiny").root.joinpath("plan.json").read_text()
    assert "theirs" not in text
    plan = RunStore(folder / "runs" / "tiny").read_plan()
    assert list(plan.models) == ["unet", "theirs"] and plan.cells[-1].id == store.folder.name
    fake = tiny.use_fake_executor(monkeypatch)
    monkeypatch.setattr(runner, "_audited", tiny.unaudited)
    ended(runner.run(tiny.request(folder, only=("theirs:noisy", "input:noisy"), force=True)))
    assert [one.partition("-")[0] for one in fake.ran] == ["input"]
    assert (store.folder / "record.json").read_bytes() == written
    tiny.use_executor(monkeypatch, tiny.InProcess)
    (one,) = ended(replay.run(tiny.request(folder), ("theirs:noisy",)))
    assert one.is_equal and "equal to the last bit" in one.words
    assert ended(rescore.run(tiny.request(folder, only=("theirs:noisy",)))) == 0
    tiny.flip(store.outputs, store.outputs.stat().st_size - 2)
    (one,) = ended(replay.run(tiny.request(folder), ("theirs:noisy",)))
    assert not one.is_equal and str(store.outputs) in one.faults[0]
    store.outputs.unlink()
    (one,) = ended(replay.run(tiny.request(folder), ("theirs:noisy",)))
    assert one.obstacle == f"{store.outputs} is not there; submit the method again"


def test_a_method_is_replaced_only_where_that_is_asked_for(folder: Path) -> None:
    first = submitted(folder, lambda image: image)
    with pytest.raises(
        BenchError, match=r"theirs has been submitted on noisy already; give another name, or --force"
    ):
        submitted(folder, lambda image: image + 1)
    before = first.read_scores()
    assert submitted(folder, lambda image: image + 1, force=True).folder == first.folder
    assert first.read_scores() != before
    with pytest.raises(BenchError, match="unet is the name of a model of this profile"):
        submitted(folder, lambda image: image, "unet")


def test_the_tables_mark_a_submitted_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(folder, lambda image: 0.9 * image - 100)
    monkeypatch.undo()
    arguments = ["--profile", "tiny", "--runs", str(folder / "runs"), "--reports", str(folder / "reports")]
    assert CliRunner().invoke(cli, ["report", *arguments]).exit_code == 0
    for name in ("results.md", "results.html", "results.tex"):
        text = (folder / "reports" / "tiny" / name).read_text(encoding="utf-8")
        assert f"scored, not trained here; trained by: {WHO}" in text
        if name != "results.tex":  # which has no notices
            assert f"theirs was scored, not trained here. Trained by: {WHO}." in text
    rows = list(
        csv.DictReader((folder / "reports" / "tiny" / "results.csv").read_text(encoding="utf-8").splitlines())
    )
    assert {(row["model"], row["trained_by"]) for row in rows} == {
        ("input", ""),
        ("unet", ""),
        ("theirs", WHO),
    }
    status = CliRunner().invoke(cli, ["status", *arguments[:4]])
    assert status.exit_code == 0 and "theirs  noisy      0     finished" in status.output


def test_faults_of_a_function_are_named_with_their_line(folder: Path) -> None:
    with pytest.raises(
        BenchError, match=r"their_module:denoise on slice \S+ of patient P001, noisy: ZeroDivisionError"
    ):
        submitted(folder, lambda image: 1 // 0)
    with pytest.raises(BenchError, match="cannot be imported: ModuleNotFoundError"):
        ended(submit.run(tiny.request(folder), Order("a", Called("no_such_module:f"), WHO)))
    with pytest.raises(BenchError, match=r"math has no logg; did you mean log\?"):
        ended(submit.run(tiny.request(folder), Order("a", Called("math:logg"), WHO)))


def test_who_says_how_it_was_trained_must_be_said() -> None:
    outcome = CliRunner().invoke(cli, ["submit", "theirs", "--callable", "math:log"])
    assert (
        outcome.exit_code == 2
        and "say how theirs was trained, and who says so: --trained-by" in outcome.output
    )
