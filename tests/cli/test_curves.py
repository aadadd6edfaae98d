"""Curves for TensorBoard, read back record by record as its format says."""

from __future__ import annotations

import struct
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from bench.cli import curves
from bench.errors import BenchError
from bench.events import EpochEnded, Event, Message


def events() -> Generator[Event, None, None]:
    for epoch in (1, 2):
        yield EpochEnded("unet-a-s1", epoch, 2, 0.5 / epoch, 30.0 + epoch, 29.0, 1.0)
        yield Message("between")
    yield EpochEnded("dncnn-a-s1", 1, 2, 0.25, 28.5, 29.0, 1.0)


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """Read a file of TensorFlow records: length, its checksum, an ``Event`` message, its checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    [file] = folder.glob("events.out.tfevents.*")
    data, at, found = file.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        at += length + 16
    return found


def test_every_epoch_of_every_cell_is_written_and_every_event_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    assert list(curves.written(events(), tmp_path)) == list(events())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dncnn-a-s1", "unet-a-s1"]
    assert scalars(tmp_path / "unet-a-s1") == [
        (1, "loss", 0.5), (1, "PSNR/validation", 31.0), (1, "PSNR/untreated", 29.0),
        (2, "loss", 0.25), (2, "PSNR/validation", 32.0), (2, "PSNR/untreated", 29.0),
    ]  # fmt: skip


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(BenchError, match=r"--tensorboard needs tensorboardX.*\[tensorboard\]"):
        next(curves.written(events(), tmp_path))
