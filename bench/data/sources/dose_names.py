"""Which dose a slice has, told by the name of its folder or by the description of its series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.config import schema
from bench.names import nfc


class DoseWords:
    """The words of a source: which one a folder's name holds, or is.

    Where any of ``paths`` (folders of each file) has a folder that equals a word, only such folders count for
    that dose: ``full_1mm_sharp`` beside ``full_1mm`` is another reconstruction.
    """

    def __init__(self, words: Mapping[str, str], paths: Iterable[Sequence[str]]) -> None:
        self._words = {dose: _plain(word) for dose, word in words.items()}
        names = {_plain(name) for path in paths for name in path}
        self._whole = {dose for dose, word in self._words.items() if word in names}

    def dose(self, path: Sequence[str]) -> str | None:
        """Return the dose of a file by its folders, the innermost first; None where none of them names one."""
        return next((dose for name in reversed(path) if (dose := self._of(_plain(name))) is not None), None)

    def names_a_dose(self, name: str) -> bool:
        """Return whether a folder is one of a dose, or of another reconstruction at a dose."""
        return any(word in _plain(name) for word in self._words.values())

    def _of(self, name: str) -> str | None:
        fitting = {
            dose: word
            for dose, word in self._words.items()
            if name == word or (dose not in self._whole and word in name)
        }
        return max(fitting, key=lambda dose: len(fitting[dose]), default=None)  # the longer word says more


def words_of(source: schema.DicomPairs) -> dict[str, str]:
    """Return the word by which each dose is known; the reference is ''."""
    return {"": source.reference, **source.degraded}


def _plain(text: str) -> str:
    return nfc(text).lower()
