"""The table of sources: which class reads each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.config import schema
from bench.config.schema.formats import FORMATS
from bench.data.sources.doses import DosePairs
from bench.data.sources.folder import FolderFiles
from bench.data.sources.phantom import PhantomSlices
from bench.data.sources.source import SliceSource, Source
from bench.data.sources.stored import StoredPairs

READERS: dict[str, type[Source[Any]]] = {  # by kind; pairs by layout too
    "phantom": PhantomSlices,
    **dict.fromkeys(FORMATS, FolderFiles),
    "pairs study": StoredPairs,
    "pairs folders": StoredPairs,
    "pairs dicom": DosePairs,
}


def open_source(name: str, source: schema.AnySource, *, base: Path, index_cache: Path | None) -> SliceSource:
    """Return the source called ``name``; nothing is read before its catalogue is asked for.

    ``base`` is the folder that a relative path starts from, ``index_cache`` the JSON file that remembers the
    hashes and headers of files (None: nowhere).
    """
    kind = " ".join(filter(None, (source.kind, getattr(source, "layout", None))))
    return READERS[kind](name, source, base=base, index_cache=index_cache)
