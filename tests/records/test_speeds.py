"""The file of measured speeds: whole, damaged, foreign; and what a measurement depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.records import speeds
from tests import records_factory
from tests.plan.test_forecast import speed

MACHINE: dict[str, Any] = {"cpu": "a CPU", "threads": 1}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert speeds.read(tmp_path) == {}
    speeds.write(tmp_path / "new", {"a": speed(), "b": speed(slices_per_s=3.25)})
    assert speeds.read(tmp_path / "new") == {"a": speed(), "b": speed(slices_per_s=3.25)}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b'{"schema": 2, "networks": {}}', b'{"schema": 1, "networks": {"a']
)
def test_a_damaged_or_foreign_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / speeds.NAME).write_bytes(content)
    with pytest.raises(BenchError) as caught:
        speeds.read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / speeds.NAME}: damaged, or written by another program; bench speed measures anew"
    )


def test_a_file_of_values_that_are_no_speeds_is_refused(tmp_path: Path) -> None:
    speeds.write(tmp_path, {"a": speed()})
    path = tmp_path / speeds.NAME
    path.write_text(path.read_text().replace('"slices_per_s": 2.0', '"slices_per_s": 0.0'))
    with pytest.raises(BenchError, match="damaged"):
        speeds.read(tmp_path)


def test_a_key_changes_with_what_changes_the_speed_and_with_nothing_else() -> None:
    def key(on: dict[str, Any] = MACHINE, condition: str = "noisy", **changes: Any) -> str:
        training = records_factory.training(**changes.pop("training", {}))
        return speeds.key(records_factory.cell("unet", condition, training, **changes), on)

    assert key().startswith("unet-")
    same = [key(condition="sparse"), key(seed=7), key(training={"epochs": 9, "updates_per_epoch": 99})]
    assert set(same) == {key()}
    other = [
        key(code="another"), key(params={"filters": [2]}), key(dataset={"size": 96}), key(MACHINE | {"threads": 2}),
        key(training={"batch": 2}), key(training={"patch": 8}), key(training={"precision": "bfloat16"}),
    ]  # fmt: skip
    assert len({key(), *other}) == 1 + len(other)
