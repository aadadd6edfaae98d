"""A file that says ``extends: packaged``, laid over the file of the same kind that comes with this program.

A name that the packaged file has not is added. What states facts with their source is taken whole where a name is
the same: sources, conditions, splits and models, and the keys ``geometry`` and ``published``. What chooses among them
is changed in the keys that are written, at any depth: experiments and profiles. A list and a learning rate are one
value. A published score belongs to the packaged network: it is dropped for a model that the file states anew.
"""

from __future__ import annotations

import copy
from typing import Any

from bench.config.yaml_lines import Document, KeyPath
from bench.errors import BenchError, BenchErrors

KEY, PACKAGED = "extends", "packaged"
ENTRIES = (
    "sources",
    "conditions",
    "splits",
    "models",
    "experiments",
    "profiles",
)  # sections of named entries
CHANGED = ("experiments", "profiles")  # whose entries are changed key by key
ONE_VALUE = ("learning_rate",)  # {from, to} over {start, halve_every} would be neither


def is_asked(document: Document) -> bool:
    """Return whether a file says ``extends: packaged``."""
    return isinstance(document.value, dict) and document.value.get(KEY) == PACKAGED


def laid_over(top: Document, below: Document) -> Document:
    """Return the two files as one; every key path keeps the file and the line that it was written in.

    Raises:
        BenchErrors: the file is the packaged one itself, or does not state its own schema.
    """
    if top.sha256 and top.sha256 == below.sha256:
        line = top.line((KEY,))
        raise BenchErrors([BenchError("is the packaged file itself", file=top.file, line=line, key=KEY)])
    if "schema" not in top.value:
        raise BenchErrors([BenchError("is missing", file=top.file, line=1, key="schema", remedy="must be 1")])
    merged = _Merged(top, below)
    merged.lay((), top.value)
    if "published" not in top.value:
        merged.unpublish()
    return merged.document()


class _Merged:
    """The packaged file while another is laid over it."""

    def __init__(self, top: Document, below: Document) -> None:
        self.top, self.below = top, below
        self.value: Any = copy.deepcopy(below.value)
        self.lines, self.texts = dict(below.lines), dict(below.texts)
        self.files = dict.fromkeys(below.lines, below.file)

    def lay(self, path: KeyPath, value: Any) -> None:
        """Lay ``value`` over what stands at ``path``, which is there and holds keys, key by key."""
        place = self._at(path)
        self._write(path)
        for key, inner in value.items():
            at = (*path, key)
            if isinstance(inner, dict) and isinstance(place.get(key), dict) and _is_changed(at):
                self.lay(at, inner)
                continue
            for known in [known for known in self.lines if known[: len(at)] == at]:
                self.lines.pop(known)
                self.files.pop(known)
                self.texts.pop(known, None)
            place[key] = inner
            for inside in [inside for inside in self.top.lines if inside[: len(at)] == at]:
                self._write(inside)

    def unpublish(self) -> None:
        """Take the published scores of models away that are stated anew."""
        models = self.top.value.get("models")
        table = self.value.get("published") or {}
        for row in table.get("values", {}).values() if isinstance(models, dict) else ():
            for name in set(models) & set(row):
                row.pop(name)

    def document(self) -> Document:
        """Return the merged file."""
        return Document(
            self.top.file, self.value, self.lines, self.texts, self.top.sha256, self.files, self.below.sha256
        )

    def _at(self, path: KeyPath) -> Any:
        value = self.value
        for part in path:
            value = value[part]
        return value

    def _write(self, path: KeyPath) -> None:
        self.lines[path], self.files[path] = self.top.lines[path], self.top.file
        if path in self.top.texts:
            self.texts[path] = self.top.texts[path]


def _is_changed(path: KeyPath) -> bool:
    """Return whether what stands at ``path`` is changed key by key, and not taken whole."""
    if len(path) == 1:
        return path[0] in ENTRIES
    return path[0] in CHANGED and path[-1] not in ONE_VALUE
