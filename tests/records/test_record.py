from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.records import record
from tests import tiny

FOLDER = Path(__file__).parents[1] / "golden"
FIRST, SECOND, THIRD, GOLDEN = (FOLDER / f"record_v{schema}.json" for schema in (1, 2, 3, 4))


def test_golden_record_of_schema_1_still_reads() -> None:
    value = record.loads(FIRST.read_text(encoding="utf-8"))
    assert (value.schema_version, value.status, value.best_epoch) == (4, "finished", 2)
    data = value.spec.dataset.data
    assert (data.split_sha256, data.fold, data.folds, value.leaky) == ("", None, 1, "")
    assert value.spec.training is not None
    assert value.spec.training.learning_rate.from_ == 1e-4  # type: ignore[union-attr]
    assert value.spec.dataset.data.slices == {"train": 12, "validation": 4, "test": 4}
    assert [(a.ended, a.epoch, a.message) for a in value.attempts] == [
        ("diverged", 1, "loss is nan at epoch 1"),
        ("finished", None, ""),
    ]
    assert value.metrics["psnr.slice_max"]["unit"] == "dB"
    assert value.ranges["test"] == [-0.0123, 1.8704]
    assert value.timings["ms_per_slice"] == 0.1
    assert value.parameters == {"total": 487857, "trainable": 486401}


def test_golden_record_names_its_split_file_its_fold_and_its_leak() -> None:
    value = record.loads(GOLDEN.read_text(encoding="utf-8"))
    data = value.spec.dataset.data
    assert (data.split_sha256[:4], len(data.split_sha256), data.fold, data.folds) == ("5f0c", 64, 2, 5)
    assert value.leaky.endswith("patient P003 is in train and test")


def test_golden_record_of_schema_2_still_reads() -> None:
    value = record.loads(SECOND.read_text(encoding="utf-8"))
    assert (value.schema_version, value.effective_photons, value.deviation_factor) == (4, 1093.75, None)
    assert (value.spec.versions["physics"], value.configuration) == (1, {})


def test_golden_record_names_both_files_and_the_factor_of_deviations() -> None:
    value = record.loads(GOLDEN.read_text(encoding="utf-8"))
    assert (value.effective_photons, value.deviation_factor) == (None, 512 / 64)
    assert {name: (file.path, file.extends) for name, file in value.configuration.items()} == {
        "datasets.yaml": ("packaged", ""),
        "experiments.yaml": ("mine/experiments.yaml", "cc"),
    }


def test_golden_record_of_schema_3_still_reads() -> None:
    value = record.loads(THIRD.read_text(encoding="utf-8"))
    assert (value.schema_version, value.deviation_factor) == (4, 512 / 64)
    assert (value.weights_sha256, value.rescored) == ("", ())


def test_golden_record_names_its_weights_and_later_scorings() -> None:
    value = record.loads(GOLDEN.read_text(encoding="utf-8"))
    assert value.weights_sha256.endswith("ee")
    assert [(one.at[:10], one.metrics) for one in value.rescored] == [("2026-11-26", ("psnr.slice_max",))]
    assert value.metrics["psnr.slice_max"]["decimals"] == 2


def test_a_record_of_schema_1_without_its_split_is_refused_in_one_line() -> None:
    value = json.loads(FIRST.read_text(encoding="utf-8"))
    del value["spec"]["dataset"]["data"]["split_hash"]
    with pytest.raises(BenchError, match=r"x\.json: not a record of schema 1 \('split_hash'\); delete"):
        record.loads(json.dumps(value), "x.json")


def test_written_golden_is_read_back_without_loss() -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    written = record.dumps(record.loads(text))
    assert record.is_intact(written)
    # records before these keys say nothing of them
    later = {
        "files": {},
        "inputs": {},
        "seal": json.loads(written)["seal"],
        "program": "",
        "started": "",
        "ended": "",
    }
    assert json.loads(written) == {**json.loads(text), **later}


@pytest.mark.parametrize("status", ["finished", "failed", "diverged"])
def test_round_trip_keeps_every_field(status: str, tmp_path: Path) -> None:
    cell = tiny.planned(tmp_path).cells[-1]
    value = tiny.record_of(cell, status, timings={"train_s": 0.1 + 0.2}, deviation_factor=1.0 / 3.0)
    assert record.loads(record.dumps(value)) == value


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(GOLDEN.read_text(encoding="utf-8")), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (altered(schema_version=5), "x/record.json: record schema 5 is newer than 4; upgrade this program"),
        (altered(schema_version=99, gone="y"), "record schema 99 is newer than 4; upgrade this program"),
        (altered(schema_version=0), "schema_version: 0 is no schema of a record"),
        (altered(schema_version="1"), "schema_version: '1' is no schema of a record"),
        (altered(schema_version=True), "schema_version: True is no schema of a record"),
        (altered(status="done"), "status: "),
        (altered(surprise=1), "surprise: Extra inputs"),
        ("{}", "not a record ('schema_version')"),
        ("[]", "not a record ("),
        ("", "not a record ("),
        (GOLDEN.read_text(encoding="utf-8")[:700], "not a record ("),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        record.loads(text, "x/record.json")
    assert str(caught.value).startswith("x/record.json: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)  # a remedy


def test_not_a_number_is_never_written() -> None:
    value = record.loads(GOLDEN.read_text(encoding="utf-8")).model_copy(
        update={"timings": {"train_s": float("nan")}}
    )
    with pytest.raises(ValueError, match="JSON"):
        record.dumps(value)
