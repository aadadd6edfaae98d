"""A public collection, series by series, from its archive into a folder of this machine.

A series is downloaded into a temporary folder, checked against its pin, and renamed to ``PATIENT/SERIES_UID``;
so what has its name is whole, and an interrupted fetch continues with the series that are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import atomic
from bench.config import schema
from bench.config.load import Config
from bench.config.paths import filled
from bench.data.fetch import checks, idc
from bench.data.files.listing import FETCH_LOCK
from bench.data.files.pins import Pin, find_pins, read_pins
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.errors import BenchError
from bench.events import Event, Message, Progress

Fetched = schema.FolderSource | schema.DicomPairs
TRIES = 2  # downloads of a series that arrives broken
_ELSEWHERE = "name a larger disk with --into"


class Client(Protocol):
    """An archive that series can be downloaded from."""

    def download(self, pin: Pin, folder: Path) -> None:
        """Put the files of a series into the empty ``folder``; ``BenchError`` where nothing can be had."""


@dataclass(frozen=True)
class Order:
    """What is fetched where: a source of ``datasets.yaml``, the series of its pin file, the folder."""

    name: str
    source: Fetched
    pins: tuple[Pin, ...]
    folder: Path
    base: Path

    def catalogue(self, index_cache: Path | None) -> Catalogue:
        """Return what lies in the folder now; ``BenchError`` where it is not what the pins say."""
        source = self.source.model_copy(update={"path": str(self.folder)})
        return open_source(self.name, source, base=self.base, index_cache=index_cache).catalogue()


def order(settings: Config, name: str, into: Path | None) -> Order:
    """Return what to do for the source ``name``; ``into`` instead of the path that the source names.

    Raises:
        BenchError: no such source, it names no pin file, or a variable in its path is not set.
    """
    source = settings.datasets.sources.get(name)
    file = settings.datasets_file
    pinned = [
        key
        for key, value in settings.datasets.sources.items()
        if isinstance(value, Fetched) and isinstance(value.series, str)
    ]
    if not isinstance(source, Fetched) or name not in pinned:
        message = f"unknown source {name!r}" if source is None else "names no pin file under series"
        key = None if source is None else f"sources.{name}"
        remedy = f"sources that can be fetched: {', '.join(sorted(pinned)) or 'none'}"
        raise BenchError(message, file=file, key=key, remedy=remedy)
    if into is None:
        located = filled(settings, name, "or name a folder with --into")
        assert isinstance(located, Fetched)
        source = located
    pins = read_pins(find_pins(str(source.series), file.parent))
    folder = into if into is not None else file.parent / source.path
    return Order(name, source, pins, folder.absolute(), file.parent)


def fetch(
    order: Order, open_client: Callable[[tuple[Pin, ...]], Client] | None = None
) -> Generator[Event, None, None]:
    """Download what is missing; yield the slices that are there.

    Args:
        order: What is fetched where.
        open_client: Instead of the NCI Imaging Data Commons; is given the missing series, called if there are any.

    Raises:
        BenchError: no network, the extra ``fetch`` is not installed, the disk is full or too small, another
            process fetches into the folder, or a series arrives broken twice (the others are fetched first).
    """
    with _locked(order.folder):
        missing = checks.missing(order.folder, order.pins)
        total = sum(pin.slices for pin in order.pins)
        done = total - sum(pin.slices for pin in missing)
        yield Progress("fetch", order.name, done, total)
        if not missing:
            yield Message(f"all {len(order.pins)} series are in {order.folder}")
            return
        needed = sum(pin.size_bytes for pin in missing)
        atomic.require_space(order.folder, needed, purpose="the missing series", elsewhere=_ELSEWHERE)
        client = (open_client or idc.open_client)(missing)
        faults: dict[Pin, BenchError] = {}
        for pin in missing:
            fault = _get(client, pin, order.folder)
            if fault is not None:
                faults[pin] = fault
                yield Message(f"series {pin.series} of patient {pin.patient} left out: {fault}")
            done += pin.slices if fault is None else 0
            yield Progress("fetch", order.name, done, total)
        if faults:
            raise _broken(faults, len(order.pins), order.folder)


def _get(client: Client, pin: Pin, folder: Path) -> BenchError | None:
    """Download, check and place one series; return what is wrong with it where it arrives broken."""
    place = folder / pin.patient / pin.series
    fault: BenchError | None = None
    for _ in range(TRIES):
        try:
            with atomic.replace_folder(place, needed_bytes=pin.size_bytes, elsewhere=_ELSEWHERE) as temporary:
                client.download(pin, temporary)
                checks.check(temporary, pin)
        except checks.Broken as error:
            fault = error
            continue
        return None
    return fault


def _broken(faults: Mapping[Pin, BenchError], count: int, folder: Path) -> BenchError:
    pin, fault = next(iter(faults.items()))
    message = f"{len(faults)} of {count} series arrived broken, first that of patient {pin.patient}: {fault.message}"
    return BenchError(message, file=folder, remedy="run the same command again, it continues")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with atomic.lock(folder / FETCH_LOCK, busy="wait for it, or name another folder with --into"):
        atomic.remove_leftovers(folder)
        for patient in folder.iterdir():
            if patient.is_dir() and not patient.name.startswith("."):
                atomic.remove_leftovers(patient)
        yield
