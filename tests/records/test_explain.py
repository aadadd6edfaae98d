from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import cli
from bench.metrics import METRICS
from bench.plan.cells import Cell
from bench.records.explain import ABSENT, explain, outcomes
from bench.records.record import Record, Rescoring
from bench.records.store import CellStore
from tests import records_factory, tiny

HERE: dict[str, Any] = {
    "python": "3.11.1", "numpy": "2.1", "keras": "3.1", "tensorflow": "2.1", "jax": "1", "commit": "a" * 40,
    "cpu": "x", "cores": 2, "platform": "Linux-1-x86-with-glibc2.36", "instructions": {"numpy": "AVX2"},
    "backend": "tensorflow", "device": "CPU", "threads": 1,
}  # fmt: skip


def record_of(environment: dict[str, Any] | None = None, **changes: Any) -> Record:
    """Return a record of a cell; ``spec`` takes another one."""
    spec = changes.pop("spec", None) or records_factory.cell("unet")
    metrics = {metric: METRICS[metric].definition for metric in tiny.FOUR}
    fields = {"environment": {**HERE, **(environment or {})}, "metrics": metrics, **changes}
    return records_factory.record(records_factory.planned(spec), **fields)


def spec_with(**changes: Any) -> Cell:
    return records_factory.cell("unet", **changes)


def test_nothing_differs_between_a_record_and_itself() -> None:
    assert explain(record_of(), record_of()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spec": spec_with(code="other")}, ("code", "code", "yes")),
        ({"spec": spec_with(versions={"physics": 9, "training": 9})}, ("code", "versions.physics", "yes")),
        ({"spec": spec_with(data={"fingerprint": "g"})}, ("data", "dataset.data.fingerprint", "yes")),
        ({"spec": spec_with(data={"split_sha256": "i"})}, ("split", "dataset.data.split_sha256", "yes")),
        ({"spec": spec_with(dataset={"size": 32})}, ("data", "dataset.size", "yes")),
        ({"spec": spec_with(dataset={"noise_seed": 2})}, ("seed", "dataset.noise_seed", "yes")),
        ({"spec": spec_with(seed=7)}, ("seed", "seed", "yes")),
        (
            {"spec": spec_with(trained=records_factory.training(batch=2))},
            ("setting", "training.batch", "yes"),
        ),
        ({"data": {"degraded": "1"}}, ("data", "pairs.degraded", "yes")),
        ({"leaky": "cut"}, ("split", "leaky", "no")),
        ({"environment": {"numpy": "2.2"}}, ("library", "numpy", "rounding")),
        ({"environment": {"python": "3.12"}}, ("library", "python", "no")),
        ({"environment": {"jax": "2"}}, ("library", "jax", "no")),  # installed, and not what it ran on
        ({"environment": {"threads": 2}}, ("device", "threads", "rounding")),
        ({"environment": {"cores": 4}}, ("device", "cores", "no")),
        (
            {"environment": {"instructions": {"numpy": ""}}},
            ("device", "instructions.numpy", "rounding"),
        ),
        ({"environment": {"commit": "b" * 40}}, ("code", "commit", "perhaps")),
        ({"scoring_version": 9}, ("convention", "scoring_version", "yes")),
    ],
)
def test_each_difference_is_named_with_where_it_belongs(
    changes: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    found = explain(record_of(), record_of(**changes))
    assert expected in [(one.group, one.key, one.moves) for one in found]
    assert {one.group for one in found} == {expected[0]}
    assert [(b.first, b.other) for b in explain(record_of(**changes), record_of())] == [
        (a.other, a.first) for a in found
    ]


def test_another_definition_of_a_metric_moves_numbers_and_its_label_does_not() -> None:
    metrics = record_of().metrics
    other = {**metrics, "rmse.hu": {**metrics["rmse.hu"], "version": 2, "label": "RMS"}}
    del other["ssim.column"]
    found = {
        one.key: (one.first, one.other, one.moves) for one in explain(record_of(), record_of(metrics=other))
    }
    assert found["rmse.hu.version"] == (1, 2, "yes")
    assert found["rmse.hu.label"] == ("RMSE", "RMS", "no")
    assert found["ssim.column"] == (metrics["ssim.column"], ABSENT, "no")


def test_the_machines_of_a_later_scoring_are_held_against_each_other() -> None:
    notes = [
        Rescoring(at="", metrics=(), scoring_version=1, environment={**HERE, "numpy": version})
        for version in ("3", "4")
    ]
    (one,) = explain(*(record_of(rescored=(note,)) for note in notes))
    assert (one.group, one.key, one.first, one.other) == ("library", "scored again: numpy", "3", "4")


def write(folder: Path, record: Record, **scores: list[float]) -> CellStore:
    store = CellStore(folder)
    names = [("P1", "a"), ("P1", "b")]
    store.write_scores(
        records_factory.scores(names, **{**{metric: [1.0, 2.0] for metric in tiny.FOUR}, **scores})
    )
    store.write_record(record)
    return store


def test_what_came_out_is_counted_slice_by_slice(tmp_path: Path) -> None:
    first = write(tmp_path / "a", record_of())
    other = write(tmp_path / "b", record_of(), **{"rmse.hu": [1.0, 3.0]})
    by_metric = {one.metric: one for one in outcomes(first, other)}
    assert (by_metric["rmse.hu"].first, by_metric["rmse.hu"].other) == (1.5, 2.0)
    assert [by_metric[metric].differing for metric in tiny.FOUR] == [0, 0, 0, 1]


def explained(*arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, ["explain", *arguments])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_the_command_groups_what_differs_and_says_what_it_moves(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    write(tmp_path / "a", record_of())
    write(tmp_path / "b", record_of({"numpy": "2.2", "commit": "b" * 40}), **{"rmse.hu": [1.0, 3.0]})
    assert explained(a, b)[2:6] == [
        "library: moves the last bits, which a training makes larger",
        "  numpy: 2.1 | 2.2",
        "code: perhaps: a commit does not say what it changed; what must move numbers has a version above",
        f"  commit: {'a' * 16} | {'b' * 16}",
    ]
    assert "  rmse.hu: 1.5 | 2, other on 1 of 2 slices" in explained(a, b)
    document = json.loads("\n".join(explained(a, b, "--json")))
    assert (document["kind"], document["differences"][0]["key"]) == ("explain", "numpy")
    assert document["outcomes"][3]["differing"] == 1


def test_the_command_says_that_nothing_differs_and_when_numbers_do_all_the_same(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    write(tmp_path / "a", record_of())
    write(tmp_path / "b", record_of(), **{"rmse.hu": [1.0, 3.0]})
    nothing = "nothing differs in code, data, split, setting, seed, library, device or convention"
    assert explained(a, a)[2] == explained(a, b)[2] == nothing
    assert explained(a, a)[3] == "came out:"
    assert explained(a, b)[3].startswith("the numbers differ all the same")


def test_a_cell_that_has_not_run_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "a", record_of())
    done = CliRunner().invoke(cli, ["explain", str(tmp_path / "a"), "unet:x", "--runs", str(tmp_path)])
    assert "no run here yet" in str(done.exception)
