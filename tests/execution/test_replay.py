"""``bench replay``: equal cells are equal to the last bit, every changed byte is named, and nothing is written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import cli
from bench.cli.replay import SHOWN, lines
from bench.errors import BenchError
from bench.execution import replay
from bench.execution.replay import Replay
from bench.metrics import METRICS
from bench.records.store import CellStore, RunStore
from tests import tiny

pytestmark = pytest.mark.integration

BOTH = ("unet:noisy", "input:noisy")
SLICES = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the cells of one condition, the input and a small network, have run in this process."""
    return tiny.trained(tmp_path_factory.mktemp("trained"), BOTH)


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, always in the same place, where cells are scored in this process, which has one thread."""
    tiny.use_executor(monkeypatch, tiny.InProcess)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    place = trained.with_name("copy")
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(trained, place))


def replayed(folder: Path, *cells: str) -> dict[str, Replay]:
    """Return what the replay of cells has shown, by model; without ``cells`` those of one condition."""
    run = replay.run(tiny.request(folder), cells or BOTH)
    try:
        while True:
            next(run)
    except StopIteration as stop:
        return {one.cell.spec.model: one for one in stop.value}


def store_of(folder: Path, model: str) -> CellStore:
    (path,) = (folder / "runs" / "tiny").glob(f"{model}-noisy-*")
    return CellStore(path)


def as_on_disk(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time of change and the bytes of each file and folder."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


def test_untouched_cells_are_equal_to_the_last_bit_and_nothing_is_written(folder: Path) -> None:
    before = as_on_disk(folder / "runs")
    for one in replayed(folder).values():
        assert (one.faults, one.remarks, one.obstacle) == ([], [], "")
        assert one.words == f"{SLICES} slices x {len(METRICS)} scores equal to the last bit"
    assert as_on_disk(folder / "runs") == before


def flip_record(folder: Path) -> str:
    path = store_of(folder, "unet").folder / "record.json"
    tiny.flip(path, path.read_bytes().index(b'"train_s": ') + 11)  # a digit of a time
    return r"record\.json.*(its bytes are not those that its seal|not a record|cannot be read)"


def flip_digit_of_record(folder: Path) -> str:
    path = store_of(folder, "unet").folder / "record.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'("cores": \d+)', r"\g<1>1", text), encoding="utf-8")
    return r"record\.json: its bytes are not those that its seal was made of"


def flip_scores(folder: Path) -> str:
    tiny.flip(store_of(folder, "unet").folder / "scores.csv", -2)
    return r"scores\.csv: SHA-256 \w{16}, recorded \w{16}"


def flip_history(folder: Path) -> str:
    tiny.flip(store_of(folder, "unet").history, -3)
    return r"history\.csv: SHA-256 \w{16}, recorded \w{16}"


def flip_weights(folder: Path) -> str:
    path = store_of(folder, "unet").weights
    tiny.flip(path, len(path.read_bytes()) // 2)
    return r"weights\.npz: SHA-256 \w{16}, recorded \w{16}"


def flip_degraded(folder: Path) -> str:
    (path,) = (folder / "cache").rglob("noisy-*.npy")
    tiny.flip(path, -40)
    return rf"{path.name}: its bytes have changed since it was built"


def flip_reference(folder: Path) -> str:
    (path,) = (folder / "cache").rglob("reference.npy")
    tiny.flip(path, -40)
    return r"reference\.npy: its bytes have changed since it was built"


def another_array(folder: Path) -> str:
    """Pairs that are whole, but not those of the record."""
    store = store_of(folder, "unet")
    record = store.read_record()
    assert record is not None
    store.write_record(record.model_copy(update={"data": {**record.data, "degraded": "00" * 32}}))
    return r"noisy-\w+\.npy: SHA-256 \w{16}, recorded 0{16}"


@pytest.mark.parametrize(
    "fault",
    [
        flip_record, flip_digit_of_record, flip_scores, flip_history, flip_weights, flip_degraded, flip_reference,
        another_array,
    ],
)  # fmt: skip
def test_a_changed_byte_is_found_and_its_file_is_named(folder: Path, fault: Callable[[Path], str]) -> None:
    pattern = fault(folder)
    before = as_on_disk(folder)
    one = replayed(folder, "unet:noisy")["unet"]
    assert not one.is_equal
    assert any(re.search(pattern, text) for text in one.faults), one.faults
    assert as_on_disk(folder / "runs") == {
        k: v for k, v in before.items() if k in as_on_disk(folder / "runs")
    }
    cached = as_on_disk(folder / "cache")
    assert {k: v[1] for k, v in cached.items()} == {k: before[k][1] for k in cached}


def test_another_score_is_named_with_slice_metric_and_both_values_also_without_a_seal(folder: Path) -> None:
    """An older record has no seal; whoever changes a score and seals it is found by the number itself."""
    store = store_of(folder, "unet")
    rows, record = store.read_scores(), store.read_record()
    assert record is not None
    then = float(rows[1]["psnr.slice_max"])
    store.write_scores([rows[0], {**rows[1], "psnr.slice_max": then + 1e-9}, *rows[2:]], record.metrics)
    store.write_record(record)  # sealed again
    one = replayed(folder, "unet:noisy")["unet"]
    place = f"{store.folder / 'scores.csv'}: {rows[1]['patient']}/{rows[1]['slice']} psnr.slice_max"
    assert one.faults == [f"{place}: recorded {then + 1e-9!r}, replayed {then!r}"]
    text = (store.folder / "record.json").read_text(encoding="utf-8")
    old = re.sub(r',\n  "seal": "\w+"', "", re.sub(r'  "files": \{[^}]*\},\n', "", text))
    (store.folder / "record.json").write_text(old, encoding="utf-8")
    again = replayed(folder, "unet:noisy")["unet"]
    assert again.faults == one.faults
    assert any("has no seal" in text for text in again.remarks)


def test_pairs_that_are_not_there_are_built_anew(folder: Path) -> None:
    shutil.rmtree(folder / "cache")
    assert all(one.is_equal for one in replayed(folder).values())
    assert list((folder / "cache").rglob("noisy-*.npy"))


def test_what_cannot_be_replayed_says_why(folder: Path) -> None:
    store_of(folder, "unet").weights.unlink()
    every = replayed(folder, "input:sparse", "unet:noisy")
    assert every["input"].obstacle == "it has not been run"
    assert every["unet"].obstacle.endswith("weights.npz is not there")
    with pytest.raises(BenchError, match="no cell 'unet:nosy'"):
        replayed(folder, "unet:nosy")


def test_cells_of_other_settings_are_refused(folder: Path) -> None:
    text = (folder / "experiments.yaml").read_text(encoding="utf-8").replace("[4, 8]", "[4, 4]")
    (folder / "experiments.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="of other settings, code or versions"):
        replayed(folder, "unet:noisy")


def test_the_command_says_what_is_equal_and_ends_with_its_code(folder: Path) -> None:
    options = ["--profile", "tiny"]
    for name in ("runs", "cache"):
        options += [f"--{name}", str(folder / name)]
    for name in ("datasets", "experiments"):
        options += [f"--{name}", str(folder / f"{name}.yaml")]
    done = CliRunner().invoke(cli, ["replay", "input:noisy", *options])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "1 cell replayed: equal"
    tiny.flip(store_of(folder, "input").folder / "scores.csv", -2)
    done = CliRunner().invoke(cli, ["replay", "input:noisy", *options])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == "1 cell replayed: 1 not equal"
    done = CliRunner().invoke(cli, ["replay", *options])
    assert (done.exit_code, "give a CELL" in done.output) == (2, True)


def test_many_differences_are_counted(folder: Path) -> None:
    planned = RunStore(folder / "runs" / "tiny").read_plan().cells[0]
    shown = lines(Replay(planned, faults=[f"fault {i}" for i in range(SHOWN + 3)]))
    assert (len(shown), shown[-1]) == (SHOWN + 2, "  3 more")
