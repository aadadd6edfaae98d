"""Makes ``tests/golden/smoke.json``: the smoke profile on 1, 2 and 4 threads per cell, and the band from their spread.

Run it by hand, and only when the physics, training or scoring version has been raised or the profile changed:
``python tests/golden/make_smoke.py``. It takes about ten minutes on two cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench import atomic, verify
from bench.provenance import environment
from bench.store import RunStore

THREADS = (1, 2, 4)
PROFILE = "smoke"
KEPT = ("keras", "numpy", "numba", "tensorflow", "python", "cpu")


def main() -> None:
    """Run the profile once per thread count and write the golden file beside this script."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for threads in THREADS:
            command = ["run", "--all", "--profile", PROFILE, "--threads", str(threads)]
            places = ["--runs", str(place / str(threads)), "--cache", str(place / "cache"), "--reports", name]
            start = "from bench.cli import main; main()"
            subprocess.run([sys.executable, "-c", start, *command, *places], check=True)
        stores = [RunStore(place / str(threads) / PROFILE) for threads in THREADS]
        runs = [store.read_all(store.read_plan()) for store in stores]
        made = {"by": "tests/golden/make_smoke.py", "threads": list(THREADS)}
        made |= {key: value for key, value in environment().items() if key in KEPT}
        atomic.write_json(Path(__file__).with_name("smoke.json"), verify.make(runs, PROFILE, made))


if __name__ == "__main__":
    main()
