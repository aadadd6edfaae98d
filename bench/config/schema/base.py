"""What all specifications share: immutability, strictness, and the digest that names them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
TRAINING_VERSION = 3  # raised when equal settings no longer give equal weights; a golden test guards it
INPUT = "input"  # the untreated slice: a column of the table and a cell without training
FULL_SIZE = 512

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Frozen(BaseModel):
    """Base of every specification: immutable, no unknown keys, no silent conversion of text to numbers.

    Read it with ``model_validate_json``, so that lists become tuples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class YamlFile(Frozen):
    """One of the two files that a plan was read from: its path as given or ``packaged``, and its content's SHA-256."""

    path: str
    sha256: str
    extends: str = ""  # SHA-256 of the packaged file that it extends; empty: it stands alone

    @property
    def words(self) -> str:
        """The file in a few words, each hash by its first digits."""
        more = f", extends packaged {self.extends[:16]}" if self.extends else ""
        return f"{self.path} (SHA-256 {self.sha256[:16]}{more})"


def digest(value: Any, length: int = 10) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]
