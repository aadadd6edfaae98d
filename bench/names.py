"""Names of patients, slices, files and folders: one Unicode normal form (NFC) and one order for all.

In one form what looks the same is the same: macOS and some archives write an ``ü`` as two characters (NFD), most
other programs as one (NFC).
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path


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
    wanted = nfc(path.name)
    try:
        same = sorted(other for other in parent.iterdir() if nfc(other.name) == wanted)
    except OSError:
        return path
    return same[0] if same else parent / path.name


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key: ``slice-2`` stands before ``slice-10``, and different texts never compare equal."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    return (*((0, int(p), "") if "0" <= p[0] <= "9" else (1, 0, p) for p in pieces), (-1, 0, text))
