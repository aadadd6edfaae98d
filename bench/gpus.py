"""The GPUs of this machine as NVIDIA's driver tells them (NVML): their memory, and who uses it. No backend here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError

MIB = 1 << 20  # bytes


@dataclass(frozen=True)
class Process:
    """A process that uses a GPU; its memory in MiB, None where the driver does not tell it."""

    pid: int
    name: str
    used: int | None

    @property
    def words(self) -> str:
        """For a line: ``python, pid 4711, 9120 MiB``."""
        return f"{self.name}, pid {self.pid}" + (f", {self.used} MiB" if self.used is not None else "")


@dataclass(frozen=True)
class Gpu:
    """A GPU, or one of the MIG devices that a GPU is divided into; memory in MiB, ``total`` 0 where it is not told.

    ``index`` counts as ``nvidia-smi`` does, in the order of the PCI bus; MIG devices have that of their GPU.
    """

    index: int
    uuid: str
    name: str
    used: int
    total: int
    processes: tuple[Process, ...] = ()
    aliases: tuple[str, ...] = ()  # of a MIG device: its GPU's UUID, and its name before driver 470
    chosen: str = ""  # the name under which a MIG device was chosen

    @property
    def device(self) -> str:
        """What ``CUDA_VISIBLE_DEVICES`` is to be for a process that works on it."""
        return self.chosen or self.uuid

    @property
    def free(self) -> int:
        """The memory that nobody uses."""
        return self.total - self.used

    @property
    def free_share(self) -> float:
        """The share of the memory that nobody uses; 1 where the driver does not tell."""
        return self.free / self.total if self.total else 1.0

    @property
    def words(self) -> str:
        """For a line: ``GPU 0``."""
        return f"GPU {self.index}" + (f" ({self.device})" if self.uuid.startswith("MIG-") else "")


def visible() -> list[Gpu]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves, in its order; an empty list without a driver."""
    return _visible(_read()[0])


def selected(names: str | None) -> tuple[list[Gpu], list[str]]:
    """Return the visible GPUs that ``--gpus`` names (None: all), and what the driver fails to tell, in lines.

    Raises:
        BenchError: a name that no visible GPU has.
    """
    if is_none(names):
        return [], []
    present, faults = _read()
    left = _visible(present)
    if names is None:
        return left, faults
    chosen: list[Gpu] = []
    for name in (part.strip() for part in names.split(",")):
        matches = _matches(name, left)
        if not matches:
            there = ", ".join(f"{gpu.index} ({gpu.name}, {gpu.uuid})" for gpu in left) or "none"
            why = "".join(f"; {fault}" for fault in faults)
            raise BenchError(
                f"--gpus: there is no GPU {name!r}; visible: {there}{why}",
                remedy="or --gpus none for the CPU",
            )
        chosen += [gpu for gpu in matches if gpu not in chosen]
    return chosen, faults


def is_none(names: str | None) -> bool:
    """Return whether ``--gpus`` asks for the CPU."""
    return names is not None and names.strip().lower() in ("", "none")


def _visible(present: Sequence[Gpu]) -> list[Gpu]:
    """Return those that ``CUDA_VISIBLE_DEVICES`` leaves: as in CUDA, its first entry that names none ends the list."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        return list(present)
    left: list[Gpu] = []
    for name in (part.strip() for part in names.split(",")):
        matches = _matches(name, present)[:1]  # of a divided GPU, CUDA takes the first device
        if not matches:
            break
        left += [gpu for gpu in matches if gpu.uuid not in [other.uuid for other in left]]
    return left


def _matches(name: str, present: Sequence[Gpu]) -> list[Gpu]:
    """Return the GPU of this number, or whose UUID begins so; of a divided one all devices; none if not unique."""
    if name.isdecimal():
        return [gpu for gpu in present if gpu.index == int(name)]
    if name.startswith("MIG-"):
        devices = [gpu for gpu in present if any(one.startswith(name) for one in (gpu.uuid, *gpu.aliases))]
        return [replace(gpu, chosen=name) for gpu in devices] if len(devices) == 1 else []
    if name.startswith("GPU-"):
        gpus = [gpu for gpu in present if any(one.startswith(name) for one in (gpu.uuid, *gpu.aliases))]
        return gpus if len({gpu.index for gpu in gpus}) == 1 else []
    return []


def _read() -> tuple[list[Gpu], list[str]]:
    """Return all GPUs in the order of the PCI bus, and what the driver fails to tell; neither without a driver."""
    import pynvml as nvml  # late: a plan needs nothing of it

    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound:
        return [], []
    except nvml.NVMLError as error:
        return [], [f"NVIDIA's driver is there but tells no GPU: {error}"]
    gpus: list[Gpu] = []
    faults: list[str] = []
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        handles.sort(key=lambda handle: _text(nvml.nvmlDeviceGetPciInfo(handle).busId))
        for index, handle in enumerate(handles):
            try:
                gpus += _devices(nvml, index, handle)
            except nvml.NVMLError as error:
                faults.append(f"GPU {index} does not answer and is left out: {error}")
    except nvml.NVMLError as error:
        faults.append(f"NVIDIA's driver is there but does not tell all GPUs: {error}")
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return gpus, faults


def _devices(nvml: Any, index: int, handle: Any) -> Iterator[Gpu]:
    """Yield a GPU, or the MIG devices that it is divided into."""
    uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    try:
        divided = bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:  # most kinds know no MIG
        divided = False
    if not divided:
        yield _gpu(nvml, index, handle, ())
        return
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            device = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            parts = nvml.nvmlDeviceGetGpuInstanceId(device), nvml.nvmlDeviceGetComputeInstanceId(device)
            yield _gpu(nvml, index, device, (uuid, f"MIG-{uuid}/{parts[0]}/{parts[1]}"))
        except nvml.NVMLError:  # a place that holds no device
            continue


def _gpu(nvml: Any, index: int, handle: Any, aliases: tuple[str, ...]) -> Gpu:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        used, total = memory.used // MIB, memory.total // MIB
    except nvml.NVMLError:  # it has none of its own
        used, total = 0, 0
    name, uuid = _text(nvml.nvmlDeviceGetName(handle)), _text(nvml.nvmlDeviceGetUUID(handle))
    return Gpu(index, uuid, name, used, total, tuple(_processes(nvml, handle)), aliases)


def _processes(nvml: Any, handle: Any) -> Iterator[Process]:
    """Yield the processes on a GPU, those with most memory first; in a container the driver may tell none."""
    used: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        with contextlib.suppress(nvml.NVMLError):
            for one in ask(handle):
                used.setdefault(one.pid, one.usedGpuMemory)
    for pid, memory in sorted(used.items(), key=lambda item: -(item[1] or 0)):
        yield Process(pid, _process_name(nvml, pid), None if memory is None else memory // MIB)


def _process_name(nvml: Any, pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        pass
    try:
        return Path(_text(nvml.nvmlSystemGetProcessName(pid))).name
    except nvml.NVMLError:
        return "a process"


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
