"""Makes ``tests/golden/smoke.json``: the smoke profile on several threads and instruction sets, and bands from them.

Run it by hand, and only when the physics, training or scoring version has been raised or the profile changed:
``python tests/golden/make_smoke.py``. It takes five smoke runs; with ``--keep FOLDER`` an interrupted one continues.
Folders of runs made elsewhere (``runs/smoke`` of another processor, of the same commit) may be named: they widen the
bands to what that processor does. The file names every run. Nothing is written where a band holds the untreated input.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import atomic
from bench.errors import BenchError
from bench.execution import repeats
from bench.records import golden as verify
from bench.records.store import RunStore

PROFILE = "smoke"
SIZE = 64  # pixels of its slices


def main() -> None:
    """Run the profile as every processor and write the golden file, by default beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("others", nargs="*", type=Path, help="folders of runs made elsewhere, as runs/smoke")
    parser.add_argument("--into", type=Path, default=Path(__file__).with_name("smoke.json"))
    parser.add_argument("--keep", type=Path, help="where the runs stay, so that an interrupted one continues")
    parser.add_argument(
        "--only", action="append", metavar="PROCESSOR", help="one of the five runs; by default all"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = asked.keep or Path(name)
        place = place.resolve()
        each = repeats.processors(SIZE, place / "numba")
        unknown = set(asked.only or ()) - set(each)
        if unknown:
            raise BenchError(f"no processor {min(unknown)!r}", remedy=f"one of: {'; '.join(each)}")
        each = {name: one for name, one in each.items() if name in (asked.only or each)}
        cache = place / "cache"
        stores = {name: repeats.run(place, name, one, PROFILE, cache) for name, one in each.items()}
        stores |= {f"elsewhere {at}": RunStore(path) for at, path in enumerate(asked.others, start=1)}
        runs = {name: store.read_all(store.read_plan()) for name, store in stores.items()}
        made = [repeats.described(name, results, each.get(name)) for name, results in runs.items()]
        golden = verify.make(list(runs.values()), PROFILE, {"by": "tests/golden/make_smoke.py", "runs": made})
    atomic.write_json(asked.into, golden)
    print(f"wrote {asked.into}: {len(golden['cells'])} cells from {len(runs)} runs")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"make_smoke: {error}")
