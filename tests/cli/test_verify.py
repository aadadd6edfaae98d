"""``bench verify`` as CI calls it: files, exit codes, and a golden file of a lab's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.cli.verify import MOST_REPEATS
from bench.errors import BenchError
from bench.execution import repeats
from bench.records.store import RunStore
from tests import tiny
from tests.cli.test_documents import PAGE, keys

GOLDEN = ("verify", "--golden", "golden.json")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all cells of ``tiny`` have ended, with a golden file of them."""
    tiny.finish(tiny.write(tmp_path), monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bench(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    return tiny.command_here(monkeypatch, capfd)


def spoil(folder: Path, cell: str, old: str = ",1.5", new: str = ",1.6") -> None:
    (path,) = folder.glob(f"{cell}*/scores.csv")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_red_run_writes_junit_summary_and_json(here: Path, bench: Any) -> None:
    spoil(here / "runs" / "tiny", "unet-noisy")
    (here / "s.md").write_text("before\n")
    code, out, err = bench(*GOLDEN, "--junit", "new/j.xml", "--summary", "s.md", "--json")
    assert (code, err) == (1, "")
    document = json.loads(out)
    assert (document["kind"], document["profile"], document["green"], document["likely"]) == (
        "verify", "tiny", False, "training",
    )  # fmt: skip
    assert [(d["cell"], d["kind"]) for d in document["differences"]] == [("unet:noisy:s1", "training")] * len(
        document["differences"]
    )
    assert document["differences"][0]["bands"] > 1
    assert {cell["cell"]: cell["differences"] > 0 for cell in document["cells"]} == {
        "input:sparse:s0": False, "input:noisy:s0": False, "unet:sparse:s1": False, "unet:noisy:s1": True,
    }  # fmt: skip
    suite = ElementTree.parse(here / "new" / "j.xml").getroot()[0]
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["unet:noisy:s1"]
    text = (here / "s.md").read_text()
    assert text.startswith("before\n### bench verify: tiny")
    assert "| unet:noisy:s1 " in text
    named = {key for key in keys(document) if f"`{key}`" not in PAGE}
    assert not named


def test_only_the_named_cells_turn_it_red(here: Path, bench: Any) -> None:
    spoil(here / "runs" / "tiny", "unet-noisy")
    assert bench(*GOLDEN, "--only", "unet:sparse", "input:sparse")[:2] == (
        0,
        "green: 2 cells reproduced; farthest: input:sparse:s0 psnr.slice_max at +0 bands\n",
    )
    assert bench(*GOLDEN, "unet:noisy")[0] == 1
    code, _, err = bench(*GOLDEN, "--only", "unet:nois")
    assert (code, err) == (2, "bench: --only unet:nois: no such cell; did you mean unet:noisy?\n")


def test_cells_that_the_golden_file_lacks_are_a_remark_or_red(here: Path, bench: Any) -> None:
    golden = json.loads((here / "golden.json").read_text())
    del golden["cells"]["unet:noisy:s1"]
    (here / "golden.json").write_text(json.dumps(golden))
    code, out, _ = bench(*GOLDEN)
    assert code == 0
    assert out.splitlines()[0].startswith("remark: not in the golden file")
    assert out.splitlines()[0].endswith(": unet:noisy:s1")
    assert out.splitlines()[1].startswith("green: 3 cells reproduced")
    code, out, _ = bench(*GOLDEN, "--strict")
    assert code == 1
    assert "red: unet:noisy:s1: cell: golden none, found planned" in out
    assert bench(*GOLDEN, "unet:noisy")[0] == 2  # nothing would be compared


def test_a_profile_without_a_golden_file_is_told_how_to_get_one(bench: Any) -> None:
    code, _, err = bench("verify", "--profile", "mine")
    assert (code, err.count("\n")) == (2, 1)
    assert "--write FILE" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--write", "g.json", "--strict"),
        ("--write", "g.json", "--junit", "x"),
        ("--repeats", "2"),
        ("--also", "x"),
    ],
)
def test_options_of_the_other_use_are_refused(bench: Any, arguments: tuple[str, ...]) -> None:
    assert bench(*GOLDEN[:1], *arguments)[0] == 2


def test_golden_file_of_one_run_has_the_narrowest_bands_and_says_so(here: Path, bench: Any) -> None:
    code, out, _ = bench("verify", "--profile", "tiny", "--write", "g.json", "--repeats", "1")
    assert code == 0
    assert out.startswith("wrote g.json: 4 cells of 1 run; they agree to the last bit")
    assert bench("verify", "--golden", "g.json")[0] == 0
    spoil(here / "runs" / "tiny", "unet-noisy")
    assert bench("verify", "--golden", "g.json")[0] == 1


