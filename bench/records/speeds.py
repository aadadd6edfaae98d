"""What networks were measured to do on a machine: ``CACHE/speed.json``, by network, settings, machine and versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from bench import atomic
from bench.config.schema import Frozen, digest
from bench.errors import BenchError
from bench.plan.cells import Cell
from bench.plan.forecast import NetworkSpeed

NAME = "speed.json"
SHAPING = ("batch", "patch", "precision", "loss")  # of a training: what its speed depends on


class SpeedFile(Frozen):
    """The whole file: measurements by ``key``."""

    schema_: Literal[1] = Field(1, alias="schema")
    networks: dict[str, NetworkSpeed]


def key(cell: Cell, on: Mapping[str, Any]) -> str:
    """Return the name of a cell's network, as it is trained, on a machine; condition, seed and budget do not count."""
    assert cell.training is not None
    settings = {name: getattr(cell.training, name) for name in SHAPING}
    network = {"build": cell.build, "code": cell.code, "params": cell.params, "size": cell.dataset.size}
    return f"{cell.model}-{digest([network, settings, dict(on)], 16)}"


def read(cache: Path) -> dict[str, NetworkSpeed]:
    """Return what is kept in a cache folder; nothing where there is no file.

    Raises:
        BenchError: the file is damaged, or of another program.
    """
    path = cache / NAME
    try:
        return SpeedFile.model_validate_json(path.read_bytes()).networks
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        foreign = "damaged, or written by another program"
        reason = error.strerror or str(error) if isinstance(error, OSError) else foreign
        raise BenchError(reason, file=path, remedy="bench speed measures anew") from error


def write(cache: Path, networks: Mapping[str, NetworkSpeed]) -> None:
    """Write all measurements, in place of the file that is there."""
    atomic.write_json(cache / NAME, SpeedFile(networks=dict(networks)).model_dump(mode="json", by_alias=True))
