from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.metrics import METRICS
from bench.plan.cells import Plan
from bench.records.store import CellStore, RunStore
from tests import tiny


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return tiny.planned(tmp_path_factory.mktemp("plan"))


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(), min_size=1, max_size=5), name=names)
def test_table_gives_every_float_and_name_back_exactly(
    tmp_path: Path, values: list[float], name: str
) -> None:
    store = CellStore(tmp_path)
    store.write_scores({"patient": name, "slice": str(i), "psnr": value} for i, value in enumerate(values))
    back = store.read_scores()
    assert [(row["patient"], row["slice"]) for row in back] == [(name, str(i)) for i in range(len(values))]
    assert np.array_equal([row["psnr"] for row in back], values, equal_nan=True)


def test_table_on_disk_is_the_text_that_a_person_would_write(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write_scores([{"patient": "A,B", "slice": "1", "psnr.slice_max": 0.1 + 0.2}])
    text = (tmp_path / "scores.csv").read_bytes()
    assert text == b'patient,slice,psnr.slice_max\n"A,B",1,0.30000000000000004\n'


def test_absent_files_are_no_error(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "none")
    assert (store.read_record(), store.read_scores(), store.read_history()) == (None, [], [])
    assert store.read_samples() is None
    assert not (tmp_path / "none").exists()


def test_samples_are_kept_to_a_twentieth_of_a_hounsfield_unit(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    image = np.linspace(-1024, 3071, 2 * 6 * 6).reshape(2, 6, 6)
    store.write_samples(["P/1", "P/2"], {"input": image, "output": image + 0.04, "reference": -image})
    samples = store.read_samples()
    assert samples is not None
    found, images, lesions = samples
    assert lesions == [[], []]
    assert found == ["P/1", "P/2"]
    assert set(images) == {"input", "output", "reference"}
    assert images["input"].dtype == np.float32
    assert np.abs(images["input"] - image).max() <= 0.05 + 1e-3  # half a step, and float32 of 3000
    with np.load(tmp_path / "samples.npz") as file:
        assert file["input"].dtype == np.int16
        assert np.array_equal(file["reference"], np.rint(-image * 10).astype(np.int16))


def test_samples_outside_of_int16_are_clipped_not_wrapped(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    far = np.array([[[-1e6, -3276.8, -3276.9, 3276.7, 3276.8, 1e6]]])
    store.write_samples(["P/1"], {"output": far})
    samples = store.read_samples()
    assert samples is not None
    assert samples[1]["output"].ravel() == pytest.approx([-3276.8, -3276.8, -3276.8, 3276.7, 3276.7, 3276.7])


def test_plan_and_results_are_read_back_in_the_order_of_the_plan(tmp_path: Path, plan: Plan) -> None:
    run = RunStore(tmp_path / "tiny")
    run.write_plan(plan)
    assert run.read_plan() == plan
    last = plan.cells[-1]
    folder = run.cell(last.id)
    folder.write_record(tiny.record_of(last))
    folder.write_scores([{"patient": "P", "slice": "1", **dict.fromkeys(METRICS, 1.5)}])
    failed = plan.cells[2]
    run.cell(failed.id).write_record(tiny.record_of(failed, "failed"))
    results = run.read_all(run.read_plan())
    assert [result.planned.id for result in results] == [cell.id for cell in plan.cells]
    assert [None if r.record is None else r.record.status for r in results] == [
        None,
        None,
        "failed",
        "finished",
    ]
    assert results[-1].scores[0]["rmse.hu"] == 1.5


def test_cells_of_earlier_settings_are_named(tmp_path: Path, plan: Plan) -> None:
    run = RunStore(tmp_path)
    run.cell("unet-old-s1-123").write_record(tiny.record_of(plan.cells[2]))
    run.cell(plan.cells[2].id).write_record(tiny.record_of(plan.cells[2]))
    (tmp_path / "not-a-cell").mkdir()
    assert run.others(plan) == ["unet-old-s1-123"]


def finished(root: Path, plan: Plan) -> tuple[RunStore, Path]:
    run = RunStore(root / "tiny")
    run.write_plan(plan)
    cell = run.cell(plan.cells[-1].id)
    cell.write_record(tiny.record_of(plan.cells[-1]))
    cell.write_scores([{"patient": "P", "slice": "1", **dict.fromkeys(METRICS, 1.5)}])
    cell.write_history([{"epoch": 1, "psnr": 20.0}])
    cell.write_samples(["P/1"], {"input": np.zeros((1, 4, 4))})
    return run, cell.folder


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[1]", b'{"schema_version": 9}', "folder"])
@pytest.mark.parametrize("name", ["record.json", "plan.json"])
def test_broken_json_is_one_line_with_the_file(
    tmp_path: Path, plan: Plan, name: str, content: bytes | str
) -> None:
    run, folder = finished(tmp_path, plan)
    path = (run.root if name == "plan.json" else folder) / name
    path.unlink()
    path.mkdir() if isinstance(content, str) else path.write_bytes(content)
    with pytest.raises(BenchError) as caught:
        run.read_all(run.read_plan())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"patient,slice\nP,1\n",
        b"patient,slice,rmse.hu\nP,1,x\n",
        b"\xff\xfe",
        b"a,b\n1,2,3\n",
        b"a\n",
        None,
    ],
)
def test_broken_scores_of_a_finished_cell_are_one_line(
    tmp_path: Path, plan: Plan, content: bytes | None
) -> None:
    run, folder = finished(tmp_path, plan)
    (folder / "scores.csv").unlink()
    if content is not None:
        (folder / "scores.csv").write_bytes(content)
    with pytest.raises(BenchError, match=r"scores\.csv: .*; run the cell again with --force$"):
        run.read_all(plan)


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
def test_broken_samples_are_one_line(tmp_path: Path, plan: Plan, cut: int) -> None:
    run, folder = finished(tmp_path, plan)
    path = folder / "samples.npz"
    path.write_bytes(path.read_bytes()[:cut] if cut >= 0 else b"x" * 500)
    with pytest.raises(BenchError, match=r"samples\.npz: broken .*--force$") as caught:
        run.cell(plan.cells[-1].id).read_samples()
    assert "\n" not in str(caught.value)


def test_damaged_pixels_are_noticed(tmp_path: Path, plan: Plan) -> None:
    run, folder = finished(tmp_path, plan)
    path = folder / "samples.npz"
    data = bytearray(path.read_bytes())
    where = data.index(b"input.npy") + 25
    data[where : where + 20] = bytes(20)
    path.write_bytes(bytes(data))
    with pytest.raises(BenchError, match="broken"):
        run.cell(plan.cells[-1].id).read_samples()


def test_missing_run_says_how_to_get_one_or_names_the_nearest(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(BenchError, match="no run here yet; run: bench run --all --profile tiny"):
        RunStore(tmp_path / "tiny").read_plan()
    RunStore(tmp_path / "tiny").write_plan(plan)
    with pytest.raises(BenchError, match="no run here yet; did you mean tiny"):
        RunStore(tmp_path / "tinny").read_plan()


def test_plan_of_a_newer_program_is_refused(tmp_path: Path, plan: Plan) -> None:
    run = RunStore(tmp_path / "tiny")
    run.write_plan(plan)
    path = tmp_path / "tiny" / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    with pytest.raises(BenchError, match=r"plan\.json"):
        run.read_plan()


def test_weights_keep_every_array_under_paths_that_repeat(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cell")
    arrays = [np.full((2, 2), index, np.float32) for index in range(4)]
    store.write_weights(["a/conv/kernel", "a/conv/kernel", "file", "a/conv/kernel"], arrays)
    with np.load(store.weights) as file:
        assert file.files == ["0000.a.conv.kernel", "0001.a.conv.kernel", "0002.file", "0003.a.conv.kernel"]
    assert [a.tobytes() for a in store.read_weights()] == [a.tobytes() for a in arrays]


def test_weights_of_earlier_versions_are_read_in_their_order(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    np.savez(store.weights, **{"z.kernel": np.ones(2), "a.bias": np.zeros(3)})
    assert [a.tolist() for a in store.read_weights()] == [[1, 1], [0, 0, 0]]
    store.weights.write_bytes(store.weights.read_bytes()[:50])
    with pytest.raises(BenchError, match=r"weights\.npz: broken .*--force"):
        store.read_weights()


def test_a_score_that_a_slice_lacks_is_an_empty_field(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    rows: list[dict[str, str | float]] = [
        {"patient": "a", "slice": "1", "psnr": 30.0},
        {"patient": "a", "slice": "2", "psnr": math.nan, "lung": 2.5},  # no number is another matter
    ]
    store.write_scores(rows, ("psnr", "lung", "nodule"))
    text = (tmp_path / "scores.csv").read_text(encoding="utf-8")
    assert text == "patient,slice,psnr,lung,nodule\na,1,30.0,,\na,2,nan,2.5,\n"
    back = store.read_scores()
    assert list(back[0]) == ["patient", "slice", "psnr"]
    assert math.isnan(float(back[1]["psnr"])) and back[1]["lung"] == 2.5