def test_repeats_and_runs_from_elsewhere_give_the_band(
    here: Path, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean over 4 slices: one slice of 1.5 gains 0.02 in the repeat and 0.04 elsewhere; the spread is 0.01."""
    ran = []

    def repeat(
        place: Path,
        name: str,
        processor: repeats.Processor,
        profile: str,
        cache: Path,
        options: Sequence[str],
    ) -> RunStore:
        ran.append((place, name, processor.threads, dict(processor.variables), cache, tuple(options)))
        shutil.copytree(here / "runs", place / "copy")
        spoil(place / "copy" / "tiny", "unet-noisy", new=",1.52")
        return RunStore(place / "copy" / profile)

    monkeypatch.setattr(repeats, "run", repeat)
    shutil.copytree(here / "runs", here / "other")
    spoil(here / "other" / "tiny", "unet-noisy", new=",1.54")
    code, out, err = bench(
        "verify", "--profile", "tiny", "--write", "g.json", "--repeats", "2", "--also", "other",
        "--only", "unet:noisy", "--datasets", "datasets.yaml",
    )  # fmt: skip
    assert (code, err) == (0, "")
    place = here / "runs" / ".repeats-tiny"
    only = ("--only", "input:noisy", "--only", "unet:noisy")
    assert ran == [
        (place, "1 thread, Eigen", 1, {"TF_ENABLE_ONEDNN_OPTS": "0"}, Path(".bench-cache"),
         ("--datasets", "datasets.yaml", *only))
    ]  # fmt: skip
    assert not place.exists()
    golden = json.loads((here / "g.json").read_text())
    assert list(golden["cells"]) == ["input:noisy:s0", "unet:noisy:s1"]
    score = golden["cells"]["unet:noisy:s1"]["scores"]["psnr.slice_max"]
    assert (score["spread"], score["band"]) == (pytest.approx(0.01), pytest.approx(0.05))
    assert [one["run"] for one in golden["made"]["runs"]] == ["as given", "elsewhere", "1 thread, Eigen"]
    assert "4 cells" not in out
    assert out.endswith(
        "wrote g.json: 2 cells of 3 runs; widest spread of PSNR 0.01 dB (unet:noisy:s1 psnr.slice_max), band 0.05 dB\n"
    )


def test_nothing_is_trained_for_a_run_that_makes_no_golden_file(
    here: Path, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "run", lambda *_: pytest.fail("a repeat was begun"))
    (record,) = (here / "runs" / "tiny").glob("unet-noisy*/record.json")
    record.unlink()
    code, _, err = bench("verify", "--profile", "tiny", "--write", "g.json")
    assert code == 2
    assert "cell unet:noisy:s1 has not finished" in err
    assert not (here / "g.json").exists()


def test_a_repeat_is_a_run_of_its_own_process_and_fails_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Child:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            started.append((command, env))

        def __enter__(self) -> Child:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            return len(started) - 1

    monkeypatch.setattr(repeats.subprocess, "Popen", Child)
    kinds = repeats.processors(64, tmp_path / "numba")
    assert len(kinds) == MOST_REPEATS == repeats.MOST
    store = repeats.run(tmp_path, "1 thread, Eigen", kinds["1 thread, Eigen"], "tiny", Path("c"))
    assert store.root == tmp_path / "1-thread-Eigen" / "tiny"
    command, environment = started[0]
    assert command[3:9] == ["run", "--all", "--profile", "tiny", "--threads", "1"]
    assert command[command.index("--cache") + 1] == "c"
    assert environment["TF_ENABLE_ONEDNN_OPTS"] == "0"
    with pytest.raises(BenchError, match="exit code 1"):
        repeats.run(tmp_path, "old", kinds["1 thread, SSE4.1"], "tiny", Path("c"), ["--only", "unet:noisy"])
    assert "--all" not in started[1][0]
    assert started[1][0][started[1][0].index("--cache") + 1] == str(
        tmp_path / "old" / "cache"
    )  # pairs of its own


def test_other_threads_than_the_usual_ones_are_a_repeat_at_every_size(tmp_path: Path) -> None:
    for size, threads in ((64, [1, 1, 2, 1, 1]), (256, [2, 2, 1, 2, 2]), (512, [4, 4, 1, 4, 4])):
        assert [one.threads for one in repeats.processors(size, tmp_path).values()] == threads
