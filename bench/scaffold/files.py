"""The files of a new benchmark as text, and their writing: all of them or none, and never over another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import atomic
from bench.config.crosschecks import NAME
from bench.config.load import DATASETS, EXPERIMENTS, Config, load
from bench.config.packaged import packaged
from bench.errors import BenchError

HEAD = """\
schema: 1
extends: packaged # whatever is not written here is as in the files that come with the program
"""
SMALL_PHANTOM = """\
    source: phantom
    split: phantom
    size: 64
    slices: {train: 84, validation: 12, test: 24}
"""
UNET = """\
      # chosen: falling rate, small kernels and quick averages, as befits a training of seconds
      unet: {batch: 1, learning_rate: {from: 2e-3, to: 5e-5}, params: {momentum: 0.9, initial: normal_0.01}}
"""


@dataclass(frozen=True)
class Scaffold:
    """The files of a new benchmark by their path in its folder, what is to be said of them, and the profile to run."""

    files: Mapping[str, str]
    lines: tuple[str, ...]
    commands: tuple[str, str]

    def write(self, folder: Path) -> list[Path]:
        """Write the files into ``folder`` and return their paths.

        Raises:
            BenchError: one of them, or the other half of a pair, is there already; nothing is written then.
        """
        require_new(folder, self.files)
        paths = [folder / name for name in self.files]
        for path, text in zip(paths, self.files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, text)
        return paths


def require_new(folder: Path, names: Iterable[str] = ()) -> None:
    """Raise a ``BenchError`` where ``folder`` has one of the two YAML files, or a file of ``names``, already."""
    for name in dict.fromkeys((DATASETS, EXPERIMENTS, *names)):
        if (folder / name).exists():
            remedy = "nothing is overwritten: give --into NEW_FOLDER, or --show and copy what you need"
            raise BenchError("is already there", file=folder / name, remedy=remedy)


def packaged_config() -> Config:
    """Return the packaged files, whatever lies in the current folder."""
    return load(packaged(DATASETS), packaged(EXPERIMENTS))


def new_name(name: str, noun: str, taken: Collection[str]) -> str:
    """Return ``name`` where it can be that of a new entry.

    Raises:
        BenchError: it has other characters than names may have, or the packaged files have it already.
    """
    if not NAME.fullmatch(name):
        raise BenchError(
            f"{name!r} cannot be the name of a {noun}", remedy="names have small letters, digits, _ and -"
        )
    if name in taken:
        raise BenchError(
            f"the packaged files have a {noun} {name!r} or a profile of that name", remedy="choose another"
        )
    return name
