"""A source opened by the class that its entry in ``datasets.yaml`` is read by."""

from __future__ import annotations

import importlib
from pathlib import Path

from bench.config import schema
from bench.data.sources.source import SliceSource


def open_source(name: str, spec: schema.AnySource, *, base: Path, index_cache: Path | None) -> SliceSource:
    """Return the source called ``name``; nothing is read before its catalogue is asked for.

    ``base`` is the folder that a relative path starts from, ``index_cache`` the JSON file that remembers the
    hashes and headers of files (None: nowhere).
    """
    module, reader = spec.reader.split(":")
    source: SliceSource = getattr(importlib.import_module(f"bench.data.sources.{module}"), reader)(
        name, spec, base=base, index_cache=index_cache
    )
    return source
