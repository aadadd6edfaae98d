"""Names of patients, slices, files and folders: Unicode normal form (NFC), natural order, nearest known name.

In one form what looks the same is the same: macOS and some archives write an ``ü`` as two characters (NFD), most
other programs as one (NFC).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def nfc(text: str) -> str:
    """Return ``text`` in the normal form NFC, in which names are compared."""
    return unicodedata.normalize("NFC", text)


def on_disk(path: Path) -> Path:
    """Return ``path`` as it is spelled on disk: where it is not there, the one that is equal in NFC, if there is one.

    A path of which no spelling is there comes back as it was given.
    """
    if path.exists() or not path.name:
        return path
    parent = on_disk(path.parent)
    name = nfc(path.name)
    try:
        same = sorted(other for other in parent.iterdir() if nfc(other.name) == name)
    except OSError:
        return path
    return same[0] if same else parent / path.name


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key: ``slice-2`` stands before ``slice-10``, and different texts never compare equal."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    return (*((0, int(p), "") if "0" <= p[0] <= "9" else (1, 0, p) for p in pieces), (-1, 0, text))


def nearest(name: Any, known: Iterable[str], *, however_unlike: bool = False) -> str | None:
    """Return the known name most like ``name``, or None where none is alike."""
    cutoff = 0.0 if however_unlike else 0.6
    close = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def suggestion(name: Any, known: Iterable[str]) -> str:
    """Return ``did you mean X?``, or the list of known names where none is alike."""
    known = list(known)
    close = nearest(name, known)
    return f"did you mean {close}?" if close else f"known: {', '.join(known) or 'none'}"
