"""A file format is one file and one line of the table: added to a copy of the package and read from there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import bench

READER = '''
import numpy as np

from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan, SliceScan


def text_format(unit, matrix):
    """Slices as a table of numbers."""
    scan = lambda path: FileScan((SliceScan(),), np.loadtxt(path).shape)
    return FileFormat("text", (".txt",), scan, lambda path: np.loadtxt(path)[None])
'''
USE = """
import numpy as np
from pathlib import Path
from bench.config import schema
from bench.data.sources.open import open_source

hu = np.full((32, 32), -1000.0)
hu[5:27, 5:27] = np.random.default_rng(0).normal(40, 9, (22, 22))
Path("scans/P1").mkdir(parents=True)
np.savetxt("scans/P1/a.txt", hu)
value = {"kind": "text", "path": "scans", "matrix": 32, "pixel_mm": 0.7}
datasets = {"schema": 1, "sources": {"mine": value}, "conditions": {}, "splits": {}}
spec = schema.Datasets.model_validate(datasets).sources["mine"]
source = open_source("mine", spec, base=Path(), index_cache=Path("index.json"))
(ref,) = source.catalogue().refs
reference = source.object(ref, 32)[1]
print(ref.patient, ref.name, np.allclose(reference, np.maximum(0.2 * (1 + hu / 1000), 0), atol=1e-6))
"""


def test_a_format_is_one_file_and_one_line(tmp_path: Path) -> None:
    shutil.copytree(Path(bench.__file__).parent, tmp_path / "bench")
    table = tmp_path / "bench" / "config" / "schema" / "formats.py"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("FORMATS = {\n", 'FORMATS = {\n    "text": "text:text_format",\n'))
    (tmp_path / "bench" / "data" / "files" / "text.py").write_text(READER)
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("P1 P1/a True\n", "")
