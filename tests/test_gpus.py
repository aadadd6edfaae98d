"""GPUs as a fake driver tells them, in place of NVIDIA's library: which are visible, chosen, in use, divided."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from bench import gpus
from bench.errors import BenchError
from bench.gpus import Gpu, Process

MIB = 1 << 20


class NVMLError(Exception):
    pass


class LibraryNotFound(NVMLError):
    pass


@dataclass
class Card:
    """A GPU of the fake driver, or a MIG device; memory in MiB, None where it is not told."""

    bus: str
    uuid: str
    used: int | None = 4
    total: int = 80000
    compute: tuple[tuple[int, int | None], ...] = ()
    graphics: tuple[tuple[int, int | None], ...] = ()
    parts: dict[int, Card] | None = None  # its MIG devices by their place; None: it cannot be divided
    lost: bool = False
    instance: tuple[int, int] = (0, 0)


@dataclass
class Nvml:
    """The functions of ``pynvml`` that are used, over some cards."""

    cards: list[Card] = field(default_factory=list)
    broken: Exception | None = None
    open: int = 0
    NVMLError: Any = NVMLError
    NVMLError_LibraryNotFound: Any = LibraryNotFound

    def nvmlInit(self) -> None:
        if self.broken:
            raise self.broken
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetPciInfo(self, card: Card) -> Any:
        return SimpleNamespace(busId=card.bus.encode())

    def nvmlDeviceGetUUID(self, card: Card) -> str:
        if card.lost:
            raise NVMLError("GPU is lost")
        return card.uuid

    def nvmlDeviceGetName(self, card: Card) -> bytes:
        return b"NVIDIA H100"

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        if card.parts is None:
            raise NVMLError("Not Supported")
        return [1 if card.parts else 0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, index: int) -> Card:
        assert card.parts
        if index not in card.parts:
            raise NVMLError("Not Found")
        return card.parts[index]

    def nvmlDeviceGetGpuInstanceId(self, card: Card) -> int:
        return card.instance[0]

    def nvmlDeviceGetComputeInstanceId(self, card: Card) -> int:
        return card.instance[1]

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Any:
        if card.used is None:
            raise NVMLError("Not Supported")
        return SimpleNamespace(used=card.used * MIB, total=card.total * MIB)

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[Any]:
        return [SimpleNamespace(pid=p, usedGpuMemory=m if m is None else m * MIB) for p, m in card.compute]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: Card) -> list[Any]:
        return [SimpleNamespace(pid=p, usedGpuMemory=m if m is None else m * MIB) for p, m in card.graphics]

    def nvmlSystemGetProcessName(self, pid: int) -> bytes:
        if pid == 2**30:
            return b"/usr/bin/julia"
        raise NVMLError("Not Found")


PARTS = {
    0: Card("", "MIG-1111-a", 10, 10000, instance=(7, 0)),
    2: Card("", "MIG-2222-b", 20, 20000, instance=(3, 0)),
}
# The driver counts in another order than the bus.
CARDS = [
    Card("00000000:41:00.0", "GPU-bbbb-2", 60000),
    Card("00000000:01:00.0", "GPU-aaaa-1"),
    Card("00000000:C1:00.0", "GPU-cccc-3", parts=PARTS),
    Card("00000000:E1:00.0", "GPU-cd00-4", parts={}),
]
MIG = ["MIG-1111-a", "MIG-2222-b"]
EVERY = ["GPU-aaaa-1", "GPU-bbbb-2", *MIG, "GPU-cd00-4"]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    fake = Nvml(list(CARDS))
    monkeypatch.setitem(sys.modules, "pynvml", fake)  # type: ignore[arg-type]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_gpus_are_counted_by_their_bus_and_a_divided_one_is_its_devices(driver: Nvml) -> None:
    found = gpus.visible()
    assert [(gpu.index, gpu.uuid) for gpu in found] == list(zip([0, 1, 2, 2, 3], EVERY, strict=True))
    assert found[0] == Gpu(0, "GPU-aaaa-1", "NVIDIA H100", 4, 80000)
    assert (found[1].free, found[1].free_share) == (20000, 0.25)
    assert found[3].aliases == ("GPU-cccc-3", "MIG-GPU-cccc-3/3/0")
    assert [gpu.device for gpu in found] == EVERY
    assert found[0].words == "GPU 0" and found[2].words == "GPU 2 (MIG-1111-a)"
    assert driver.open == 0


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        ("1", ["GPU-bbbb-2"]), ("1,0", ["GPU-bbbb-2", "GPU-aaaa-1"]), (" 0 , 1 ", ["GPU-aaaa-1", "GPU-bbbb-2"]),
        ("", []), ("-1", []), ("NoDevFiles", []), ("7", []),
        ("0,7,1", ["GPU-aaaa-1"]), ("0,-1,1", ["GPU-aaaa-1"]), ("0,0,1", ["GPU-aaaa-1", "GPU-bbbb-2"]),
        ("GPU-bb", ["GPU-bbbb-2"]), ("GPU-c", []), ("GPU-cd", ["GPU-cd00-4"]), ("gpu-bb", []),
        ("MIG-2222", ["MIG-2222-b"]), ("MIG-", []), ("MIG-2222-b,MIG-1111-a", MIG[::-1]),
        ("MIG-GPU-cccc-3/7/0", ["MIG-1111-a"]), ("2", MIG[:1]), ("GPU-cccc", MIG[:1]),
    ],
)  # fmt: skip
def test_cuda_visible_devices_is_read_as_cuda_reads_it(
    driver: Nvml, visible: str, uuids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.uuid for gpu in gpus.visible()] == uuids


def test_a_worker_is_given_a_mig_device_by_the_name_that_chose_it(
    driver: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-GPU-cccc-3/3/0,MIG-1111")
    assert [gpu.device for gpu in gpus.visible()] == ["MIG-GPU-cccc-3/3/0", "MIG-1111"]


@pytest.mark.parametrize(
    ("visible", "names", "uuids"),
    [
        (None, None, EVERY), (None, "0,1", EVERY[:2]), (None, "GPU-bbbb", ["GPU-bbbb-2"]), (None, "none", []),
        (None, "", []), (None, " NONE ", []), (None, "2", MIG), (None, "MIG-2222", ["MIG-2222-b"]),
        ("1,0", None, ["GPU-bbbb-2", "GPU-aaaa-1"]), ("1,0", "0", ["GPU-aaaa-1"]), ("", None, []), ("", "none", []),
        (None, "1,1", ["GPU-bbbb-2"]),
    ],
)  # fmt: skip
def test_gpus_are_chosen_among_the_visible_ones(
    driver: Nvml, visible: str | None, names: str | None, uuids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found, faults = gpus.selected(names)
    assert [gpu.uuid for gpu in found] == uuids and faults == []


@pytest.mark.parametrize(("names", "unknown"), [("0,5", "5"), ("0", "0"), ("first", "first"), ("1,", "")])
def test_a_gpu_that_is_not_there_is_one_line_with_those_that_are(
    driver: Nvml, names: str, unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    if names == "0,5":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    with pytest.raises(BenchError) as told:
        gpus.selected(names)
    there = "1 (NVIDIA H100, GPU-bbbb-2)" + (", 0 (NVIDIA H100, GPU-aaaa-1)" if names == "0,5" else "")
    assert (
        str(told.value)
        == f"--gpus: there is no GPU {unknown!r}; visible: {there}; or --gpus none for the CPU"
    )


def test_without_a_driver_there_are_no_gpus_and_nothing_is_said(driver: Nvml) -> None:
    driver.broken = LibraryNotFound("NVML Shared Library Not Found")
    assert gpus.selected(None) == ([], [])
    with pytest.raises(BenchError, match="there is no GPU '0'; visible: none; or --gpus none for the CPU"):
        gpus.selected("0")


def test_a_driver_that_is_there_and_fails_is_told(driver: Nvml) -> None:
    driver.cards[1] = Card("00000000:01:00.0", "GPU-aaaa-1", lost=True)
    found, (fault,) = gpus.selected(None)
    assert [gpu.uuid for gpu in found] == EVERY[1:]
    assert fault == "GPU 0 does not answer and is left out: GPU is lost"
    driver.broken = NVMLError("Driver/library version mismatch")
    assert gpus.selected(None) == (
        [],
        ["NVIDIA's driver is there but tells no GPU: Driver/library version mismatch"],
    )
    assert gpus.visible() == []
    with pytest.raises(BenchError, match="version mismatch"):
        gpus.selected("0")


def test_a_gpu_that_does_not_tell_its_memory_is_free(driver: Nvml) -> None:
    driver.cards[:] = [Card("1", "GPU-x", used=None)]
    (found,) = gpus.visible()
    assert (found.total, found.free_share) == (0, 1.0)


def test_the_processes_on_a_gpu_have_name_and_memory_the_largest_first(driver: Nvml) -> None:
    ours, gone = os.getpid(), 2**30
    driver.cards[:] = [
        Card("1", "GPU-x", compute=((gone, None), (ours, 700)), graphics=((gone + 1, 900), (ours, 1)))
    ]
    (found,) = gpus.visible()
    names = [one.name for one in found.processes]
    assert found.processes[1:] == (Process(ours, names[1], 700), Process(gone, "julia", None))
    assert found.processes[0] == Process(gone + 1, "a process", 900)
    with open(f"/proc/{ours}/comm", encoding="utf-8") as comm:
        assert names[1] == comm.read().strip()
    assert found.processes[0].words == f"a process, pid {gone + 1}, 900 MiB"
    assert found.processes[2].words == f"julia, pid {gone}"


def test_the_library_that_is_installed_has_what_the_fake_one_stands_for() -> None:
    pytest.importorskip("pynvml")
    import pynvml

    assert all(hasattr(pynvml, name) for name in vars(Nvml) if name.startswith("nvml"))
    assert issubclass(pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError)
    assert "used" in dict(pynvml.c_nvmlMemory_t._fields_) and "busId" in dict(pynvml.nvmlPciInfo_t._fields_)
