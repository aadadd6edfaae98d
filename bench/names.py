"""Names of patients, slices, files and folders in one Unicode normal form (NFC), so that what looks the same is.

macOS and some archives write an ``ü`` as two characters (NFD), most other programs as one (NFC).
"""

from __future__ import annotations

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
