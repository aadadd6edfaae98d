"""The tables of the documents, made by the report's own code from the records in ``benchmarks/records``.

``python benchmarks/committed.py`` writes each table of ``PAGES`` anew between ``<!-- table:PROFILE -->`` and
``<!-- /table -->``. ``--check`` only says whether one is stale (exit 1). ``--keep RUNS/PROFILE`` first replaces the
committed records of that profile by those of a run: its plan and split, and of each cell record, scores, spectra and
history, without weights or samples.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import atomic
from bench.errors import BenchError
from bench.records import replaying
from bench.records.store import RunStore
from bench.report import table
from bench.report.render import markdown

ROOT = Path(__file__).resolve().parent.parent
PAGES, RECORDS = (ROOT / "README.md", ROOT / "docs" / "tutorial.md"), ROOT / "benchmarks" / "records"
TABLE = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)
PATH = re.compile(r"(?:^|[\s\"'(=])(/(?:[\w.-]+/)+[\w.-]*|[A-Z]:\\)")  # of a machine, not of an address
GRID = "scores"


def of_profile(run: RunStore) -> str:
    """Return the table of PSNR and SSIM as the report of ``run`` has it, as Markdown."""
    plan = run.read_plan()
    grids = table.build(plan, run.read_all(plan), run.others(plan)).grids
    return markdown.body(next(grid for grid in grids if grid.name == GRID))


def written(text: str, records: Path = RECORDS) -> str:
    """Return the text of a page with every table between markers as the committed records say it."""
    return TABLE.sub(
        lambda found: f"{found[1]}\n{of_profile(RunStore(records / found[2]))}\n\n{found[3]}", text
    )


def keep(run: RunStore, into: Path) -> None:
    """Replace the records in ``into`` by those of a run.

    Raises:
        BenchError: its slices are not to be passed on, a cell has not finished or was changed, or a file names a place
            on this machine.
    """
    plan = run.read_plan()
    with atomic.replace_folder(into) as temporary:
        for name in ("plan.json", "split.csv"):
            shutil.copyfile(run.root / name, temporary / name)
        for cell in plan.cells:
            store = run.cell(cell.id)
            seen = replaying.inspect(store)
            # weights are not kept, so a run that came from another machine without them will do
            faults = [one for one in seen.faults if store.weights.exists() or str(store.weights) not in one]
            if seen.record is None or faults or seen.record.status != "finished":
                raise BenchError(next(iter(faults), "it has not finished"), file=store.folder)
            if seen.record.source.get("restricted", True):
                raise BenchError("its slices are not to be passed on, nor what names them", file=store.folder)
            (temporary / cell.id).mkdir()
            shutil.copyfile(store.folder / "record.json", temporary / cell.id / "record.json")
            shutil.copyfile(store.scores_path(seen.record), temporary / cell.id / "scores.csv")
            for name in seen.record.files.keys() - {"scores.csv"}:
                shutil.copyfile(store.folder / name, temporary / cell.id / name)
        for path in sorted(temporary.rglob("*.json")):
            refuse_places(path)


def refuse_places(file: Path) -> None:
    """Raise a ``BenchError`` where a JSON file names a folder or the name of a machine."""
    host = socket.gethostname()
    for text in texts(json.loads(file.read_text(encoding="utf-8"))):
        if PATH.search(text) or re.search(rf"\b{re.escape(host)}\b", text):
            message = f"names a place on this machine: {text!r}"
            raise BenchError(message, file=file, remedy="run in a clone, with relative paths")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def main() -> None:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--keep", type=Path, metavar="RUNS/PROFILE", help="first commit the records of this run"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a table is stale")
    asked = parser.parse_args()
    if asked.keep and asked.check:
        parser.error("--check writes nothing")
    if asked.keep:
        into = RECORDS / asked.keep.resolve().name
        keep(RunStore(asked.keep), into)
        size = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
        print(f"wrote {into}: {size / 1000:.0f} kB")
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    stale = {page: fresh for page, text in texts.items() if (fresh := written(text)) != text}
    if asked.check:
        names = ", ".join(page.name for page in stale)
        print(f"stale tables: {names}" if stale else "the tables of the documents are those of the records")
        sys.exit(bool(stale))
    for page, fresh in stale.items():
        atomic.write_text(page, fresh)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"committed: {error}")
