"""Random generators keyed by names: equal names, equal bits in any order of calls, process and resume.

The generator is the counter-based Philox (Salmon et al. 2011, doi 10.1145/2063384.2063405); its 128-bit key is the
first half of a SHA-256 of the names.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

Name = str | int


def derive(*names: Name) -> int:
    """Return the 128-bit integer that stands for ``names``; strings and integers are told apart."""
    text = json.dumps(names, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:16], "little")


def generator(*names: Name) -> np.random.Generator:
    """Return a fresh generator for ``names``, e.g. ``generator(noise_seed, patient, slice, condition)``."""
    return np.random.Generator(np.random.Philox(key=derive(*names)))
