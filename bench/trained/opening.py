"""Which cell of a results folder is meant, and whether its record, weights and code are those that were written."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError
from bench.names import suggestion
from bench.network_code import hashing
from bench.network_code.importing import Planned
from bench.records import record as records
from bench.records.record import Record
from bench.records.replaying import changed
from bench.records.store import MATCHES, CellStore, RunStore

CODE_REMEDY = (
    "give the folder of its experiments file (code), or use the version of the program that trained it"
)
_AGAIN = "run the cell again with --force"


def cell_store(
    folder: Path,
    model: str | None,
    condition: str | None,
    *,
    seed: int | None = None,
    fold: int | None = None,
) -> CellStore:
    """Return the folder of the one cell of a run that is named so; ``folder`` itself where it is that of a cell.

    Raises:
        BenchError: there is no run, no such cell, or several.
    """
    if (folder / "record.json").is_file():
        return CellStore(folder)
    run = RunStore(folder)
    cells = run.read_plan().cells
    specs = {cell.id: cell.spec for cell in cells if cell.spec.build is not None}
    for what, name, known in (
        ("model", model, {spec.model: None for spec in specs.values()}),
        ("condition", condition, {spec.dataset.condition: None for spec in specs.values()}),
    ):
        if name not in known:
            message = f"no {what} is named" if name is None else f"no {what} {name!r} is trained in this run"
            raise BenchError(message, file=folder, remedy=suggestion(name or "", known))
    matching = {
        name: spec
        for name, spec in specs.items()
        if (spec.model, spec.dataset.condition) == (model, condition)
        and seed in (None, spec.seed)
        and fold in (None, spec.dataset.data.fold)
    }
    if len(matching) == 1:
        return run.cell(next(iter(matching)))
    shown = ", ".join([*matching][:MATCHES]) + (", ..." if len(matching) > MATCHES else "")
    if matching:
        message = f"{len(matching)} cells are {model} on {condition}: {shown}"
        raise BenchError(message, file=folder, remedy="say which seed and fold")
    raise BenchError(f"no cell of {model} on {condition} has this seed and fold", file=folder)


def sound(store: CellStore) -> Record:
    """Return the record of a finished cell with a network, once record and weights are what was written."""
    path = store.folder / "record.json"
    record = store.read_record()
    if record is None:
        raise BenchError("not run: there is no record", file=store.folder, remedy="run the cell")
    if records.is_intact(path.read_text(encoding="utf-8")) is False:
        raise BenchError("its bytes are not those that its seal was made of", file=path, remedy=_AGAIN)
    if record.spec.build is None:
        raise BenchError("the untreated input has no network", file=path)
    if record.status != "finished":
        raise BenchError(f"the cell has not finished ({record.status})", file=path, remedy="run it again")
    now = store.weights_sha256()
    if not now or record.weights_sha256 not in ("", now):
        raise BenchError(changed(store.weights, now, record.weights_sha256), remedy=_AGAIN)
    return record


def code(record: Record, store: CellStore, folders: list[Path]) -> Planned:
    """Return where the network's code lies: as given, where its experiments file was, or here.

    Where none of it is the code that the cell was trained with, its hash is left out: see ``network.load``.
    """
    build, file = record.spec.build, record.configuration.get("experiments.yaml")
    assert build is not None
    recorded = [] if file is None or file.path == "packaged" else [Path(file.path).parent]
    beside = [store.folder.resolve().parents[2] / one for one in (Path(), *recorded)]  # runs/paper/CELL
    others, faults = [], []
    for base in dict.fromkeys(one.resolve() for one in (*folders, *recorded, Path(), *beside)):
        try:
            if hashing.code_hash(build, base) == record.spec.code:
                return Planned(str(base), record.spec.code)
            others.append(Planned(str(base)))
        except BenchError as error:
            faults.append(str(error))
    if not others:
        raise BenchError(f"{faults[0]} for {build}", file=store.folder, remedy=CODE_REMEDY)
    return others[0]
