"""The sources and splits of ``datasets.yaml`` with their paths filled in, or one line on what is not there."""

from __future__ import annotations

from pathlib import Path

from bench.config import load, schema
from bench.config.packaged import packaged, packaged_tables
from bench.errors import BenchError, BenchErrors
from bench.names import on_disk

TRY_SMOKE = "or try --profile smoke, which needs no data"


def filled(settings: load.Config, name: str, other_way: str, *, instead: str = "") -> schema.AnySource:
    """Return the source ``name`` with variables in its paths filled in.

    Raises:
        BenchError: a variable is not set. The remedy is to set it, or ``instead`` of that, and ``other_way``.
    """
    try:
        return settings.source(name)
    except BenchErrors as errors:
        first = errors.errors[0]
        remedy = f"{instead or first.remedy}; {other_way}"
        raise BenchError(
            first.message, file=first.file, line=first.line, key=first.key, remedy=remedy
        ) from None


def located(settings: load.Config, name: str) -> schema.AnySource:
    """Return the source ``name`` with variables in its paths filled in and its folder seen to exist.

    Raises:
        BenchError: a variable is not set or the folder is not there; the remedy says how to get the slices.
    """
    obtain = settings.datasets.sources[name].obtain
    source = filled(settings, name, TRY_SMOKE, instead=obtain)
    if not isinstance(source, schema.FileSource):
        return source
    file, key = settings.datasets_file, ("sources", name, "path")
    folder = on_disk((file.parent / source.path).absolute())
    if not folder.is_dir():
        remedy = f"{obtain}; {TRY_SMOKE}" if obtain else TRY_SMOKE
        where, line = settings.place(key)
        raise BenchError(f"{folder} is no folder", file=where, line=line, key=".".join(key), remedy=remedy)
    return source.model_copy(update={"path": str(folder)})


def located_split(settings: load.Config, name: str) -> schema.AnySplit:
    """Return the split ``name`` with the path of its list filled in: beside ``datasets.yaml``, else packaged.

    Raises:
        BenchError: a variable is not set or there is no such file.
    """
    split, path = settings.datasets.splits[name], ("splits", name, "file")
    if not isinstance(split, schema.ListSplit):
        return split
    (file, line), key = settings.place(path), ".".join(path)
    named = load.resolve_path(split.file, file, line, key)
    with_program = packaged(f"splits/{named.name}")
    place = on_disk(settings.datasets_file.parent / named)
    if not place.is_file() and named == Path(named.name) and with_program.is_file():
        place = with_program
    if not place.is_file():
        remedy = f"packaged are: {packaged_tables('splits')}"
        raise BenchError(f"{place} is no file", file=file, line=line, key=key, remedy=remedy)
    return split.model_copy(update={"file": str(place)})
