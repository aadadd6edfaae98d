"""Own slices: a source, a split by patient and a profile of a size that two cores train in minutes."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

from bench.config.load import DATASETS as DATASETS_FILE
from bench.config.load import EXPERIMENTS as EXPERIMENTS_FILE
from bench.config.schema.source import FILL_IN
from bench.data.files.listing import told
from bench.errors import BenchError
from bench.scaffold.files import HEAD, Scaffold, new_name, packaged_config
from bench.scaffold.folder import SPLIT, Found
from bench.words import count

SIZE, MULTIPLE, LEAST = (
    128,
    16,
    32,
)  # pixels: what two cores train in minutes; what UNet and DD-Net divide; the least
FALLBACK = "own-slices"
SHOWN = 8  # patients of a part that a line names
DATASETS = """\
{head}
sources:
  {name}:
    kind: {kind}
    path: {path}
{keys}\
    title: {fill_in} # for example: Chest CT of our hospital, 2024
    licence: {fill_in} # for example: CC BY 4.0, or: not to be passed on
    citation: {fill_in} # the paper or the holder of the data, as the report is to print it
    restricted: true # no image of it in a report; false shows them

splits:
  # {parts}; bench data split --profile {name} shows who
  {name}: {{rule: shares, test: {test:g}, validation: {validation:g}, seed: {seed}}} # chosen; drawn by the seed
{conditions}"""
MEASURED = """
conditions:
  {name}: {{label: {label}, measured: true}} # lies beside the reference, nothing is simulated
"""
SIMULATED = ("sparseview_60", "ldct_1e5")
EXPERIMENTS = """\
{head}
experiments:
  {name}: {{models: [unet, dncnn, ddnet], conditions: [{conditions}]}}{default}

profiles:
  {name}: # chosen: all of it, for a first table in a quarter of an hour on two CPU cores
    description: {cells} cells on {name} at {size} x {size} pixels
    experiment: {name}
    source: {name}
    split: {name}
    size: {size}
    slices: {{train: 600, validation: 60, test: 120}} # at most, evenly from all patients
    training:
      all: {{params: {{momentum: 0.9, initial: normal_0.01}}, guard: {{above: 3, margin_db: 0.5}}}}
      unet: {{batch: 4, budget: {{slices_seen: 6000, checks: 8}}}}
      dncnn: {{batch: 4, budget: {{slices_seen: 500, checks: 5}}}}
      ddnet: {{batch: 2, learning_rate: {{from: 1e-3, to: 1e-4}}, budget: {{slices_seen: 2000, checks: 8}}}}
"""


def of(folder: Path, found: Found, into: Path, name: str | None = None) -> Scaffold:
    """Return the files for the slices ``found`` in ``folder``, to be written into ``into``.

    ``name`` is that of source, split and profile; None: that of the folder. Raises ``BenchError`` where it is taken or
    the slices are too small to train on.
    """
    known = packaged_config()
    taken = {*known.datasets.sources, *known.datasets.splits, *known.experiments.profiles}
    taken |= set(known.experiments.experiments)
    name = _slug(folder, taken) if name is None else new_name(name, "source", taken)
    side = found.source.matrix
    size = min(SIZE, side - side % MULTIPLE)
    if size < LEAST:
        raise BenchError(
            f"slices of {side} x {side} pixels are too small to train on", file=folder, remedy="32 at least"
        )
    measured = tuple(getattr(found.source, "degraded", ()))
    conditions = measured or SIMULATED
    keys = {
        key: value
        for key in ("layout", "matrix", "unit", "pixel_mm", "patient_from", "reference", "degraded")
        if (value := getattr(found.source, key, None)) is not None and (key, value) != ("unit", "HU")
    }
    parts = ", ".join(
        f"{part} {count(len(patients), 'patient')}" for part, patients in found.patients.items()
    )
    texts = {
        DATASETS_FILE: DATASETS.format(
            head=HEAD, name=name, kind=found.source.kind, path=_path(folder, into), fill_in=FILL_IN, parts=parts,
            keys="".join(f"    {key}: {_scalar(value)}\n" for key, value in keys.items()),
            test=SPLIT.test, validation=SPLIT.validation, seed=SPLIT.seed,
            conditions="".join(MEASURED.format(name=one, label=one.replace("_", " ")) for one in measured),
        ),
        EXPERIMENTS_FILE: EXPERIMENTS.format(
            head=HEAD, name=name, size=size, conditions=", ".join(conditions), cells=3 * len(conditions),
            default="" if measured else " # default: six conditions",
        ),
    }  # fmt: skip
    fill = f"fill in title, licence and citation in {DATASETS_FILE}: the files are refused until then"
    commands = (f"bench data check --profile {name}", f"bench run --all --profile {name}")
    return Scaffold(texts, (*_told(found), fill), commands)


def _told(found: Found) -> list[str]:
    """Return what lies in the folder, in lines."""
    catalogue, source = found.catalogue, found.source
    spacings = sorted({ref.pixel_mm for ref in catalogue.refs})
    spacing = f"{spacings[0]:g}" if len(spacings) == 1 else f"{spacings[0]:g} to {spacings[-1]:g}"
    slices, patients = count(len(catalogue.refs), "slice"), count(len(catalogue.patients), "patient")
    kind = "dicom" if source.kind == "pairs" else source.kind
    lines = [
        f"found: {slices} of {patients} in {count(len(catalogue.files), kind + ' file')}, "
        f"{source.matrix} x {source.matrix} pixels of {spacing} mm, in {source.unit}",
        *(
            f"{part}: {count(len(names), 'patient')} ({_few(names)})"
            for part, names in found.patients.items()
        ),
    ]
    for condition, folder in getattr(source, "degraded", {}).items():
        lines.append(f"measured: {folder} is the condition {condition} of {getattr(source, 'reference', '')}")
    if catalogue.refused:
        file, reason = catalogue.refused[0]
        lines.append(f"left out: {count(len(catalogue.refused), 'image')}, the first {file}: {reason}")
    if catalogue.skipped:
        lines.append(f"skipped: {told(Counter(dict(catalogue.skipped)))}")
    return [*lines, *(f"remark: {remark}" for remark in catalogue.remarks)]


def _slug(folder: Path, taken: set[str]) -> str:
    """Return the folder's name as one that an entry may have."""
    slug = re.sub(r"[^a-z0-9_]+", "-", folder.resolve().name.lower()).strip("-_")
    return FALLBACK if not slug or slug in taken else slug


def _path(folder: Path, into: Path) -> str:
    """Return the path for the file: relative where the slices lie below it, so that the whole can be moved."""
    place, home = folder.resolve(), into.resolve()
    return _scalar(os.path.relpath(place, home) if place.is_relative_to(home) else str(place))


def _scalar(value: object) -> str:
    """Return a value as YAML that is read as the same value."""
    plain = (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z/.][\w/. -]*[\w/]", value)
        and value.lower() not in _WORDS
    )
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


_WORDS = ("true", "false", "yes", "no", "on", "off", "null")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
